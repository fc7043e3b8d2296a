//! Scaling of the frame into its area: still images with a filter, camera frames by nearest neighbour.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use phicam_frame::canvas::{Canvas, xrgb8888};
use phicam_frame::color_convert::{ConvertError, RgbConverter};
use phicam_frame::{Frame, Rect, Size};

/// Number of columns, about, that are sampled from a camera frame; in a wider area each sample fills several columns.
/// An estimate: 640 is the width of a VGA camera.
const SAMPLED_COLUMNS: u32 = 640;

/// Scaler of frames; it allocates its buffers once.
pub struct FrameScaler {
    resizer: Resizer,
    pixels: RgbConverter,
    rgb: Vec<[u8; 3]>,
    scaled: Vec<U8x3>,
    /// Column of the frame for each column of the area.
    source_columns: Vec<u32>,
    /// Widths of area and frame for which `source_columns` was computed.
    widths: (u32, u32),
    row: Vec<u32>,
}

impl Default for FrameScaler {
    fn default() -> FrameScaler {
        FrameScaler {
            resizer: Resizer::new(),
            pixels: RgbConverter::default(),
            rgb: Vec::new(),
            scaled: Vec::new(),
            source_columns: Vec::new(),
            widths: (0, 0),
            row: Vec::new(),
        }
    }
}

impl FrameScaler {
    /// Draws `frame` into `area` of `canvas`; black if its buffer is too short, which the pipeline reports.
    pub fn draw(&mut self, canvas: &mut Canvas, frame: &Frame, area: Rect) {
        // An image from a file is looked at for a while; a camera frame is soon replaced by the next one.
        let drawn = match frame.source {
            Some(_) => self.draw_filtered(canvas, frame, area),
            None => self.draw_nearest(canvas, frame, area),
        };
        if drawn.is_err() {
            (area.top..area.top + area.height).for_each(|y| canvas.row_mut(area.left, y, area.width).fill(0));
        }
    }

    fn draw_filtered(&mut self, canvas: &mut Canvas, frame: &Frame, area: Rect) -> Result<(), ConvertError> {
        self.scaled.resize(area.width as usize * area.height as usize, U8x3::new([0; 3]));
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        self.pixels.convert_frame(frame, &mut self.rgb)?;
        let from = TypedImageRef::from_buffer(frame.size().width, frame.size().height, self.rgb.as_flattened());
        let to = TypedImage::from_pixels_slice(area.width, area.height, &mut self.scaled);
        let (Ok(from), Ok(mut to)) = (from, to) else { return Ok(()) };
        if self.resizer.resize_typed::<U8x3>(&from, &mut to, &options).is_err() {
            return Ok(()); // Frame or area has no pixels.
        }
        for (row, y) in self.scaled.chunks_exact(area.width as usize).zip(area.top..) {
            let pixels = canvas.row_mut(area.left, y, area.width);
            pixels.iter_mut().zip(row).for_each(|(pixel, rgb)| *pixel = xrgb8888(rgb.0));
        }
        Ok(())
    }

    /// Draws the nearest pixel of the frame; reads only the rows that are shown.
    fn draw_nearest(&mut self, canvas: &mut Canvas, frame: &Frame, area: Rect) -> Result<(), ConvertError> {
        let Size { width, height } = frame.size();
        // An integer, so that all columns have one width.
        let step = ((area.width + SAMPLED_COLUMNS / 2) / SAMPLED_COLUMNS).max(1);
        if self.widths != (area.width, width) {
            self.widths = (area.width, width);
            self.source_columns = (0..area.width).map(|x| nearest(x, step, area.width, width)).collect();
        }
        self.rgb.resize(width as usize, [0; 3]);
        self.row.resize(area.width as usize, 0);
        let mut current_row = None;
        for y in 0..area.height {
            let source_row = nearest(y, step, area.height, height);
            if current_row != Some(source_row) {
                self.pixels.convert_row(frame, source_row, 0, &mut self.rgb[..width as usize])?;
                let columns = self.row.iter_mut().zip(&self.source_columns);
                columns.for_each(|(pixel, &column)| {
                    *pixel = self.rgb.get(column as usize).map_or(0, |&rgb| xrgb8888(rgb))
                });
                current_row = Some(source_row);
            }
            let pixels = canvas.row_mut(area.left, area.top + y, area.width);
            let length = pixels.len();
            pixels.copy_from_slice(&self.row[..length]);
        }
        Ok(())
    }
}

/// Returns the index, of `frame` pixels, at the middle of the group of `step` pixels, of `area`, that contains `index`.
fn nearest(index: u32, step: u32, area: u32, frame: u32) -> u32 {
    let doubled_middle = u64::from(index / step * step) * 2 + u64::from(step);
    let nearest = doubled_middle * u64::from(frame) / (2 * u64::from(area.max(1)));
    (nearest as u32).min(frame.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_covers_the_whole_frame() {
        for (area, frame) in [(560, 1280), (1344, 1280), (7, 7), (1, 640), (640, 1), (2560, 720)] {
            for step in 1..4 {
                let columns: Vec<u32> = (0..area).map(|x| nearest(x, step, area, frame)).collect();
                assert!(columns.is_sorted(), "{area}, {frame}, {step}");
                assert!(columns[area as usize - 1] < frame, "{area}, {frame}, {step}");
                let max_gap = columns.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
                assert!(max_gap <= (step * frame).div_ceil(area), "{area}, {frame}, {step}: {max_gap} columns skipped");
            }
        }
        assert_eq!(
            (0..4).map(|x| nearest(x, 1, 4, 4)).collect::<Vec<_>>(),
            [0, 1, 2, 3],
            "an area of the frame's size is copied"
        );
    }
}
