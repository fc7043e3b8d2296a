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

/// A frame of bytes that look random, its planes after each other with `padding` bytes behind each row.
fn frame(format: PixelFormat, coding: Coding, size: Size, padding: usize, seed: u64) -> Frame {
    let mut planes = [Plane::default(); 3];
    let mut length = 5; // nothing has to begin at an even address
    for (index, plane) in planes.iter_mut().enumerate().take(format.planes()) {
        let stride = format.row_bytes(index, size.width as usize) + padding;
        *plane = Plane { part: 0, offset: length, stride };
        length += stride * format.rows(index, size.height as usize);
    }
    length -= padding; // drivers need not pad the last row
    let bytes: Vec<u8> =
        (0..length as u64).map(|n| ((n + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    let info = FrameInfo { size, sequence: 0, captured: Instant::now(), source: None, scene: 0 };
    Frame::new(Arc::new(bytes), Layout { size, format, coding, planes }, info)
}

/// The pixel as the standard's own formula has it, unrounded.
fn by_the_book(frame: &Frame, x: usize, y: usize) -> [f64; 3] {
    let Layout { format, coding, planes, .. } = frame.layout;
    let at = |plane: usize, row: usize, column: usize| {
        f64::from(frame.part(0)[planes[plane].offset + row * planes[plane].stride + column])
    };
    let limited = coding.range == Range::Limited;
    let white = |level: f64| if limited { (level - 16.0) / 219.0 } else { level / 255.0 };
    let colour = |level: f64| (level - 128.0) / if limited { 224.0 } else { 255.0 };
    let pair = x / 2 * 4;
    let (luma, u, v) = match format {
        PixelFormat::Rgb8 => return [0, 1, 2].map(|c| 255.0 * white(at(0, y, x * 3 + c))),
        PixelFormat::Bgr8 => return [2, 1, 0].map(|c| 255.0 * white(at(0, y, x * 3 + c))),
        PixelFormat::Grey => return [255.0 * white(at(0, y, x)); 3],
        PixelFormat::Yuyv => (at(0, y, pair + x % 2 * 2), at(0, y, pair + 1), at(0, y, pair + 3)),
        PixelFormat::Uyvy => (at(0, y, pair + x % 2 * 2 + 1), at(0, y, pair), at(0, y, pair + 2)),
        PixelFormat::Nv12 => (at(0, y, x), at(1, y / 2, x / 2 * 2), at(1, y / 2, x / 2 * 2 + 1)),
        PixelFormat::Nv21 => (at(0, y, x), at(1, y / 2, x / 2 * 2 + 1), at(1, y / 2, x / 2 * 2)),
        PixelFormat::Yu12 => (at(0, y, x), at(1, y / 2, x / 2), at(2, y / 2, x / 2)),
        PixelFormat::Jpeg => unreachable!(),
    };
    let (kr, kb) = coding.matrix.shares();
    let (luma, u, v) = (white(luma), colour(u), colour(v));
    let (red, blue) = (luma + 2.0 * (1.0 - kr) * v, luma + 2.0 * (1.0 - kb) * u);
    [red, (luma - kr * red - kb * blue) / (1.0 - kr - kb), blue].map(|share| 255.0 * share)
}

#[test]
fn every_format_coding_and_odd_size_is_within_a_level_of_the_standards_formula() {
    let mut pixels = Pixels::default();
    for (format, coding) in FORMATS.into_iter().flat_map(|format| codings().map(move |coding| (format, coding))) {
        for (size, padding) in [((8, 4), 0), ((7, 5), 0), ((7, 5), 9), ((1, 1), 3), ((33, 2), 64)] {
            let frame = frame(format, coding, Size::new(size.0, size.1), padding, 77);
            let mut all = Vec::new();
            pixels.all(&frame, &mut all).unwrap();
            for (index, found) in all.iter().enumerate() {
                let (x, y) = (index % size.0 as usize, index / size.0 as usize);
                for (found, expected) in found.iter().zip(by_the_book(&frame, x, y)) {
                    let apart = (f64::from(*found) - expected.clamp(0.0, 255.0)).abs();
                    assert!(apart < 1.0, "{format} {coding:?} {size:?} at {x}, {y}: {found}, not {expected:.2}");
                }
            }
        }
    }
}

#[test]
fn a_part_of_a_row_is_the_same_as_that_part_of_the_whole() {
    let mut pixels = Pixels::default();
    let coding = Coding { matrix: Matrix::Bt709, range: Range::Limited };
    for format in FORMATS {
        let frame = frame(format, coding, Size::new(13, 6), 4, 3);
        let mut all = Vec::new();
        pixels.all(&frame, &mut all).unwrap();
        for (left, right) in (0..=13).flat_map(|left| (left..=13).map(move |right| (left, right))) {
            let mut row = vec![[0; 3]; right - left];
            pixels.row(&frame, 5, left as u32, &mut row).unwrap();
            assert_eq!(row, all[5 * 13 + left..5 * 13 + right], "{format} from {left} to {right}");
        }
    }
}

#[test]
fn a_buffer_that_is_too_short_is_an_error_wherever_it_ends() {
    let mut pixels = Pixels::default();
    for format in FORMATS {
        let whole = frame(format, Coding::RGB, Size::new(6, 4), 2, 1);
        for kept in 0..whole.part(0).len() {
            let memory = Arc::new(whole.part(0)[..kept].to_vec());
            let info = FrameInfo { size: whole.size(), sequence: 0, captured: whole.captured, source: None, scene: 0 };
            let cut = Frame::new(memory, whole.layout, info);
            let error = pixels.all(&cut, &mut Vec::new()).unwrap_err();
            assert!(matches!(error, PixelsError::Short { .. }), "{format} cut to {kept} bytes");
        }
    }
    let jpeg =
        Layout { format: PixelFormat::Jpeg, ..frame(PixelFormat::Grey, Coding::RGB, Size::new(2, 2), 0, 0).layout };
    let info = FrameInfo { size: jpeg.size, sequence: 0, captured: Instant::now(), source: None, scene: 0 };
    let error = pixels.all(&Frame::new(Arc::new(vec![0; 100]), jpeg, info), &mut Vec::new());
    assert_eq!(error, Err(PixelsError::Undecoded));
}
