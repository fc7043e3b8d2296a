//! Buffer queue of a driver: its filled buffers become frames by lease, and only the newest is used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{debug, trace, warn};
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use v4l::v4l_sys::*;

use super::devices::diagnose;
use super::error::{CallError, V4l2Error};
use super::ioctl::{FilledBuffer, MAX_PARTS, Mapping, Node};
use crate::CameraCounts;
use phicam_frame::{Frame, FrameInfo, FramePool, Layout, Memory, PixelFormat};

/// Buffers to request: two for the driver, the newest frame, and three for slow consumers.
const REQUESTED_BUFFERS: u32 = 6;
/// Least number of buffers: with one, the driver pauses while its frame is copied.
const MIN_BUFFERS: u32 = 2;
/// Least number of buffers for leases; with fewer, every frame is copied. v4l2loopback has two by default.
const MIN_BUFFERS_FOR_LEASES: u32 = 3;
/// Buffers that stay with the driver: one to fill now, one to fill next.
const MIN_DRIVER_BUFFERS: usize = 2;

/// State shared by the queue and the leases; the last of them unmaps the memory and closes the node.
struct Shared {
    buffers: Vec<Vec<Mapping>>, // declared before `node`: unmapped before the node is closed
    node: Node,
    state: Mutex<State>,
}

struct State {
    streaming: bool,
    /// Buffers queued in the driver.
    queued: usize,
}

/// Buffer queue of a streaming camera.
pub struct BufferQueue {
    shared: Arc<Shared>,
    layout: Layout,
    /// Bytes that a frame needs in each memory part.
    needed_bytes: [usize; MAX_PARTS],
    /// Whether to copy every frame, because the driver writes into dequeued buffers or has too few.
    copy_all: bool,
    pool: FramePool,
    pub counts: CameraCounts,
    /// Last sequence number of the driver, and its 64-bit continuation.
    sequence: Option<(u32, u64)>,
    /// Whether to discard the next frame: the first JPEG after a start is often incomplete.
    drop_first: bool,
    /// Whether the last batch was discarded because it was stale.
    dropped_stale: bool,
}

/// Memory of a frame; dropping it returns the buffer to the driver.
struct Lease {
    shared: Arc<Shared>,
    index: u32,
    /// Filled bytes of each part.
    used: [usize; MAX_PARTS],
}

impl Memory for Lease {
    fn part(&self, index: usize) -> &[u8] {
        let part = self.shared.buffers.get(self.index as usize).and_then(|parts| parts.get(index));
        part.map_or(&[], |mapping| mapping.bytes(self.used.get(index).copied().unwrap_or(0)))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.requeue(self.index);
    }
}

impl Shared {
    /// Returns a buffer to the driver, unless the stream has stopped.
    fn requeue(&self, index: u32) {
        let mut state = self.state.lock();
        if state.streaming {
            match self.node.queue(index) {
                Ok(()) => state.queued += 1,
                Err(error) => debug!("{}: buffer {index} is lost: {error}", self.node.path.display()),
            }
        }
    }
}

impl BufferQueue {
    /// Maps buffers for frames of `layout` and starts the stream.
    ///
    /// `copy_all` is for drivers that write into dequeued buffers, such as v4l2loopback.
    pub fn start(
        node: Node,
        layout: Layout,
        needed_bytes: [usize; MAX_PARTS],
        copy_all: bool,
    ) -> Result<BufferQueue, V4l2Error> {
        let path = node.path.clone();
        let diagnose = |cause| diagnose(&path, cause);
        let count = node.request_buffers(REQUESTED_BUFFERS).map_err(diagnose)?;
        if count < MIN_BUFFERS {
            return Err(V4l2Error::Buffers { path, count, min: MIN_BUFFERS });
        }
        if count < MIN_BUFFERS_FOR_LEASES {
            debug!("{}: VIDIOC_REQBUFS gave {count} buffers, so every frame is copied", path.display());
        }
        let copy_all = copy_all || count < MIN_BUFFERS_FOR_LEASES;
        let buffers = (0..count).map(|index| node.map(index)).collect::<Result<Vec<_>, _>>().map_err(diagnose)?;
        let state = Mutex::new(State { streaming: false, queued: 0 });
        let shared = Arc::new(Shared { buffers, node, state });
        for index in 0..count {
            shared.node.queue(index).map_err(diagnose)?;
        }
        if let Err(error) = shared.node.subscribe_source_change() {
            debug!("{}: source changes are not reported: {error}", path.display());
        }
        shared.node.stream(true).map_err(diagnose)?;
        *shared.state.lock() = State { streaming: true, queued: count as usize };
        let drop_first = layout.format == PixelFormat::Jpeg;
        Ok(BufferQueue {
            shared,
            layout,
            needed_bytes,
            copy_all,
            pool: FramePool::default(),
            counts: CameraCounts::default(),
            sequence: None,
            drop_first,
            dropped_stale: false,
        })
    }

    pub fn node(&self) -> &Node {
        &self.shared.node
    }

    /// Dequeues all filled buffers and returns the newest valid frame; the other buffers return to the driver.
    ///
    /// If the driver had filled all its buffers, it had to pause, and even the newest frame is stale. That batch is
    /// discarded once, and the following frame is the newest.
    pub fn take_newest(&mut self) -> Result<Option<Frame>, CallError> {
        let mut newest: Option<(FilledBuffer, u64)> = None;
        let queued_before = self.shared.state.lock().queued;
        let mut dequeued = 0;
        // The limit ends the loop if the driver fills buffers faster than it runs.
        while dequeued < 2 * self.shared.buffers.len() {
            let Some(filled) = self.shared.node.dequeue()? else { break };
            self.shared.state.lock().queued -= 1;
            dequeued += 1;
            let sequence = self.continue_sequence(filled.sequence);
            trace!("dequeued {sequence}");
            if !self.is_complete(&filled) {
                self.counts.bad += 1;
                self.shared.requeue(filled.index);
            } else if std::mem::take(&mut self.drop_first) {
                self.counts.skipped += 1;
                self.shared.requeue(filled.index);
            } else if let Some((older, _)) = newest.replace((filled, sequence)) {
                self.counts.skipped += 1;
                self.shared.requeue(older.index);
            }
        }
        let Some((filled, sequence)) = newest else { return Ok(None) };
        let stale = dequeued > 1 && dequeued + 1 >= queued_before; // some drivers never fill their last buffer
        self.dropped_stale = stale && !self.dropped_stale;
        if self.dropped_stale {
            self.counts.skipped += 1;
            self.shared.requeue(filled.index);
            return Ok(None);
        }
        trace!("took {sequence}");
        Ok(Some(self.lease(&filled, sequence)))
    }

    /// Makes a frame of a filled buffer: a lease, or a copy if the driver needs the buffer back.
    fn lease(&mut self, filled: &FilledBuffer, sequence: u64) -> Frame {
        let mut layout = self.layout;
        for plane in &mut layout.planes {
            plane.offset += filled.offsets[plane.part];
        }
        let driver_needs_buffer = self.shared.state.lock().queued < MIN_DRIVER_BUFFERS;
        let memory = Arc::new(Lease { shared: self.shared.clone(), index: filled.index, used: filled.used });
        let captured = capture_time(filled);
        let info = FrameInfo { size: layout.size, sequence, captured, source: None, scene: 0 };
        let frame = Frame::new(memory, layout, info);
        if !driver_needs_buffer && !self.copy_all {
            return frame;
        }
        self.counts.copied += 1;
        if driver_needs_buffer && self.counts.copied == 1 {
            let path = self.shared.node.path.display();
            warn!("{path}: copying frames, because held frames leave the driver too few buffers; each copy is counted");
        }
        self.pool.copy(&frame) // dropping `frame` ends the lease
    }

    /// Returns whether the driver reports no error and each part has the bytes that a frame needs.
    fn is_complete(&self, filled: &FilledBuffer) -> bool {
        let planes = &self.layout.planes[..self.layout.format.planes()];
        let has_frame = |part: usize| {
            let FilledBuffer { used, offsets, .. } = filled;
            used[part] > offsets[part] && used[part] - offsets[part] >= self.needed_bytes[part]
        };
        filled.flags & V4L2_BUF_FLAG_ERROR == 0 && planes.iter().all(|plane| has_frame(plane.part))
    }

    /// Extends the driver's 32-bit sequence number to 64 bits, and counts gaps as dropped frames.
    fn continue_sequence(&mut self, number: u32) -> u64 {
        let next = match self.sequence {
            None => number.into(),
            Some((last, sequence)) => {
                // A driver without a counter repeats a number; a step backwards is a restart of the counter.
                let step = match number.wrapping_sub(last) {
                    0 | 0x8000_0000.. => 1,
                    step => step,
                };
                self.counts.dropped_by_driver += u64::from(step - 1);
                sequence + u64::from(step)
            }
        };
        self.sequence = Some((number, next));
        next
    }
}

impl Drop for BufferQueue {
    fn drop(&mut self) {
        self.shared.state.lock().streaming = false;
        for result in [self.shared.node.stream(false), self.shared.node.request_buffers(0).map(|_| ())] {
            if let Err(error) = result {
                // Expected after unplugging, or while a lease holds memory.
                debug!("{}: {error}", self.shared.node.path.display());
            }
        }
    }
}

/// Returns the driver's capture time if it is of the monotonic clock, otherwise the current time.
fn capture_time(filled: &FilledBuffer) -> Instant {
    let now = Instant::now();
    if filled.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC {
        return now;
    }
    let clock = clock_gettime(ClockId::Monotonic);
    let to_us = |seconds: i64, micros: i64| seconds.saturating_mul(1_000_000).saturating_add(micros);
    let age_us = to_us(clock.tv_sec, clock.tv_nsec / 1000) - to_us(filled.timestamp.0, filled.timestamp.1);
    // An age of more than a minute or below 0 means that the driver uses another clock than it claims.
    match u64::try_from(age_us) {
        Ok(age_us) if age_us < 60_000_000 => now.checked_sub(Duration::from_micros(age_us)).unwrap_or(now),
        _ => now,
    }
}
