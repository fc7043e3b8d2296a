//! Errors of opening a V4L2 camera, with their remedies. See [`super::devices::diagnose`] for their causes.

use std::io;
use std::path::PathBuf;

use super::controls::ControlError;

/// Remedy for a device that delivers raw sensor data.
pub const RAW_REMEDY: &str = "use --camera csi:0, which reads the sensor through GStreamer and the vendor's processing \
     (`phicam doctor` lists its requirements); or start phicam in libcamera's wrapper (`libcamerify phicam …`); if no \
     sensor is found, enable its overlay in config.txt (camera_auto_detect=1, or dtoverlay=imx219)";

/// Failed system call on a device node.
#[derive(Debug, thiserror::Error)]
#[error("{name} failed: {cause}")]
pub struct CallError {
    /// Name of the ioctl or system call, such as `VIDIOC_S_FMT`.
    pub name: &'static str,
    pub cause: io::Error,
}

/// Reason why a V4L2 camera cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum V4l2Error {
    #[error(
        "no V4L2 camera delivers frames{attempts}; plug in a USB camera, or name one with --camera v4l2:/dev/videoN"
    )]
    NoCamera { attempts: String },
    #[error("{camera} is not connected; plug it in again")]
    NotReconnected { camera: String },
    #[error("{call} failed on {}: no such device; plug the camera in, or name another ({other_nodes})", path.display())]
    Missing { path: PathBuf, call: &'static str, other_nodes: String },
    #[error("{call} failed on {}: permission denied; add this user to the group video (`sudo usermod -aG video $USER`) \
             and log in again", path.display())]
    Denied { path: PathBuf, call: &'static str },
    #[error("{call} failed: {} is in use by {holder}; end that program, because a camera serves one program at a time",
            path.display())]
    Busy { path: PathBuf, call: &'static str, holder: String },
    #[error("{} is not a camera: it is {kind}; list the cameras with `phicam doctor`", path.display())]
    NotCamera { path: PathBuf, kind: String },
    #[error("{} ({card}, driver {driver}) delivers unprocessed sensor data; {RAW_REMEDY}", path.display())]
    RawSensor { path: PathBuf, card: String, driver: String },
    #[error("{} has no mode {requested}; it offers {offers}", path.display())]
    NoMode { path: PathBuf, requested: String, offers: String },
    #[error("VIDIOC_S_FMT on {} selected {selected}, which phicam cannot read; it offers {offers}", path.display())]
    Unreadable { path: PathBuf, selected: String, offers: String },
    #[error("VIDIOC_REQBUFS on {} gave {count} buffers, at least {min} are needed; choose a smaller size, or end other \
             programs that use the camera's memory", path.display())]
    Buffers { path: PathBuf, count: u32, min: u32 },
    #[error("{call} failed on {}: the USB bus has no bandwidth left; choose a smaller size, format=MJPG or another USB \
             port", path.display())]
    Bandwidth { path: PathBuf, call: &'static str },
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("{call} failed on {}: {cause}; unplug the camera and connect it again, or see `dmesg`", path.display())]
    Call { path: PathBuf, call: &'static str, cause: io::Error },
}

impl V4l2Error {
    /// Returns whether a later attempt can succeed: the camera may appear, or another program may release it.
    pub fn is_transient(&self) -> bool {
        !matches!(self, V4l2Error::Control(_) | V4l2Error::RawSensor { .. } | V4l2Error::Denied { .. })
    }
}
