//! PNG file with the newest classification, or a numbered series of files.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::{Display, DisplayError, ScreenUpdate};
use phicam_frame::Size;
use phicam_frame::canvas::Canvas;
use phicam_platform::paths::atomic_write;

/// Shortest interval between two writes of a file. An estimate: each write wears the SD card, and two images per second
/// are enough for a person.
const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// Display that writes PNG files. `{frame}` in the file name becomes a counter from 1, with one file for each answer.
pub struct Png {
    path: PathBuf,
    size: Size,
    files_written: u64,
    last_write: Option<Instant>,
    /// Update that came too soon after the last write.
    pending: Option<Canvas>,
    rgb: Vec<u8>,
    encoded: Vec<u8>,
}

impl Png {
    /// Creates the folder of `path`, and fails if no file can be written there. Canvases have `size`.
    pub fn open(path: PathBuf, size: Size) -> Result<Png, DisplayError> {
        let write_error = |cause| DisplayError::WriteFile { path: path.clone(), cause };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(write_error)?;
        }
        if path.is_dir() {
            return Err(write_error(std::io::ErrorKind::IsADirectory.into()));
        }
        let probe = path.with_extension("png.try");
        std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(write_error)?;
        Ok(Png { path, size, files_written: 0, last_write: None, pending: None, rgb: Vec::new(), encoded: Vec::new() })
    }

    fn is_series(&self) -> bool {
        self.path.to_string_lossy().contains("{frame}")
    }

    fn write(&mut self, canvas: &Canvas) -> Result<(), DisplayError> {
        self.last_write = Some(Instant::now());
        let number = format!("{:04}", self.files_written + 1);
        let path = PathBuf::from(self.path.to_string_lossy().replace("{frame}", &number));
        canvas.to_rgb(&mut self.rgb);
        self.encoded.clear();
        let Size { width, height } = canvas.size();
        PngEncoder::new_with_quality(&mut self.encoded, CompressionType::Fast, FilterType::Adaptive)
            .write_image(&self.rgb, width, height, ExtendedColorType::Rgb8)
            .map_err(|cause| DisplayError::Encode { path: path.clone(), cause: cause.to_string() })?;
        atomic_write(&path, &self.encoded).map_err(|cause| DisplayError::WriteFile { path, cause })?;
        self.files_written += 1;
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

    fn show(&mut self, update: &ScreenUpdate) -> Result<(), DisplayError> {
        // A series has one file for each answer; a single file also shows new faults.
        if !update.new_answer && (!update.new_fault || self.is_series()) {
            return Ok(());
        }
        if !self.is_series() && self.last_write.is_some_and(|last| last.elapsed() < MIN_INTERVAL) {
            match &mut self.pending {
                Some(pending) => pending.clone_from(update.canvas),
                None => self.pending = Some(update.canvas.clone()),
            }
            return Ok(());
        }
        self.pending = None;
        self.write(update.canvas)
    }

    fn idle(&mut self) -> Result<(), DisplayError> {
        if self.last_write.is_none_or(|last| last.elapsed() >= MIN_INTERVAL) {
            return self.close();
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), DisplayError> {
        match self.pending.take() {
            Some(canvas) => self.write(&canvas),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::ScreenWords;

    fn show_canvas(display: &mut Png, canvas: &Canvas, new_answer: bool) {
        let words = &ScreenWords::default();
        let update = ScreenUpdate { canvas, damage: &[], layer: None, words, new_answer, new_fault: false };
        display.show(&update).unwrap();
    }

    fn show(display: &mut Png, new_answer: bool) {
        show_canvas(display, &Canvas::new(display.size()), new_answer);
    }

    #[test]
    fn file_holds_the_last_answer_when_writes_are_limited() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/screen.png");
        let mut display = Png::open(path.clone(), Size::new(40, 30)).unwrap();
        show(&mut display, false);
        assert!(!path.exists(), "no file before the first answer");
        show(&mut display, true);
        let mut last = Canvas::new(display.size());
        last.blend(0, 0, embedded_graphics::pixelcolor::Rgb888::new(255, 0, 0), 255);
        show_canvas(&mut display, &last, true);
        display.close().unwrap();
        assert_eq!(image::open(&path).unwrap().into_rgb8().get_pixel(0, 0).0, [255, 0, 0]);
    }

    #[test]
    fn series_has_a_file_for_each_answer() {
        let folder = tempfile::tempdir().unwrap();
        let mut display = Png::open(folder.path().join("{frame}.png"), Size::new(4, 3)).unwrap();
        (0..3).for_each(|_| show(&mut display, true));
        assert!(folder.path().join("0003.png").exists());
    }

    #[test]
    fn open_fails_when_the_folder_is_not_writable() {
        let error = Png::open("/proc/nowhere/screen.png".into(), Size::new(4, 3)).err().unwrap().to_string();
        assert!(error.contains("/proc/nowhere"), "{error}");
        assert!(error.contains("--display"), "{error}");
    }
}
