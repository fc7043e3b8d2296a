use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::{FrameInfo, Matrix, Plane, Size};

const FORMATS: [PixelFormat; 8] = [
    PixelFormat::Rgb8,
    PixelFormat::Bgr8,
    PixelFormat::Grey,
    PixelFormat::Yuyv,
    PixelFormat::Uyvy,
    PixelFormat::Nv12,
    PixelFormat::Nv21,
    PixelFormat::Yu12,
];
const MATRICES: [Matrix; 3] = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020];

fn codings() -> impl Iterator<Item = Coding> {
    let both = |matrix| [Range::Limited, Range::Full].map(|range| Coding { matrix, range });
    MATRICES.into_iter().flat_map(both)
}

/// Returns a frame of pseudo-random bytes, with its planes one after the other and `padding` bytes after each row.
fn frame(format: PixelFormat, coding: Coding, size: Size, padding: usize, seed: u64) -> Frame {
    let mut planes = [Plane::default(); 3];
    let mut length = 5; // odd: planes need no alignment
    for (index, plane) in planes.iter_mut().enumerate().take(format.planes()) {
        let stride = format.row_bytes(index, size.width as usize) + padding;
        *plane = Plane { part: 0, offset: length, stride };
        length += stride * format.rows(index, size.height as usize);
    }
    length -= padding; // a driver may omit the padding of the last row
    let bytes: Vec<u8> =
        (0..length as u64).map(|n| ((n + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    let info = FrameInfo { size, sequence: 0, captured: Instant::now(), source: None, scene: 0 };
    Frame::new(Arc::new(bytes), Layout { size, format, coding, planes }, info)
}

/// Returns the pixel by the formula of the standard, in floating point.
fn reference_rgb(frame: &Frame, x: usize, y: usize) -> [f64; 3] {
    let Layout { format, coding, planes, .. } = frame.layout;
    let byte = |plane: usize, row: usize, column: usize| {
        f64::from(frame.part(0)[planes[plane].offset + row * planes[plane].stride + column])
    };
    let limited = coding.range == Range::Limited;
    let luma_share = |level: f64| if limited { (level - 16.0) / 219.0 } else { level / 255.0 };
    let chroma_share = |level: f64| (level - 128.0) / if limited { 224.0 } else { 255.0 };
    let pair = x / 2 * 4;
    let (luma, u, v) = match format {
        PixelFormat::Rgb8 => return [0, 1, 2].map(|c| 255.0 * luma_share(byte(0, y, x * 3 + c))),
        PixelFormat::Bgr8 => return [2, 1, 0].map(|c| 255.0 * luma_share(byte(0, y, x * 3 + c))),
        PixelFormat::Grey => return [255.0 * luma_share(byte(0, y, x)); 3],
        PixelFormat::Yuyv => (byte(0, y, pair + x % 2 * 2), byte(0, y, pair + 1), byte(0, y, pair + 3)),
        PixelFormat::Uyvy => (byte(0, y, pair + x % 2 * 2 + 1), byte(0, y, pair), byte(0, y, pair + 2)),
        PixelFormat::Nv12 => (byte(0, y, x), byte(1, y / 2, x / 2 * 2), byte(1, y / 2, x / 2 * 2 + 1)),
        PixelFormat::Nv21 => (byte(0, y, x), byte(1, y / 2, x / 2 * 2 + 1), byte(1, y / 2, x / 2 * 2)),
        PixelFormat::Yu12 => (byte(0, y, x), byte(1, y / 2, x / 2), byte(2, y / 2, x / 2)),
        PixelFormat::Jpeg => unreachable!(),
    };
    let (kr, kb) = coding.matrix.luma_weights();
    let (luma, u, v) = (luma_share(luma), chroma_share(u), chroma_share(v));
    let (red, blue) = (luma + 2.0 * (1.0 - kr) * v, luma + 2.0 * (1.0 - kb) * u);
    [red, (luma - kr * red - kb * blue) / (1.0 - kr - kb), blue].map(|share| 255.0 * share)
}

#[test]
fn rgb_is_within_one_level_of_the_standard_formula() {
    let mut converter = RgbConverter::default();
    for (format, coding) in FORMATS.into_iter().flat_map(|format| codings().map(move |coding| (format, coding))) {
        for (size, padding) in [((8, 4), 0), ((7, 5), 0), ((7, 5), 9), ((1, 1), 3), ((33, 2), 64)] {
            let frame = frame(format, coding, Size::new(size.0, size.1), padding, 77);
            let mut all = Vec::new();
            converter.convert_frame(&frame, &mut all).unwrap();
            for (index, rgb) in all.iter().enumerate() {
                let (x, y) = (index % size.0 as usize, index / size.0 as usize);
                for (actual, expected) in rgb.iter().zip(reference_rgb(&frame, x, y)) {
                    let difference = (f64::from(*actual) - expected.clamp(0.0, 255.0)).abs();
                    assert!(
                        difference < 1.0,
                        "{format} {coding:?} {size:?} at {x}, {y}: {actual}, expected {expected:.2}"
                    );
                }
            }
        }
    }
}

#[test]
fn partial_row_equals_the_same_part_of_the_frame() {
    let mut converter = RgbConverter::default();
    let coding = Coding { matrix: Matrix::Bt709, range: Range::Limited };
    for format in FORMATS {
        let frame = frame(format, coding, Size::new(13, 6), 4, 3);
        let mut all = Vec::new();
        converter.convert_frame(&frame, &mut all).unwrap();
        for (left, right) in (0..=13).flat_map(|left| (left..=13).map(move |right| (left, right))) {
            let mut row = vec![[0; 3]; right - left];
            converter.convert_row(&frame, 5, left as u32, &mut row).unwrap();
            assert_eq!(row, all[5 * 13 + left..5 * 13 + right], "{format} from {left} to {right}");
        }
    }
}

#[test]
fn short_buffer_is_an_error_at_every_length() {
    let mut converter = RgbConverter::default();
    for format in FORMATS {
        let whole = frame(format, Coding::RGB, Size::new(6, 4), 2, 1);
        for length in 0..whole.part(0).len() {
            let memory = Arc::new(whole.part(0)[..length].to_vec());
            let info = FrameInfo { size: whole.size(), sequence: 0, captured: whole.captured, source: None, scene: 0 };
            let cut = Frame::new(memory, whole.layout, info);
            let error = converter.convert_frame(&cut, &mut Vec::new()).unwrap_err();
            assert!(matches!(error, ConvertError::Short { .. }), "{format} cut to {length} bytes");
        }
    }
    let jpeg =
        Layout { format: PixelFormat::Jpeg, ..frame(PixelFormat::Grey, Coding::RGB, Size::new(2, 2), 0, 0).layout };
    let info = FrameInfo { size: jpeg.size, sequence: 0, captured: Instant::now(), source: None, scene: 0 };
    let error = converter.convert_frame(&Frame::new(Arc::new(vec![0; 100]), jpeg, info), &mut Vec::new());
    assert_eq!(error, Err(ConvertError::Undecoded));
}
