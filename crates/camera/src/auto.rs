//! `auto`: the first camera that delivers frames: USB, then the image sensor of the board.

use std::path::Path;
use std::time::Duration;

use log::debug;
use phicam_platform::system;
use phicam_platform::system::Maker;

use crate::gst::{CsiSettings, GstError, Presence, Source, probe, sensors};
use crate::{Camera, CameraCounts, CameraError, Gst, Next, Settings, V4l2, v4l2};

/// Camera that `auto` opened.
pub struct AutoCamera {
    camera: Box<dyn Camera>,
    reason: String,
}

/// Opens the first camera that works on this machine.
pub fn open() -> Result<AutoCamera, CameraError> {
    let maker = system::maker(&system::device_tree_compatible());
    open_first(&order(maker), &mut |settings| match settings {
        Settings::V4l2(settings) => Ok(Box::new(V4l2::open(settings)?)),
        Settings::Csi(settings) => {
            check_sensor(settings, sensors(Path::new("/")).len(), probe)?;
            Ok(Box::new(Gst::open_csi(settings)?))
        }
        other => unreachable!("{other:?} is not in the order of auto"),
    })
}

/// Returns the cameras to try on a board of `maker`, the first one first.
fn order(maker: Maker) -> Vec<Settings> {
    let sensor = |source| Settings::Csi(Box::new(CsiSettings { source, ..CsiSettings::default() }));
    let usb = Settings::V4l2(Box::<v4l2::Settings>::default());
    match maker {
        Maker::RaspberryPi => vec![usb, sensor(Source::Libcamera)],
        Maker::Nvidia => vec![usb, sensor(Source::Argus)],
        Maker::Other => vec![usb],
    }
}

/// Returns an error if a Raspberry Pi has no sensor, or if GStreamer lacks an element that reads one.
///
/// On a Jetson the number of sensors is unknown, because Argus does not use the device tree's names.
fn check_sensor(settings: &CsiSettings, count: usize, probe: impl Fn(&[&str]) -> Presence) -> Result<(), GstError> {
    let sensor = settings.sensor;
    if settings.source == Source::Libcamera && count == 0 {
        return Err(GstError::NoSensor { sensor, count });
    }
    match probe(settings.source.elements()) {
        Presence::Available => Ok(()),
        Presence::Missing { what, remedy } => Err(GstError::MissingPart { sensor, what, remedy }),
    }
}

/// Function that opens one kind of camera.
type OpenKind<'a> = dyn FnMut(&Settings) -> Result<Box<dyn Camera>, CameraError> + 'a;

/// Opens the first of `order` that `open` succeeds with; fails with the reason of each.
fn open_first(order: &[Settings], open: &mut OpenKind) -> Result<AutoCamera, CameraError> {
    let mut attempts = Vec::new();
    if let [only] = order {
        let reason = "auto: only USB cameras are looked for on this machine".into();
        return Ok(AutoCamera { camera: open(only)?, reason });
    }
    for settings in order {
        match open(settings) {
            Ok(camera) => {
                let reason = match attempts.len() {
                    0 => "auto: USB cameras come first".into(),
                    _ => "auto: no USB camera delivers frames".into(),
                };
                return Ok(AutoCamera { camera, reason });
            }
            Err(error) => {
                debug!("auto skips a camera: {error}");
                attempts.push(error.to_string());
            }
        }
    }
    Err(CameraError::NoneFound { attempts })
}

impl Camera for AutoCamera {
    fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError> {
        self.camera.next_frame(limit)
    }

    fn describe(&self) -> String {
        self.camera.describe()
    }

    fn choice_reason(&self) -> Option<String> {
        Some(self.reason.clone())
    }

    fn counts(&self) -> CameraCounts {
        self.camera.counts()
    }

    fn reopen_settings(&self) -> Option<Settings> {
        self.camera.reopen_settings()
    }
}

#[cfg(test)]
mod tests {
    use phicam_frame::Size;

    use super::*;
    use crate::TestPattern;

    /// Opens the order of a board whose cameras of these kinds work; returns the kinds tried, and the result.
    fn opened(maker: Maker, working: &[&str]) -> (Vec<&'static str>, Result<AutoCamera, CameraError>) {
        let mut tried = Vec::new();
        let result = open_first(&order(maker), &mut |settings| {
            let kind = match settings {
                Settings::V4l2(settings) if settings.is_auto() => "usb",
                Settings::Csi(settings) if settings.source == Source::Libcamera => "libcamera",
                Settings::Csi(settings) if settings.source == Source::Argus => "argus",
                other => panic!("{other:?}"),
            };
            tried.push(kind);
            let camera = TestPattern::new(Size::new(8, 8), 30.0);
            let gone = || CameraError::Gone { camera: kind.into(), cause: "pulled".into() };
            working.contains(&kind).then(|| Box::new(camera) as Box<dyn Camera>).ok_or_else(gone)
        });
        (tried, result)
    }

    #[test]
    fn usb_camera_comes_before_the_sensor() {
        for (maker, sensor) in [(Maker::RaspberryPi, "libcamera"), (Maker::Nvidia, "argus")] {
            let (tried, camera) = opened(maker, &["usb", sensor]);
            assert_eq!(tried, ["usb"], "{maker:?}");
            assert_eq!(camera.unwrap().choice_reason().unwrap(), "auto: USB cameras come first");
        }
    }

    #[test]
    fn sensor_is_opened_without_a_usb_camera() {
        for (maker, sensor) in [(Maker::RaspberryPi, "libcamera"), (Maker::Nvidia, "argus")] {
            let (tried, camera) = opened(maker, &[sensor]);
            assert_eq!(tried, ["usb", sensor]);
            assert_eq!(camera.unwrap().choice_reason().unwrap(), "auto: no USB camera delivers frames");
        }
    }

    #[test]
    fn failure_names_each_camera_and_may_pass() {
        let (tried, camera) = opened(Maker::RaspberryPi, &[]);
        assert_eq!(tried, ["usb", "libcamera"]);
        let error = camera.err().unwrap();
        assert!(error.is_lost(), "a camera may be connected later");
        let message = error.to_string();
        assert!(message.contains("usb is gone"), "{message}");
        assert!(message.contains("libcamera is gone"), "{message}");
        let (tried, camera) = opened(Maker::Other, &[]);
        assert_eq!(tried, ["usb"]);
        assert!(camera.err().unwrap().to_string().starts_with("usb is gone"));
    }

    #[test]
    fn missing_part_is_named_with_one_command() {
        let libcamera = CsiSettings { source: Source::Libcamera, ..CsiSettings::default() };
        let absent = |elements: &[&str]| {
            assert_eq!(elements, ["libcamerasrc"]);
            Presence::Missing { what: "the element libcamerasrc".into(), remedy: "`sudo apt-get install x`".into() }
        };
        let message = check_sensor(&libcamera, 1, absent).unwrap_err().to_string();
        let expected = "csi:0: the element libcamerasrc is not installed, which reads the image sensor; \
                        `sudo apt-get install x`";
        assert_eq!(message, expected);
        let message = check_sensor(&libcamera, 0, absent).unwrap_err().to_string();
        assert!(message.contains("no image sensor; check the ribbon cable"), "{message}");
        assert!(check_sensor(&libcamera, 1, |_| Presence::Available).is_ok());
        let argus = CsiSettings { source: Source::Argus, ..CsiSettings::default() };
        assert!(check_sensor(&argus, 0, |_| Presence::Available).is_ok(), "Argus knows its own sensors");
    }
}
