//! Buffers of this program's own for frames.

use std::sync::Arc;

use super::{Frame, FrameInfo, Layout, Memory};

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
        let memory: Arc<dyn Memory> = buffer.clone();
        Ok(Frame::new(memory, Layout::packed_rgb(info.size), info))
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
    use std::time::Instant;

    use super::*;
    use crate::frame::Size;

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
}
