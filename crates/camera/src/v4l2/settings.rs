//! Settings of a V4L2 camera from a board file or a URI.

use std::path::PathBuf;

use super::controls::{Value, Values};
use super::fourcc::FourCc;
use super::identity::Identity;
use super::mode_selection::ModeRequest;

/// Device name for the first camera that delivers frames.
const AUTO: &str = "auto";
/// Default least short side in pixels: 1.5 × 320, the largest side of the shipped variants.
const SHORT_SIDE: u32 = 480;

/// Device, mode and controls; mode selection fills in what is not set.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `auto`, `/dev/video0`, `by-id/NAME` or `by-path/NAME`.
    pub device: String,
    /// Fourcc such as YUYV.
    pub format: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub fps: Option<f64>,
    /// Least length of the shorter side in pixels, if a mode has it.
    pub short_side: u32,
    /// Values for controls, by name.
    pub controls: Values,
    /// Identity of the device to reopen; it overrides `device`.
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
    /// Parses the part after `v4l2:`, such as `/dev/video0?format=NV12&size=1280x720&fps=30`.
    ///
    /// An unknown option is the name of a control.
    pub fn parse(rest: &str) -> Result<Settings, String> {
        let (device, options) = rest.split_once('?').unwrap_or((rest, ""));
        let device = if device.is_empty() { AUTO } else { device };
        let mut settings = Settings { device: device.into(), ..Settings::default() };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').ok_or_else(|| {
                format!(
                    "`{option}` of camera v4l2:{rest} has no value, expected NAME=VALUE such as format=NV12 or gain=20"
                )
            })?;
            let not_a_number = || format!("{name} is `{value}`, expected a number");
            match name {
                "format" => settings.format = Some(value.into()),
                "size" => {
                    let (width, height) = phicam_frame::parse_size(value)?;
                    (settings.width, settings.height) = (Some(width), Some(height));
                }
                "fps" => settings.fps = Some(value.parse().map_err(|_| not_a_number())?),
                "width" => settings.width = Some(value.parse().map_err(|_| not_a_number())?),
                "height" => settings.height = Some(value.parse().map_err(|_| not_a_number())?),
                "short_side" => settings.short_side = value.parse().map_err(|_| not_a_number())?,
                _ => drop(settings.controls.insert(name.into(), parse_control(value))),
            }
        }
        settings.check()?;
        Ok(settings)
    }

    /// Rejects values out of range; the error states setting, value and limit.
    pub fn check(&self) -> Result<(), String> {
        let has_known_form = self.is_auto()
            || self.node_path().is_absolute()
            || ["by-id/", "by-path/"].iter().any(|prefix| self.device.starts_with(prefix));
        if !has_known_form || self.device.contains("..") {
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

    /// Returns the path of the device node or of a link to it.
    pub fn node_path(&self) -> PathBuf {
        if self.device.starts_with("by-") {
            PathBuf::from("/dev/v4l").join(&self.device)
        } else {
            PathBuf::from(&self.device)
        }
    }

    pub fn mode_request(&self) -> ModeRequest {
        let Settings { width, height, fps, short_side, .. } = *self;
        let fourcc = self.format.as_deref().and_then(|format| format.parse().ok());
        ModeRequest { fourcc, width, height, fps, short_side }
    }
}

fn parse_control(text: &str) -> Value {
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
    fn uri_sets_device_mode_and_controls() {
        let settings =
            Settings::parse("/dev/video2?format=NV12&size=1280x720&fps=30&gain=20&power_line_frequency=50 Hz").unwrap();
        assert_eq!(settings.device, "/dev/video2");
        assert_eq!((settings.width, settings.height, settings.fps), (Some(1280), Some(720), Some(30.0)));
        assert_eq!(settings.mode_request().fourcc, Some(FourCc::new(b"NV12")));
        assert_eq!(settings.controls["gain"], Value::Integer(20));
        assert_eq!(settings.controls["power_line_frequency"], Value::Item("50 Hz".into()));
        let settings = Settings::parse("?format=mjpg").unwrap();
        assert!(settings.is_auto());
        assert_eq!(settings.short_side, 480);
        assert_eq!(
            Settings::parse("by-id/usb-046d-index0").unwrap().node_path(),
            PathBuf::from("/dev/v4l/by-id/usb-046d-index0")
        );
    }

    #[test]
    fn invalid_uri_error_states_the_expected_form() {
        for (uri, words) in [
            ("video0", "device is `video0`, expected auto, /dev/videoN"),
            ("by-id/../../sda", "device is `by-id/../../sda`"),
            ("?format=YUVY", "did you mean `YUYV`?"),
            ("?size=0x7", "size is 0x7"),
            ("?fps=fast", "fps is `fast`"),
            ("?fps=0", "fps is 0"),
            ("?gain", "`gain` of camera v4l2:?gain has no value"),
        ] {
            let message = Settings::parse(uri).unwrap_err();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn board_file_sets_controls_and_rejects_unknown_keys() {
        let text = "kind = 'v4l2'\ndevice = '/dev/video0'\nformat = 'MJPG'\n\
                    [controls]\ngain = 3\nauto_exposure = 'Manual Mode'\nx = true";
        let camera: crate::Settings = toml::from_str(text).unwrap();
        let crate::Settings::V4l2(settings) = camera else { panic!("{camera:?}") };
        assert_eq!(settings.controls.len(), 3);
        let error = toml::from_str::<crate::Settings>("kind = 'v4l2'\nformt = 'MJPG'").unwrap_err().to_string();
        assert!(error.contains("unknown field `formt`"), "{error}");
    }
}
