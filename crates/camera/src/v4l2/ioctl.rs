//! A camera's device node: every call to its driver, and the buffers mapped from it.
#![allow(unsafe_code)] // ioctl and mmap; see the SAFETY comments

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::v4l_sys::*;
use v4l::v4l2::vidioc;

use super::fourcc::FourCc;
use phicam_frame::Size;

mod buffers;
mod control;
pub use buffers::{Filled, Mapping};
pub use control::{Control, ControlKind};

/// Parts of memory that the buffers of any format here have at most.
pub const MOST_PARTS: usize = 3;
/// More formats, sizes or intervals than any driver has: one that counts for ever must not hold the start up.
const MOST: u32 = 256;
const PROGRESSIVE: u32 = 1; // V4L2_FIELD_NONE

/// An open node. Its calls do not wait.
pub struct Node {
    fd: OwnedFd,
    pub path: PathBuf,
    /// Whether its buffers may have several parts.
    pub multi_planar: bool,
}

/// What it says it is.
#[derive(Clone, Debug)]
pub struct Capabilities {
    pub driver: String,
    pub card: String,
    pub bus_info: String,
    /// `V4L2_CAP_…` of this very node.
    pub flags: u32,
}

/// What its frames look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub fourcc: FourCc,
    pub size: Size,
    /// Whether its rows come in their order, not every other one first.
    pub progressive: bool,
    pub parts: usize,
    /// Bytes from row to row of each part.
    pub strides: [usize; MOST_PARTS],
    pub colorspace: u32,
    pub ycbcr_enc: u32,
    pub quantization: u32,
}

/// Structures that are numbers only: any bytes are a value of them.
///
/// # Safety
/// No references, no pointers that anybody follows, no enums.
unsafe trait Plain: Copy {}
macro_rules! plain {
    ($($name:ty),*) => {
        $(
            // SAFETY: numbers, arrays and unions of numbers; no pointer in it is followed by this file.
            unsafe impl Plain for $name {}
        )*
    };
}
plain!(v4l2_capability, v4l2_fmtdesc, v4l2_frmsizeenum, v4l2_frmivalenum, v4l2_format, v4l2_streamparm);
plain!(v4l2_requestbuffers, v4l2_event_subscription, v4l2_event, c_int);
plain!(v4l2_query_ext_ctrl, v4l2_querymenu, v4l2_control, v4l2_buffer, v4l2_plane);
plain!(v4l2_pix_format, v4l2_pix_format_mplane, v4l2_captureparm);

fn zeros<T: Plain>() -> T {
    // SAFETY: see Plain.
    unsafe { std::mem::zeroed() }
}

struct Call<T>(Opcode, *mut T);

// SAFETY: the pointer is one to a value that lives through the call, see `call`.
unsafe impl<T> Ioctl for Call<T> {
    type Output = ();
    const IS_MUTATING: bool = true;
    fn opcode(&self) -> Opcode {
        self.0
    }
    fn as_ptr(&mut self) -> *mut c_void {
        self.1.cast()
    }
    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

/// A text of the driver's, up to its first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_string()
}

impl Node {
    /// Opens `path`; no other program is disturbed by that.
    pub fn open(path: &Path) -> io::Result<Node> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Node { fd, path: path.into(), multi_planar: false })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn call<T: Plain>(&self, request: u64, value: &mut T) -> io::Result<()> {
        // What the kernel copies is said by the number itself; another structure would be this file's mistake.
        assert_eq!((request >> 16) as usize & 0x3fff, size_of::<T>(), "ioctl {request:x}");
        loop {
            // SAFETY: the node is open, and the kernel reads and writes size_of::<T>() bytes of `value`, as just
            // asserted; the only structure with a pointer that it follows is v4l2_buffer, see `buffer_call`.
            match unsafe { rustix::ioctl::ioctl(&self.fd, Call(request as Opcode, value)) } {
                Err(Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    fn type_(&self) -> u32 {
        match self.multi_planar {
            true => v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
            false => v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE,
        }
    }

    pub fn capabilities(&self) -> io::Result<Capabilities> {
        let mut found: v4l2_capability = zeros();
        self.call(vidioc::VIDIOC_QUERYCAP, &mut found)?;
        let own = found.capabilities & V4L2_CAP_DEVICE_CAPS != 0;
        let flags = if own { found.device_caps } else { found.capabilities };
        let [driver, card, bus_info] = [text(&found.driver), text(&found.card), text(&found.bus_info)];
        Ok(Capabilities { driver, card, bus_info, flags })
    }

    /// Items 0, 1, … of an enumeration, until the driver has no more.
    fn each<T: Plain, U>(&self, request: u64, first: T, set: impl Fn(&mut T, u32), read: impl Fn(&T) -> U) -> Vec<U> {
        let item = |index| {
            let mut value = first;
            set(&mut value, index);
            self.call(request, &mut value).ok().map(|()| read(&value))
        };
        (0..MOST).map_while(item).collect()
    }

    /// Formats in the driver's order.
    pub fn formats(&self) -> Vec<FourCc> {
        let first = v4l2_fmtdesc { type_: self.type_(), ..zeros() };
        self.each(vidioc::VIDIOC_ENUM_FMT, first, |item, n| item.index = n, |item| FourCc::from(item.pixelformat))
    }

    pub fn sizes(&self, format: FourCc) -> Vec<FrameSizeEnum> {
        let first = v4l2_frmsizeenum { pixel_format: format.into(), ..zeros() };
        let sizes =
            self.each(vidioc::VIDIOC_ENUM_FRAMESIZES, first, |item, n| item.index = n, |item| (*item).try_into());
        sizes.into_iter().flatten().collect()
    }

    pub fn intervals(&self, format: FourCc, size: Size) -> Vec<FrameIntervalEnum> {
        let Size { width, height } = size;
        let first = v4l2_frmivalenum { pixel_format: format.into(), width, height, ..zeros() };
        let read = |item: &v4l2_frmivalenum| (*item).try_into();
        let found = self.each(vidioc::VIDIOC_ENUM_FRAMEINTERVALS, first, |item, n| item.index = n, read);
        found.into_iter().flatten().collect()
    }

    /// The format that is set.
    pub fn format(&self) -> io::Result<Format> {
        let mut found = v4l2_format { type_: self.type_(), ..zeros() };
        self.call(vidioc::VIDIOC_G_FMT, &mut found)?;
        self.read_format(&found)
    }

    /// Asks for a format; gives what the driver made of it.
    pub fn set_format(&self, fourcc: FourCc, size: Size) -> io::Result<Format> {
        let mut wanted = v4l2_format { type_: self.type_(), ..zeros() };
        let (pixelformat, Size { width, height }) = (fourcc.into(), size);
        match self.multi_planar {
            true => {
                wanted.fmt.pix_mp =
                    v4l2_pix_format_mplane { width, height, pixelformat, field: PROGRESSIVE, ..zeros() };
            }
            // Without the magic number the kernel tells neither encoding nor range.
            false => {
                let priv_ = V4L2_PIX_FMT_PRIV_MAGIC;
                wanted.fmt.pix = v4l2_pix_format { width, height, pixelformat, field: PROGRESSIVE, priv_, ..zeros() };
            }
        }
        self.call(vidioc::VIDIOC_S_FMT, &mut wanted)?;
        self.read_format(&wanted)
    }

    fn read_format(&self, found: &v4l2_format) -> io::Result<Format> {
        if self.multi_planar {
            // SAFETY: the structure is plain numbers, and for this type the kernel fills this member.
            let (pix, ycbcr_enc) = unsafe { (found.fmt.pix_mp, found.fmt.pix_mp.__bindgen_anon_1.ycbcr_enc) };
            let (fmt, parts) = (pix.plane_fmt, usize::from(pix.num_planes));
            if !(1..=MOST_PARTS).contains(&parts) {
                return Err(io::Error::other(format!(
                    "its frames have {parts} parts, at most {MOST_PARTS} can be read"
                )));
            }
            return Ok(Format {
                fourcc: pix.pixelformat.into(),
                size: Size::new(pix.width, pix.height),
                progressive: pix.field == PROGRESSIVE,
                parts,
                strides: std::array::from_fn(|part| fmt[part].bytesperline as usize),
                colorspace: pix.colorspace,
                ycbcr_enc: ycbcr_enc.into(),
                quantization: pix.quantization.into(),
            });
        }
        // SAFETY: as above.
        let (pix, ycbcr_enc) = unsafe { (found.fmt.pix, found.fmt.pix.__bindgen_anon_1.ycbcr_enc) };
        Ok(Format {
            fourcc: pix.pixelformat.into(),
            size: Size::new(pix.width, pix.height),
            progressive: pix.field == PROGRESSIVE,
            parts: 1,
            strides: [pix.bytesperline as usize, 0, 0],
            colorspace: pix.colorspace,
            ycbcr_enc,
            quantization: pix.quantization,
        })
    }

    /// Asks for an interval in seconds, as a fraction; gives the one that it keeps, nothing where it cannot be told.
    pub fn set_interval(&self, (numerator, denominator): (u32, u32)) -> io::Result<Option<(u32, u32)>> {
        let mut parameters = v4l2_streamparm { type_: self.type_(), ..zeros() };
        self.call(vidioc::VIDIOC_G_PARM, &mut parameters)?;
        // SAFETY: plain numbers; for a capture type the kernel fills this member.
        if unsafe { parameters.parm.capture.capability } & V4L2_CAP_TIMEPERFRAME == 0 {
            return Ok(None);
        }
        let timeperframe = v4l2_fract { numerator, denominator };
        parameters.parm.capture = v4l2_captureparm { timeperframe, ..zeros() };
        self.call(vidioc::VIDIOC_S_PARM, &mut parameters)?;
        // SAFETY: as above.
        let kept = unsafe { parameters.parm.capture.timeperframe };
        Ok(Some((kept.numerator, kept.denominator))
            .filter(|&(numerator, denominator)| numerator > 0 && denominator > 0))
    }
}
