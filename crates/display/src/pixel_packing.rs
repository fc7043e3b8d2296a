//! How a screen's memory wants its pixels: where red, green and blue are in it, and how many bytes one takes.

use super::mmap::Bits;
use phicam_frame::Rect;
use phicam_frame::canvas::Canvas;

/// One pixel in the memory of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// 2, 3 or 4.
    bytes: usize,
    red: Bits,
    green: Bits,
    blue: Bits,
}

impl Packing {
    /// Four bytes: blue, green, red, nothing.
    pub const XRGB8888: Packing = Packing::new(4, [(16, 8), (8, 8), (0, 8)]);
    /// Two bytes: five bits of red, six of green, five of blue.
    pub const RGB565: Packing = Packing::new(2, [(11, 5), (5, 6), (0, 5)]);

    /// `bytes` a pixel; offset and length in bits of red, green, blue.
    pub const fn new(bytes: usize, [red, green, blue]: [(u32, u32); 3]) -> Packing {
        const fn bits((offset, length): (u32, u32)) -> Bits {
            Bits { offset, length, msb_right: 0 }
        }
        Packing { bytes, red: bits(red), green: bits(green), blue: bits(blue) }
    }

    /// By the fields of a framebuffer; nothing where they are not of a kind that can be written.
    pub fn of_fields(bits_per_pixel: u32, [red, green, blue]: [Bits; 3]) -> Option<Packing> {
        let fits = |field: &Bits| {
            let ends = field.offset.checked_add(field.length);
            (1..=8).contains(&field.length) && field.msb_right == 0 && ends.is_some_and(|end| end <= bits_per_pixel)
        };
        let bytes = match bits_per_pixel {
            15 | 16 => 2,
            24 => 3,
            32 => 4,
            _ => return None,
        };
        [red, green, blue].iter().all(fits).then_some(Packing { bytes, red, green, blue })
    }

    /// Bytes of a pixel.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bits of a pixel.
    pub fn bits_per_pixel(&self) -> u32 {
        self.bytes as u32 * 8
    }

    fn word(&self, pixel: u32) -> u32 {
        let put = |level: u32, Bits { offset, length, .. }: Bits| (level & 0xff) >> (8 - length) << offset;
        put(pixel >> 16, self.red) | put(pixel >> 8, self.green) | put(pixel, self.blue)
    }

    fn pack(&self, pixels: &[u32], bytes: &mut [u8]) {
        let pixels = pixels.iter().copied();
        match self.bytes {
            _ if *self == Packing::XRGB8888 => {
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

    /// Writes `areas` of `picture` into a screen's `memory`, which begins with its first row and has `stride` bytes from
    /// each to the next. What has no place there is left out.
    pub fn copy(&self, picture: &Canvas, areas: &[Rect], memory: &mut [u8], stride: usize) {
        let room = stride / self.bytes;
        for &Rect { left, top, width, height } in areas {
            let width = width.min((room as u32).saturating_sub(left));
            for y in top..top.saturating_add(height).min(picture.size().height) {
                let pixels = picture.row(left, y, width);
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

    fn packed(packing: Packing, pixel: u32) -> Vec<u8> {
        let mut bytes = vec![0; packing.bytes];
        packing.pack(&[pixel], &mut bytes);
        bytes
    }

    #[test]
    fn every_order_and_depth_puts_each_colour_where_the_driver_wants_it() {
        let bits = |offset, length| Bits { offset, length, msb_right: 0 };
        let fields = |bits_per_pixel, red, green, blue| Packing::of_fields(bits_per_pixel, [red, green, blue]);
        let bgr = fields(32, bits(0, 8), bits(8, 8), bits(16, 8)).unwrap();
        assert_eq!(packed(bgr, 0x123456), [0x12, 0x34, 0x56, 0]);
        assert_eq!(packed(Packing::XRGB8888, 0x123456), [0x56, 0x34, 0x12, 0]);
        let bgr565 = fields(16, bits(0, 5), bits(5, 6), bits(11, 5)).unwrap();
        assert_eq!(packed(bgr565, 0xff0000), 0x001fu16.to_le_bytes());
        assert_eq!(packed(Packing::RGB565, 0xff0000), 0xf800u16.to_le_bytes());
        assert_eq!(packed(Packing::RGB565, 0x00fc00), 0x07e0u16.to_le_bytes());
        let rgb555 = fields(16, bits(10, 5), bits(5, 5), bits(0, 5)).unwrap();
        assert_eq!(packed(rgb555, 0xffffff), 0x7fffu16.to_le_bytes());
        let rgb24 = fields(24, bits(16, 8), bits(8, 8), bits(0, 8)).unwrap();
        assert_eq!(packed(rgb24, 0x123456), [0x56, 0x34, 0x12]);
    }

    #[test]
    fn fields_that_make_no_sense_are_refused() {
        let good = Bits { offset: 0, length: 8, msb_right: 0 };
        for bad in [
            Bits { length: 0, ..good },
            Bits { length: 10, ..good },
            Bits { offset: 30, ..good },
            Bits { offset: u32::MAX, ..good },
            Bits { msb_right: 1, ..good },
        ] {
            assert_eq!(Packing::of_fields(32, [good, bad, good]), None, "{bad:?}");
        }
        assert_eq!(Packing::of_fields(8, [good; 3]), None);
    }

    #[test]
    fn only_the_areas_are_written_and_padding_is_left_alone() {
        let mut picture = Canvas::new(Size::new(4, 3));
        (0..3).for_each(|y| picture.row_mut(0, y, 4).fill(0xffffff));
        let stride = 12; // two pixels more than the picture has
        let mut memory = vec![7; stride * 3];
        let areas = [Rect { left: 1, top: 1, width: 2, height: 1 }, Rect { left: 3, top: 2, width: 9, height: 9 }];
        Packing::RGB565.copy(&picture, &areas, &mut memory, stride);
        let written: Vec<usize> = (0..memory.len()).filter(|&at| memory[at] != 7).collect();
        assert_eq!(written, [14, 15, 16, 17, 30, 31]);
    }

    #[test]
    fn memory_that_is_too_short_is_not_written_beyond() {
        let mut picture = Canvas::new(Size::new(4, 3));
        (0..3).for_each(|y| picture.row_mut(0, y, 4).fill(0xffffff));
        let mut memory = vec![0; 20];
        Packing::XRGB8888.copy(&picture, &[picture.area()], &mut memory, 8);
        assert_eq!(
            memory,
            [0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0].repeat(2).into_iter().chain([0; 4]).collect::<Vec<u8>>()
        );
    }
}
