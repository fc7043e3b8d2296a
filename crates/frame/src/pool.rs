//! Pool of frame buffers that the program allocates itself.

use std::sync::Arc;

use super::{Frame, FrameInfo, Layout, Memory, Plane};

/// Pool of frame buffers; a buffer is free again when its last lease is dropped.
///
/// The pool grows to the number of buffers held at once, and then allocates no more.
#[derive(Default)]
pub struct FramePool {
    buffers: Vec<Arc<Vec<u8>>>,
}

impl FramePool {
    /// Lets `fill` write RGB rows without padding into a free buffer, and leases the result.
    ///
    /// The buffer still holds the bytes of an older frame. If `fill` fails, the buffer stays in the pool.
    pub fn fill<E>(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Result<FrameInfo, E>) -> Result<Frame, E> {
        let (memory, info) = self.lease_filled(fill)?;
        Ok(Frame::new(memory, Layout::packed_rgb(info.size), info))
    }

    /// Removes a free buffer for writing; [`FramePool::lease`] turns it into a frame.
    ///
    /// A buffer that is dropped instead leaves the pool without harm.
    pub fn take(&mut self) -> Buffer {
        let free = self.buffers.iter_mut().position(|buffer| Arc::get_mut(buffer).is_some());
        Buffer(free.map_or_else(Arc::default, |index| self.buffers.swap_remove(index)))
    }

    /// Leases a buffer from [`FramePool::take`] that now holds a frame of `layout`, in one memory part.
    pub fn lease(&mut self, buffer: Buffer, layout: Layout, info: FrameInfo) -> Frame {
        self.buffers.push(buffer.0.clone());
        Frame::new(buffer.0, layout, info)
    }

    /// Copies a frame into a buffer of this pool, with its memory parts one after the other.
    pub fn copy(&mut self, frame: &Frame) -> Frame {
        let mut layout = frame.layout;
        let (memory, ()) = self
            .lease_filled::<_, std::convert::Infallible>(|bytes| {
                bytes.clear();
                let parts = layout.planes.iter().map(|plane| plane.part).max().unwrap_or(0);
                for part in 0..=parts {
                    let moved =
                        layout.planes.iter_mut().zip(frame.layout.planes).filter(|(_, plane)| plane.part == part);
                    moved.for_each(|(to, from)| *to = Plane { part: 0, offset: bytes.len() + from.offset, ..from });
                    bytes.extend_from_slice(frame.part(part));
                }
                Ok(())
            })
            .unwrap_or_else(|never| match never {});
        let Frame { sequence, captured, source, scene, .. } = frame.clone();
        Frame::new(memory, layout, FrameInfo { size: layout.size, sequence, captured, source, scene })
    }

    fn lease_filled<T, E>(
        &mut self,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<T, E>,
    ) -> Result<(Arc<dyn Memory>, T), E> {
        let free = self.buffers.iter_mut().position(|buffer| Arc::get_mut(buffer).is_some());
        let index = free.unwrap_or_else(|| {
            self.buffers.push(Arc::new(Vec::new()));
            self.buffers.len() - 1
        });
        let buffer = &mut self.buffers[index];
        let filled = match Arc::get_mut(buffer) {
            Some(bytes) => fill(bytes)?,
            None => unreachable!("a free buffer has one owner, and only this pool could add another"),
        };
        Ok((buffer.clone(), filled))
    }

    /// Returns the number of buffers allocated so far.
    pub fn len(&self) -> usize {
        self.buffers.len()
    }

    /// Returns whether no buffer has been allocated yet.
    pub fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }
}

/// Buffer that is being filled, from [`FramePool::take`].
pub struct Buffer(Arc<Vec<u8>>);

impl Buffer {
    /// Returns the bytes to overwrite; at first they hold an older frame.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        Arc::make_mut(&mut self.0) // the buffer has one owner, so this never copies
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use crate::*;
    use crate::{Coding, PixelFormat, Size};

    fn frame(pool: &mut FramePool, sequence: u64) -> Frame {
        let size = Size::new(2, 1);
        pool.fill(|bytes| {
            bytes.resize(6, sequence as u8);
            Ok::<_, ()>(FrameInfo { size, sequence, captured: Instant::now(), source: None, scene: 0 })
        })
        .unwrap()
    }

    #[test]
    fn dropped_frame_returns_its_buffer() {
        let mut pool = FramePool::default();
        for sequence in 0..10 {
            drop(frame(&mut pool, sequence));
        }
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn held_frame_keeps_its_bytes_during_capture() {
        let mut pool = FramePool::default();
        let held = frame(&mut pool, 7);
        let lease = held.clone();
        drop(held);
        frame(&mut pool, 8);
        assert_eq!(lease.part(0), [7; 6]);
        assert_eq!(pool.len(), 2);
    }

    #[test]
    fn taken_buffers_return_to_the_pool_after_their_lease() {
        let mut pool = FramePool::default();
        let layout = Layout { format: PixelFormat::Grey, ..Layout::packed_rgb(Size::new(2, 1)) };
        let info = || FrameInfo { size: layout.size, sequence: 0, captured: Instant::now(), source: None, scene: 0 };
        let mut held = Vec::new();
        for level in 0..4 {
            let mut buffer = pool.take();
            *buffer.bytes() = vec![level; 2];
            held.push(pool.lease(buffer, layout, info()));
        }
        for (level, frame) in held.iter().enumerate() {
            assert_eq!(frame.part(0), [level as u8; 2], "each frame has its own bytes");
        }
        drop(held);
        for _ in 0..4 {
            let buffer = pool.take();
            drop(pool.lease(buffer, layout, info()));
        }
        assert_eq!(pool.len(), 4, "the pool has as many buffers as were held at once");
    }

    #[test]
    fn copy_of_a_multi_part_frame_has_equal_rows() {
        struct TwoParts;
        impl Memory for TwoParts {
            fn part(&self, index: usize) -> &[u8] {
                [&[1, 2, 3, 4][..], &[5, 6, 7, 8, 9]].get(index).copied().unwrap_or_default()
            }
        }
        let plane = |part, offset| Plane { part, offset, stride: 2 };
        let planes = [plane(0, 0), plane(1, 3), Plane::default()];
        let layout =
            Layout { format: PixelFormat::Nv12, planes, coding: Coding::RGB, ..Layout::packed_rgb(Size::new(2, 2)) };
        let info = FrameInfo { size: layout.size, sequence: 3, captured: Instant::now(), source: None, scene: 1 };
        let original = Frame::new(Arc::new(TwoParts), layout, info);
        let copy = FramePool::default().copy(&original);
        for (plane, row) in [(0, 0), (0, 1), (1, 0)] {
            assert_eq!(copy.row(plane, row, 2), original.row(plane, row, 2));
        }
        assert_eq!((copy.row(1, 0, 2), copy.sequence), (Some(&[8, 9][..]), 3));
    }
}
