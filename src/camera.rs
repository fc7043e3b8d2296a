//! Where frames come from.

use std::path::PathBuf;
use std::time::Duration;

use crate::frame::Frame;

mod files;
mod pattern;
pub use files::{Files, is_picture};
pub use pattern::Pattern;

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
    BadPicture { path: PathBuf, cause: crate::decode::ReadError },
    #[error("{} is no regular file; name pictures that are", path.display())]
    NotAFile { path: PathBuf },
    #[error("{what} is gone; plug it in again")]
    Gone { what: String },
}

impl CameraError {
    /// Whether the camera goes on with the next frame after this.
    pub fn is_one_frame(&self) -> bool {
        matches!(self, CameraError::BadPicture { .. } | CameraError::NotAFile { .. })
    }

    /// Whether a camera that could not be opened may yet be plugged in.
    pub fn may_come(&self) -> bool {
        self.is_lost()
    }

    /// Whether the camera gives nothing more, but may if it is opened again.
    pub fn is_lost(&self) -> bool {
        matches!(self, CameraError::Gone { .. })
    }
}

/// A source of frames. It keeps its own pace and never waits longer than it is told to.
pub trait Camera: Send {
    /// Waits up to `limit` for the next frame.
    fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError>;
    /// Which camera it is, and what it gives, for messages.
    fn describe(&self) -> String;
    /// What opens this very camera again when it is lost, wherever it comes back; nothing where the settings that it
    /// was opened by are all there is.
    fn reopen(&self) -> Option<Settings> {
        None
    }
}

/// Which camera, and how it is set up. In a board file, `kind = "files"`, `"pattern"`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Settings {
    /// Pictures from files: each for a while, folders inside as films.
    Files {
        /// A folder, a pattern, or files apart by commas; the sample photographs where there is none.
        path: Option<String>,
        /// How long each picture is shown, in milliseconds.
        #[serde(default = "default_picture_ms")]
        picture_ms: u64,
        /// Pictures a second of a film.
        #[serde(default = "default_film_fps")]
        film_fps: f64,
        /// Whether to begin again after the last.
        #[serde(default)]
        repeat: bool,
    },
    /// A moving test pattern.
    Pattern {
        #[serde(default = "default_width")]
        width: u32,
        #[serde(default = "default_height")]
        height: u32,
        #[serde(default = "default_fps")]
        fps: f64,
    },
}

fn default_picture_ms() -> u64 {
    1500
}
fn default_film_fps() -> f64 {
    8.0
}
fn default_width() -> u32 {
    640
}
fn default_height() -> u32 {
    480
}
fn default_fps() -> f64 {
    30.0
}

impl Default for Settings {
    fn default() -> Settings {
        let (picture_ms, film_fps) = (default_picture_ms(), default_film_fps());
        Settings::Files { path: None, picture_ms, film_fps, repeat: false }
    }
}

/// `files`, `files:DIR`, `pattern`, `pattern:640x480`.
impl std::str::FromStr for Settings {
    type Err = String;

    fn from_str(uri: &str) -> Result<Settings, String> {
        let (kind, rest) = uri.split_once(':').map_or((uri, None), |(kind, rest)| (kind, Some(rest)));
        let (picture_ms, film_fps) = (default_picture_ms(), default_film_fps());
        match (kind, rest) {
            ("files", None) => Ok(Settings::default()),
            ("files", Some(path)) if !path.is_empty() => {
                Ok(Settings::Files { path: Some(path.into()), picture_ms, film_fps, repeat: false })
            }
            ("pattern", None) => {
                Ok(Settings::Pattern { width: default_width(), height: default_height(), fps: default_fps() })
            }
            ("pattern", Some(size)) => {
                let (width, height) = crate::frame::parse_size(size)?;
                Ok(Settings::Pattern { width, height, fps: default_fps() })
            }
            ("v4l2" | "gst" | "csi", _) => Err(format!(
                "camera `{uri}` needs a driver that this version does not have yet; \
                             there are files:DIR and pattern"
            )),
            _ => Err(format!(
                "camera is `{uri}`, expected files:DIR, files:'a/*.jpg', pattern or pattern:WIDTHxHEIGHT{}",
                crate::strict::did_you_mean(kind, ["files", "pattern"])
            )),
        }
    }
}

impl Settings {
    /// Numbers that could not be meant; the message says which.
    pub fn check(&self) -> Result<(), String> {
        match *self {
            Settings::Files { picture_ms, film_fps, .. } => {
                if picture_ms > 3_600_000 {
                    return Err(format!("picture_ms is {picture_ms}, the limit is 3600000, an hour"));
                }
                check_fps("film_fps", film_fps)
            }
            Settings::Pattern { width, height, fps } => {
                crate::frame::check_size(width, height)?;
                check_fps("fps", fps)
            }
        }
    }
}

fn check_fps(name: &str, fps: f64) -> Result<(), String> {
    match (0.001..=1000.0).contains(&fps) {
        true => Ok(()),
        false => Err(format!("{name} is {fps}, expected 0.001 to 1000")),
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
            Box::new(Pattern::new(crate::frame::Size::new(width, height), fps))
        }
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
