//! Buffers of a device node: allocation, mapping, queueing and dequeueing; the stream and its events.
#![allow(unsafe_code)] // ioctl and mmap; see the SAFETY comments

use std::ffi::c_void;
use std::io;
use std::ptr::{NonNull, null_mut};

use rustix::ioctl::opcode;
use rustix::mm::{MapFlags, ProtFlags};
use v4l::v4l_sys::*;
use v4l::v4l2::vidioc;

use super::{MAX_PARTS, Node, Request, request, zeros};
use crate::v4l2::error::CallError;

/// Requests that the crate `v4l` lacks; the numbers are those of linux/videodev2.h.
const SUBSCRIBE_EVENT: Request =
    Request { name: "VIDIOC_SUBSCRIBE_EVENT", number: opcode::write::<v4l2_event_subscription>(b'V', 90) as u64 };
const DEQUEUE_EVENT: Request = Request { name: "VIDIOC_DQEVENT", number: opcode::read::<v4l2_event>(b'V', 89) as u64 };
const MMAP: u32 = v4l2_memory_V4L2_MEMORY_MMAP;

/// Buffer that the driver has filled.
#[derive(Clone, Copy, Debug)]
pub struct FilledBuffer {
    pub index: u32,
    pub sequence: u32,
    pub flags: u32,
    /// Seconds and microseconds on the clock that `flags` name.
    pub timestamp: (i64, i64),
    /// Filled bytes of each part, counted from its start.
    pub used: [usize; MAX_PARTS],
    /// Offset of the image data in each part.
    pub offsets: [usize; MAX_PARTS],
}

/// Driver memory mapped into this process.
pub struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: the mapping stays at its address until it is dropped, and this process only reads it.
unsafe impl Send for Mapping {}
// SAFETY: the mapping stays at its address until it is dropped, and this process only reads it.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Returns the first `used` bytes, or all if there are fewer.
    pub fn bytes(&self, used: usize) -> &[u8] {
        // SAFETY: `start` refers to `length` mapped bytes until this value is dropped. The driver writes them only
        // while the buffer is queued; a lease reads them only between dequeueing and queueing. v4l2loopback breaks this
        // rule, so its frames are copied at once (buffer_queue.rs). A byte that changes during the copy is a wrong
        // pixel level.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), used.min(self.length)) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `Node::map`, and every slice borrows from this value. A failure leaves it mapped.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr(), self.length) };
    }
}

impl Node {
    /// Requests `count` buffers and returns the number granted; 0 releases them.
    pub fn request_buffers(&self, count: u32) -> Result<u32, CallError> {
        let mut buffers = v4l2_requestbuffers { count, type_: self.buffer_type(), memory: MMAP, ..zeros() };
        self.call(request!(VIDIOC_REQBUFS), &mut buffers)?;
        Ok(buffers.count)
    }

    /// Issues a buffer ioctl; returns the buffer and the planes that the kernel wrote.
    fn buffer_call(&self, request: Request, index: u32) -> Result<(v4l2_buffer, [v4l2_plane; MAX_PARTS]), CallError> {
        let mut planes: [v4l2_plane; MAX_PARTS] = [zeros(); MAX_PARTS];
        let mut buffer = v4l2_buffer { index, type_: self.buffer_type(), memory: MMAP, ..zeros() };
        if self.multi_planar {
            buffer.length = MAX_PARTS as u32; // capacity of `planes`
            buffer.m.planes = planes.as_mut_ptr();
        }
        self.call(request, &mut buffer)?;
        Ok((buffer, planes))
    }

    /// Maps the memory parts of buffer `index`.
    pub fn map(&self, index: u32) -> Result<Vec<Mapping>, CallError> {
        let (buffer, planes) = self.buffer_call(request!(VIDIOC_QUERYBUF), index)?;
        let failed = |cause| CallError { name: "mmap", cause };
        let map_part = |length: u32, offset: u32| {
            let length = length as usize;
            // SAFETY: the kernel chooses an unused address for the new mapping.
            let start = unsafe {
                rustix::mm::mmap(null_mut(), length, ProtFlags::READ, MapFlags::SHARED, &self.fd, offset.into())
            };
            let start = start.map_err(|cause| failed(cause.into()))?;
            match NonNull::new(start) {
                Some(start) => Ok(Mapping { start, length }),
                None => Err(failed(io::Error::other("the kernel returned address 0"))),
            }
        };
        if !self.multi_planar {
            // SAFETY: the kernel fills this union member for memory type MMAP.
            return Ok(vec![map_part(buffer.length, unsafe { buffer.m.offset })?]);
        }
        let parts = planes.iter().take(buffer.length as usize);
        // SAFETY: the kernel fills this union member for memory type MMAP.
        parts.map(|plane| map_part(plane.length, unsafe { plane.m.mem_offset })).collect()
    }

    /// Hands buffer `index` to the driver.
    pub fn queue(&self, index: u32) -> Result<(), CallError> {
        self.buffer_call(request!(VIDIOC_QBUF), index).map(|_| ())
    }

    /// Takes the oldest filled buffer; returns `None` if no buffer is filled.
    pub fn dequeue(&self) -> Result<Option<FilledBuffer>, CallError> {
        let (buffer, planes) = match self.buffer_call(request!(VIDIOC_DQBUF), 0) {
            Ok(dequeued) => dequeued,
            Err(error) if error.cause.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut used = [buffer.bytesused as usize, 0, 0];
        let mut offsets = [0; MAX_PARTS];
        if self.multi_planar {
            used = planes.map(|plane| plane.bytesused as usize);
            offsets = planes.map(|plane| plane.data_offset as usize);
        }
        let timestamp = (buffer.timestamp.tv_sec, buffer.timestamp.tv_usec);
        let v4l2_buffer { index, sequence, flags, .. } = buffer;
        Ok(Some(FilledBuffer { index, sequence, flags, timestamp, used, offsets }))
    }

    /// Starts or stops the stream; stopping returns all queued buffers.
    pub fn stream(&self, on: bool) -> Result<(), CallError> {
        let request = if on { request!(VIDIOC_STREAMON) } else { request!(VIDIOC_STREAMOFF) };
        let mut buffer_type = self.buffer_type() as i32;
        self.call(request, &mut buffer_type)
    }

    /// Subscribes to changes of the source resolution. Only receivers such as HDMI inputs have this event.
    pub fn subscribe_source_change(&self) -> Result<(), CallError> {
        let mut subscription = v4l2_event_subscription { type_: V4L2_EVENT_SOURCE_CHANGE, ..zeros() };
        self.call(SUBSCRIBE_EVENT, &mut subscription)
    }

    /// Dequeues an event; returns whether it reports a change of the source resolution.
    pub fn take_source_change(&self) -> bool {
        let mut event: v4l2_event = zeros();
        self.call(DEQUEUE_EVENT, &mut event).is_ok() && event.type_ == V4L2_EVENT_SOURCE_CHANGE
    }
}
