//! Errors of GStreamer pipelines, with their remedies.

use std::io;
use std::path::{Path, PathBuf};

/// Reason why a pipeline delivers no frames.
#[derive(Debug, thiserror::Error)]
pub enum GstError {
    #[error(
        "cannot run `{pipeline}`: gst-launch-1.0 is not installed; `sudo apt-get install gstreamer1.0-tools \
             gstreamer1.0-plugins-base`"
    )]
    Missing { pipeline: String },
    #[error("csi:{sensor}: {what} is not installed, which reads the image sensor; {remedy}")]
    MissingPart { sensor: u32, what: String, remedy: String },
    #[error("cannot play {}: {cause}; {FILM_REMEDY}, or convert it to pictures: {}", film.display(), conversion(film))]
    Film { film: PathBuf, cause: String },
    #[error("gst-launch-1.0 failed to start: {cause}; end other processes, or run `phicam doctor`")]
    Start { cause: io::Error },
    #[error("GStreamer rejects `{pipeline}`: {output}; {remedy}")]
    Pipeline { pipeline: String, output: String, remedy: String },
    #[error(
        "`{pipeline}` delivered no frame and ended with {status}: {output}; test it alone: gst-launch-1.0 {pipeline} ! \
         fakesink"
    )]
    NoPicture { pipeline: String, status: String, output: String },
    #[error(
        "`{pipeline}` delivers buffers of {bytes} bytes, but a frame of {format} has {expected}: its rows are padded; \
         add `! videoconvert ! video/x-raw,format={other_format}`, or choose a width divisible by 64"
    )]
    Padded { pipeline: String, bytes: usize, expected: usize, format: String, other_format: &'static str },
    #[error(
        "csi:{sensor}: the GStreamer element for the sensors of this machine is unknown; name it with \
             csi:{sensor}?source=libcamera (or argus), or give a pipeline with gst:"
    )]
    UnknownMachine { sensor: u32 },
    #[error("csi:{sensor}: the device tree has {}; check the ribbon cable, then the sensor's overlay (config.txt: \
             camera_auto_detect=1, or dtoverlay=imx219)", describe_count(*count))]
    NoSensor { sensor: u32, count: usize },
}

fn describe_count(count: usize) -> String {
    match count {
        0 => "no image sensor".into(),
        1 => "one image sensor, csi:0".into(),
        count => format!("{count} image sensors, csi:0 to csi:{}", count - 1),
    }
}

/// Command that installs GStreamer with the decoders of common films.
const FILM_REMEDY: &str = "`sudo apt-get install gstreamer1.0-tools gstreamer1.0-plugins-base \
     gstreamer1.0-plugins-good gstreamer1.0-libav`";

/// Returns the command that converts a film to a folder of pictures, and the camera that plays it.
fn conversion(film: &Path) -> String {
    let name = film.file_stem().unwrap_or_default().to_string_lossy();
    format!("`mkdir -p films/{name} && ffmpeg -i {} -r 8 films/{name}/%05d.jpg`, then --camera films", film.display())
}

impl GstError {
    /// Returns whether a later attempt can succeed, because a sensor or its service was not ready.
    pub fn is_transient(&self) -> bool {
        match self {
            GstError::NoPicture { .. } | GstError::NoSensor { .. } | GstError::Start { .. } => true,
            GstError::Missing { .. }
            | GstError::MissingPart { .. }
            | GstError::Film { .. }
            | GstError::Pipeline { .. }
            | GstError::Padded { .. }
            | GstError::UnknownMachine { .. } => false,
        }
    }
}

/// Debian and Ubuntu packages, with the camera elements that each contains.
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

/// Returns the Debian package with this element, if it is known.
fn package(element: &str) -> Option<&'static str> {
    let has_element = |elements: &str| elements.split(' ').any(|known| known == element);
    PACKAGES.iter().find(|(_, elements)| has_element(elements)).map(|(package, _)| *package)
}

/// Returns the one command that installs gst-launch-1.0, unless `has_program`, and the missing elements of a sensor.
pub fn missing_parts_remedy(elements: &[&str], has_program: bool) -> String {
    let mut packages = if has_program { Vec::new() } else { vec!["gstreamer1.0-tools"] };
    for package in elements.iter().filter_map(|element| package(element)) {
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    format!("`sudo apt-get install {}`", packages.join(" "))
}

/// Returns the remedy for a missing element.
fn missing_element_remedy(element: &str) -> String {
    match package(element) {
        Some(package) => format!("`sudo apt-get install {package}`"),
        None => format!(
            "check the spelling of {element} (`gst-inspect-1.0` lists the installed elements), or install the package \
             that its documentation names"
        ),
    }
}

/// Returns the remedy for a pipeline that gst-launch-1.0 rejected with `output`.
pub fn pipeline_remedy(output: &str) -> String {
    match output.split_once("no element \"").and_then(|(_, rest)| rest.split('"').next()) {
        Some(element) => missing_element_remedy(element),
        None => "write it as for gst-launch-1.0, without a sink at its end".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_element_remedy_names_its_package() {
        let output = "WARNING: erroneous pipeline: no element \"nvarguscamerasrc\"";
        assert_eq!(pipeline_remedy(output), "`sudo apt-get install nvidia-l4t-gstreamer`");
        assert!(pipeline_remedy("no element \"vidoetestsrc\"").contains("check the spelling of vidoetestsrc"));
        assert!(pipeline_remedy("WARNING: erroneous pipeline: syntax error").contains("without a sink"));
    }

    #[test]
    fn only_missing_frames_and_sensors_are_transient() {
        let no_picture = GstError::NoPicture { pipeline: "a".into(), status: "b".into(), output: "c".into() };
        let rejected = GstError::Pipeline { pipeline: "a".into(), output: "b".into(), remedy: "c".into() };
        assert!(no_picture.is_transient());
        assert!(!rejected.is_transient());
        assert!(GstError::NoSensor { sensor: 1, count: 1 }.to_string().contains("has one image sensor, csi:0;"));
    }
}
