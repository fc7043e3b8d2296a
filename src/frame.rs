//! A picture from a camera, and the buffers it lives in.

use std::sync::Arc;
use std::time::Instant;

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

/// How a frame's bytes encode its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Three bytes a pixel: red, green, blue.
    Rgb8,
}

/// One picture from a camera: a lease on a shared buffer, cheap to clone.
///
/// Two threads (inference and screen) can hold the same frame while capture goes on; its buffer is used again
/// when the last of them lets go.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Arc<Vec<u8>>,
    /// Width and height in pixels.
    pub size: Size,
    pub format: PixelFormat,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Counts from 0 at the camera; a gap is a frame that nobody saw.
    pub sequence: u64,
    /// Monotonic time of capture.
    pub captured: Instant,
    /// The file it came from, where it came from one.
    pub source: Option<Arc<str>>,
    /// Another number is another scene: what was seen before says nothing of it.
    pub scene: u64,
}

impl Frame {
    /// The rows, [`Frame::stride`] bytes apart.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
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

/// Buffers for frames, used again once every lease on them is dropped.
///
/// It grows to as many buffers as are held at once, and then allocates no more.
#[derive(Default)]
pub struct FramePool {
    buffers: Vec<Arc<Vec<u8>>>,
}

impl FramePool {
    /// Lets `fill` write tightly packed RGB rows into a free buffer and leases the result.
    ///
    /// The buffer holds an older frame's bytes when `fill` gets it. An error of `fill` gives the buffer back.
    pub fn fill<E>(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Result<FrameInfo, E>) -> Result<Frame, E> {
        let free = self.buffers.iter_mut().position(|buffer| Arc::get_mut(buffer).is_some());
        let index = free.unwrap_or_else(|| {
            self.buffers.push(Arc::new(Vec::new()));
            self.buffers.len() - 1
        });
        let buffer = &mut self.buffers[index];
        let info = match Arc::get_mut(buffer) {
            Some(bytes) => fill(bytes)?,
            None => unreachable!("a free buffer has one owner, and only this pool could add another"),
        };
        Ok(Frame {
            bytes: Arc::clone(buffer),
            size: info.size,
            format: PixelFormat::Rgb8,
            stride: info.size.width as usize * 3,
            sequence: info.sequence,
            captured: info.captured,
            source: info.source,
            scene: info.scene,
        })
    }

    /// Buffers made so far.
    pub fn len(&self) -> usize {
        self.buffers.len()
    }

    /// Whether no buffer has been needed yet.
    pub fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(pool: &mut FramePool, sequence: u64) -> Frame {
        let size = Size::new(2, 1);
        pool.fill(|bytes| {
            bytes.resize(6, sequence as u8);
            Ok::<_, ()>(FrameInfo { size, sequence, captured: Instant::now(), source: None, scene: 0 })
        })
        .unwrap()
    }

    #[test]
    fn a_dropped_frame_gives_its_buffer_back() {
        let mut pool = FramePool::default();
        for sequence in 0..10 {
            drop(frame(&mut pool, sequence));
        }
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn a_held_frame_keeps_its_bytes_while_capture_goes_on() {
        let mut pool = FramePool::default();
        let held = frame(&mut pool, 7);
        let lease = held.clone();
        drop(held);
        frame(&mut pool, 8);
        assert_eq!(lease.bytes(), [7; 6]);
        assert_eq!(pool.len(), 2);
    }
}
