//! The buffers of a node: asked for, mapped, queued, dequeued; the stream and its events.
#![allow(unsafe_code)] // ioctl and mmap; see the SAFETY comments

use std::ffi::c_void;
use std::io;
use std::ptr::{NonNull, null_mut};

use rustix::ioctl::opcode;
use rustix::mm::{MapFlags, ProtFlags};
use v4l::v4l_sys::*;
use v4l::v4l2::vidioc;

use super::{MOST_PARTS, Node, zeros};

/// Events have no numbers in the crate.
const SUBSCRIBE_EVENT: u64 = opcode::write::<v4l2_event_subscription>(b'V', 90) as u64;
const DEQUEUE_EVENT: u64 = opcode::read::<v4l2_event>(b'V', 89) as u64;
const MAPPED: u32 = v4l2_memory_V4L2_MEMORY_MMAP;

/// A buffer that the driver has filled.
#[derive(Clone, Copy, Debug)]
pub struct Filled {
    pub index: u32,
    pub sequence: u32,
    pub flags: u32,
    /// Seconds and microseconds.
    pub timestamp: (i64, i64),
    /// Bytes of each part that are filled, counted from its beginning.
    pub used: [usize; MOST_PARTS],
    /// Where in each part the picture begins.
    pub offsets: [usize; MOST_PARTS],
}

/// Memory of the driver's, seen from here.
pub struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: the memory stays where it is until it is dropped, and is only read.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// The first `used` bytes, or all where there are no more.
    pub fn bytes(&self, used: usize) -> &[u8] {
        // SAFETY: `start` is `length` mapped bytes until this is dropped. The driver writes them only while the buffer is
        // queued, and nobody asks for them then: a lease dequeues it and queues it again. (v4l2loopback breaks that rule:
        // its frames are copied at once, see queue.rs; bytes that change under that copy are some level of a pixel.)
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), used.min(self.length)) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `Node::map`, and every slice of it borrows from this. An error leaves it mapped.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr(), self.length) };
    }
}

impl Node {
    /// Asks for `count` buffers, gives how many there are; 0 gives them back.
    pub fn request_buffers(&self, count: u32) -> io::Result<u32> {
        let mut wanted = v4l2_requestbuffers { count, type_: self.type_(), memory: MAPPED, ..zeros() };
        self.call(vidioc::VIDIOC_REQBUFS, &mut wanted)?;
        Ok(wanted.count)
    }

    /// A call about a buffer, with the planes that the kernel follows its pointer to.
    fn buffer_call(&self, request: u64, index: u32) -> io::Result<(v4l2_buffer, [v4l2_plane; MOST_PARTS])> {
        let mut planes: [v4l2_plane; MOST_PARTS] = [zeros(); MOST_PARTS];
        let mut buffer = v4l2_buffer { index, type_: self.type_(), memory: MAPPED, ..zeros() };
        if self.multi_planar {
            buffer.length = MOST_PARTS as u32; // planes that there is room for
            buffer.m.planes = planes.as_mut_ptr();
        }
        self.call(request, &mut buffer)?;
        Ok((buffer, planes))
    }

    /// Maps the parts of buffer `index`.
    pub fn map(&self, index: u32) -> io::Result<Vec<Mapping>> {
        let (buffer, planes) = self.buffer_call(vidioc::VIDIOC_QUERYBUF, index)?;
        let one = |length: u32, offset: u32| {
            let (length, protection) = (length as usize, ProtFlags::READ);
            // SAFETY: a new mapping, nowhere near any other.
            let start =
                unsafe { rustix::mm::mmap(null_mut(), length, protection, MapFlags::SHARED, &self.fd, offset.into())? };
            match NonNull::new(start) {
                Some(start) => Ok(Mapping { start, length }),
                None => Err(io::Error::other("its buffer cannot be mapped")),
            }
        };
        if !self.multi_planar {
            // SAFETY: for mapped memory this member is the one that is filled.
            return Ok(vec![one(buffer.length, unsafe { buffer.m.offset })?]);
        }
        let parts = planes.iter().take(buffer.length as usize);
        // SAFETY: as above.
        parts.map(|plane| one(plane.length, unsafe { plane.m.mem_offset })).collect()
    }

    /// Gives buffer `index` to the driver.
    pub fn queue(&self, index: u32) -> io::Result<()> {
        self.buffer_call(vidioc::VIDIOC_QBUF, index).map(|_| ())
    }

    /// Takes the oldest buffer that is filled; nothing where none is.
    pub fn dequeue(&self) -> io::Result<Option<Filled>> {
        let (buffer, planes) = match self.buffer_call(vidioc::VIDIOC_DQBUF, 0) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let (mut used, mut offsets) = ([buffer.bytesused as usize, 0, 0], [0; MOST_PARTS]);
        if self.multi_planar {
            used = planes.map(|plane| plane.bytesused as usize);
            offsets = planes.map(|plane| plane.data_offset as usize);
        }
        let timestamp = (buffer.timestamp.tv_sec, buffer.timestamp.tv_usec);
        let v4l2_buffer { index, sequence, flags, .. } = buffer;
        Ok(Some(Filled { index, sequence, flags, timestamp, used, offsets }))
    }

    /// Starts or ends the stream; after its end no buffer is the driver's.
    pub fn stream(&self, on: bool) -> io::Result<()> {
        let request = if on { vidioc::VIDIOC_STREAMON } else { vidioc::VIDIOC_STREAMOFF };
        let mut type_ = self.type_() as i32;
        self.call(request, &mut type_)
    }

    /// Asks to be told when what the driver receives changes its size. Most cameras know no such event.
    pub fn subscribe_source_change(&self) -> io::Result<()> {
        let mut wanted = v4l2_event_subscription { type_: V4L2_EVENT_SOURCE_CHANGE, ..zeros() };
        self.call(SUBSCRIBE_EVENT, &mut wanted)
    }

    /// Whether such a change waits to be told.
    pub fn source_changed(&self) -> bool {
        let mut event: v4l2_event = zeros();
        self.call(DEQUEUE_EVENT, &mut event).is_ok() && event.type_ == V4L2_EVENT_SOURCE_CHANGE
    }
}
