//! Conversion of canvas pixels to the pixel layout of a screen.

use crate::mmap::BitField;
use phicam_frame::Rect;
use phicam_frame::canvas::Canvas;

/// Layout of one pixel in the memory of a screen: its bytes, and the bits of red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelLayout {
    bytes: usize,
    red: BitField,
    green: BitField,
    blue: BitField,
    /// Bits that are set in every pixel: those of an opaque alpha channel.
    opaque: u32,
}

impl PixelLayout {
    /// Four bytes: blue, green, red, unused.
    pub const XRGB8888: PixelLayout = PixelLayout::new(4, [(16, 8), (8, 8), (0, 8)]);
    /// Four bytes: blue, green, red, alpha. A pixel of zeros is transparent.
    pub const ARGB8888: PixelLayout = PixelLayout { opaque: 0xff00_0000, ..PixelLayout::XRGB8888 };
    /// Two bytes: five bits of red, six of green, five of blue.
    pub const RGB565: PixelLayout = PixelLayout::new(2, [(11, 5), (5, 6), (0, 5)]);

    /// Layout with `bytes` per pixel, and offset and length in bits of red, green and blue.
    pub const fn new(bytes: usize, [red, green, blue]: [(u32, u32); 3]) -> PixelLayout {
        const fn field((offset, length): (u32, u32)) -> BitField {
            BitField { offset, length, msb_right: 0 }
        }
        PixelLayout { bytes, red: field(red), green: field(green), blue: field(blue), opaque: 0 }
    }

    /// Converts the bit fields of a framebuffer; returns `None` if this program cannot write them.
    pub fn from_bit_fields(bits_per_pixel: u32, [red, green, blue]: [BitField; 3]) -> Option<PixelLayout> {
        let is_valid = |field: &BitField| {
            let end = field.offset.checked_add(field.length);
            (1..=8).contains(&field.length) && field.msb_right == 0 && end.is_some_and(|end| end <= bits_per_pixel)
        };
        let bytes = match bits_per_pixel {
            15 | 16 => 2,
            24 => 3,
            32 => 4,
            _ => return None,
        };
        [red, green, blue].iter().all(is_valid).then_some(PixelLayout { bytes, red, green, blue, opaque: 0 })
    }

    /// Returns the bytes of a pixel: 2, 3 or 4.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the bits of a pixel, with unused ones.
    pub fn bits_per_pixel(&self) -> u32 {
        self.bytes as u32 * 8
    }

    fn word(&self, pixel: u32) -> u32 {
        let shift = |level: u32, BitField { offset, length, .. }: BitField| (level & 0xff) >> (8 - length) << offset;
        self.opaque | shift(pixel >> 16, self.red) | shift(pixel >> 8, self.green) | shift(pixel, self.blue)
    }

    fn pack(&self, pixels: &[u32], bytes: &mut [u8]) {
        let pixels = pixels.iter().copied();
        match self.bytes {
            _ if *self == PixelLayout::XRGB8888 => {
                bytes.as_chunks_mut().0.iter_mut().zip(pixels).for_each(|(to, pixel)| *to = pixel.to_le_bytes());
            }
            2 => {
                let words = bytes.as_chunks_mut().0.iter_mut();
                words.zip(pixels).for_each(|(to, pixel)| *to = (self.word(pixel) as u16).to_le_bytes());
            }
            size => {
                let words = bytes.chunks_exact_mut(size);
                words.zip(pixels).for_each(|(to, pixel)| to.copy_from_slice(&self.word(pixel).to_le_bytes()[..size]));
            }
        }
    }

    /// Makes `areas` of the `memory` of a screen transparent, whose rows are `stride` bytes apart.
    pub fn clear(&self, areas: &[Rect], memory: &mut [u8], stride: usize) {
        for &Rect { left, top, width, height } in areas {
            for y in top..top.saturating_add(height) {
                let start = y as usize * stride + left as usize * self.bytes;
                let end = (start + width as usize * self.bytes).min((y as usize + 1) * stride);
                if let Some(bytes) = memory.get_mut(start..end) {
                    bytes.fill(0);
                }
            }
        }
    }

    /// Copies `areas` of `canvas` to the `memory` of a screen, whose rows are `stride` bytes apart. It skips pixels
    /// outside the memory.
    pub fn copy(&self, canvas: &Canvas, areas: &[Rect], memory: &mut [u8], stride: usize) {
        let columns = stride / self.bytes;
        for &Rect { left, top, width, height } in areas {
            let width = width.min((columns as u32).saturating_sub(left));
            for y in top..top.saturating_add(height).min(canvas.size().height) {
                let pixels = canvas.row(left, y, width);
                let start = y as usize * stride + left as usize * self.bytes;
                if let Some(bytes) = memory.get_mut(start..start + pixels.len() * self.bytes) {
                    self.pack(pixels, bytes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_frame::Size;

    fn packed(layout: PixelLayout, pixel: u32) -> Vec<u8> {
        let mut bytes = vec![0; layout.bytes];
        layout.pack(&[pixel], &mut bytes);
        bytes
    }

    #[test]
    fn opaque_layer_has_transparent_holes() {
        let mut canvas = Canvas::new(Size::new(3, 2));
        canvas.row_mut(0, 0, 3).fill(0x123456);
        let mut memory = vec![9; 2 * 16];
        let layout = PixelLayout::ARGB8888;
        layout.copy(&canvas, &[canvas.area()], &mut memory, 16);
        layout.clear(&[Rect { left: 1, top: 0, width: 9, height: 1 }], &mut memory, 16);
        assert_eq!(memory[..4], [0x56, 0x34, 0x12, 0xff]);
        assert_eq!(memory[4..16], [0; 12], "clipped at the end of the row");
        assert_eq!(memory[16..20], [0, 0, 0, 0xff]);
    }

    #[test]
    fn every_layout_packs_each_colour_into_its_bits() {
        let bits = |offset, length| BitField { offset, length, msb_right: 0 };
        let layout =
            |bits_per_pixel, red, green, blue| PixelLayout::from_bit_fields(bits_per_pixel, [red, green, blue]);
        let bgr = layout(32, bits(0, 8), bits(8, 8), bits(16, 8)).unwrap();
        assert_eq!(packed(bgr, 0x123456), [0x12, 0x34, 0x56, 0]);
        assert_eq!(packed(PixelLayout::XRGB8888, 0x123456), [0x56, 0x34, 0x12, 0]);
        let bgr565 = layout(16, bits(0, 5), bits(5, 6), bits(11, 5)).unwrap();
        assert_eq!(packed(bgr565, 0xff0000), 0x001fu16.to_le_bytes());
        assert_eq!(packed(PixelLayout::RGB565, 0xff0000), 0xf800u16.to_le_bytes());
        assert_eq!(packed(PixelLayout::RGB565, 0x00fc00), 0x07e0u16.to_le_bytes());
        let rgb555 = layout(16, bits(10, 5), bits(5, 5), bits(0, 5)).unwrap();
        assert_eq!(packed(rgb555, 0xffffff), 0x7fffu16.to_le_bytes());
        let rgb24 = layout(24, bits(16, 8), bits(8, 8), bits(0, 8)).unwrap();
        assert_eq!(packed(rgb24, 0x123456), [0x56, 0x34, 0x12]);
    }

    #[test]
    fn invalid_bit_fields_are_refused() {
        let valid = BitField { offset: 0, length: 8, msb_right: 0 };
        for invalid in [
            BitField { length: 0, ..valid },
            BitField { length: 10, ..valid },
            BitField { offset: 30, ..valid },
            BitField { offset: u32::MAX, ..valid },
            BitField { msb_right: 1, ..valid },
        ] {
            assert_eq!(PixelLayout::from_bit_fields(32, [valid, invalid, valid]), None, "{invalid:?}");
        }
        assert_eq!(PixelLayout::from_bit_fields(8, [valid; 3]), None);
    }

    #[test]
    fn copy_writes_only_the_areas_and_no_padding() {
        let mut canvas = Canvas::new(Size::new(4, 3));
        (0..3).for_each(|y| canvas.row_mut(0, y, 4).fill(0xffffff));
        let stride = 12; // two pixels wider than the canvas
        let mut memory = vec![7; stride * 3];
        let areas = [Rect { left: 1, top: 1, width: 2, height: 1 }, Rect { left: 3, top: 2, width: 9, height: 9 }];
        PixelLayout::RGB565.copy(&canvas, &areas, &mut memory, stride);
        let written: Vec<usize> = (0..memory.len()).filter(|&at| memory[at] != 7).collect();
        assert_eq!(written, [14, 15, 16, 17, 30, 31]);
    }

    #[test]
    fn copy_stops_at_the_end_of_the_memory() {
        let mut canvas = Canvas::new(Size::new(4, 3));
        (0..3).for_each(|y| canvas.row_mut(0, y, 4).fill(0xffffff));
        let mut memory = vec![0; 20];
        PixelLayout::XRGB8888.copy(&canvas, &[canvas.area()], &mut memory, 8);
        assert_eq!(
            memory,
            [0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0].repeat(2).into_iter().chain([0; 4]).collect::<Vec<u8>>()
        );
    }
}
