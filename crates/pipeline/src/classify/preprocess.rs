//! Preprocess: crop, resize and normalise a frame to a model's input, exactly as its input spec requires.

use std::sync::Arc;

use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions};

use crate::classify::crop::CropMode;
use phicam_frame::color_convert::ConvertError;
use phicam_frame::decode::{JpegCache, JpegError};
use phicam_frame::{Frame, Rect, Size};
use phicam_model::catalog::{Colour, Filter, InputSpec, Layout};

mod pillow_resize;
#[cfg(test)]
mod tests;
use pillow_resize::{PillowResize, Target};

/// Failure to convert a frame to a model's input.
#[derive(Debug, thiserror::Error)]
pub enum PreprocessError {
    #[error("the view selects {} pixels of a frame of {size}; choose a larger region with --view", region.size())]
    EmptyRegion { region: Rect, size: Size },
    #[error("resizing a frame of {size} failed: {cause}")]
    Resize { size: Size, cause: String },
    #[error(transparent)]
    Pixels(#[from] ConvertError),
    #[error(transparent)]
    Jpeg(#[from] JpegError),
}

/// Level of the letterbox: 127 of 255, which normalises to about 0.
const BAR_LEVEL: u8 = 127;

/// Converter of frames to model inputs. It allocates its buffers once.
pub struct Preprocess {
    input_spec: Arc<InputSpec>,
    side: u32,
    frame_size: Size,
    view: CropMode,
    jpegs: JpegCache,
    resize: PillowResize,
    options: ResizeOptions,
    /// Region of the frame, resized to fit the input.
    fitted: Vec<U8x3>,
    /// Model's input as 8-bit levels: side × side × RGB.
    input_levels: Vec<u8>,
    /// Normalised value of each level, for each channel of the input.
    values: [[f32; 256]; 3],
}

impl Preprocess {
    /// Creates a converter for a model with an input of `side` pixels and the requirements `input_spec`.
    pub fn new(input_spec: Arc<InputSpec>, side: u32, view: CropMode) -> Preprocess {
        let filter = match input_spec.filter {
            Filter::Bilinear => FilterType::Bilinear,
            Filter::Bicubic => FilterType::CatmullRom,
        };
        let values = std::array::from_fn(|channel| {
            std::array::from_fn(|level| (level as f32 - input_spec.mean[channel]) / input_spec.scale[channel])
        });
        Preprocess {
            input_spec,
            side,
            frame_size: Size::new(0, 0),
            view,
            jpegs: JpegCache::default(),
            resize: PillowResize::default(),
            options: ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)),
            fitted: Vec::new(),
            input_levels: vec![0; side as usize * side as usize * 3],
            values,
        }
    }

    /// Returns the region of a frame of `size` that the model receives, in pixels of the frame.
    pub fn region(&self, size: Size) -> Rect {
        self.view.area(size, self.input_spec.crop, self.side)
    }

    /// Returns the size of the last frame; for a JPEG, that of the decoded image.
    pub fn frame_size(&self) -> Size {
        self.frame_size
    }

    /// Returns the input of the last frame as 8-bit levels: side × side × RGB.
    pub fn input_levels(&self) -> &[u8] {
        &self.input_levels
    }

    /// Fills `input` from `frame` and returns the region that was used. `input` has 3 × side × side values in the axis
    /// layout of the input spec.
    pub fn run(&mut self, frame: &Frame, input: &mut [f32]) -> Result<Rect, PreprocessError> {
        let frame = self.jpegs.decoded(frame)?;
        self.frame_size = frame.size();
        let region = self.region(self.frame_size);
        self.resize(&frame, region)?;
        self.normalise(input);
        Ok(region)
    }

    fn resize(&mut self, frame: &Frame, region: Rect) -> Result<(), PreprocessError> {
        let size = frame.size();
        if region.width == 0 || region.height == 0 {
            return Err(PreprocessError::EmptyRegion { region, size });
        }
        let input_size = Size::new(self.side, self.side);
        let fitted = Rect::letterbox(region.size(), input_size);
        if fitted.size() != input_size {
            self.input_levels.fill(BAR_LEVEL);
        }
        let target = Target { size: fitted.size(), pixels: &mut self.fitted };
        self.resize.run(frame, region, target, &self.options)?;
        let row_length = self.side as usize * 3;
        let start = fitted.top as usize * row_length + fitted.left as usize * 3;
        let rows = self.fitted.chunks_exact(fitted.width as usize);
        for (from, to) in rows.zip(self.input_levels[start..].chunks_mut(row_length)) {
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
            for (values, pixel) in input.chunks_exact_mut(3).zip(self.input_levels.chunks_exact(3)) {
                for (channel, value) in values.iter_mut().enumerate() {
                    *value = self.values[channel][usize::from(pixel[level(channel)])];
                }
            }
            return;
        }
        for (channel, (plane, values)) in input.chunks_exact_mut(plane).zip(&self.values).enumerate() {
            let level = level(channel);
            for (value, pixel) in plane.iter_mut().zip(self.input_levels.chunks_exact(3)) {
                *value = values[usize::from(pixel[level])];
            }
        }
    }
}
