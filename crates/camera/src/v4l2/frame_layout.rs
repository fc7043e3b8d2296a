//! Where a driver's frames have their pixels, and what their numbers stand for.
#![allow(non_upper_case_globals)] // the kernel's constants, as bindgen names them

use v4l::v4l_sys::*;

use super::fourcc::Known;
use super::ioctl::{Format, MOST_PARTS};
use phicam_frame::{Coding, Layout, Matrix, PixelFormat, Plane, Range};

/// The layout of frames of `format`, and the bytes that each part of a buffer needs for one.
pub fn layout(format: &Format, known: Known) -> (Layout, [usize; MOST_PARTS]) {
    let Known { format: pixels, apart, swapped } = known;
    let (width, height) = (format.size.width as usize, format.size.height as usize);
    let (mut planes, mut needed) = ([Plane::default(); 3], [0; MOST_PARTS]);
    let mut offset = 0;
    for (index, plane) in planes.iter_mut().enumerate().take(pixels.planes()) {
        let part = if apart { index } else { 0 };
        // One number for all planes of one part: that of the first; U and V of YU12 have half of it.
        let stated = match (apart, pixels, index) {
            (false, PixelFormat::Yu12, 1 | 2) => format.strides[0].div_ceil(2),
            (false, ..) => format.strides[0],
            (true, ..) => format.strides[index],
        };
        let row = pixels.row_bytes(index, width);
        let stride = stated.max(row); // some drivers state 0, or less than a row needs
        let start = if apart { 0 } else { offset };
        *plane = Plane { part, offset: start, stride };
        let rows = pixels.rows(index, height);
        offset = start + stride * rows;
        needed[part] = start + stride * rows.saturating_sub(1) + row; // drivers need not fill what pads the last row
    }
    if swapped {
        planes.swap(1, 2);
    }
    (Layout { size: format.size, format: pixels, coding: coding(format, pixels), planes }, needed)
}

/// As the kernel's macros V4L2_MAP_YCBCR_ENC_DEFAULT and V4L2_MAP_QUANTIZATION_DEFAULT fill in what a driver leaves
/// open. A JPEG has its own coding within.
fn coding(format: &Format, pixels: PixelFormat) -> Coding {
    if pixels == PixelFormat::Jpeg {
        return Coding::RGB;
    }
    let stated = match format.ycbcr_enc {
        v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_DEFAULT => match format.colorspace {
            v4l2_colorspace_V4L2_COLORSPACE_REC709 | v4l2_colorspace_V4L2_COLORSPACE_DCI_P3 => {
                v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_709
            }
            v4l2_colorspace_V4L2_COLORSPACE_BT2020 => v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_BT2020,
            v4l2_colorspace_V4L2_COLORSPACE_SMPTE240M => v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_SMPTE240M,
            _ => v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_601,
        },
        stated => stated,
    };
    let matrix = match stated {
        v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_709 | v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_XV709 => Matrix::Bt709,
        v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_BT2020 | v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_BT2020_CONST_LUM => {
            Matrix::Bt2020
        }
        v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_SMPTE240M => Matrix::Smpte240m,
        _ => Matrix::Bt601,
    };
    // The macro knows RGB only; infrared cameras give grey of the full range, and so does the kernel's own test driver.
    let without_colours = matches!(pixels, PixelFormat::Rgb8 | PixelFormat::Bgr8 | PixelFormat::Grey);
    let range = match format.quantization {
        v4l2_quantization_V4L2_QUANTIZATION_FULL_RANGE => Range::Full,
        v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE => Range::Limited,
        _ if without_colours || format.colorspace == v4l2_colorspace_V4L2_COLORSPACE_JPEG => Range::Full,
        _ => Range::Limited,
    };
    Coding { matrix, range }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v4l2::fourcc::FourCc;
    use phicam_frame::Size;

    fn format(fourcc: &[u8; 4], strides: [usize; 3]) -> (Format, Known) {
        let fourcc = FourCc::new(fourcc);
        let size = Size::new(640, 480);
        let format =
            Format { fourcc, size, progressive: true, parts: 1, strides, colorspace: 0, ycbcr_enc: 0, quantization: 0 };
        (format, fourcc.known().unwrap())
    }

    #[test]
    fn planes_lie_where_the_kernel_documents_them() {
        let of = |fourcc, strides| {
            let (format, known) = format(fourcc, strides);
            let (layout, needed) = layout(&format, known);
            (layout.planes.map(|plane| (plane.part, plane.offset, plane.stride)), needed)
        };
        assert_eq!(of(b"YUYV", [1344, 0, 0]), ([(0, 0, 1344), (0, 0, 0), (0, 0, 0)], [1344 * 479 + 1280, 0, 0]));
        assert_eq!(of(b"NV12", [704, 0, 0]).0[1], (0, 704 * 480, 704));
        assert_eq!(of(b"YU12", [704, 0, 0]).0, [(0, 0, 704), (0, 704 * 480, 352), (0, 704 * 600, 352)]);
        assert_eq!(of(b"YV12", [704, 0, 0]).0, [(0, 0, 704), (0, 704 * 600, 352), (0, 704 * 480, 352)]);
        assert_eq!(of(b"NM12", [704, 768, 0]).0[..2], [(0, 0, 704), (1, 0, 768)]);
        assert_eq!(of(b"YM21", [704, 384, 352]).0, [(0, 0, 704), (2, 0, 352), (1, 0, 384)]);
        assert_eq!(of(b"YM12", [0, 0, 0]), ([(0, 0, 640), (1, 0, 320), (2, 0, 320)], [307_200, 76_800, 76_800]));
        assert_eq!(of(b"MJPG", [0, 0, 0]).1, [0, 0, 0]);
    }

    #[test]
    fn what_a_driver_leaves_open_is_filled_in_as_the_kernel_does() {
        let of = |fourcc, colorspace, ycbcr_enc, quantization| {
            let (format, known) = format(fourcc, [0; 3]);
            let format = Format { colorspace, ycbcr_enc, quantization, ..format };
            let Coding { matrix, range } = layout(&format, known).0.coding;
            (matrix, range)
        };
        let (srgb, jpeg) = (v4l2_colorspace_V4L2_COLORSPACE_SRGB, v4l2_colorspace_V4L2_COLORSPACE_JPEG);
        assert_eq!(of(b"YUYV", srgb, 0, 0), (Matrix::Bt601, Range::Limited));
        assert_eq!(of(b"YUYV", jpeg, 0, 0), (Matrix::Bt601, Range::Full));
        assert_eq!(of(b"NV12", v4l2_colorspace_V4L2_COLORSPACE_REC709, 0, 0), (Matrix::Bt709, Range::Limited));
        assert_eq!(of(b"NV12", v4l2_colorspace_V4L2_COLORSPACE_BT2020, 0, 1), (Matrix::Bt2020, Range::Full));
        assert_eq!(of(b"NV12", srgb, v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_709, 0), (Matrix::Bt709, Range::Limited));
        assert_eq!(of(b"YU12", v4l2_colorspace_V4L2_COLORSPACE_SMPTE240M, 0, 0).0, Matrix::Smpte240m);
        assert_eq!(of(b"RGB3", srgb, 0, 0).1, Range::Full);
        assert_eq!(of(b"RGB3", srgb, 0, v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE).1, Range::Limited);
        assert_eq!(of(b"GREY", srgb, 0, 0).1, Range::Full);
        assert_eq!(of(b"MJPG", jpeg, 0, v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE).1, Range::Full);
    }
}
