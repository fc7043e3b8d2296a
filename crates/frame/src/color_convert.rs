//! Red, green and blue of a frame's pixels, whatever its bytes look like.

use crate::{Coding, Frame, Layout, PixelFormat, Range};

/// Reads rows of frames; its buffers are made once.
#[derive(Default)]
pub struct Pixels {
    rows: Rows,
    /// The coding that `levels` and `factors` are for.
    coding: Option<Coding>,
    /// Level of red, green and blue for each byte of a picture that is not in luminance and colours.
    levels: Vec<u8>,
    factors: Factors,
}

/// Luminance and colour differences of one row, a byte each for each pixel.
#[derive(Default)]
struct Rows {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

/// A frame whose buffer is shorter than its size needs, or that is a JPEG still.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PixelsError {
    #[error("{layout} has no row {row}: its buffer is too short; the camera's driver is at fault, try another format")]
    Short { layout: String, row: u32 },
    #[error("a JPEG has to be decoded before its pixels can be read")]
    Undecoded,
}

/// Fixed-point multiples of 1/2^SHIFT by which levels are made.
#[derive(Clone, Copy, Default)]
struct Factors {
    black: i32,
    luminance: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

const SHIFT: u32 = 16;

impl Factors {
    /// R = Y + 2(1−Kr)·V, B = Y + 2(1−Kb)·U, G = (Y − Kr·R − Kb·B) / (1−Kr−Kb), with Y of 0 … 1 and U, V of ±½ (ITU-R BT.601).
    fn new(coding: Coding) -> Factors {
        let (kr, kb) = coding.matrix.shares();
        let (black, luminance, difference) = match coding.range {
            Range::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0, 1.0, 1.0),
        };
        let fixed = |factor: f64| (factor * f64::from(1 << SHIFT)).round() as i32;
        let (red, blue) = (2.0 * (1.0 - kr) * difference, 2.0 * (1.0 - kb) * difference);
        let green = 1.0 - kr - kb;
        let (green_v, green_u) = (fixed(-kr * red / green), fixed(-kb * blue / green));
        Factors { black, luminance: fixed(luminance), red_v: fixed(red), green_u, green_v, blue_u: fixed(blue) }
    }

    fn rgb(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let y = (i32::from(y) - self.black) * self.luminance + (1 << (SHIFT - 1));
        let level = |value: i32| (value >> SHIFT).clamp(0, 255) as u8;
        [level(y + self.red_v * v), level(y + self.green_u * u + self.green_v * v), level(y + self.blue_u * u)]
    }
}

impl Pixels {
    /// Red, green and blue of `out.len()` pixels of row `y`, from column `left` on. A colour difference that several
    /// pixels share counts for each of them as it is.
    ///
    /// Columns beyond the frame's width are the caller's mistake: they read as an error, or as what pads the row.
    pub fn row(&mut self, frame: &Frame, y: u32, left: u32, out: &mut [[u8; 3]]) -> Result<(), PixelsError> {
        let Layout { format, coding, .. } = frame.layout;
        if self.coding != Some(coding) {
            self.coding = Some(coding);
            self.factors = Factors::new(coding);
            let grey = Factors { red_v: 0, green_u: 0, green_v: 0, blue_u: 0, ..self.factors };
            self.levels = (0..=255).map(|level| grey.rgb(level, 128, 128)[0]).collect();
        }
        let short = || PixelsError::Short { layout: format!("a frame of {} {format}", frame.size()), row: y };
        let (row, left, width) = (y as usize, left as usize, out.len());
        let (right, half) = (left + width, row / 2);
        // Of planes with half as many columns: from the one that the first pixel shares, to that of the last.
        let (from, to) = (left / 2, right.div_ceil(2));
        let bytes = |plane, row, to, from: usize| {
            let found = frame.row(plane, row, format.row_bytes(plane, to));
            found.map(|bytes| &bytes[format.row_bytes(plane, from)..]).ok_or_else(short)
        };
        let odd = left % 2;
        match format {
            PixelFormat::Jpeg => return Err(PixelsError::Undecoded),
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
            PixelFormat::Yuyv => self.rows.pairs(bytes(0, row, right, left - odd)?, [0, 2, 1, 3]),
            PixelFormat::Uyvy => self.rows.pairs(bytes(0, row, right, left - odd)?, [1, 3, 0, 2]),
            PixelFormat::Nv12 | PixelFormat::Nv21 => {
                let (u, v) = if format == PixelFormat::Nv12 { (0, 1) } else { (1, 0) };
                let chroma = bytes(1, half, 2 * to, 2 * from)?.chunks_exact(2);
                self.rows.set(bytes(0, row, right, left - odd)?, chroma.map(|pair| (pair[u], pair[v])));
            }
            PixelFormat::Yu12 => {
                let (u, v) = (bytes(1, half, 2 * to, 2 * from)?, bytes(2, half, 2 * to, 2 * from)?);
                self.rows.set(bytes(0, row, right, left - odd)?, u.iter().copied().zip(v.iter().copied()));
            }
        }
        let Rows { y, u, v } = &self.rows;
        let colours = u[odd..].iter().zip(&v[odd..]);
        for (out, (&y, (&u, &v))) in out.iter_mut().zip(y[odd..].iter().zip(colours)) {
            *out = self.factors.rgb(y, u, v);
        }
        Ok(())
    }

    /// The whole frame, rows without gaps, into `out`.
    pub fn all(&mut self, frame: &Frame, out: &mut Vec<[u8; 3]>) -> Result<(), PixelsError> {
        let (width, height) = (frame.size().width as usize, frame.size().height as usize);
        out.resize(width * height, [0; 3]);
        let rows = out.chunks_exact_mut(width.max(1));
        rows.zip(0..).try_for_each(|(row, y)| self.row(frame, y, 0, row))
    }
}

impl Rows {
    /// From four bytes for each two pixels; `order` says where the two Y, U and V are.
    fn pairs(&mut self, bytes: &[u8], order: [usize; 4]) {
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

    /// From a row of Y, and U and V for each two pixels.
    fn set(&mut self, y: &[u8], colours: impl ExactSizeIterator<Item = (u8, u8)>) {
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
