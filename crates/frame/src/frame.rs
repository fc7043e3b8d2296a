//! Frame of a camera, its layout in memory, and the memory that holds it.

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
    /// Creates a size of `width` by `height` pixels.
    pub const fn new(width: u32, height: u32) -> Size {
        Size { width, height }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}×{}", self.width, self.height)
    }
}

/// Longest side in pixels, estimated: longer ones are typing errors, and 8192² RGB pixels already take 192 MiB.
const MAX_SIDE: u32 = 8192;

/// Parses a size such as `640x480`; the error names the expected form or the limit.
pub fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let syntax_error = || format!("size is `{text}`, expected WIDTHxHEIGHT in pixels, such as 640x480");
    let (width, height) = text.split_once(['x', '×']).ok_or_else(syntax_error)?;
    let (width, height) = width.parse().ok().zip(height.parse().ok()).ok_or_else(syntax_error)?;
    check_size(width, height)?;
    Ok((width, height))
}

/// Rejects a size with a side of 0 or beyond 8192 pixels; the error states value and limit.
pub fn check_size(width: u32, height: u32) -> Result<(), String> {
    let sides = 1..=MAX_SIDE;
    if sides.contains(&width) && sides.contains(&height) {
        Ok(())
    } else {
        Err(format!("size is {width}x{height}, expected sides of 1 to {MAX_SIDE} pixels"))
    }
}

/// Memory of a frame: a buffer of this program, or one that a camera driver writes.
pub trait Memory: Send + Sync {
    /// Returns the bytes of part `index`, counted from 0; the slice is empty if there is no such part.
    ///
    /// A driver may keep each plane of a frame in a part of its own.
    fn part(&self, index: usize) -> &[u8];
}

impl Memory for Vec<u8> {
    fn part(&self, index: usize) -> &[u8] {
        if index == 0 { self } else { &[] }
    }
}

/// Position of one plane in the memory of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plane {
    /// Index of the memory part that holds the plane.
    pub part: usize,
    /// Bytes from the start of that part to the first row.
    pub offset: usize,
    /// Bytes from the start of one row to the next.
    pub stride: usize,
}

/// One image from a camera: a lease on a shared buffer, cheap to clone.
///
/// Inference and display can hold one frame while capture continues. The last lease to end returns the buffer.
#[derive(Clone)]
pub struct Frame {
    memory: Arc<dyn Memory>,
    /// Layout in memory; only the first [`PixelFormat::planes`] planes are used.
    pub layout: Layout,
    /// Frame number of the camera, counted from 0; a gap is a lost frame.
    pub sequence: u64,
    /// Capture time on the monotonic clock.
    pub captured: Instant,
    /// Name of the source file; `None` for cameras.
    pub source: Option<Arc<str>>,
    /// Scene number: a change means that earlier frames say nothing about this one.
    pub scene: u64,
    /// Shared slot for the decoded image; `None` if the frame is not a JPEG.
    pub decoded: Option<Arc<Decoded>>,
}

/// Layout of a frame in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub size: Size,
    pub format: PixelFormat,
    pub coding: Coding,
    pub planes: [Plane; 3],
}

impl Layout {
    /// Returns the layout of RGB rows without padding, in one plane.
    pub fn packed_rgb(size: Size) -> Layout {
        let stride = size.width as usize * 3;
        let planes = [Plane { stride, ..Plane::default() }, Plane::default(), Plane::default()];
        Layout { size, format: PixelFormat::Rgb8, coding: Coding::RGB, planes }
    }
}

/// Decoded image of a JPEG frame, shared by all leases; `None` until the first request.
pub type Decoded = parking_lot::Mutex<Option<Result<Frame, String>>>;

impl Frame {
    /// Creates a frame of `layout` in `memory`. `info.size` is ignored: the layout states the size.
    pub fn new(memory: Arc<dyn Memory>, layout: Layout, info: FrameInfo) -> Frame {
        let FrameInfo { size: _, sequence, captured, source, scene } = info;
        let decoded = (layout.format == PixelFormat::Jpeg).then(Arc::default);
        Frame { memory, layout, sequence, captured, source, scene, decoded }
    }

    /// Returns the size in pixels; a JPEG's own header may differ from it.
    pub fn size(&self) -> Size {
        self.layout.size
    }

    /// Returns all bytes of one memory part, see [`Plane::part`].
    pub fn part(&self, index: usize) -> &[u8] {
        self.memory.part(index)
    }

    /// Returns `length` bytes of one row of a plane; `None` if the buffer is too short, as a faulty driver's may be.
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

/// Metadata of a frame; see the fields of [`Frame`].
#[derive(Clone, Debug)]
pub struct FrameInfo {
    pub size: Size,
    pub sequence: u64,
    pub captured: Instant,
    pub source: Option<Arc<str>>,
    pub scene: u64,
}
