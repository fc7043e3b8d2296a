//! Device node of a camera: every ioctl to its driver, and the buffers mapped from it.
//!
//! The crate `v4l` provides structures and request numbers. Its own calls are not used: they support one plane per
//! buffer, and panic on names that are not UTF-8 and on controls with a step of 0.
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

use super::error::CallError;
use super::fourcc::FourCc;
use phicam_frame::Size;

mod buffers;
mod control;
pub use buffers::{FilledBuffer, Mapping};
pub use control::{Control, ControlKind};

/// Most memory parts of a buffer: one for each plane of the formats that can be read (YM12 has three).
pub const MAX_PARTS: usize = 3;
/// Most items of an enumeration, an estimate above any driver's; a faulty driver may never end its list.
const MAX_ITEMS: u32 = 256;
const PROGRESSIVE: u32 = 1; // V4L2_FIELD_NONE

/// Open device node in non-blocking mode.
pub struct Node {
    fd: OwnedFd,
    pub path: PathBuf,
    /// Whether the node uses the multi-planar API, in which a buffer may have several memory parts.
    pub multi_planar: bool,
}

/// Result of VIDIOC_QUERYCAP.
#[derive(Clone, Debug)]
pub struct Capabilities {
    pub driver: String,
    pub card: String,
    pub bus_info: String,
    /// `V4L2_CAP_…` flags of this node, not of the whole device.
    pub flags: u32,
}

/// Format of the frames, from VIDIOC_G_FMT or VIDIOC_S_FMT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub fourcc: FourCc,
    pub size: Size,
    /// Whether the frames are progressive rather than interlaced.
    pub progressive: bool,
    pub parts: usize,
    /// Bytes from one row to the next, for each part.
    pub strides: [usize; MAX_PARTS],
    pub colorspace: u32,
    pub ycbcr_enc: u32,
    pub quantization: u32,
}

/// Structure for which any bytes are a valid value.
///
/// # Safety
/// The type has no references, no enums, and no pointers that this program follows.
unsafe trait Plain: Copy {}
macro_rules! plain {
    ($($name:ty),*) => {
        $(
            // SAFETY: numbers, arrays and unions of numbers; this file follows no pointer in them.
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

/// Request number of an ioctl with its name for errors.
#[derive(Clone, Copy)]
struct Request {
    name: &'static str,
    number: u64,
}

/// Makes the [`Request`] of a `VIDIOC_…` constant of the crate `v4l`.
macro_rules! request {
    ($name:ident) => {
        Request { name: stringify!($name), number: vidioc::$name }
    };
}
use request;

struct Call<T>(Opcode, *mut T);

// SAFETY: the pointer refers to a value that outlives the call, see `Node::call`.
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

/// Decodes a string of the driver, up to its first zero byte.
fn decode_text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_string()
}

impl Node {
    /// Opens `path`; this does not disturb a program that uses the camera.
    pub fn open(path: &Path) -> Result<Node, CallError> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|cause| CallError { name: "open", cause: cause.into() })?;
        Ok(Node { fd, path: path.into(), multi_planar: false })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn call<T: Plain>(&self, request: Request, value: &mut T) -> Result<(), CallError> {
        let Request { name, number } = request;
        // The request number encodes the size that the kernel copies; a mismatch would be an error of this file.
        assert_eq!((number >> 16) as usize & 0x3fff, size_of::<T>(), "{name}");
        loop {
            // SAFETY: the node is open, and the kernel reads and writes size_of::<T>() bytes of `value`, as asserted
            // above. It follows a pointer in v4l2_buffer only, see `buffer_call`.
            match unsafe { rustix::ioctl::ioctl(&self.fd, Call(number as Opcode, value)) } {
                Err(Errno::INTR) => {}
                result => return result.map_err(|cause| CallError { name, cause: cause.into() }),
            }
        }
    }

    fn buffer_type(&self) -> u32 {
        if self.multi_planar {
            v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
        } else {
            v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE
        }
    }

    pub fn capabilities(&self) -> Result<Capabilities, CallError> {
        let mut capability: v4l2_capability = zeros();
        self.call(request!(VIDIOC_QUERYCAP), &mut capability)?;
        let has_device_caps = capability.capabilities & V4L2_CAP_DEVICE_CAPS != 0;
        let flags = if has_device_caps { capability.device_caps } else { capability.capabilities };
        let [driver, card, bus_info] =
            [decode_text(&capability.driver), decode_text(&capability.card), decode_text(&capability.bus_info)];
        Ok(Capabilities { driver, card, bus_info, flags })
    }

    /// Returns items 0, 1, … of an enumeration until the driver reports the end.
    fn enumerate<T: Plain, U>(
        &self,
        request: Request,
        first: T,
        set_index: impl Fn(&mut T, u32),
        read: impl Fn(&T) -> U,
    ) -> Vec<U> {
        let item = |index| {
            let mut value = first;
            set_index(&mut value, index);
            self.call(request, &mut value).ok().map(|()| read(&value))
        };
        (0..MAX_ITEMS).map_while(item).collect()
    }

    /// Returns the formats in the driver's order.
    pub fn formats(&self) -> Vec<FourCc> {
        let first = v4l2_fmtdesc { type_: self.buffer_type(), ..zeros() };
        self.enumerate(
            request!(VIDIOC_ENUM_FMT),
            first,
            |item, n| item.index = n,
            |item| FourCc::from(item.pixelformat),
        )
    }

    pub fn sizes(&self, format: FourCc) -> Vec<FrameSizeEnum> {
        let first = v4l2_frmsizeenum { pixel_format: format.into(), ..zeros() };
        let sizes = self.enumerate(
            request!(VIDIOC_ENUM_FRAMESIZES),
            first,
            |item, n| item.index = n,
            |item| (*item).try_into(),
        );
        sizes.into_iter().flatten().collect()
    }

    pub fn intervals(&self, format: FourCc, size: Size) -> Vec<FrameIntervalEnum> {
        let Size { width, height } = size;
        let first = v4l2_frmivalenum { pixel_format: format.into(), width, height, ..zeros() };
        let read = |item: &v4l2_frmivalenum| (*item).try_into();
        let intervals = self.enumerate(request!(VIDIOC_ENUM_FRAMEINTERVALS), first, |item, n| item.index = n, read);
        intervals.into_iter().flatten().collect()
    }

    /// Returns the current format.
    pub fn format(&self) -> Result<Format, CallError> {
        let mut current = v4l2_format { type_: self.buffer_type(), ..zeros() };
        let request = request!(VIDIOC_G_FMT);
        self.call(request, &mut current)?;
        self.read_format(request, &current)
    }

    /// Requests a format; returns the one that the driver selected.
    pub fn set_format(&self, fourcc: FourCc, size: Size) -> Result<Format, CallError> {
        let mut format = v4l2_format { type_: self.buffer_type(), ..zeros() };
        let Size { width, height } = size;
        let pixelformat = fourcc.into();
        if self.multi_planar {
            format.fmt.pix_mp = v4l2_pix_format_mplane { width, height, pixelformat, field: PROGRESSIVE, ..zeros() };
        } else {
            // Without the magic number the kernel returns neither encoding nor range.
            let priv_ = V4L2_PIX_FMT_PRIV_MAGIC;
            format.fmt.pix = v4l2_pix_format { width, height, pixelformat, field: PROGRESSIVE, priv_, ..zeros() };
        }
        let request = request!(VIDIOC_S_FMT);
        self.call(request, &mut format)?;
        self.read_format(request, &format)
    }

    fn read_format(&self, request: Request, format: &v4l2_format) -> Result<Format, CallError> {
        if self.multi_planar {
            // SAFETY: the union holds numbers only, and the kernel fills this member for a multi-planar buffer type.
            let (pix, ycbcr_enc) = unsafe { (format.fmt.pix_mp, format.fmt.pix_mp.__bindgen_anon_1.ycbcr_enc) };
            let plane_formats = pix.plane_fmt;
            let parts = usize::from(pix.num_planes);
            if !(1..=MAX_PARTS).contains(&parts) {
                let cause = io::Error::other(format!("frames have {parts} memory parts, expected 1 to {MAX_PARTS}"));
                return Err(CallError { name: request.name, cause });
            }
            return Ok(Format {
                fourcc: pix.pixelformat.into(),
                size: Size::new(pix.width, pix.height),
                progressive: pix.field == PROGRESSIVE,
                parts,
                strides: std::array::from_fn(|part| plane_formats[part].bytesperline as usize),
                colorspace: pix.colorspace,
                ycbcr_enc: ycbcr_enc.into(),
                quantization: pix.quantization.into(),
            });
        }
        // SAFETY: the union holds numbers only, and the kernel fills this member for a single-planar buffer type.
        let (pix, ycbcr_enc) = unsafe { (format.fmt.pix, format.fmt.pix.__bindgen_anon_1.ycbcr_enc) };
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

    /// Requests a frame interval, in seconds as numerator and denominator.
    ///
    /// Returns the interval that the driver selected; `None` if it cannot be set or the driver reports 0.
    pub fn set_interval(&self, (numerator, denominator): (u32, u32)) -> Result<Option<(u32, u32)>, CallError> {
        let mut parameters = v4l2_streamparm { type_: self.buffer_type(), ..zeros() };
        self.call(request!(VIDIOC_G_PARM), &mut parameters)?;
        // SAFETY: the union holds numbers only, and the kernel fills this member for a capture type.
        if unsafe { parameters.parm.capture.capability } & V4L2_CAP_TIMEPERFRAME == 0 {
            return Ok(None);
        }
        let timeperframe = v4l2_fract { numerator, denominator };
        parameters.parm.capture = v4l2_captureparm { timeperframe, ..zeros() };
        self.call(request!(VIDIOC_S_PARM), &mut parameters)?;
        // SAFETY: the union holds numbers only, and the kernel fills this member for a capture type.
        let selected = unsafe { parameters.parm.capture.timeperframe };
        Ok(Some((selected.numerator, selected.denominator))
            .filter(|&(numerator, denominator)| numerator > 0 && denominator > 0))
    }
}
