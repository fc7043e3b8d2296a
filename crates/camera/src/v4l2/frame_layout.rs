//! Layout of a driver's frames: positions of the planes, and the colour coding.
#![allow(non_upper_case_globals)] // the kernel's constants, as bindgen names them

use v4l::v4l_sys::*;

use super::fourcc::ReadableFormat;
use super::ioctl::{Format, MAX_PARTS};
use phicam_frame::{Coding, Layout, Matrix, PixelFormat, Plane, Range};

/// Returns the layout of frames of `format`, and the bytes that a frame needs in each memory part.
pub fn frame_layout(format: &Format, readable: ReadableFormat) -> (Layout, [usize; MAX_PARTS]) {
    let ReadableFormat { format: pixels, separate_planes, v_first } = readable;
    let width = format.size.width as usize;
    let height = format.size.height as usize;
    let mut planes = [Plane::default(); 3];
    let mut needed_bytes = [0; MAX_PARTS];
    let mut offset = 0;
    for (index, plane) in planes.iter_mut().enumerate().take(pixels.planes()) {
        let part = if separate_planes { index } else { 0 };
        // Planes in one part share the stride of the first; U and V of YU12 have half of it.
        let stated_stride = match (separate_planes, pixels, index) {
            (false, PixelFormat::Yu12, 1 | 2) => format.strides[0].div_ceil(2),
            (false, ..) => format.strides[0],
            (true, ..) => format.strides[index],
        };
        let row = pixels.row_bytes(index, width);
        let stride = stated_stride.max(row); // some drivers state 0, or less than a row needs
        let start = if separate_planes { 0 } else { offset };
        *plane = Plane { part, offset: start, stride };
        let rows = pixels.rows(index, height);
        offset = start + stride * rows;
        needed_bytes[part] = start + stride * rows.saturating_sub(1) + row; // the last row may lack its padding
    }
    if v_first {
        planes.swap(1, 2);
    }
    (Layout { size: format.size, format: pixels, coding: coding(format, pixels), planes }, needed_bytes)
}

/// Returns the colour coding; defaults follow the kernel's macros V4L2_MAP_YCBCR_ENC_DEFAULT and
/// V4L2_MAP_QUANTIZATION_DEFAULT. A JPEG is decoded to RGB.
fn coding(format: &Format, pixels: PixelFormat) -> Coding {
    if pixels == PixelFormat::Jpeg {
        return Coding::RGB;
    }
    let encoding = match format.ycbcr_enc {
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
    let matrix = match encoding {
        v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_709 | v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_XV709 => Matrix::Bt709,
        v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_BT2020 | v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_BT2020_CONST_LUM => {
            Matrix::Bt2020
        }
        v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_SMPTE240M => Matrix::Smpte240m,
        _ => Matrix::Bt601,
    };
    // The kernel's macro treats only RGB as full range. Infrared cameras and the driver vivid deliver full-range grey.
    let full_range_default = matches!(pixels, PixelFormat::Rgb8 | PixelFormat::Bgr8 | PixelFormat::Grey);
    let range = match format.quantization {
        v4l2_quantization_V4L2_QUANTIZATION_FULL_RANGE => Range::Full,
        v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE => Range::Limited,
        _ if full_range_default || format.colorspace == v4l2_colorspace_V4L2_COLORSPACE_JPEG => Range::Full,
        _ => Range::Limited,
    };
    Coding { matrix, range }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v4l2::fourcc::FourCc;
    use phicam_frame::Size;

    fn format(fourcc: &[u8; 4], strides: [usize; 3]) -> (Format, ReadableFormat) {
        let fourcc = FourCc::new(fourcc);
        let size = Size::new(640, 480);
        let format =
            Format { fourcc, size, progressive: true, parts: 1, strides, colorspace: 0, ycbcr_enc: 0, quantization: 0 };
        (format, fourcc.readable().unwrap())
    }

    #[test]
    fn planes_follow_the_kernel_documentation() {
        let planes = |fourcc, strides| {
            let (format, readable) = format(fourcc, strides);
            let (layout, needed_bytes) = frame_layout(&format, readable);
            (layout.planes.map(|plane| (plane.part, plane.offset, plane.stride)), needed_bytes)
        };
        assert_eq!(planes(b"YUYV", [1344, 0, 0]), ([(0, 0, 1344), (0, 0, 0), (0, 0, 0)], [1344 * 479 + 1280, 0, 0]));
        assert_eq!(planes(b"NV12", [704, 0, 0]).0[1], (0, 704 * 480, 704));
        assert_eq!(planes(b"YU12", [704, 0, 0]).0, [(0, 0, 704), (0, 704 * 480, 352), (0, 704 * 600, 352)]);
        assert_eq!(planes(b"YV12", [704, 0, 0]).0, [(0, 0, 704), (0, 704 * 600, 352), (0, 704 * 480, 352)]);
        assert_eq!(planes(b"NM12", [704, 768, 0]).0[..2], [(0, 0, 704), (1, 0, 768)]);
        assert_eq!(planes(b"YM21", [704, 384, 352]).0, [(0, 0, 704), (2, 0, 352), (1, 0, 384)]);
        assert_eq!(planes(b"YM12", [0, 0, 0]), ([(0, 0, 640), (1, 0, 320), (2, 0, 320)], [307_200, 76_800, 76_800]));
        assert_eq!(planes(b"MJPG", [0, 0, 0]).1, [0, 0, 0]);
    }

    #[test]
    fn colour_coding_defaults_follow_the_kernel() {
        let coding = |fourcc, colorspace, ycbcr_enc, quantization| {
            let (format, readable) = format(fourcc, [0; 3]);
            let format = Format { colorspace, ycbcr_enc, quantization, ..format };
            let Coding { matrix, range } = frame_layout(&format, readable).0.coding;
            (matrix, range)
        };
        let (srgb, jpeg) = (v4l2_colorspace_V4L2_COLORSPACE_SRGB, v4l2_colorspace_V4L2_COLORSPACE_JPEG);
        assert_eq!(coding(b"YUYV", srgb, 0, 0), (Matrix::Bt601, Range::Limited));
        assert_eq!(coding(b"YUYV", jpeg, 0, 0), (Matrix::Bt601, Range::Full));
        assert_eq!(coding(b"NV12", v4l2_colorspace_V4L2_COLORSPACE_REC709, 0, 0), (Matrix::Bt709, Range::Limited));
        assert_eq!(coding(b"NV12", v4l2_colorspace_V4L2_COLORSPACE_BT2020, 0, 1), (Matrix::Bt2020, Range::Full));
        assert_eq!(coding(b"NV12", srgb, v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_709, 0), (Matrix::Bt709, Range::Limited));
        assert_eq!(coding(b"YU12", v4l2_colorspace_V4L2_COLORSPACE_SMPTE240M, 0, 0).0, Matrix::Smpte240m);
        assert_eq!(coding(b"RGB3", srgb, 0, 0).1, Range::Full);
        assert_eq!(coding(b"RGB3", srgb, 0, v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE).1, Range::Limited);
        assert_eq!(coding(b"GREY", srgb, 0, 0).1, Range::Full);
        assert_eq!(coding(b"MJPG", jpeg, 0, v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE).1, Range::Full);
    }
}
