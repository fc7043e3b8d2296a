//! Resize of a crop, equal to Pillow's `crop().resize()`: the crop alone, horizontally, then vertically.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8x3, U16x3};
use fast_image_resize::{PixelTrait, ResizeOptions, Resizer};

use super::PreprocessError;
use phicam_frame::color_convert::{ConvertError, RgbConverter};
use phicam_frame::{Frame, Rect, Size};

/// Resizer of crops. Its buffers grow to the largest crop and are reused.
///
/// Pillow rounds to 8 bits after each direction. The library's 8-bit resize begins vertically, which differs from
/// Pillow by up to 29 levels where the filter overshoots, so each direction is a separate call. The library's 8-bit
/// coefficients are short and may be off by one level, which a second pass would double. The first pass therefore uses
/// 16-bit levels, with longer coefficients.
#[derive(Default)]
pub struct PillowResize {
    resizer: Resizer,
    pixels: RgbConverter,
    row: Vec<[u8; 3]>,
    crop: Vec<U16x3>,
    /// Crop after the horizontal pass: as wide as the target, as high as the crop.
    horizontal: Vec<U16x3>,
    /// `horizontal`, rounded to 8 bits.
    horizontal_u8: Vec<U8x3>,
}

/// Source image of a resize pass.
struct Source<'a, P> {
    size: Size,
    pixels: &'a [P],
}

/// Size of the result of a resize, and the buffer for its pixels.
pub struct Target<'a, P> {
    pub size: Size,
    pub pixels: &'a mut Vec<P>,
}

/// Largest 8-bit level, at which overshoot of the filter is clipped.
const MAX_LEVEL: u16 = 255;

impl PillowResize {
    /// Resizes the region `area` of `frame` to `target`.
    pub fn run(
        &mut self,
        frame: &Frame,
        area: Rect,
        target: Target<U8x3>,
        options: &ResizeOptions,
    ) -> Result<(), PreprocessError> {
        self.read_crop(frame, area)?;
        let resized = self.resize_crop(area.size(), target, options);
        resized.map_err(|cause| PreprocessError::Resize { size: frame.size(), cause })
    }

    fn resize_crop(&mut self, crop_size: Size, target: Target<U8x3>, options: &ResizeOptions) -> Result<(), String> {
        let horizontal_size = Size::new(target.size.width, crop_size.height);
        let source = Source { size: crop_size, pixels: &self.crop };
        let horizontal = Target { size: horizontal_size, pixels: &mut self.horizontal };
        resize_pass(&mut self.resizer, source, horizontal, options)?;
        self.horizontal_u8.clear();
        let to_u8 = |pixel: &U16x3| U8x3::new(pixel.0.map(|level| level.min(MAX_LEVEL) as u8));
        self.horizontal_u8.extend(self.horizontal.iter().map(to_u8));
        let source = Source { size: horizontal_size, pixels: &self.horizontal_u8 };
        resize_pass(&mut self.resizer, source, target, options)
    }

    /// Copies the crop, because the filter must not read pixels outside it. It reads the frame once.
    fn read_crop(&mut self, frame: &Frame, area: Rect) -> Result<(), ConvertError> {
        self.crop.clear();
        self.row.resize(area.width as usize, [0; 3]);
        for y in area.top..area.top + area.height {
            self.pixels.convert_row(frame, y, area.left, &mut self.row)?;
            self.crop.extend(self.row.iter().map(|rgb| U16x3::new(rgb.map(u16::from))));
        }
        Ok(())
    }
}

fn resize_pass<P: PixelTrait>(
    resizer: &mut Resizer,
    source: Source<P>,
    target: Target<P>,
    options: &ResizeOptions,
) -> Result<(), String> {
    let Size { width, height } = target.size;
    target.pixels.resize(width as usize * height as usize, P::default());
    let source = TypedImageRef::new(source.size.width, source.size.height, source.pixels);
    let source = source.map_err(|error| error.to_string())?;
    let image = TypedImage::from_pixels_slice(width, height, target.pixels);
    let mut image = image.map_err(|error| error.to_string())?;
    resizer.resize_typed(&source, &mut image, options).map_err(|error| error.to_string())
}
