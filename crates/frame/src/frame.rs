//! A picture from a camera, and the buffers it lives in.

use std::sync::Arc;
use std::time::Instant;

use crate::{Coding, PixelFormat};

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    /// `width` by `height` pixels.
    pub const fn new(width: u32, height: u32) -> Size {
        Size { width, height }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}×{}", self.width, self.height)
    }
}

/// Sides beyond this are a typo, and would not fit a board's memory.
const LONGEST_SIDE: u32 = 8192;

/// Reads `640x480`.
pub fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let refused = || format!("size is `{text}`, expected WIDTHxHEIGHT in pixels, such as 640x480");
    let (width, height) = text.split_once(['x', '×']).ok_or_else(refused)?;
    let (width, height) = width.parse().ok().zip(height.parse().ok()).ok_or_else(refused)?;
    check_size(width, height)?;
    Ok((width, height))
}

/// Refuses sizes without pixels, and such as nobody means.
pub fn check_size(width: u32, height: u32) -> Result<(), String> {
    let sides = 1..=LONGEST_SIDE;
    match sides.contains(&width) && sides.contains(&height) {
        true => Ok(()),
        false => Err(format!("size is {width}x{height}, each side can be 1 to {LONGEST_SIDE} pixels")),
    }
}

/// Memory that frames live in: a buffer of this program's, or one that a camera's driver writes into.
pub trait Memory: Send + Sync {
    /// The bytes of part `index`, counted from 0; nothing where there is no such part. A driver's frame can lie in
    /// several parts, one for each plane.
    fn part(&self, index: usize) -> &[u8];
}

impl Memory for Vec<u8> {
    fn part(&self, index: usize) -> &[u8] {
        if index == 0 { self } else { &[] }
    }
}

/// Where one plane of a frame lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plane {
    /// Which part of the frame's memory it is in.
    pub part: usize,
    /// Bytes from the beginning of that part to its first row.
    pub offset: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// One picture from a camera: a lease on a shared buffer, cheap to clone.
///
/// Two threads (inference and screen) can hold the same frame while capture goes on; its buffer is used again
/// when the last of them lets go.
#[derive(Clone)]
pub struct Frame {
    memory: Arc<dyn Memory>,
    /// What it looks like in memory; [`PixelFormat::planes`] of the planes count.
    pub layout: Layout,
    /// Counts from 0 at the camera; a gap is a frame that nobody saw.
    pub sequence: u64,
    /// Monotonic time of capture.
    pub captured: Instant,
    /// The file it came from, where it came from one.
    pub source: Option<Arc<str>>,
    /// Another number is another scene: what was seen before says nothing of it.
    pub scene: u64,
    /// The picture within, where the frame is a JPEG that somebody has decoded.
    pub decoded: Option<Arc<Decoded>>,
}

/// What a frame looks like in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Width and height in pixels.
    pub size: Size,
    pub format: PixelFormat,
    /// What the numbers of its pixels stand for.
    pub coding: Coding,
    pub planes: [Plane; 3],
}

impl Layout {
    /// Rows of red, green, blue without gaps.
    pub fn packed_rgb(size: Size) -> Layout {
        let stride = size.width as usize * 3;
        let planes = [Plane { stride, ..Plane::default() }, Plane::default(), Plane::default()];
        Layout { size, format: PixelFormat::Rgb8, coding: Coding::RGB, planes }
    }
}

/// The picture in a JPEG frame, decoded once for all who hold the frame; none while nobody has asked for it.
pub type Decoded = std::sync::Mutex<Option<Result<Frame, String>>>;

impl Frame {
    /// A frame of `layout` in `memory`, just captured.
    pub fn new(memory: Arc<dyn Memory>, layout: Layout, info: FrameInfo) -> Frame {
        let FrameInfo { size: _, sequence, captured, source, scene } = info;
        let decoded = (layout.format == PixelFormat::Jpeg).then(Arc::default);
        Frame { memory, layout, sequence, captured, source, scene, decoded }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> Size {
        self.layout.size
    }

    /// All bytes of a part of its memory, see [`Plane::part`].
    pub fn part(&self, index: usize) -> &[u8] {
        self.memory.part(index)
    }

    /// The bytes of one row of a plane; nothing where the buffer is too short for it, which a driver's may be.
    pub fn row(&self, plane: usize, row: usize, length: usize) -> Option<&[u8]> {
        let Plane { part, offset, stride } = *self.layout.planes.get(plane)?;
        let start = row.checked_mul(stride)?.checked_add(offset)?;
        self.memory.part(part).get(start..start.checked_add(length)?)
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Layout { size, format, .. } = self.layout;
        write!(f, "frame {} of {size} {format}", self.sequence)
    }
}

/// What a camera knows of a frame beside its bytes.
#[derive(Clone, Debug)]
pub struct FrameInfo {
    pub size: Size,
    pub sequence: u64,
    pub captured: Instant,
    pub source: Option<Arc<str>>,
    pub scene: u64,
}
