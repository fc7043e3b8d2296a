//! Settings of a GStreamer pipeline or a CSI sensor, from a board file or a URI.

use std::path::PathBuf;

use crate::check_fps;
use phicam_frame::{check_size, parse_size};
use phicam_platform::config_file::did_you_mean;

/// Settings of a user's pipeline.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Pipeline in the syntax of gst-launch-1.0, without a sink.
    pub pipeline: String,
    /// Film or network address that the user named instead of a pipeline.
    #[serde(skip)]
    pub title: Option<Title>,
    /// Whether the camera was open before: then opening does not wait for a frame.
    #[serde(skip)]
    pub is_reopening: bool,
}

/// Film or network address for which a pipeline was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Title {
    Film(PathBuf),
    Url(String),
}

/// `film birds.mp4`, or the address without its password.
impl std::fmt::Display for Title {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Title::Film(path) => write!(f, "film {}", path.display()),
            Title::Url(url) => f.write_str(&mask_secrets(url)),
        }
    }
}

impl Settings {
    /// Parses the part after `gst:`.
    pub fn parse(pipeline: &str) -> Result<Settings, String> {
        let settings = Settings { pipeline: pipeline.trim().into(), title: None, is_reopening: false };
        settings.check()?;
        Ok(settings)
    }

    /// Rejects an empty pipeline, options of gst-launch-1.0 and control characters.
    pub fn check(&self) -> Result<(), String> {
        let Settings { pipeline, .. } = self;
        match split_words(pipeline).first() {
            None => Err("gst: has no pipeline; write one such as gst:'videotestsrc is-live=true'".into()),
            Some(word) if word.starts_with('-') => Err(format!(
                "pipeline begins with `{word}`, expected an element: options of gst-launch-1.0 are not supported"
            )),
            Some(_) if pipeline.contains(|letter: char| letter.is_control() && !letter.is_whitespace()) => {
                Err("pipeline contains a control character; write it in one line of plain text".into())
            }
            Some(_) => Ok(()),
        }
    }
}

/// Splits a pipeline at spaces outside of double quotes; the quotes stay, because gst-launch-1.0 parses them.
pub fn split_words(pipeline: &str) -> Vec<&str> {
    let mut quoted = false;
    let is_separator = |letter: char| {
        quoted ^= letter == '"';
        letter.is_whitespace() && !quoted
    };
    pipeline.split(is_separator).filter(|word| !word.is_empty()).collect()
}

/// Masks the secrets of a pipeline for logs and screens: the text between `://` and `@`, and password properties.
pub fn mask_secrets(pipeline: &str) -> String {
    let mask_word = |word: &str| {
        let secret = ["user-pw=", "password=", "passwd="].iter().find(|secret| word.starts_with(**secret));
        if let Some(secret) = secret {
            return format!("{secret}…");
        }
        let Some((scheme, rest)) = word.split_once("://") else { return word.to_string() };
        let host = rest.split('/').next().unwrap_or_default();
        match host.rsplit_once('@') {
            Some((user, _)) => format!("{scheme}://…{}", &rest[user.len()..]),
            None => word.to_string(),
        }
    };
    split_words(pipeline).into_iter().map(mask_word).collect::<Vec<_>>().join(" ")
}

/// GStreamer element that reads a sensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The element of the board's vendor.
    #[default]
    Auto,
    /// NVIDIA's nvarguscamerasrc.
    Argus,
    /// libcamera's libcamerasrc.
    Libcamera,
}

impl Source {
    /// Returns the GStreamer elements that read a sensor; none for `auto`, which depends on the board.
    pub fn elements(self) -> &'static [&'static str] {
        match self {
            Source::Auto => &[],
            Source::Argus => &["nvarguscamerasrc", "nvvidconv"],
            Source::Libcamera => &["libcamerasrc"],
        }
    }
}

const SOURCES: &[(&str, Source)] =
    &[("auto", Source::Auto), ("argus", Source::Argus), ("libcamera", Source::Libcamera)];

/// Settings of an image sensor on the CSI connector.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsiSettings {
    /// Number from 0: Argus's sensor id, or the index among the sensors of the device tree.
    pub sensor: u32,
    pub width: u32,
    pub height: u32,
    pub fps: f64,
    pub source: Source,
    /// Whether the camera was open before: then opening does not wait for a frame.
    #[serde(skip)]
    pub is_reopening: bool,
}

impl Default for CsiSettings {
    /// 1280 × 720: every sensor supports it, and no driver pads its rows.
    fn default() -> CsiSettings {
        CsiSettings { sensor: 0, width: 1280, height: 720, fps: 30.0, source: Source::Auto, is_reopening: false }
    }
}

impl CsiSettings {
    /// Parses the part after `csi:`, such as `1?size=1280x720&fps=30`.
    pub fn parse(rest: &str) -> Result<CsiSettings, String> {
        let (sensor, options) = rest.split_once('?').unwrap_or((rest, ""));
        let mut settings = CsiSettings::default();
        if !sensor.is_empty() {
            settings.sensor = sensor.parse().map_err(|_| format!("sensor is `{sensor}`, expected such as csi:0"))?;
        }
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let not_a_number = || format!("{name} is `{value}`, expected a number");
            match name {
                "size" => (settings.width, settings.height) = parse_size(value)?,
                "width" => settings.width = value.parse().map_err(|_| not_a_number())?,
                "height" => settings.height = value.parse().map_err(|_| not_a_number())?,
                "fps" => settings.fps = value.parse().map_err(|_| not_a_number())?,
                "source" => settings.source = parse_source(value)?,
                _ => {
                    return Err(format!(
                        "csi: has no option `{name}`; use size=WIDTHxHEIGHT, fps=N or source=argus|libcamera{}",
                        did_you_mean(name, ["size", "fps", "source", "width", "height"])
                    ));
                }
            }
        }
        settings.check()?;
        Ok(settings)
    }

    /// Rejects values out of range; the error states setting, value and limit.
    pub fn check(&self) -> Result<(), String> {
        if self.sensor > 15 {
            return Err(format!("sensor is {}, expected 0 to 15", self.sensor));
        }
        if !self.width.is_multiple_of(2) || !self.height.is_multiple_of(2) {
            let CsiSettings { width, height, .. } = self;
            return Err(format!("size is {width}x{height}, expected even sides for a sensor"));
        }
        check_size(self.width, self.height)?;
        check_fps("fps", self.fps)
    }
}

fn parse_source(text: &str) -> Result<Source, String> {
    let names = || SOURCES.iter().map(|(name, _)| *name);
    SOURCES.iter().find(|(name, _)| *name == text).map(|(_, source)| *source).ok_or_else(|| {
        let known = names().collect::<Vec<_>>().join(", ");
        format!("source is `{text}`, expected {known}{}", did_you_mean(text, names()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipeline_splits_at_spaces_outside_quotes() {
        let pipeline = "v4l2src  device=/dev/video0 ! capsfilter caps=\"video/x-raw, width=640\" ! a";
        assert_eq!(
            split_words(pipeline),
            ["v4l2src", "device=/dev/video0", "!", "capsfilter", "caps=\"video/x-raw, width=640\"", "!", "a"]
        );
        assert!(split_words(" \t ").is_empty());
    }

    #[test]
    fn passwords_are_masked() {
        let pipeline =
            "rtspsrc  location=rtsp://me:se/cret@cam/live user-pw=secret ! a location=rtsp://me:x@cam:554/a@b";
        let expected = "rtspsrc location=rtsp://me:se/cret@cam/live user-pw=… ! a location=rtsp://…@cam:554/a@b";
        assert_eq!(mask_secrets(pipeline), expected, "a slash in a password must be written %2F");
        assert_eq!(mask_secrets("videotestsrc ! a location=http://cam/b"), "videotestsrc ! a location=http://cam/b");
    }

    #[test]
    fn empty_pipelines_and_program_options_are_rejected() {
        for (pipeline, words) in [
            ("", "has no pipeline"),
            (" ", "has no pipeline"),
            ("--help", "begins with `--help`"),
            ("a \u{1b}b", "control"),
        ] {
            let message = Settings::parse(pipeline).unwrap_err();
            assert!(message.contains(words), "{message}");
        }
        assert!(Settings::parse("videotestsrc ! identity name=-x").is_ok());
    }

    #[test]
    fn csi_uri_sets_sensor_size_rate_and_source() {
        assert_eq!(CsiSettings::parse("").unwrap(), CsiSettings::default());
        let settings = CsiSettings::parse("1?size=1920x1080&fps=60&source=libcamera").unwrap();
        let expected = CsiSettings {
            sensor: 1,
            width: 1920,
            height: 1080,
            fps: 60.0,
            source: Source::Libcamera,
            is_reopening: false,
        };
        assert_eq!(settings, expected);
        for (uri, words) in [
            ("front", "sensor is `front`"),
            ("16", "sensor is 16, expected 0 to 15"),
            ("0?size=0x2", "size is 0x2"),
            ("0?size=33x17", "expected even sides"),
            ("0?fps=fast", "fps is `fast`"),
            ("0?fps=0", "fps is 0"),
            ("0?source=arugs", "did you mean `argus`?"),
            ("0?sise=1x1", "did you mean `size`?"),
        ] {
            let message = CsiSettings::parse(uri).unwrap_err();
            assert!(message.contains(words), "{uri}: {message}");
        }
    }
}
