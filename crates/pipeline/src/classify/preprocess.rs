//! From a frame to a model's input: view, crop, resize, normalise, exactly as the contract says.

use std::sync::Arc;

use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions};

use crate::classify::crop::CropMode;
use phicam_frame::Rect;
use phicam_frame::color_convert::PixelsError;
use phicam_frame::decode::{Unpack, UnpackError};
use phicam_frame::{Frame, Size};
use phicam_model::catalog::{Colour, Filter, InputSpec, Layout};

mod pillow_resize;
#[cfg(test)]
mod tests;
use pillow_resize::Resize;

/// A frame that could not be made into a model's input.
#[derive(Debug, thiserror::Error)]
pub enum PreprocessError {
    #[error("of a frame of {size} the view selects {}, nothing to see; widen it with --view",
            Size::new(area.width, area.height))]
    Nothing { area: Rect, size: Size },
    #[error("a frame of {size} could not be resized: {cause}")]
    Resize { size: Size, cause: String },
    #[error(transparent)]
    Pixels(#[from] PixelsError),
    #[error(transparent)]
    Jpeg(#[from] UnpackError),
}

/// Bars beside a view that is not square: the level that normalises to about 0.
const BAR_LEVEL: u8 = 127;

/// Turns frames into inputs; its buffers are made once.
pub struct Preprocess {
    input_spec: Arc<InputSpec>,
    side: u32,
    frame_size: Size,
    view: CropMode,
    unpack: Unpack,
    resize: Resize,
    options: ResizeOptions,
    /// The view, resized to fit.
    fitted: Vec<U8x3>,
    /// The model's input as levels: side × side × RGB.
    square: Vec<u8>,
    /// Normalised value of each level, for each of the input's channels.
    values: [[f32; 256]; 3],
}

impl Preprocess {
    /// For a model of `side` pixels that expects `input_spec`, of what `view` shows.
    pub fn new(input_spec: Arc<InputSpec>, side: u32, view: CropMode) -> Preprocess {
        let filter = match input_spec.filter {
            Filter::Bilinear => FilterType::Bilinear,
            Filter::Bicubic => FilterType::CatmullRom,
        };
        let values = std::array::from_fn(|channel| {
            std::array::from_fn(|level| (level as f32 - input_spec.mean[channel]) / input_spec.scale[channel])
        });
        let square = vec![0; side as usize * side as usize * 3];
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
        let (unpack, resize, fitted) = (Unpack::default(), Resize::default(), Vec::new());
        let frame_size = Size::new(0, 0);
        Preprocess { input_spec, side, frame_size, view, unpack, resize, options, fitted, square, values }
    }

    /// The part of a frame of `size` that the model sees, in the frame's pixels.
    pub fn seen(&self, size: Size) -> Rect {
        self.view.area(size, self.input_spec.crop, self.side)
    }

    /// Width and height of the last frame; a JPEG's are those of the picture in it.
    pub fn frame_size(&self) -> Size {
        self.frame_size
    }

    /// The levels that the last frame gave: side × side × RGB, what the model saw.
    pub fn square(&self) -> &[u8] {
        &self.square
    }

    /// Fills `input` (3 × side × side values, in the contract's order) from `frame`; gives the part of the frame it used.
    pub fn run(&mut self, frame: &Frame, input: &mut [f32]) -> Result<Rect, PreprocessError> {
        let frame = self.unpack.unpacked(frame)?;
        self.frame_size = frame.size();
        let area = self.seen(self.frame_size);
        self.resize(&frame, area)?;
        self.normalise(input);
        Ok(area)
    }

    fn resize(&mut self, frame: &Frame, area: Rect) -> Result<(), PreprocessError> {
        let size = frame.size();
        if area.width == 0 || area.height == 0 {
            return Err(PreprocessError::Nothing { area, size });
        }
        let fitted = Rect::letterbox(area.size(), Size::new(self.side, self.side));
        let to = Size::new(fitted.width, fitted.height);
        if to != Size::new(self.side, self.side) {
            self.square.fill(BAR_LEVEL);
        }
        self.resize.run(frame, area, (to, &mut self.fitted), &self.options)?;
        let side_row = self.side as usize * 3;
        let start = fitted.top as usize * side_row + fitted.left as usize * 3;
        let rows = self.fitted.chunks_exact(fitted.width as usize);
        for (from, to) in rows.zip(self.square[start..].chunks_mut(side_row)) {
            for (from, to) in from.iter().zip(to.chunks_exact_mut(3)) {
                to.copy_from_slice(&from.0);
            }
        }
        Ok(())
    }

    fn normalise(&self, input: &mut [f32]) {
        let plane = self.side as usize * self.side as usize;
        let level = |channel: usize| match self.input_spec.colour {
            Colour::Rgb => channel,
            Colour::Bgr => 2 - channel,
        };
        if self.input_spec.layout == Layout::Nhwc {
            for (values, pixel) in input.chunks_exact_mut(3).zip(self.square.chunks_exact(3)) {
                for (channel, value) in values.iter_mut().enumerate() {
                    *value = self.values[channel][usize::from(pixel[level(channel)])];
                }
            }
            return;
        }
        for (channel, (plane, values)) in input.chunks_exact_mut(plane).zip(&self.values).enumerate() {
            let level = level(channel);
            for (value, pixel) in plane.iter_mut().zip(self.square.chunks_exact(3)) {
                *value = values[usize::from(pixel[level])];
            }
        }
    }
}
