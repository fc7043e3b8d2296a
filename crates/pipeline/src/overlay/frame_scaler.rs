//! The frame, scaled into its place on a picture: a still one as well as can be, a moving one as cheaply as can be.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use phicam_frame::Rect;
use phicam_frame::canvas::{Canvas, word};
use phicam_frame::color_convert::{Pixels, PixelsError};
use phicam_frame::{Frame, Size};

/// About as many columns of a moving frame are looked at; where it is drawn wider, each fills several.
const COLUMNS: u32 = 640;

/// Scales frames; its buffers are made once.
pub struct Preview {
    resizer: Resizer,
    pixels: Pixels,
    rgb: Vec<[u8; 3]>,
    scaled: Vec<U8x3>,
    /// For each column of the area the frame's column, and which widths that is for.
    columns: Vec<u32>,
    widths: (u32, u32),
    row: Vec<u32>,
}

impl Default for Preview {
    fn default() -> Preview {
        Preview {
            resizer: Resizer::new(),
            pixels: Pixels::default(),
            rgb: Vec::new(),
            scaled: Vec::new(),
            columns: Vec::new(),
            widths: (0, 0),
            row: Vec::new(),
        }
    }
}

impl Preview {
    /// Draws `frame` into `area` of `picture`, or nothing but black where its buffer is too short: the line tells of that.
    pub fn draw(&mut self, picture: &mut Canvas, frame: &Frame, area: Rect) {
        // A picture from a file stays for a while and is looked at; a camera's next frame is there before anybody can.
        let drawn = match frame.source {
            Some(_) => self.draw_well(picture, frame, area),
            None => self.draw_fast(picture, frame, area),
        };
        if drawn.is_err() {
            (area.top..area.top + area.height).for_each(|y| picture.row_mut(area.left, y, area.width).fill(0));
        }
    }

    fn draw_well(&mut self, picture: &mut Canvas, frame: &Frame, area: Rect) -> Result<(), PixelsError> {
        self.scaled.resize(area.width as usize * area.height as usize, U8x3::new([0; 3]));
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        self.pixels.all(frame, &mut self.rgb)?;
        let from = TypedImageRef::from_buffer(frame.size().width, frame.size().height, self.rgb.as_flattened());
        let to = TypedImage::from_pixels_slice(area.width, area.height, &mut self.scaled);
        let (Ok(from), Ok(mut to)) = (from, to) else { return Ok(()) };
        if self.resizer.resize_typed::<U8x3>(&from, &mut to, &options).is_err() {
            return Ok(()); // only a frame or an area without pixels: there is nothing to draw
        }
        for (row, y) in self.scaled.chunks_exact(area.width as usize).zip(area.top..) {
            let pixels = picture.row_mut(area.left, y, area.width);
            pixels.iter_mut().zip(row).for_each(|(pixel, rgb)| *pixel = word(rgb.0));
        }
        Ok(())
    }

    /// Every pixel is the nearest of the frame's; only rows that are shown are read.
    fn draw_fast(&mut self, picture: &mut Canvas, frame: &Frame, area: Rect) -> Result<(), PixelsError> {
        let Size { width, height } = frame.size();
        // Whole pixels wide, so that the columns stay alike.
        let step = ((area.width + COLUMNS / 2) / COLUMNS).max(1);
        if self.widths != (area.width, width) {
            self.widths = (area.width, width);
            self.columns = (0..area.width).map(|x| nearest(x, step, area.width, width)).collect();
        }
        self.rgb.resize(width as usize, [0; 3]);
        self.row.resize(area.width as usize, 0);
        let mut read = None;
        for y in 0..area.height {
            let from = nearest(y, step, area.height, height);
            if read != Some(from) {
                self.pixels.row(frame, from, 0, &mut self.rgb[..width as usize])?;
                let columns = self.row.iter_mut().zip(&self.columns);
                columns.for_each(|(pixel, &column)| *pixel = self.rgb.get(column as usize).map_or(0, |&rgb| word(rgb)));
                read = Some(from);
            }
            let pixels = picture.row_mut(area.left, area.top + y, area.width);
            let length = pixels.len();
            pixels.copy_from_slice(&self.row[..length]);
        }
        Ok(())
    }
}

/// Which of `frame` pixels is at the middle of the `step` pixels, of `area`, that `at` is one of.
fn nearest(at: u32, step: u32, area: u32, frame: u32) -> u32 {
    let twice_the_middle = u64::from(at / step * step) * 2 + u64::from(step);
    let nearest = twice_the_middle * u64::from(frame) / (2 * u64::from(area.max(1)));
    (nearest as u32).min(frame.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_frame_is_shown_and_nothing_beyond_it() {
        for (area, frame) in [(560, 1280), (1344, 1280), (7, 7), (1, 640), (640, 1), (2560, 720)] {
            for step in 1..4 {
                let columns: Vec<u32> = (0..area).map(|x| nearest(x, step, area, frame)).collect();
                assert!(columns.is_sorted() && columns[area as usize - 1] < frame, "{area}, {frame}, {step}");
                let widest = columns.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
                assert!(widest <= (step * frame).div_ceil(area), "{area}, {frame}, {step}: {widest} are passed over");
            }
        }
        assert_eq!((0..4).map(|x| nearest(x, 1, 4, 4)).collect::<Vec<_>>(), [0, 1, 2, 3], "at its own size as it is");
    }
}
