//! The trait of all cameras, its errors and its counters.

use std::path::PathBuf;
use std::time::Duration;

use phicam_frame::Frame;

use crate::{Settings, gst, v4l2};

/// Result of [`Camera::next_frame`].
#[derive(Debug)]
pub enum Next {
    Frame(Frame),
    /// No frame arrived within the limit.
    Nothing,
    /// The source has ended: no further frame will come.
    Finished,
}

/// Failure to open a camera, or loss of a frame or of the camera.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    #[error("no picture at {path}; name a folder, a pattern such as 'holiday/*.jpg', or files separated by commas")]
    NoPictures { path: String },
    #[error("no film at {}; check the path, or name a folder of pictures", path.display())]
    NoFilm { path: PathBuf },
    #[error("cannot read folder {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("{pattern} is not a file name pattern: {cause}; use * and ?, or name a folder")]
    BadPattern { pattern: String, cause: String },
    #[error("{} {cause}", path.display())] // the cause is a predicate of the file name
    BadPicture { path: PathBuf, cause: phicam_frame::decode::ReadError },
    #[error("{} is no regular file; name image files only", path.display())]
    NotAFile { path: PathBuf },
    /// No camera of `auto` could be opened; the attempts name cameras with their reasons.
    #[error("no camera was found; {}", attempts.join("; "))]
    NoneFound { attempts: Vec<String> },
    #[error("{0}; copy the samples folder again, or name another with --camera files:DIR")]
    Demo(phicam_platform::config_file::StrictError),
    #[error(transparent)]
    V4l2(#[from] v4l2::V4l2Error),
    #[error(transparent)]
    Gst(#[from] gst::GstError),
    #[error("{camera} is gone: {cause}; plug it in again, it is then reopened automatically")]
    Gone { camera: String, cause: String },
    #[error("{camera} delivered no frame for {ms} ms; it is being reopened, unplug it if that does not help")]
    Stalled { camera: String, ms: u64 },
    #[error("{camera} changed to {now}: another program or the source changed the format; it is being reopened")]
    Changed { camera: String, now: String },
}

impl CameraError {
    /// Returns whether only one frame is lost, and the camera continues with the next one.
    pub fn is_frame_error(&self) -> bool {
        matches!(self, CameraError::BadPicture { .. } | CameraError::NotAFile { .. })
    }

    /// Returns whether the camera is lost but may come back.
    ///
    /// Drop the camera and all its frames, then open it with [`Camera::reopen_settings`]. For an error of opening, the
    /// result says whether a later attempt can succeed.
    pub fn is_lost(&self) -> bool {
        match self {
            CameraError::NoneFound { .. } => true,
            CameraError::Gone { .. } | CameraError::Stalled { .. } | CameraError::Changed { .. } => true,
            CameraError::V4l2(error) => error.is_transient(),
            CameraError::Gst(error) => error.is_transient(),
            _ => false,
        }
    }
}

/// Source of frames at its own rate.
pub trait Camera: Send {
    /// Waits up to `limit` for the next frame.
    fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError>;

    /// Returns the name and the mode of the camera, for logs and the screen.
    fn describe(&self) -> String;

    /// Returns the reason why this camera was chosen; `None` if the user named it.
    fn choice_reason(&self) -> Option<String> {
        None
    }

    /// Returns the counters of frames that were lost or copied.
    fn counts(&self) -> CameraCounts {
        CameraCounts::default()
    }

    /// Returns settings that open this device again, even if its node number changes; `None` if it cannot be lost.
    ///
    /// A V4L2 camera is identified by, in this order: USB serial number, links in /dev/v4l/by-id and by-path, bus
    /// position with its name, or being the only camera of its kind.
    fn reopen_settings(&self) -> Option<Settings> {
        None
    }
}

/// Counters of frames that a camera lost or had to copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CameraCounts {
    /// V4L2: gaps in the driver's sequence numbers, because it had no free buffer or the bus lost the frame.
    /// GStreamer: frames that the pipeline dropped for newer ones.
    pub dropped_by_driver: u64,
    /// Frames discarded because a newer one was ready.
    pub skipped: u64,
    /// Frames copied to return their buffers, because held frames left the driver too few.
    pub copied: u64,
    /// Frames that were empty, too short or marked as faulty by the driver.
    pub bad: u64,
}

impl std::ops::Add for CameraCounts {
    type Output = CameraCounts;

    fn add(self, other: CameraCounts) -> CameraCounts {
        CameraCounts {
            dropped_by_driver: self.dropped_by_driver + other.dropped_by_driver,
            skipped: self.skipped + other.skipped,
            copied: self.copied + other.copied,
            bad: self.bad + other.bad,
        }
    }
}

impl std::fmt::Display for CameraCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let CameraCounts { dropped_by_driver, skipped, copied, bad } = self;
        write!(
            f,
            "{dropped_by_driver} dropped by the driver, {skipped} skipped for newer ones, {copied} copied, {bad} bad"
        )
    }
}
