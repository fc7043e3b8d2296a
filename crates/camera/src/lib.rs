//! Where frames come from.

use std::path::PathBuf;
use std::time::Duration;

use phicam_frame::Frame;

mod files;
pub mod gst;
pub mod reconnect;
mod settings;
mod test_pattern;
pub mod v4l2;
pub use files::{Files, is_picture};
pub use gst::Gst;
pub use settings::Settings;
pub use test_pattern::Pattern;
pub use v4l2::V4l2;

use settings::check_fps;

/// What a camera answered within the time it was given.
#[derive(Debug)]
pub enum Next {
    Frame(Frame),
    /// Nothing yet.
    Nothing,
    /// There is no more.
    Finished,
}

/// A camera that cannot be opened, or a frame that was lost.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    #[error("no picture at {what}; name a folder, a pattern such as 'holiday/*.jpg', or files apart by commas")]
    NoPictures { what: String },
    #[error("{}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("{what} is not a pattern of file names: {cause}")]
    BadPattern { what: String, cause: String },
    #[error("{} {cause}", path.display())]
    BadPicture { path: PathBuf, cause: phicam_frame::decode::ReadError },
    #[error("{} is no regular file; name pictures that are", path.display())]
    NotAFile { path: PathBuf },
    #[error(transparent)]
    V4l2(#[from] v4l2::V4l2Error),
    #[error(transparent)]
    Gst(#[from] gst::GstError),
    #[error("{what} is gone: {cause}; plug it in again, it is then opened by itself")]
    Gone { what: String, cause: String },
    #[error("{what} gives no frame for {ms} ms; it is opened again, unplug it if that does not help")]
    Stalled { what: String, ms: u64 },
    #[error("{what} gives {now} now: another program changed it; it is opened again")]
    Changed { what: String, now: String },
}

impl CameraError {
    /// Whether the camera goes on with the next frame after this.
    pub fn is_one_frame(&self) -> bool {
        matches!(self, CameraError::BadPicture { .. } | CameraError::NotAFile { .. })
    }

    /// Whether the camera was lost and may come back: drop it, all its frames, and open it again, see
    /// [`Camera::reopen`]. Of a camera that cannot be opened: whether it is worth trying again.
    pub fn is_lost(&self) -> bool {
        match self {
            CameraError::Gone { .. } | CameraError::Stalled { .. } | CameraError::Changed { .. } => true,
            CameraError::V4l2(error) => error.may_pass(),
            CameraError::Gst(error) => error.may_pass(),
            _ => false,
        }
    }
}

/// A source of frames. It keeps its own pace and never waits longer than it is told to.
pub trait Camera: Send {
    /// Waits up to `limit` for the next frame.
    fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError>;

    /// Which camera it is and what it gives, in a few words for people.
    fn describe(&self) -> String;

    /// What became of the frames that were not given.
    fn counts(&self) -> CameraCounts {
        CameraCounts::default()
    }

    /// Settings that open this very camera again after it was lost, under whatever number its node has then, and no
    /// other. Nothing for cameras that cannot be lost.
    ///
    /// A camera is known again by the serial number of its USB device, by its links in /dev/v4l/by-id and by-path, by
    /// its place on the bus and its name, or as the only one of its kind, in this order.
    fn reopen(&self) -> Option<Settings> {
        None
    }
}

/// Frames that a camera did not give, or not as they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CameraCounts {
    /// Gaps in the driver's own numbers: it had no buffer to put them in, or the bus lost them. Of a GStreamer pipeline:
    /// those that it made and dropped for newer ones.
    pub dropped_by_driver: u64,
    /// Older than the newest when that was taken.
    pub skipped: u64,
    /// Copied, because earlier ones are held so long that the driver would have run out of buffers.
    pub copied: u64,
    /// With an error, empty or too short.
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

/// Opens the camera; `samples` finds the sample photographs where no files are named.
pub fn open<E>(
    settings: &Settings,
    samples: impl FnOnce() -> Result<PathBuf, E>,
) -> Result<Box<dyn Camera>, OpenError<E>> {
    Ok(match settings {
        Settings::Files { path, picture_ms, film_fps, repeat } => {
            let named = match path {
                Some(path) => path.clone(),
                None => samples().map_err(OpenError::Samples)?.display().to_string(),
            };
            let pace = files::Pace {
                picture: Duration::from_millis(*picture_ms),
                film: Duration::from_secs_f64(1.0 / film_fps),
                repeat: *repeat,
            };
            Box::new(Files::open(&named, pace).map_err(OpenError::Camera)?)
        }
        &Settings::Pattern { width, height, fps } => {
            Box::new(Pattern::new(phicam_frame::Size::new(width, height), fps))
        }
        Settings::V4l2(settings) => Box::new(V4l2::open(settings).map_err(OpenError::Camera)?),
        Settings::Gst(settings) => Box::new(Gst::open(settings).map_err(OpenError::Camera)?),
        Settings::Csi(settings) => Box::new(Gst::open_csi(settings).map_err(OpenError::Camera)?),
    })
}

/// Why a camera could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError<E> {
    #[error(transparent)]
    Camera(CameraError),
    #[error(transparent)]
    Samples(E),
}
