//! Camera settings from a board file or a URI.

use super::{gst, natural_names, v4l2};

/// Kind and settings of a camera. In a board file, `kind` is `auto`, `files`, `pattern`, `v4l2`, `gst` or `csi`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Settings {
    /// The first camera that delivers frames: USB, then the image sensor of a Raspberry Pi or Jetson.
    Auto {},
    /// Image files: each is shown for a time, and folders inside a folder play as films.
    Files {
        /// A folder, a file name pattern, or files separated by commas; `None` for the sample photographs.
        path: Option<String>,
        /// Time for each image, in ms.
        #[serde(default = "default_picture_ms")]
        picture_ms: u64,
        /// Frame rate of a film, in frames per second.
        #[serde(default = "default_film_fps")]
        film_fps: f64,
        /// Whether to start again after the last image.
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
    /// A camera with a V4L2 driver.
    V4l2(Box<v4l2::Settings>),
    /// A GStreamer pipeline.
    Gst(Box<gst::Settings>),
    /// An image sensor on the CSI connector, read with the GStreamer elements of the board's vendor.
    Csi(Box<gst::CsiSettings>),
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

/// Parses a URI, such as `auto`, `files`, `files:DIR`, `pattern`, `pattern:640x480`, `v4l2:`,
/// `v4l2:/dev/video0?size=1280x720`, `csi:0?fps=30` or `gst:videotestsrc is-live=true`; else a natural name, such as
/// `usb`, `/dev/video0`, `rtsp://HOST/PATH`, a folder or a film.
impl std::str::FromStr for Settings {
    type Err = String;

    fn from_str(uri: &str) -> Result<Settings, String> {
        let (kind, rest) = uri.split_once(':').map_or((uri, None), |(kind, rest)| (kind, Some(rest)));
        let kind = kind.to_ascii_lowercase();
        match (kind.as_str(), rest) {
            ("auto", None) => Ok(Settings::Auto {}),
            ("files", None) => Ok(Settings::default()),
            ("files", Some(path)) if !path.is_empty() => Ok(Settings::files(path)),
            ("pattern", None) => {
                Ok(Settings::Pattern { width: default_width(), height: default_height(), fps: default_fps() })
            }
            ("pattern", Some(rest)) => {
                let (size, fps) = match rest.split_once('@') {
                    None => (rest, default_fps()),
                    Some((size, fps)) => {
                        (size, fps.parse().map_err(|_| format!("fps is `{fps}`, expected a number such as 60"))?)
                    }
                };
                check_fps("fps", fps)?;
                let (width, height) = phicam_frame::parse_size(size)?;
                Ok(Settings::Pattern { width, height, fps })
            }
            ("v4l2", rest) => Ok(Settings::V4l2(Box::new(v4l2::Settings::parse(rest.unwrap_or(""))?))),
            ("gst", rest) => Ok(Settings::Gst(Box::new(gst::Settings::parse(rest.unwrap_or(""))?))),
            ("csi", rest) => Ok(Settings::Csi(Box::new(gst::CsiSettings::parse(rest.unwrap_or(""))?))),
            _ => natural_names::parse(uri).unwrap_or_else(|| {
                let known = ["auto", "usb", "webcam", "files", "pattern", "v4l2", "csi", "gst"];
                Err(format!(
                    "camera is `{uri}`, expected usb, /dev/video0, csi:0, rtsp://HOST/PATH, a folder, a picture or a \
                     film; or files:'a/*.jpg', pattern:WIDTHxHEIGHT@FPS, v4l2:/dev/videoN?fps=30, gst:'PIPELINE'{}",
                    phicam_platform::config_file::did_you_mean(&kind, known)
                ))
            }),
        }
    }
}

impl Settings {
    /// Returns a camera of image files: a folder, a file name pattern, or files separated by commas.
    pub(crate) fn files(path: &str) -> Settings {
        let (picture_ms, film_fps) = (default_picture_ms(), default_film_fps());
        Settings::Files { path: Some(path.into()), picture_ms, film_fps, repeat: false }
    }

    /// Rejects values out of range; the error states setting, value and limit.
    pub fn check(&self) -> Result<(), String> {
        match *self {
            Settings::Auto {} => Ok(()),
            Settings::V4l2(ref settings) => settings.check(),
            Settings::Gst(ref settings) => settings.check(),
            Settings::Csi(ref settings) => settings.check(),
            Settings::Files { picture_ms, film_fps, .. } => {
                if picture_ms > 3_600_000 {
                    return Err(format!("picture_ms is {picture_ms}, the limit is 3600000 (one hour)"));
                }
                check_fps("film_fps", film_fps)
            }
            Settings::Pattern { width, height, fps } => {
                phicam_frame::check_size(width, height)?;
                check_fps("fps", fps)
            }
        }
    }
}

/// Rejects a frame rate outside of 0.001 to 1000 frames per second; `name` is the setting.
pub fn check_fps(name: &str, fps: f64) -> Result<(), String> {
    if (0.001..=1000.0).contains(&fps) { Ok(()) } else { Err(format!("{name} is {fps}, expected 0.001 to 1000")) }
}
