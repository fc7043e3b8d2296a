//! Buffers of this program's own for frames.

use std::sync::Arc;

use super::{Frame, FrameInfo, Layout, Memory, Plane};

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
        let (memory, info) = self.lease(fill)?;
        Ok(Frame::new(memory, Layout::packed_rgb(info.size), info))
    }

    /// A free buffer to write into for as long as that takes; [`FramePool::give`] makes a frame of it. One that is
    /// dropped instead is lost to the pool, and no harm.
    pub fn take(&mut self) -> Buffer {
        let free = self.buffers.iter_mut().position(|buffer| Arc::get_mut(buffer).is_some());
        Buffer(free.map_or_else(Arc::default, |index| self.buffers.swap_remove(index)))
    }

    /// Leases a buffer of this pool that now holds a frame of `layout`, in one part.
    pub fn give(&mut self, buffer: Buffer, layout: Layout, info: FrameInfo) -> Frame {
        self.buffers.push(buffer.0.clone());
        Frame::new(buffer.0, layout, info)
    }

    /// The same frame in a buffer of this pool, its parts after each other.
    pub fn copy(&mut self, frame: &Frame) -> Frame {
        let mut layout = frame.layout;
        let (memory, ()) = self
            .lease::<_, std::convert::Infallible>(|bytes| {
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

    fn lease<T, E>(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Result<T, E>) -> Result<(Arc<dyn Memory>, T), E> {
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

    /// Buffers made so far.
    pub fn len(&self) -> usize {
        self.buffers.len()
    }

    /// Whether no buffer has been needed yet.
    pub fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }
}

/// A buffer that is being filled, see [`FramePool::take`].
pub struct Buffer(Arc<Vec<u8>>);

impl Buffer {
    /// What is written into; an older frame's bytes at first.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        Arc::make_mut(&mut self.0) // nobody shares it, so that nothing is copied
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
        assert_eq!(lease.part(0), [7; 6]);
        assert_eq!(pool.len(), 2);
    }

    #[test]
    fn a_buffer_that_is_filled_for_long_is_leased_like_any_other() {
        let mut pool = FramePool::default();
        let layout = Layout { format: PixelFormat::Grey, ..Layout::packed_rgb(Size::new(2, 1)) };
        let info = || FrameInfo { size: layout.size, sequence: 0, captured: Instant::now(), source: None, scene: 0 };
        let mut held = Vec::new();
        for level in 0..4 {
            let mut buffer = pool.take();
            *buffer.bytes() = vec![level; 2];
            held.push(pool.give(buffer, layout, info()));
        }
        assert!((0..4).all(|level| held[level].part(0) == [level as u8; 2]), "each has bytes of its own");
        drop(held);
        for _ in 0..4 {
            let buffer = pool.take();
            drop(pool.give(buffer, layout, info()));
        }
        assert_eq!(pool.len(), 4, "no more buffers than were held at once");
    }

    #[test]
    fn a_copy_of_a_frame_in_several_parts_reads_the_same() {
        struct Apart;
        impl Memory for Apart {
            fn part(&self, index: usize) -> &[u8] {
                [&[1, 2, 3, 4][..], &[5, 6, 7, 8, 9]].get(index).copied().unwrap_or_default()
            }
        }
        let plane = |part, offset| Plane { part, offset, stride: 2 };
        let planes = [plane(0, 0), plane(1, 3), Plane::default()];
        let layout =
            Layout { format: PixelFormat::Nv12, planes, coding: Coding::RGB, ..Layout::packed_rgb(Size::new(2, 2)) };
        let info = FrameInfo { size: layout.size, sequence: 3, captured: Instant::now(), source: None, scene: 1 };
        let apart = Frame::new(Arc::new(Apart), layout, info);
        let copy = FramePool::default().copy(&apart);
        for (plane, row) in [(0, 0), (0, 1), (1, 0)] {
            assert_eq!(copy.row(plane, row, 2), apart.row(plane, row, 2));
        }
        assert_eq!((copy.row(1, 0, 2), copy.sequence), (Some(&[8, 9][..]), 3));
    }
}
