//! Pixel formats and colour codings: how the bytes of a frame encode its pixels.

/// Order and subsampling of a frame's bytes. V4L2's fourccs name the formats with luminance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Three bytes a pixel: red, green, blue.
    Rgb8,
    /// Three bytes a pixel: blue, green, red.
    Bgr8,
    /// One byte a pixel: luminance.
    Grey,
    /// Four bytes for two pixels beside each other: Y, U, Y, V.
    Yuyv,
    /// Four bytes for two pixels beside each other: U, Y, V, Y.
    Uyvy,
    /// A plane of Y; a plane of U, V for each two by two pixels.
    Nv12,
    /// A plane of Y; a plane of V, U for each two by two pixels.
    Nv21,
    /// A plane of Y; one of U, one of V, each with a byte for two by two pixels.
    Yu12,
    /// A JPEG file.
    Jpeg,
}

impl PixelFormat {
    /// Returns the number of planes.
    pub fn planes(self) -> usize {
        match self {
            PixelFormat::Nv12 | PixelFormat::Nv21 => 2,
            PixelFormat::Yu12 => 3,
            _ => 1,
        }
    }

    /// Returns the bytes of one row of `plane` in a frame of `width` pixels; 0 for a JPEG, which has no rows.
    pub fn row_bytes(self, plane: usize, width: usize) -> usize {
        let half = width.div_ceil(2);
        match (self, plane) {
            (PixelFormat::Jpeg, _) => 0,
            (PixelFormat::Rgb8 | PixelFormat::Bgr8, _) => width * 3,
            (PixelFormat::Yuyv | PixelFormat::Uyvy, _) => half * 4,
            (PixelFormat::Nv12 | PixelFormat::Nv21, 1) => half * 2,
            (PixelFormat::Yu12, 1 | 2) => half,
            _ => width,
        }
    }

    /// Returns the rows of `plane` in a frame of `height` pixels.
    pub fn rows(self, plane: usize, height: usize) -> usize {
        match self {
            PixelFormat::Nv12 | PixelFormat::Nv21 | PixelFormat::Yu12 if plane > 0 => height.div_ceil(2),
            _ => height,
        }
    }
}

impl std::fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PixelFormat::Rgb8 => "RGB3",
            PixelFormat::Bgr8 => "BGR3",
            PixelFormat::Grey => "GREY",
            PixelFormat::Yuyv => "YUYV",
            PixelFormat::Uyvy => "UYVY",
            PixelFormat::Nv12 => "NV12",
            PixelFormat::Nv21 => "NV21",
            PixelFormat::Yu12 => "YU12",
            PixelFormat::Jpeg => "MJPG",
        })
    }
}

/// Colour coding: matrix and range that convert luminance and colour differences to red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coding {
    pub matrix: Matrix,
    pub range: Range,
}

impl Coding {
    /// Coding of frames that hold red, green and blue already.
    pub const RGB: Coding = Coding { matrix: Matrix::Bt601, range: Range::Full };
}

/// Colour matrix: the weights of red and blue in luminance, by standard (ITU-R, SMPTE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// Webcams and JPEG.
    Bt601,
    /// High definition.
    Bt709,
    /// Ultra high definition.
    Bt2020,
    /// Early high definition, before BT.709.
    Smpte240m,
}

impl Matrix {
    /// Returns Kr and Kb of luminance Y = Kr·R + (1 − Kr − Kb)·G + Kb·B.
    pub fn luma_weights(self) -> (f64, f64) {
        match self {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
            Matrix::Smpte240m => (0.212, 0.087),
        }
    }
}

/// Levels of black and white.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// 16 to 235 for luminance, red, green and blue; 16 to 240 for colour differences.
    Limited,
    /// 0 to 255.
    Full,
}
