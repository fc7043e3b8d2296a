//! Why a V4L2 camera cannot be opened, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::controls::ControlError;
use super::devices;

/// What to do with a sensor whose raw picture nobody has processed.
pub const RAW_REMEDY: &str = "take it by --camera csi:0, which reads it through GStreamer with the maker's own processing \
     (`phicam doctor` says what that needs); or start phicam under libcamera's layer (`libcamerify phicam …`); if no sensor \
     is found, its overlay is missing in config.txt (camera_auto_detect=1, or dtoverlay=imx219)";

/// A V4L2 camera that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum V4l2Error {
    #[error("no camera gives pictures{found}; plug a USB camera in, or name one with --camera v4l2:/dev/videoN")]
    None { found: String },
    #[error("{camera} is not there any more; plug it in again")]
    NotBack { camera: String },
    #[error("{} is not there{there}; plug the camera in, or name another", path.display())]
    Missing { path: PathBuf, there: String },
    #[error("{} may not be opened by this user; it needs the group video: `sudo usermod -aG video $USER`, then log in \
             again", path.display())]
    Denied { path: PathBuf },
    #[error("{} is in use by {holder}; end that, a camera gives its pictures to one program only", path.display())]
    Busy { path: PathBuf, holder: String },
    #[error("{} is no camera: {what}; `phicam doctor` lists those there are", path.display())]
    NotCamera { path: PathBuf, what: String },
    #[error("{} ({card}, driver {driver}) gives the sensor's raw picture, which has to be processed first: {RAW_REMEDY}",
            path.display())]
    RawSensor { path: PathBuf, card: String, driver: String },
    #[error("{} has no mode {wanted}; it offers {offers}", path.display())]
    NoMode { path: PathBuf, wanted: String, offers: String },
    #[error("{} made {got} of it, which cannot be read; it offers {offers}", path.display())]
    Unreadable { path: PathBuf, got: String, offers: String },
    #[error("{} gives {count} buffers, at least 2 are needed; take a smaller size, or end other programs that use its \
             memory", path.display())]
    Buffers { path: PathBuf, count: u32 },
    #[error("{} cannot start: the USB bus has no room for it; take a smaller size or format=MJPG, or another USB port",
            path.display())]
    Bandwidth { path: PathBuf },
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("{} does not {what}: {cause}; unplug the camera and plug it in again, `dmesg` may say more", path.display())]
    Call { path: PathBuf, what: &'static str, cause: io::Error },
}

impl V4l2Error {
    /// What an error of a call to the driver means.
    pub fn of(path: &Path, what: &'static str, cause: io::Error) -> V4l2Error {
        let path = path.to_path_buf();
        match rustix::io::Errno::from_io_error(&cause) {
            Some(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => V4l2Error::Denied { path },
            Some(rustix::io::Errno::BUSY) => V4l2Error::Busy { holder: devices::holder(&path), path },
            Some(rustix::io::Errno::NOSPC) => V4l2Error::Bandwidth { path },
            Some(rustix::io::Errno::NOENT | rustix::io::Errno::NODEV | rustix::io::Errno::NXIO) => {
                V4l2Error::Missing { there: devices::others(&path), path }
            }
            _ => V4l2Error::Call { path, what, cause },
        }
    }

    /// Whether trying again later can help: another program has the camera just now, or it is not there yet.
    pub fn may_pass(&self) -> bool {
        !matches!(self, V4l2Error::Control(_) | V4l2Error::RawSensor { .. } | V4l2Error::Denied { .. })
    }
}
