//! What a board file or a URI says of a pipeline, or of a sensor on the CSI connector.

use crate::check_fps;
use phicam_frame::{check_size, parse_size};
use phicam_platform::config_file::did_you_mean;

/// A pipeline of the user's own.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// As gst-launch-1.0 takes it, without a sink.
    pub pipeline: String,
    /// It was open before: nobody waits for its first picture.
    #[serde(skip)]
    pub again: bool,
}

impl Settings {
    /// Reads what follows `gst:`.
    pub fn parse(pipeline: &str) -> Result<Settings, String> {
        let settings = Settings { pipeline: pipeline.trim().into(), again: false };
        settings.check()?;
        Ok(settings)
    }

    /// What could not be meant; the message says what.
    pub fn check(&self) -> Result<(), String> {
        let Settings { pipeline, .. } = self;
        match words(pipeline).first() {
            None => Err("gst: has no pipeline; expected such as gst:'videotestsrc is-live=true'".into()),
            Some(word) if word.starts_with('-') => Err(format!(
                "pipeline begins with `{word}`, expected an element: options of gst-launch-1.0 cannot be given"
            )),
            Some(_) if pipeline.contains(|letter: char| letter.is_control() && !letter.is_whitespace()) => {
                Err("pipeline has a control character; write it in one line of plain text".into())
            }
            Some(_) => Ok(()),
        }
    }
}

/// The words of a pipeline, as a shell would hand them to gst-launch-1.0: apart by spaces outside of double quotes, which
/// stay, since gst-launch-1.0 reads them itself.
pub fn words(pipeline: &str) -> Vec<&str> {
    let mut quoted = false;
    let apart = |letter: char| {
        quoted ^= letter == '"';
        letter.is_whitespace() && !quoted
    };
    pipeline.split(apart).filter(|word| !word.is_empty()).collect()
}

/// A pipeline as logs and screens may show it: what is between `://` and `@` and the values of properties for passwords
/// are left out.
pub fn told(pipeline: &str) -> String {
    let word = |word: &str| {
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
    words(pipeline).into_iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Which element reads a sensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// By what the machine is.
    #[default]
    Auto,
    /// NVIDIA's, by nvarguscamerasrc.
    Argus,
    /// libcamera's, by libcamerasrc.
    Libcamera,
}

const SOURCES: &[(&str, Source)] =
    &[("auto", Source::Auto), ("argus", Source::Argus), ("libcamera", Source::Libcamera)];

/// A sensor on the CSI connector.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsiSettings {
    /// Counts from 0: Argus's number, or the place in the device tree.
    pub sensor: u32,
    pub width: u32,
    pub height: u32,
    pub fps: f64,
    pub source: Source,
    /// It was open before: nobody waits for its first picture.
    #[serde(skip)]
    pub again: bool,
}

impl Default for CsiSettings {
    /// Every sensor has 1280 × 720; its rows need no padding anywhere.
    fn default() -> CsiSettings {
        CsiSettings { sensor: 0, width: 1280, height: 720, fps: 30.0, source: Source::Auto, again: false }
    }
}

impl CsiSettings {
    /// Reads what follows `csi:`, such as `1?size=1280x720&fps=30`.
    pub fn parse(rest: &str) -> Result<CsiSettings, String> {
        let (sensor, options) = rest.split_once('?').unwrap_or((rest, ""));
        let mut settings = CsiSettings::default();
        if !sensor.is_empty() {
            settings.sensor = sensor.parse().map_err(|_| format!("sensor is `{sensor}`, expected such as csi:0"))?;
        }
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let number = || format!("{name} is `{value}`, expected a number");
            match name {
                "size" => (settings.width, settings.height) = parse_size(value)?,
                "width" => settings.width = value.parse().map_err(|_| number())?,
                "height" => settings.height = value.parse().map_err(|_| number())?,
                "fps" => settings.fps = value.parse().map_err(|_| number())?,
                "source" => settings.source = source(value)?,
                _ => {
                    return Err(format!(
                        "csi: has no option `{name}`; there are size=WIDTHxHEIGHT, fps=N, source=argus|libcamera{}",
                        did_you_mean(name, ["size", "fps", "source", "width", "height"])
                    ));
                }
            }
        }
        settings.check()?;
        Ok(settings)
    }

    /// What could not be meant; the message says what.
    pub fn check(&self) -> Result<(), String> {
        if self.sensor > 15 {
            return Err(format!("sensor is {}, expected 0 to 15", self.sensor));
        }
        if !self.width.is_multiple_of(2) || !self.height.is_multiple_of(2) {
            let CsiSettings { width, height, .. } = self;
            return Err(format!("size is {width}x{height}, a sensor's sides are even"));
        }
        check_size(self.width, self.height)?;
        check_fps("fps", self.fps)
    }
}

fn source(text: &str) -> Result<Source, String> {
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
    fn a_pipeline_is_handed_on_word_by_word_with_its_quotes() {
        let pipeline = "v4l2src  device=/dev/video0 ! capsfilter caps=\"video/x-raw, width=640\" ! a";
        assert_eq!(
            words(pipeline),
            ["v4l2src", "device=/dev/video0", "!", "capsfilter", "caps=\"video/x-raw, width=640\"", "!", "a"]
        );
        assert!(words(" \t ").is_empty());
    }

    #[test]
    fn passwords_are_not_told() {
        let pipeline =
            "rtspsrc  location=rtsp://me:se/cret@cam/live user-pw=secret ! a location=rtsp://me:x@cam:554/a@b";
        let expected = "rtspsrc location=rtsp://me:se/cret@cam/live user-pw=… ! a location=rtsp://…@cam:554/a@b";
        assert_eq!(told(pipeline), expected, "a slash in a password has to be written %2F");
        assert_eq!(told("videotestsrc ! a location=http://cam/b"), "videotestsrc ! a location=http://cam/b");
    }

    #[test]
    fn no_pipeline_and_options_of_the_program_are_refused() {
        for (pipeline, said) in [
            ("", "has no pipeline"),
            (" ", "has no pipeline"),
            ("--help", "begins with `--help`"),
            ("a \u{1b}b", "control"),
        ] {
            let message = Settings::parse(pipeline).unwrap_err();
            assert!(message.contains(said), "{message}");
        }
        assert!(Settings::parse("videotestsrc ! identity name=-x").is_ok());
    }

    #[test]
    fn a_sensor_is_named_by_number_size_rate_and_source() {
        assert_eq!(CsiSettings::parse("").unwrap(), CsiSettings::default());
        let settings = CsiSettings::parse("1?size=1920x1080&fps=60&source=libcamera").unwrap();
        let expected =
            CsiSettings { sensor: 1, width: 1920, height: 1080, fps: 60.0, source: Source::Libcamera, again: false };
        assert_eq!(settings, expected);
        for (uri, said) in [
            ("front", "sensor is `front`"),
            ("16", "sensor is 16, expected 0 to 15"),
            ("0?size=0x2", "size is 0x2"),
            ("0?size=33x17", "sides are even"),
            ("0?fps=fast", "fps is `fast`"),
            ("0?fps=0", "fps is 0"),
            ("0?source=arugs", "did you mean `argus`?"),
            ("0?sise=1x1", "did you mean `size`?"),
        ] {
            let message = CsiSettings::parse(uri).unwrap_err();
            assert!(message.contains(said), "{uri}: {message}");
        }
    }
}
