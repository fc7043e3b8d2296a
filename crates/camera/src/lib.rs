//! Cameras: V4L2 devices, GStreamer pipelines, image files and a test pattern, with automatic reconnection.
//!
//! Every camera implements [`Camera`] and delivers a [`phicam_frame::Frame`] at a time. The crate knows neither models
//! nor displays.

use std::path::PathBuf;
use std::time::Duration;

mod auto;
mod demo;
mod files;
pub mod gst;
mod natural_names;
pub mod reconnect;
mod settings;
mod source;
mod test_pattern;
pub mod v4l2;
pub use demo::open_demo;
pub use files::{ImageFiles, is_image_file};
pub use gst::Gst;
pub use natural_names::is_film_file;
pub use settings::Settings;
pub use source::{Camera, CameraCounts, CameraError, Next};
pub use test_pattern::TestPattern;
pub use v4l2::V4l2;

use settings::check_fps;

/// Opens the camera. `samples` returns the folder of sample photographs; it is called only if no files are named.
pub fn open<E>(
    settings: &Settings,
    samples: impl FnOnce() -> Result<PathBuf, E>,
) -> Result<Box<dyn Camera>, OpenError<E>> {
    Ok(match settings {
        Settings::Auto {} => Box::new(auto::open().map_err(OpenError::Camera)?),
        Settings::Files { path, picture_ms, film_fps, repeat } => {
            let path = match path {
                Some(path) => path.clone(),
                None => samples().map_err(OpenError::Samples)?.display().to_string(),
            };
            let pace = files::Pace {
                picture: Duration::from_millis(*picture_ms),
                film: Duration::from_secs_f64(1.0 / film_fps),
                repeat: *repeat,
            };
            Box::new(ImageFiles::open(&path, pace).map_err(OpenError::Camera)?)
        }
        &Settings::Pattern { width, height, fps } => {
            Box::new(TestPattern::new(phicam_frame::Size::new(width, height), fps))
        }
        Settings::V4l2(settings) => Box::new(V4l2::open(settings).map_err(OpenError::Camera)?),
        Settings::Gst(settings) => Box::new(Gst::open(settings).map_err(OpenError::Camera)?),
        Settings::Csi(settings) => Box::new(Gst::open_csi(settings).map_err(OpenError::Camera)?),
    })
}

/// Reason why [`open`] failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError<E> {
    #[error(transparent)]
    Camera(CameraError),
    /// The sample photographs were not found.
    #[error(transparent)]
    Samples(E),
}
