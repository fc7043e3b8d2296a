//! What a display shows: pixels that embedded-graphics, the overlay and the frame are drawn into.

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Dimensions, OriginDimensions};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::Rectangle;

use crate::Rect;
use crate::Size;

/// A picture of 32-bit pixels, 0x00RRGGBB, rows from the top without gaps: the layout of Linux's XRGB8888.
#[derive(Clone)]
pub struct Canvas {
    size: Size,
    pixels: Vec<u32>,
}

impl Canvas {
    /// A black one.
    pub fn new(size: Size) -> Canvas {
        Canvas { size, pixels: vec![0; size.width as usize * size.height as usize] }
    }

    pub fn size(&self) -> Size {
        self.size
    }

    /// Rows from the top, without gaps.
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// All of it.
    pub fn area(&self) -> Rect {
        Rect { left: 0, top: 0, width: self.size.width, height: self.size.height }
    }

    /// `width` pixels of row `y` from column `x`, cut off at the picture's edges.
    pub fn row(&self, x: u32, y: u32, width: u32) -> &[u32] {
        let Size { width: row, height } = self.size;
        let (from, to) = (x.min(row), x.saturating_add(width).min(row));
        let start = y as usize * row as usize;
        match y < height {
            true => &self.pixels[start + from as usize..start + to as usize],
            false => &[],
        }
    }

    /// `width` pixels of row `y` from column `x`, cut off at the picture's edges.
    pub fn row_mut(&mut self, x: u32, y: u32, width: u32) -> &mut [u32] {
        let Size { width: row, height } = self.size;
        let (from, to) = (x.min(row), x.saturating_add(width).min(row));
        let start = y as usize * row as usize;
        match y < height {
            true => &mut self.pixels[start + from as usize..start + to as usize],
            false => &mut [],
        }
    }

    /// Lays `colour` over a pixel, `coverage` of 255 thick; outside the picture nothing happens.
    pub fn blend(&mut self, x: i32, y: i32, colour: Rgb888, coverage: u8) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if let Some(pixel) = self.row_mut(x, y, 1).first_mut() {
            *pixel = mix(*pixel, word_of(colour), u32::from(coverage));
        }
    }

    /// Darkens the pixels of one row between two columns to `share` of 256.
    pub fn darken(&mut self, x: u32, y: u32, width: u32, share: u32) {
        for pixel in self.row_mut(x, y, width) {
            // Two channels at a time: each has eight bits of room above it.
            let (red_blue, green) = (*pixel & 0xff00ff, *pixel & 0x00ff00);
            *pixel = ((red_blue * share) >> 8 & 0xff00ff) | ((green * share) >> 8 & 0x00ff00);
        }
    }

    /// Bytes of red, green, blue, row by row, into `bytes`.
    pub fn to_rgb(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend(self.pixels.iter().flat_map(|pixel| [(pixel >> 16) as u8, (pixel >> 8) as u8, *pixel as u8]));
    }
}

/// A pixel as pictures hold it.
pub fn word([red, green, blue]: [u8; 3]) -> u32 {
    u32::from(red) << 16 | u32::from(green) << 8 | u32::from(blue)
}

fn word_of(colour: Rgb888) -> u32 {
    word([colour.r(), colour.g(), colour.b()])
}

fn mix(under: u32, over: u32, coverage: u32) -> u32 {
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
        for Pixel(at, colour) in pixels {
            self.blend(at.x, at.y, colour, 255);
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) -> Result<(), Self::Error> {
        let area = area.intersection(&self.bounding_box());
        for y in area.rows() {
            self.row_mut(area.top_left.x as u32, y as u32, area.size.width).fill(word_of(colour));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::geometry::{Point, Size as Extent};

    #[test]
    fn drawing_outside_is_cut_off() {
        let mut picture = Canvas::new(Size::new(4, 3));
        picture.fill_solid(&Rectangle::new(Point::new(-5, 1), Extent::new(7, 50)), Rgb888::RED).unwrap();
        picture.blend(-1, 0, Rgb888::WHITE, 255);
        picture.blend(4, 0, Rgb888::WHITE, 255);
        picture.blend(0, 3, Rgb888::WHITE, 255);
        assert_eq!(picture.pixels(), [[0; 4], [0xff0000, 0xff0000, 0, 0], [0xff0000, 0xff0000, 0, 0]].as_flattened());
    }

    #[test]
    fn half_coverage_mixes_half_and_half() {
        let mut picture = Canvas::new(Size::new(1, 1));
        picture.blend(0, 0, Rgb888::new(200, 100, 50), 128);
        let mut rgb = Vec::new();
        picture.to_rgb(&mut rgb);
        assert_eq!(rgb, [100, 50, 25]);
    }
}
