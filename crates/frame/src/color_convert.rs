//! Colour conversion: red, green and blue of a frame's pixels, for every pixel format and colour coding.

use crate::{Coding, Frame, Layout, PixelFormat, Range};

/// Converter from frames to RGB pixels. It reuses its buffers and tables from row to row.
#[derive(Default)]
pub struct RgbConverter {
    row: YuvRow,
    /// Coding for which `levels` and `factors` were computed.
    coding: Option<Coding>,
    /// Full-range level for each byte of grey or RGB data.
    levels: Vec<u8>,
    factors: Factors,
}

/// Luminance and colour differences of one row, one byte of each per pixel.
#[derive(Default)]
struct YuvRow {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

/// Reason why a frame has no pixels to convert.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    #[error("cannot read row {row} of {layout}: the camera driver's buffer is too short; choose another pixel format")]
    Short { layout: String, row: u32 },
    #[error("cannot read the pixels of a JPEG frame: it is not decoded")]
    Undecoded,
}

/// Fixed-point conversion factors, in units of 1/2^SHIFT; `black` is a level.
#[derive(Clone, Copy, Default)]
struct Factors {
    black: i32,
    luminance: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

/// Fractional bits: the product of a 9-bit difference and a factor below 4 fits an `i32`.
const SHIFT: u32 = 16;

impl Factors {
    /// Computes the factors of ITU-R BT.601, with Y from 0 to 1, and U and V from −½ to ½:
    /// R = Y + 2(1−Kr)·V, B = Y + 2(1−Kb)·U, G = (Y − Kr·R − Kb·B) / (1−Kr−Kb).
    fn new(coding: Coding) -> Factors {
        let (kr, kb) = coding.matrix.luma_weights();
        let (black, luminance, difference) = match coding.range {
            Range::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0, 1.0, 1.0),
        };
        let to_fixed = |factor: f64| (factor * f64::from(1 << SHIFT)).round() as i32;
        let (red, blue) = (2.0 * (1.0 - kr) * difference, 2.0 * (1.0 - kb) * difference);
        let green = 1.0 - kr - kb;
        let (green_v, green_u) = (to_fixed(-kr * red / green), to_fixed(-kb * blue / green));
        Factors {
            black,
            luminance: to_fixed(luminance),
            red_v: to_fixed(red),
            green_u,
            green_v,
            blue_u: to_fixed(blue),
        }
    }

    fn rgb(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let y = (i32::from(y) - self.black) * self.luminance + (1 << (SHIFT - 1));
        let to_level = |value: i32| (value >> SHIFT).clamp(0, 255) as u8;
        [to_level(y + self.red_v * v), to_level(y + self.green_u * u + self.green_v * v), to_level(y + self.blue_u * u)]
    }
}

impl RgbConverter {
    /// Converts `out.len()` pixels of row `y`, from column `left` on.
    ///
    /// Pixels that share a colour difference get it without interpolation. The caller keeps within the frame's width:
    /// columns beyond it give an error, or the padding of the row.
    pub fn convert_row(&mut self, frame: &Frame, y: u32, left: u32, out: &mut [[u8; 3]]) -> Result<(), ConvertError> {
        let Layout { format, coding, .. } = frame.layout;
        if self.coding != Some(coding) {
            self.coding = Some(coding);
            self.factors = Factors::new(coding);
            let grey = Factors { red_v: 0, green_u: 0, green_v: 0, blue_u: 0, ..self.factors };
            self.levels = (0..=255).map(|level| grey.rgb(level, 128, 128)[0]).collect();
        }
        let short_buffer = || ConvertError::Short { layout: format!("a frame of {} {format}", frame.size()), row: y };
        let row = y as usize;
        let half_row = row / 2;
        let left = left as usize;
        let right = left + out.len();
        // Columns of subsampled planes: from that of the first pixel to that of the last, inclusive.
        let half_left = left / 2;
        let half_right = right.div_ceil(2);
        let bytes = |plane, row, to, from: usize| {
            let bytes = frame.row(plane, row, format.row_bytes(plane, to));
            bytes.map(|bytes| &bytes[format.row_bytes(plane, from)..]).ok_or_else(short_buffer)
        };
        let odd = left % 2;
        match format {
            PixelFormat::Jpeg => return Err(ConvertError::Undecoded),
            PixelFormat::Rgb8 | PixelFormat::Bgr8 => {
                let swap = format == PixelFormat::Bgr8;
                for (out, bytes) in out.iter_mut().zip(bytes(0, row, right, left)?.chunks_exact(3)) {
                    *out = if swap { [bytes[2], bytes[1], bytes[0]] } else { [bytes[0], bytes[1], bytes[2]] };
                }
                if coding.range == Range::Limited {
                    out.iter_mut().flatten().for_each(|level| *level = self.levels[usize::from(*level)]);
                }
                return Ok(());
            }
            PixelFormat::Grey => {
                for (out, &byte) in out.iter_mut().zip(bytes(0, row, right, left)?) {
                    *out = [self.levels[usize::from(byte)]; 3];
                }
                return Ok(());
            }
            PixelFormat::Yuyv => self.row.set_packed(bytes(0, row, right, left - odd)?, [0, 2, 1, 3]),
            PixelFormat::Uyvy => self.row.set_packed(bytes(0, row, right, left - odd)?, [1, 3, 0, 2]),
            PixelFormat::Nv12 | PixelFormat::Nv21 => {
                let (u, v) = if format == PixelFormat::Nv12 { (0, 1) } else { (1, 0) };
                let chroma = bytes(1, half_row, 2 * half_right, 2 * half_left)?.chunks_exact(2);
                self.row.set_planar(bytes(0, row, right, left - odd)?, chroma.map(|pair| (pair[u], pair[v])));
            }
            PixelFormat::Yu12 => {
                let (u, v) = (
                    bytes(1, half_row, 2 * half_right, 2 * half_left)?,
                    bytes(2, half_row, 2 * half_right, 2 * half_left)?,
                );
                self.row.set_planar(bytes(0, row, right, left - odd)?, u.iter().copied().zip(v.iter().copied()));
            }
        }
        let YuvRow { y, u, v } = &self.row;
        let colours = u[odd..].iter().zip(&v[odd..]);
        for (out, (&y, (&u, &v))) in out.iter_mut().zip(y[odd..].iter().zip(colours)) {
            *out = self.factors.rgb(y, u, v);
        }
        Ok(())
    }

    /// Converts the whole frame into `out`, with rows without padding.
    pub fn convert_frame(&mut self, frame: &Frame, out: &mut Vec<[u8; 3]>) -> Result<(), ConvertError> {
        let (width, height) = (frame.size().width as usize, frame.size().height as usize);
        out.resize(width * height, [0; 3]);
        let rows = out.chunks_exact_mut(width.max(1));
        rows.zip(0..).try_for_each(|(row, y)| self.convert_row(frame, y, 0, row))
    }
}

impl YuvRow {
    /// Unpacks four bytes per two pixels; `order` holds the positions of the first Y, the second Y, U and V.
    fn set_packed(&mut self, bytes: &[u8], order: [usize; 4]) {
        let pairs = bytes.chunks_exact(4);
        let [first, second, u, v] = order;
        self.resize(pairs.len() * 2);
        let colours = self.u.chunks_exact_mut(2).zip(self.v.chunks_exact_mut(2));
        for ((pair, y), (to_u, to_v)) in pairs.zip(self.y.chunks_exact_mut(2)).zip(colours) {
            y.copy_from_slice(&[pair[first], pair[second]]);
            to_u.fill(pair[u]);
            to_v.fill(pair[v]);
        }
    }

    /// Combines a row of Y with one U and one V per two pixels.
    fn set_planar(&mut self, y: &[u8], colours: impl ExactSizeIterator<Item = (u8, u8)>) {
        self.resize(colours.len() * 2);
        let length = y.len().min(self.y.len());
        self.y[..length].copy_from_slice(&y[..length]);
        for (((u, v), to_u), to_v) in colours.zip(self.u.chunks_exact_mut(2)).zip(self.v.chunks_exact_mut(2)) {
            to_u.fill(u);
            to_v.fill(v);
        }
    }

    fn resize(&mut self, length: usize) {
        for row in [&mut self.y, &mut self.u, &mut self.v] {
            row.resize(length, 0);
        }
    }
}

#[cfg(test)]
mod tests;
