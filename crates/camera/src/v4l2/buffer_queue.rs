//! A driver's queue of buffers: frames out of it are leases, and the newest is the one that counts.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{debug, trace, warn};
use rustix::time::{ClockId, clock_gettime};
use v4l::v4l_sys::*;

use super::error::V4l2Error;
use super::ioctl::{Filled, MOST_PARTS, Mapping, Node};
use crate::CameraCounts;
use phicam_frame::{Frame, FrameInfo, FramePool, Layout, Memory, PixelFormat};

/// Buffers that are asked for: two for the driver, the newest, and three for whoever is slow.
const WANTED: u32 = 6;
/// With fewer a driver that has all of them copied stops between two frames.
const FEWEST: u32 = 2;
/// With fewer than this none can be lent. v4l2loopback gives two where nobody asks it for more.
const LENT: u32 = 3;
/// So many stay with the driver: one that is being filled, one to go on with.
const DRIVERS: usize = 2;

/// What the leases and the queue share. Its memory is given back when the last of them is gone.
struct Shared {
    buffers: Vec<Vec<Mapping>>, // before the node: unmapped first, then closed
    node: Node,
    state: Mutex<State>,
}

struct State {
    streaming: bool,
    /// Buffers that are with the driver.
    with_driver: usize,
}

/// The queue of a camera that streams.
pub struct Queue {
    shared: Arc<Shared>,
    layout: Layout,
    needed: [usize; MOST_PARTS],
    /// Whether the driver writes into buffers that it has given away, as v4l2loopback does.
    copy_all: bool,
    pool: FramePool,
    pub counts: CameraCounts,
    sequence: Option<(u32, u64)>,
    /// The first JPEG after a start is often half of one.
    drop_first: bool,
    skipped_old: bool,
}

/// A frame's memory: a buffer that the driver gets back when nobody holds it any more.
struct Lease {
    shared: Arc<Shared>,
    index: u32,
    used: [usize; MOST_PARTS],
}

impl Memory for Lease {
    fn part(&self, index: usize) -> &[u8] {
        let part = self.shared.buffers.get(self.index as usize).and_then(|parts| parts.get(index));
        part.map_or(&[], |mapping| mapping.bytes(self.used.get(index).copied().unwrap_or(0)))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.give_back(self.index);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // a flag and a count are whole at any moment
    }

    /// Queues a buffer, unless the stream has ended meanwhile.
    fn give_back(&self, index: u32) {
        let mut state = self.state();
        if state.streaming {
            match self.node.queue(index) {
                Ok(()) => state.with_driver += 1,
                Err(error) => debug!("{} did not take buffer {index}: {error}", self.node.path.display()),
            }
        }
    }
}

impl Queue {
    /// Maps buffers for frames of `layout` and starts the stream.
    pub fn start(node: Node, layout: Layout, needed: [usize; MOST_PARTS], copy_all: bool) -> Result<Queue, V4l2Error> {
        let path = node.path.clone();
        let failed = |what| {
            let path = &path;
            move |cause| V4l2Error::of(path, what, cause)
        };
        let count = node.request_buffers(WANTED).map_err(failed("give buffers"))?;
        if count < FEWEST {
            return Err(V4l2Error::Buffers { path, count });
        }
        if count < LENT {
            debug!("{} gives {count} buffers: every frame is copied", path.display());
        }
        let copy_all = copy_all || count < LENT;
        let buffers = (0..count).map(|index| node.map(index)).collect::<io::Result<Vec<_>>>();
        let buffers = buffers.map_err(failed("let its buffers be read"))?;
        let state = Mutex::new(State { streaming: false, with_driver: 0 });
        let shared = Arc::new(Shared { buffers, node, state });
        for index in 0..count {
            shared.node.queue(index).map_err(failed("take a buffer"))?;
        }
        if let Err(error) = shared.node.subscribe_source_change() {
            debug!("{} does not tell when its source changes: {error}", path.display());
        }
        shared.node.stream(true).map_err(failed("start"))?;
        *shared.state() = State { streaming: true, with_driver: count as usize };
        let drop_first = layout.format == PixelFormat::Jpeg;
        let (pool, counts) = (FramePool::default(), CameraCounts::default());
        let (sequence, skipped_old) = (None, false);
        Ok(Queue { shared, layout, needed, copy_all, pool, counts, sequence, drop_first, skipped_old })
    }

    pub fn node(&self) -> &Node {
        &self.shared.node
    }

    /// The newest frame of those that are filled now, if any is good. The others go back to the driver.
    ///
    /// Where the driver had filled its buffers and had to stop, even the newest is from then: it goes back too, once,
    /// and the next that comes is the newest.
    pub fn newest(&mut self) -> io::Result<Option<Frame>> {
        let mut newest: Option<(Filled, u64)> = None;
        let before = self.shared.state().with_driver;
        let mut taken = 0;
        // A driver faster than this loop must not keep it here.
        while taken < 2 * self.shared.buffers.len() {
            let Some(filled) = self.shared.node.dequeue()? else { break };
            self.shared.state().with_driver -= 1;
            taken += 1;
            let sequence = self.count(filled.sequence);
            trace!("dequeued {sequence}");
            if !self.is_whole(&filled) {
                self.counts.bad += 1;
                self.shared.give_back(filled.index);
            } else if std::mem::take(&mut self.drop_first) {
                self.counts.skipped += 1;
                self.shared.give_back(filled.index);
            } else if let Some((older, _)) = newest.replace((filled, sequence)) {
                self.counts.skipped += 1;
                self.shared.give_back(older.index);
            }
        }
        let Some((filled, sequence)) = newest else { return Ok(None) };
        let old = taken > 1 && taken + 1 >= before; // some drivers never fill the last one they have
        self.skipped_old = old && !self.skipped_old;
        if self.skipped_old {
            self.counts.skipped += 1;
            self.shared.give_back(filled.index);
            return Ok(None);
        }
        trace!("took {sequence}");
        Ok(Some(self.lease(&filled, sequence)))
    }

    fn lease(&mut self, filled: &Filled, sequence: u64) -> Frame {
        let mut layout = self.layout;
        for plane in &mut layout.planes {
            plane.offset += filled.offsets[plane.part];
        }
        let few = self.shared.state().with_driver < DRIVERS;
        let memory = Arc::new(Lease { shared: self.shared.clone(), index: filled.index, used: filled.used });
        let captured = captured(filled);
        let info = FrameInfo { size: layout.size, sequence, captured, source: None, scene: 0 };
        let frame = Frame::new(memory, layout, info);
        if !few && !self.copy_all {
            return frame;
        }
        self.counts.copied += 1;
        if few && self.counts.copied == 1 {
            warn!("{}: frames are held so long that they are copied; each is counted", self.shared.node.path.display());
        }
        self.pool.copy(&frame) // the lease ends here
    }

    /// Whether a buffer holds a frame: no error, and no fewer bytes than the layout needs.
    fn is_whole(&self, filled: &Filled) -> bool {
        let planes = &self.layout.planes[..self.layout.format.planes()];
        let enough = |part: usize| {
            let Filled { used, offsets, .. } = filled;
            used[part] > offsets[part] && used[part] - offsets[part] >= self.needed[part]
        };
        filled.flags & V4L2_BUF_FLAG_ERROR == 0 && planes.iter().all(|plane| enough(plane.part))
    }

    /// The number of a frame, which goes on where the driver's 32 bits begin anew; gaps are counted.
    fn count(&mut self, number: u32) -> u64 {
        let next = match self.sequence {
            None => number.into(),
            Some((last, sequence)) => {
                // A driver that does not count gives the same number again.
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

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.state().streaming = false;
        for ended in [self.shared.node.stream(false), self.shared.node.request_buffers(0).map(|_| ())] {
            if let Err(error) = ended {
                debug!("{}: {error}", self.shared.node.path.display()); // unplugged, or a lease has its memory yet
            }
        }
    }
}

/// When it was captured: as the driver says where it means the monotonic clock, else now.
fn captured(filled: &Filled) -> Instant {
    let now = Instant::now();
    if filled.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC {
        return now;
    }
    let clock = clock_gettime(ClockId::Monotonic);
    let micros = |seconds: i64, micros: i64| seconds.saturating_mul(1_000_000).saturating_add(micros);
    let age = micros(clock.tv_sec, clock.tv_nsec / 1000) - micros(filled.timestamp.0, filled.timestamp.1);
    // More than a minute, or the future, is another clock than the driver claims.
    match u64::try_from(age) {
        Ok(age) if age < 60_000_000 => now.checked_sub(Duration::from_micros(age)).unwrap_or(now),
        _ => now,
    }
}
