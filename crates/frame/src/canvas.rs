//! Drawing surface of a display: embedded-graphics, the overlay and the frame draw into its pixels.

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Dimensions, OriginDimensions};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::Rectangle;

use crate::Rect;
use crate::Size;

/// Image of 32-bit pixels, 0x00RRGGBB, with rows from the top and without padding: Linux's DRM_FORMAT_XRGB8888.
#[derive(Clone)]
pub struct Canvas {
    size: Size,
    pixels: Vec<u32>,
}

impl Canvas {
    /// Creates a black canvas.
    pub fn new(size: Size) -> Canvas {
        Canvas { size, pixels: vec![0; size.width as usize * size.height as usize] }
    }

    pub fn size(&self) -> Size {
        self.size
    }

    /// Returns all pixels, rows from the top and without padding.
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// Returns the rectangle that covers the whole canvas.
    pub fn area(&self) -> Rect {
        Rect { left: 0, top: 0, width: self.size.width, height: self.size.height }
    }

    /// Returns up to `width` pixels of row `y` from column `x`, clipped at the canvas edges.
    pub fn row(&self, x: u32, y: u32, width: u32) -> &[u32] {
        let range = self.row_range(x, y, width);
        &self.pixels[range]
    }

    /// Returns up to `width` mutable pixels of row `y` from column `x`, clipped at the canvas edges.
    pub fn row_mut(&mut self, x: u32, y: u32, width: u32) -> &mut [u32] {
        let range = self.row_range(x, y, width);
        &mut self.pixels[range]
    }

    /// Returns the indices of a clipped run of pixels; the range is empty if row `y` is outside.
    fn row_range(&self, x: u32, y: u32, width: u32) -> std::ops::Range<usize> {
        if y >= self.size.height {
            return 0..0;
        }
        let row = y as usize * self.size.width as usize;
        let left = x.min(self.size.width);
        let right = x.saturating_add(width).min(self.size.width);
        row + left as usize..row + right as usize
    }

    /// Blends `colour` over a pixel with opacity `coverage`/255; ignores pixels outside the canvas.
    pub fn blend(&mut self, x: i32, y: i32, colour: Rgb888, coverage: u8) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if let Some(pixel) = self.row_mut(x, y, 1).first_mut() {
            *pixel = blend_xrgb8888(*pixel, rgb888_to_xrgb8888(colour), u32::from(coverage));
        }
    }

    /// Writes red, green and blue bytes, row by row, into `bytes`.
    pub fn to_rgb(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend(self.pixels.iter().flat_map(|pixel| [(pixel >> 16) as u8, (pixel >> 8) as u8, *pixel as u8]));
    }
}

/// Packs a pixel as 0x00RRGGBB, the format of [`Canvas`].
pub fn xrgb8888([red, green, blue]: [u8; 3]) -> u32 {
    u32::from(red) << 16 | u32::from(green) << 8 | u32::from(blue)
}

fn rgb888_to_xrgb8888(colour: Rgb888) -> u32 {
    xrgb8888([colour.r(), colour.g(), colour.b()])
}

/// Returns `over` blended onto `under` with opacity `coverage`/255, rounded to the nearest level.
fn blend_xrgb8888(under: u32, over: u32, coverage: u32) -> u32 {
    let channel = |shift: u32| {
        let (under, over) = (under >> shift & 0xff, over >> shift & 0xff);
        ((under * (255 - coverage) + over * coverage + 127) / 255) << shift
    };
    channel(16) | channel(8) | channel(0)
}

impl OriginDimensions for Canvas {
    fn size(&self) -> embedded_graphics::geometry::Size {
        embedded_graphics::geometry::Size::new(self.size.width, self.size.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(point, colour) in pixels {
            self.blend(point.x, point.y, colour, 255);
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) -> Result<(), Self::Error> {
        let area = area.intersection(&self.bounding_box());
        for y in area.rows() {
            self.row_mut(area.top_left.x as u32, y as u32, area.size.width).fill(rgb888_to_xrgb8888(colour));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::geometry::{Point, Size as Extent};

    #[test]
    fn drawing_is_clipped_at_the_edges() {
        let mut canvas = Canvas::new(Size::new(4, 3));
        canvas.fill_solid(&Rectangle::new(Point::new(-5, 1), Extent::new(7, 50)), Rgb888::RED).unwrap();
        canvas.blend(-1, 0, Rgb888::WHITE, 255);
        canvas.blend(4, 0, Rgb888::WHITE, 255);
        canvas.blend(0, 3, Rgb888::WHITE, 255);
        assert_eq!(canvas.pixels(), [[0; 4], [0xff0000, 0xff0000, 0, 0], [0xff0000, 0xff0000, 0, 0]].as_flattened());
    }

    #[test]
    fn half_coverage_blends_half_and_half() {
        let mut canvas = Canvas::new(Size::new(1, 1));
        canvas.blend(0, 0, Rgb888::new(200, 100, 50), 128);
        let mut rgb = Vec::new();
        canvas.to_rgb(&mut rgb);
        assert_eq!(rgb, [100, 50, 25]);
    }
}
