//! What a board file or a URI says of a V4L2 camera.

use std::path::PathBuf;

use super::controls::{Value, Values};
use super::fourcc::FourCc;
use super::identity::Identity;
use super::mode_selection::Wish;

/// The first camera that gives pictures.
const AUTO: &str = "auto";
/// The largest model side is 320, of a crop that is up to the whole short side: this leaves some to spare.
const SHORT_SIDE: u32 = 480;

/// Which camera, in which mode; what is left out is chosen.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `auto`, `/dev/video0`, `by-id/NAME` or `by-path/NAME`.
    pub device: String,
    /// V4L2's four letters, such as YUYV.
    pub format: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub fps: Option<f64>,
    /// The least that the shorter side should have, in pixels.
    pub short_side: u32,
    /// Controls to set, by name.
    pub controls: Values,
    /// The very camera, where it was open before.
    #[serde(skip)]
    pub identity: Option<Identity>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            device: AUTO.into(),
            format: None,
            width: None,
            height: None,
            fps: None,
            short_side: SHORT_SIDE,
            controls: Values::new(),
            identity: None,
        }
    }
}

impl Settings {
    /// Reads what follows `v4l2:`, such as `/dev/video0?format=NV12&size=1280x720&fps=30`. What is no option there is
    /// the name of a control.
    pub fn parse(rest: &str) -> Result<Settings, String> {
        let (device, options) = rest.split_once('?').unwrap_or((rest, ""));
        let device = if device.is_empty() { AUTO } else { device };
        let mut settings = Settings { device: device.into(), ..Settings::default() };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').ok_or_else(|| {
                format!("`{option}` of camera v4l2:{rest} has no value, expected such as format=NV12 or gain=20")
            })?;
            let number = || format!("{name} is `{value}`, expected a number");
            match name {
                "format" => settings.format = Some(value.into()),
                "size" => {
                    let (width, height) = phicam_frame::parse_size(value)?;
                    (settings.width, settings.height) = (Some(width), Some(height));
                }
                "fps" => settings.fps = Some(value.parse().map_err(|_| number())?),
                "width" => settings.width = Some(value.parse().map_err(|_| number())?),
                "height" => settings.height = Some(value.parse().map_err(|_| number())?),
                "short_side" => settings.short_side = value.parse().map_err(|_| number())?,
                _ => drop(settings.controls.insert(name.into(), control(value))),
            }
        }
        settings.check()?;
        Ok(settings)
    }

    /// What could not be meant; the message says what.
    pub fn check(&self) -> Result<(), String> {
        let known = self.is_auto()
            || self.node().is_absolute()
            || ["by-id/", "by-path/"].iter().any(|at| self.device.starts_with(at));
        if !known || self.device.contains("..") {
            return Err(format!(
                "device is `{}`, expected auto, /dev/videoN, by-id/NAME or by-path/NAME (`ls /dev/v4l/by-id`)",
                self.device
            ));
        }
        self.format.as_deref().map_or(Ok(()), |format| format.parse::<FourCc>().map(drop))?;
        phicam_frame::check_size(self.width.unwrap_or(1), self.height.unwrap_or(1))?;
        phicam_frame::check_size(self.short_side, 1)?;
        crate::check_fps("fps", self.fps.unwrap_or(1.0))
    }

    pub fn is_auto(&self) -> bool {
        self.device == AUTO
    }

    /// The path that `device` means.
    pub fn node(&self) -> PathBuf {
        match self.device.starts_with("by-") {
            true => PathBuf::from("/dev/v4l").join(&self.device),
            false => PathBuf::from(&self.device),
        }
    }

    pub fn wish(&self) -> Wish {
        let Settings { width, height, fps, short_side, .. } = *self;
        let fourcc = self.format.as_deref().and_then(|format| format.parse().ok());
        Wish { fourcc, width, height, fps, short_side }
    }
}

fn control(text: &str) -> Value {
    match (text, text.parse()) {
        ("true" | "false", _) => Value::Boolean(text == "true"),
        (_, Ok(number)) => Value::Integer(number),
        _ => Value::Item(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_device_mode_and_controls() {
        let settings =
            Settings::parse("/dev/video2?format=NV12&size=1280x720&fps=30&gain=20&power_line_frequency=50 Hz").unwrap();
        assert_eq!(settings.device, "/dev/video2");
        assert_eq!((settings.width, settings.height, settings.fps), (Some(1280), Some(720), Some(30.0)));
        assert_eq!(settings.wish().fourcc, Some(FourCc::new(b"NV12")));
        assert_eq!(settings.controls["gain"], Value::Integer(20));
        assert_eq!(settings.controls["power_line_frequency"], Value::Item("50 Hz".into()));
        let settings = Settings::parse("?format=mjpg").unwrap();
        assert!(settings.is_auto() && settings.short_side == 480);
        assert_eq!(
            Settings::parse("by-id/usb-046d-index0").unwrap().node(),
            PathBuf::from("/dev/v4l/by-id/usb-046d-index0")
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_is_expected() {
        for (uri, said) in [
            ("video0", "device is `video0`, expected auto, /dev/videoN"),
            ("by-id/../../sda", "device is `by-id/../../sda`"),
            ("?format=YUVY", "did you mean `YUYV`?"),
            ("?size=0x7", "size is 0x7"),
            ("?fps=fast", "fps is `fast`"),
            ("?fps=0", "fps is 0"),
            ("?gain", "`gain` of camera v4l2:?gain has no value"),
        ] {
            let message = Settings::parse(uri).unwrap_err();
            assert!(message.contains(said), "{message}");
        }
    }

    #[test]
    fn a_board_file_names_the_same_and_a_typo_is_refused() {
        let text = "kind = 'v4l2'\ndevice = '/dev/video0'\nformat = 'MJPG'\n[controls]\ngain = 3\nauto_exposure = 'Manual Mode'\nx = true";
        let camera: crate::Settings = toml::from_str(text).unwrap();
        let crate::Settings::V4l2(settings) = camera else { panic!("{camera:?}") };
        assert_eq!(settings.controls.len(), 3);
        let error = toml::from_str::<crate::Settings>("kind = 'v4l2'\nformt = 'MJPG'").unwrap_err().to_string();
        assert!(error.contains("unknown field `formt`"), "{error}");
    }
}
