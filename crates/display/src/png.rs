//! A PNG file that always holds the newest answer.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::{Display, DisplayError, Shown};
use phicam_frame::Size;
use phicam_frame::canvas::Canvas;
use phicam_platform::paths::atomic_write;

/// A file is not written oftener than this: it would wear out an SD card, and nobody could look.
const LEAST_INTERVAL: Duration = Duration::from_millis(500);

/// See the module. `{frame}` in its name stands for a count from 1: a file each.
pub struct Png {
    path: PathBuf,
    size: Size,
    written: u64,
    last: Option<Instant>,
    waiting: Option<Canvas>,
    rgb: Vec<u8>,
    file: Vec<u8>,
}

impl Png {
    /// Pictures of `size`, written to `path`. Nothing is written yet, but the folder is made and tried.
    pub fn open(path: PathBuf, size: Size) -> Result<Png, DisplayError> {
        let failed = |cause| DisplayError::File { path: path.clone(), cause };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        if path.is_dir() {
            return Err(failed(std::io::ErrorKind::IsADirectory.into()));
        }
        let probe = path.with_extension("png.try");
        std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(failed)?;
        Ok(Png { path, size, written: 0, last: None, waiting: None, rgb: Vec::new(), file: Vec::new() })
    }

    fn is_series(&self) -> bool {
        self.path.to_string_lossy().contains("{frame}")
    }

    fn write(&mut self, picture: &Canvas) -> Result<(), DisplayError> {
        self.last = Some(Instant::now());
        let count = format!("{:04}", self.written + 1);
        let path = PathBuf::from(self.path.to_string_lossy().replace("{frame}", &count));
        picture.to_rgb(&mut self.rgb);
        self.file.clear();
        let Size { width, height } = picture.size();
        PngEncoder::new_with_quality(&mut self.file, CompressionType::Fast, FilterType::Adaptive)
            .write_image(&self.rgb, width, height, ExtendedColorType::Rgb8)
            .map_err(|cause| DisplayError::Encode { path: path.clone(), cause: cause.to_string() })?;
        atomic_write(&path, &self.file).map_err(|cause| DisplayError::File { path, cause })?;
        self.written += 1;
        Ok(())
    }
}

impl Display for Png {
    fn name(&self) -> String {
        format!("png:{}", self.path.display())
    }

    fn size(&self) -> Size {
        self.size
    }

    fn show(&mut self, shown: &Shown) -> Result<(), DisplayError> {
        // A file of its own is for an answer; the one that is always the newest has to tell of faults too.
        if !shown.new_answer && (!shown.new_fault || self.is_series()) {
            return Ok(());
        }
        if !self.is_series() && self.last.is_some_and(|last| last.elapsed() < LEAST_INTERVAL) {
            match &mut self.waiting {
                Some(waiting) => waiting.clone_from(shown.picture),
                None => self.waiting = Some(shown.picture.clone()),
            }
            return Ok(());
        }
        self.waiting = None;
        self.write(shown.picture)
    }

    fn idle(&mut self) -> Result<(), DisplayError> {
        match self.last.is_none_or(|last| last.elapsed() >= LEAST_INTERVAL) {
            true => self.close(),
            false => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), DisplayError> {
        match self.waiting.take() {
            Some(picture) => self.write(&picture),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(display: &mut Png, new_answer: bool) {
        let picture = Canvas::new(display.size());
        display
            .show(&Shown { picture: &picture, damage: &[], layer: None, caption: "", new_answer, new_fault: false })
            .unwrap();
    }

    #[test]
    fn the_last_answer_is_in_the_file_however_fast_they_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/screen.png");
        let mut display = Png::open(path.clone(), Size::new(40, 30)).unwrap();
        show(&mut display, false);
        assert!(!path.exists(), "without an answer there is nothing to keep");
        show(&mut display, true);
        let mut last = Canvas::new(display.size());
        last.blend(0, 0, embedded_graphics::pixelcolor::Rgb888::new(255, 0, 0), 255);
        display
            .show(&Shown { picture: &last, damage: &[], layer: None, caption: "", new_answer: true, new_fault: false })
            .unwrap();
        display.close().unwrap();
        assert_eq!(image::open(&path).unwrap().into_rgb8().get_pixel(0, 0).0, [255, 0, 0]);
    }

    #[test]
    fn a_series_has_a_file_for_each_answer() {
        let folder = tempfile::tempdir().unwrap();
        let mut display = Png::open(folder.path().join("{frame}.png"), Size::new(4, 3)).unwrap();
        (0..3).for_each(|_| show(&mut display, true));
        assert!(folder.path().join("0003.png").exists());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_found_out_at_once() {
        let error = Png::open("/proc/nowhere/screen.png".into(), Size::new(4, 3)).err().unwrap().to_string();
        assert!(error.contains("/proc/nowhere") && error.contains("--display"), "{error}");
    }
}
