//! Why a GStreamer pipeline gives no pictures, and what to do about it.

use std::io;

/// A pipeline that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum GstError {
    #[error(
        "there is no gst-launch-1.0 to run `{pipeline}` with; `sudo apt-get install gstreamer1.0-tools \
             gstreamer1.0-plugins-base`"
    )]
    Missing { pipeline: String },
    #[error("gst-launch-1.0 does not start: {cause}; free memory and processes, or `phicam doctor` says more")]
    Start { cause: io::Error },
    #[error("GStreamer does not understand `{pipeline}`: {said}; {remedy}")]
    Pipeline { pipeline: String, said: String, remedy: String },
    #[error(
        "`{pipeline}` gives no picture, it ended with {how}: {said}; try it alone: gst-launch-1.0 {pipeline} ! fakesink"
    )]
    NoPicture { pipeline: String, how: String, said: String },
    #[error(
        "the buffers of `{pipeline}` have {bytes} bytes, {expected} are a picture of {picture}: its rows are padded; \
             add `! videoconvert ! video/x-raw,format={other}`, or take a width that 64 divides"
    )]
    Padded { pipeline: String, bytes: usize, expected: usize, picture: String, other: &'static str },
    #[error(
        "csi:{sensor}: which GStreamer element reads the sensors of this machine is not known; name it with \
             csi:{sensor}?source=libcamera (or argus), or a whole pipeline with gst:"
    )]
    UnknownMachine { sensor: u32 },
    #[error("csi:{sensor}: the device tree has {}; check the ribbon cable, then the sensor's overlay (config.txt: \
             camera_auto_detect=1, or dtoverlay=imx219)", sensors(*count))]
    NoSensor { sensor: u32, count: usize },
}

fn sensors(count: usize) -> String {
    match count {
        0 => "no image sensor".into(),
        1 => "one image sensor, csi:0".into(),
        count => format!("{count} image sensors, csi:0 to csi:{}", count - 1),
    }
}

impl GstError {
    /// Whether trying again later can help: a sensor or its service is not ready yet.
    pub fn may_pass(&self) -> bool {
        match self {
            GstError::NoPicture { .. } | GstError::NoSensor { .. } | GstError::Start { .. } => true,
            GstError::Missing { .. }
            | GstError::Pipeline { .. }
            | GstError::Padded { .. }
            | GstError::UnknownMachine { .. } => false,
        }
    }
}

/// Elements that cameras are read with, and the Debian or Ubuntu package that each is in.
const PACKAGES: &[(&str, &str)] = &[
    ("gstreamer1.0-libcamera", "libcamerasrc"),
    ("gstreamer1.0-plugins-bad", "h264parse h265parse jpegparse v4l2codecs decklinkvideosrc"),
    ("gstreamer1.0-plugins-base", "videoconvert videoscale videorate videotestsrc decodebin uridecodebin playbin"),
    (
        "gstreamer1.0-plugins-good",
        "v4l2src jpegdec pngdec rtspsrc multifilesrc matroskademux qtdemux udpsrc souphttpsrc",
    ),
    ("gstreamer1.0-libav", "avdec_h264 avdec_h265 avdec_mjpeg"),
    ("nvidia-l4t-gstreamer", "nvarguscamerasrc nvvidconv nvv4l2decoder nvv4l2camerasrc nvjpegdec"),
];

/// What to do where an element is missing.
pub fn remedy_without(element: &str) -> String {
    let package = PACKAGES.iter().find(|(_, elements)| elements.split(' ').any(|known| known == element));
    match package {
        Some((package, _)) => format!("`sudo apt-get install {package}`"),
        None => format!(
            "check how {element} is written (`gst-inspect-1.0` lists those that are here), or install the package that \
             its documentation names"
        ),
    }
}

/// What to do about what gst-launch said of a pipeline that it could not make.
pub fn remedy(said: &str) -> String {
    match said.split_once("no element \"").and_then(|(_, rest)| rest.split('"').next()) {
        Some(element) => remedy_without(element),
        None => "it is written as for gst-launch-1.0, without a sink at its end".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_element_is_answered_with_its_package() {
        let said = "WARNING: erroneous pipeline: no element \"nvarguscamerasrc\"";
        assert_eq!(remedy(said), "`sudo apt-get install nvidia-l4t-gstreamer`");
        assert!(remedy("no element \"vidoetestsrc\"").contains("check how vidoetestsrc is written"));
        assert!(remedy("WARNING: erroneous pipeline: syntax error").contains("without a sink"));
    }

    #[test]
    fn only_what_can_pass_is_tried_again() {
        let again = GstError::NoPicture { pipeline: "a".into(), how: "b".into(), said: "c".into() };
        let never = GstError::Pipeline { pipeline: "a".into(), said: "b".into(), remedy: "c".into() };
        assert!(again.may_pass() && !never.may_pass());
        assert!(GstError::NoSensor { sensor: 1, count: 1 }.to_string().contains("has one image sensor, csi:0;"));
    }
}
