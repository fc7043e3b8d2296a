//! Pillow's `crop().resize()`: the crop alone, across and then down, each rounded to 8 bits.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8x3, U16x3};
use fast_image_resize::{PixelTrait, ResizeOptions, Resizer};

use super::PreprocessError;
use phicam_frame::Rect;
use phicam_frame::color_convert::{Pixels, PixelsError};
use phicam_frame::{Frame, Size};

/// Resizes crops; its buffers grow to the largest crop and are then used again.
///
/// The library's own 8-bit path goes down first, which differs from Pillow by up to 29 levels where the filter
/// overshoots, so each direction is a call of its own. Its 8-bit coefficients are short and may be a level off, which a
/// second pass would make two: so the first pass holds levels in 16 bits, where the coefficients are long.
#[derive(Default)]
pub struct Resize {
    resizer: Resizer,
    pixels: Pixels,
    row: Vec<[u8; 3]>,
    crop: Vec<U16x3>,
    /// As wide as the target, as high as the crop.
    wide_levels: Vec<U16x3>,
    narrow: Vec<U8x3>,
}

/// The brightest level of 8 bits: where a filter overshoots it is cut off, as it is in 8 bits.
const BRIGHTEST: u16 = 255;

impl Resize {
    /// `area` of `frame` as `to` pixels, into `fitted`.
    pub fn run(
        &mut self,
        frame: &Frame,
        area: Rect,
        (to, fitted): (Size, &mut Vec<U8x3>),
        options: &ResizeOptions,
    ) -> Result<(), PreprocessError> {
        self.read_crop(frame, area)?;
        let resized = self.resize_crop(Size::new(area.width, area.height), (to, fitted), options);
        resized.map_err(|cause| PreprocessError::Resize { size: frame.size(), cause })
    }

    fn resize_crop(
        &mut self,
        from: Size,
        (to, fitted): (Size, &mut Vec<U8x3>),
        options: &ResizeOptions,
    ) -> Result<(), String> {
        let between = Size::new(to.width, from.height);
        pass(&mut self.resizer, (&self.crop, from), (&mut self.wide_levels, between), options)?;
        self.narrow.clear();
        let levels = |pixel: &U16x3| U8x3::new(pixel.0.map(|level| level.min(BRIGHTEST) as u8));
        self.narrow.extend(self.wide_levels.iter().map(levels));
        pass(&mut self.resizer, (&self.narrow, between), (fitted, to), options)
    }

    /// The filter must not see beyond the crop, so the crop becomes a picture of its own; the frame is read once.
    fn read_crop(&mut self, frame: &Frame, area: Rect) -> Result<(), PixelsError> {
        self.crop.clear();
        self.row.resize(area.width as usize, [0; 3]);
        for y in area.top..area.top + area.height {
            self.pixels.row(frame, y, area.left, &mut self.row)?;
            self.crop.extend(self.row.iter().map(|rgb| U16x3::new(rgb.map(u16::from))));
        }
        Ok(())
    }
}

/// One call of the resizer, into a buffer of the right length.
fn pass<P: PixelTrait>(
    resizer: &mut Resizer,
    (from, from_size): (&[P], Size),
    (to, to_size): (&mut Vec<P>, Size),
    options: &ResizeOptions,
) -> Result<(), String> {
    to.resize(to_size.width as usize * to_size.height as usize, P::default());
    let from = TypedImageRef::new(from_size.width, from_size.height, from).map_err(|error| error.to_string())?;
    let mut image =
        TypedImage::from_pixels_slice(to_size.width, to_size.height, to).map_err(|error| error.to_string())?;
    resizer.resize_typed(&from, &mut image, options).map_err(|error| error.to_string())
}
