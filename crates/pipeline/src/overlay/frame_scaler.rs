//! Scaling of the frame into its area: still images with a filter, camera frames by nearest neighbour.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::frame_cell::is_full;
use super::picture_placement::Crop;
use phicam_frame::canvas::{Canvas, xrgb8888};
use phicam_frame::color_convert::{ConvertError, RgbConverter};
use phicam_frame::{Frame, Rect, Size};

/// Number of columns, about, that are sampled from a camera frame; in a wider area each sample fills several columns.
/// An estimate: 1280 is the width of usual cameras and screens.
const SAMPLED_COLUMNS: u32 = 1280;

/// Brightness of a frame: one for the region, one for the rest.
#[derive(Clone, Copy, Debug)]
pub struct Shade {
    /// In pixels of the canvas.
    pub region: Rect,
    /// In 1/256.
    pub inside_brightness: u32,
    pub outside_brightness: u32,
}

/// Part of a canvas that a frame is drawn into.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub area: Rect,
    /// Areas that keep their content.
    pub holes: &'a [Rect],
    pub shade: Shade,
}

/// Scaler of frames; it allocates its buffers once.
pub struct FrameScaler {
    resizer: Resizer,
    pixels: RgbConverter,
    rgb: Vec<[u8; 3]>,
    scaled: Vec<U8x3>,
    /// Column of the frame for each column of the area.
    source_columns: Vec<u32>,
    /// Width of the area and part of the frame for which `source_columns` was computed.
    columns_key: (u32, f64, f64),
    row: Vec<u32>,
    /// Copy of `row` with its brightness changed.
    shaded: Vec<u32>,
}

impl Default for FrameScaler {
    fn default() -> FrameScaler {
        FrameScaler {
            resizer: Resizer::new(),
            pixels: RgbConverter::default(),
            rgb: Vec::new(),
            scaled: Vec::new(),
            source_columns: Vec::new(),
            columns_key: (0, 0.0, 0.0),
            row: Vec::new(),
            shaded: Vec::new(),
        }
    }
}

impl FrameScaler {
    /// Draws the part `crop` of `frame` into `target`; black if its buffer is too short, which the pipeline reports.
    pub fn draw(&mut self, canvas: &mut Canvas, frame: &Frame, crop: Crop, target: Target) {
        // An image from a file is looked at for a while; a camera frame is soon replaced by the next one.
        let drawn = match frame.source {
            Some(_) => self.draw_filtered(canvas, frame, crop, target),
            None => self.draw_nearest(canvas, frame, crop, target),
        };
        if drawn.is_err() {
            let black = vec![0; target.area.width as usize];
            (target.area.top..target.area.top + target.area.height).for_each(|y| copy_row(canvas, &black, y, target));
        }
    }

    fn draw_filtered(
        &mut self,
        canvas: &mut Canvas,
        frame: &Frame,
        crop: Crop,
        target: Target,
    ) -> Result<(), ConvertError> {
        let area = target.area;
        self.scaled.resize(area.width as usize * area.height as usize, U8x3::new([0; 3]));
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let options = options.crop(crop.left, crop.top, crop.width, crop.height);
        self.pixels.convert_frame(frame, &mut self.rgb)?;
        let from = TypedImageRef::from_buffer(frame.size().width, frame.size().height, self.rgb.as_flattened());
        let to = TypedImage::from_pixels_slice(area.width, area.height, &mut self.scaled);
        let (Ok(from), Ok(mut to)) = (from, to) else { return Ok(()) };
        if self.resizer.resize_typed::<U8x3>(&from, &mut to, &options).is_err() {
            return Ok(()); // Frame or area has no pixels.
        }
        self.row.resize(area.width as usize, 0);
        for (pixels, y) in self.scaled.chunks_exact(area.width as usize).zip(area.top..) {
            self.row.iter_mut().zip(pixels).for_each(|(pixel, rgb)| *pixel = xrgb8888(rgb.0));
            let row = shade_row(&self.row, &mut self.shaded, y, target);
            copy_row(canvas, row, y, target);
        }
        Ok(())
    }

    /// Draws the nearest pixel of the frame; reads only the rows that are shown.
    fn draw_nearest(
        &mut self,
        canvas: &mut Canvas,
        frame: &Frame,
        crop: Crop,
        target: Target,
    ) -> Result<(), ConvertError> {
        let Size { width, height } = frame.size();
        let area = target.area;
        // An integer, so that all columns have one width.
        let step = ((area.width + SAMPLED_COLUMNS / 2) / SAMPLED_COLUMNS).max(1);
        let key = (area.width, crop.left, crop.width);
        if self.columns_key != key {
            self.columns_key = key;
            let column = |x| nearest(x, step, area.width, (crop.left, crop.width), width);
            self.source_columns = (0..area.width).map(column).collect();
        }
        self.rgb.resize(width as usize, [0; 3]);
        self.row.resize(area.width as usize, 0);
        let mut current_row = None;
        for y in 0..area.height {
            let source_row = nearest(y, step, area.height, (crop.top, crop.height), height);
            if current_row != Some(source_row) {
                self.pixels.convert_row(frame, source_row, 0, &mut self.rgb[..width as usize])?;
                let columns = self.row.iter_mut().zip(&self.source_columns);
                columns.for_each(|(pixel, &column)| {
                    *pixel = self.rgb.get(column as usize).map_or(0, |&rgb| xrgb8888(rgb))
                });
                current_row = Some(source_row);
            }
            let row = shade_row(&self.row, &mut self.shaded, area.top + y, target);
            copy_row(canvas, row, area.top + y, target);
        }
        Ok(())
    }
}

/// Returns `row` with the brightness of canvas row `y`: itself if nothing changes, else a copy in `shaded`.
fn shade_row<'a>(row: &'a [u32], shaded: &'a mut Vec<u32>, y: u32, target: Target) -> &'a [u32] {
    let Shade { region, inside_brightness, outside_brightness } = target.shade;
    if is_full(inside_brightness) && is_full(outside_brightness) {
        return row;
    }
    shaded.clear();
    shaded.extend_from_slice(row);
    let (from, to) = if (region.top..region.top + region.height).contains(&y) {
        let column = |x: u32| (x.saturating_sub(target.area.left) as usize).min(row.len());
        (column(region.left), column(region.left + region.width))
    } else {
        (0, 0)
    };
    darken(&mut shaded[..from], outside_brightness);
    darken(&mut shaded[from..to], inside_brightness);
    darken(&mut shaded[to..], outside_brightness);
    shaded
}

/// Scales pixels to `share`/256 of their brightness.
fn darken(pixels: &mut [u32], share: u32) {
    if is_full(share) {
        return;
    }
    for pixel in pixels {
        // Two channels at once: eight spare bits above each hold its product.
        let (red_blue, green) = (*pixel & 0xff00ff, *pixel & 0x00ff00);
        *pixel = ((red_blue * share) >> 8 & 0xff00ff) | ((green * share) >> 8 & 0x00ff00);
    }
}

/// Copies `row` to row `y` of the canvas, but for the holes.
fn copy_row(canvas: &mut Canvas, row: &[u32], y: u32, target: Target) {
    let Rect { left, width, .. } = target.area;
    let mut from = left;
    while from < left + width {
        let holes = || target.holes.iter().filter(|hole| hole.contains(hole.left, y) && hole.left + hole.width > from);
        if let Some(hole) = holes().find(|hole| hole.left <= from) {
            from = hole.left + hole.width;
            continue;
        }
        let to = holes().map(|hole| hole.left).min().unwrap_or(left + width).min(left + width);
        let pixels = canvas.row_mut(from, y, to - from);
        let start = (from - left) as usize;
        pixels.copy_from_slice(&row[start..start + pixels.len()]);
        from = to;
    }
}

/// Returns the index, of `frame` pixels, at the middle of the group of `step` pixels, of `area`, that contains `index`.
/// The area shows the frame from `start` on, for `length` of its pixels.
fn nearest(index: u32, step: u32, area: u32, (start, length): (f64, f64), frame: u32) -> u32 {
    let middle = f64::from(index / step * step) + f64::from(step) / 2.0;
    let nearest = start + middle * length / f64::from(area.max(1));
    (nearest.max(0.0) as u32).min(frame.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_covers_the_whole_frame() {
        for (area, frame) in [(560, 1280), (1344, 1280), (7, 7), (1, 640), (640, 1), (2560, 720)] {
            for step in 1..4 {
                let whole = (0.0, f64::from(frame));
                let columns: Vec<u32> = (0..area).map(|x| nearest(x, step, area, whole, frame)).collect();
                assert!(columns.is_sorted(), "{area}, {frame}, {step}");
                assert!(columns[area as usize - 1] < frame, "{area}, {frame}, {step}");
                let max_gap = columns.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
                assert!(max_gap <= (step * frame).div_ceil(area), "{area}, {frame}, {step}: {max_gap} columns skipped");
            }
        }
        assert_eq!(
            (0..4).map(|x| nearest(x, 1, 4, (0.0, 4.0), 4)).collect::<Vec<_>>(),
            [0, 1, 2, 3],
            "an area of the frame's size is copied"
        );
    }

    #[test]
    fn rows_are_copied_around_holes() {
        let mut canvas = Canvas::new(Size::new(10, 2));
        let hole = |left, width| Rect { left, top: 0, width, height: 1 };
        let area = Rect { left: 1, top: 0, width: 8, height: 2 };
        let shade = Shade { region: area, inside_brightness: 256, outside_brightness: 256 };
        for (holes, first_row) in [
            (vec![], [0, 1, 2, 3, 4, 5, 6, 7, 8, 0]),
            (vec![hole(0, 3)], [0, 0, 0, 3, 4, 5, 6, 7, 8, 0]),
            (vec![hole(7, 3), hole(3, 2)], [0, 1, 2, 0, 0, 5, 6, 0, 0, 0]),
            (vec![hole(0, 10)], [0; 10]),
        ] {
            canvas.row_mut(0, 0, 10).fill(0);
            let target = Target { area, holes: &holes, shade };
            copy_row(&mut canvas, &[1, 2, 3, 4, 5, 6, 7, 8], 0, target);
            assert_eq!(canvas.row(0, 0, 10), first_row, "{holes:?}");
        }
    }
}
