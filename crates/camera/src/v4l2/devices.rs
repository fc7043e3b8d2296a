//! The video nodes of this machine: which are cameras, and what the others are.

use std::fs;
use std::path::{Path, PathBuf};

use v4l::v4l_sys::*;

use super::error::RAW_REMEDY;
use super::fourcc::FourCc;
use super::ioctl::{Capabilities, Node};
use super::mode_enumeration;
use super::mode_selection::{Wish, in_words};

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Camera { multi_planar: bool },
    RawSensor,
    Other(&'static str),
}

/// One of the nodes, for people.
#[derive(Clone, Debug)]
pub struct Found {
    pub path: PathBuf,
    /// What the driver calls the device, and its own name.
    pub name: String,
    /// What it is, in a few words.
    pub what: String,
    /// Its modes, a line for each format.
    pub modes: Vec<String>,
    /// Whether pictures can be had from it.
    pub usable: bool,
    /// What to do where they cannot, if anything.
    pub remedy: Option<String>,
}

/// The driver v4l2loopback. It goes on writing into buffers that it has given away.
pub const LOOPBACK: &str = "v4l2 loopback";
/// Drivers of the receivers that image sensors are wired to.
const RECEIVERS: &[&str] = &["unicam", "bcm2835-unicam", "rp1-cfe", "tegra-video", "tegra-camrtc-ca"];

/// Paths of the nodes, in the order of their numbers.
pub fn paths() -> Vec<PathBuf> {
    let of = |folder: &str| {
        let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let numbers = names.filter_map(|name| name.to_str()?.strip_prefix("video")?.parse::<u32>().ok());
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        numbers
    };
    let known = of("/sys/class/video4linux");
    let numbers = if known.is_empty() { of("/dev") } else { known };
    numbers.into_iter().map(|number| PathBuf::from(format!("/dev/video{number}"))).collect()
}

/// What a node with these capabilities and formats is.
pub fn kind(capabilities: &Capabilities, formats: impl FnOnce() -> Vec<FourCc>) -> Kind {
    let has = |flags: u32| capabilities.flags & flags != 0;
    let captures = has(V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE);
    let puts_out = has(V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_VIDEO_OUTPUT_MPLANE);
    // v4l2loopback without exclusive_caps says both at once; so do codecs of old kernels.
    let loopback = capabilities.driver == LOOPBACK;
    match () {
        () if has(V4L2_CAP_VIDEO_M2M | V4L2_CAP_VIDEO_M2M_MPLANE) => {
            return Kind::Other("a converter of pictures (m2m)");
        }
        () if captures && puts_out && !loopback => return Kind::Other("a converter of pictures"),
        () if captures && has(V4L2_CAP_STREAMING) => {}
        () if captures => return Kind::Other("a camera without streaming"),
        () if puts_out && loopback => return Kind::Other("a v4l2loopback that nobody writes to yet"),
        () if puts_out => return Kind::Other("an output"),
        () if has(V4L2_CAP_META_CAPTURE | V4L2_CAP_META_OUTPUT) => {
            return Kind::Other("data about pictures (metadata)");
        }
        () => return Kind::Other("something else than a camera"),
    }
    let multi_planar = !has(V4L2_CAP_VIDEO_CAPTURE);
    let formats = formats();
    let readable = formats.iter().any(|format| format.known().is_some());
    let raw = formats.iter().any(|format| format.is_raw_sensor());
    // A receiver that the media controller sets up lists all it could ever receive; what arrives is the sensor's.
    let receiver = RECEIVERS.contains(&capabilities.driver.as_str());
    match receiver && (has(V4L2_CAP_IO_MC) || !readable) || raw && !readable {
        true => Kind::RawSensor,
        false => Kind::Camera { multi_planar },
    }
}

/// Opens a node and says what it is.
pub fn open(path: &Path) -> std::io::Result<(Node, Capabilities, Kind)> {
    let mut node = Node::open(path)?;
    let capabilities = node.capabilities()?;
    node.multi_planar = capabilities.flags & V4L2_CAP_VIDEO_CAPTURE == 0;
    let kind = kind(&capabilities, || node.formats());
    Ok((node, capabilities, kind))
}

/// Every video node of this machine.
pub fn list() -> Vec<Found> {
    paths().into_iter().map(found).collect()
}

fn found(path: PathBuf) -> Found {
    let nothing = Found { name: "?".into(), what: String::new(), modes: vec![], usable: false, remedy: None, path };
    let (node, capabilities, kind) = match open(&nothing.path) {
        Ok(opened) => opened,
        Err(cause) => {
            let error = super::error::V4l2Error::of(&nothing.path, "say what it is", cause).to_string();
            let (what, remedy) =
                error.split_once("; ").map_or((error.as_str(), None), |(what, to_do)| (what, Some(to_do)));
            return Found { what: what.into(), remedy: remedy.map(String::from), ..nothing };
        }
    };
    let name = format!("{}, driver {}", capabilities.card, capabilities.driver);
    let modes = in_words(&mode_enumeration::modes(&node, &Wish::default()));
    let readable = node.formats().iter().any(|format| format.known().is_some());
    let (what, usable, remedy) = match kind {
        Kind::Camera { .. } if !readable => (
            "a camera none of whose formats can be read",
            false,
            Some("see the README for the formats that can".into()),
        ),
        Kind::Camera { .. } => ("a camera", true, None),
        Kind::RawSensor => ("a sensor's raw picture, not processed", false, Some(RAW_REMEDY.into())),
        Kind::Other(what) => (what, false, None),
    };
    let modes = if matches!(kind, Kind::Other(_)) { vec![] } else { modes };
    Found { name, what: what.into(), usable, modes, remedy, ..nothing }
}

/// "; there are /dev/video0 (name)", or nothing where `path` is not missed among others.
pub fn others(path: &Path) -> String {
    let name = |other: &PathBuf| {
        let card = Node::open(other).and_then(|node| node.capabilities()).map(|found| found.card);
        format!("{} ({})", other.display(), card.unwrap_or_else(|_| "?".into()))
    };
    let others: Vec<String> = paths().iter().filter(|other| *other != path).map(name).collect();
    if others.is_empty() { ", nor any other video node".into() } else { format!(", but {}", others.join(", ")) }
}

/// Who has a node open, as far as this user may see.
pub fn holder(path: &Path) -> String {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
    let holds = |number: &u32| {
        let files = fs::read_dir(format!("/proc/{number}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file == path)
    };
    let name = |number: u32| {
        let name = fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
        format!("{} (process {number})", name.trim())
    };
    let holders: Vec<String> = numbers.filter(|number| *number != own).filter(holds).map(name).collect();
    if holders.is_empty() { "another program".into() } else { holders.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(driver: &str, flags: u32, formats: &[&[u8; 4]]) -> Kind {
        let [card, bus_info] = [String::new(), String::new()];
        let capabilities = Capabilities { driver: driver.into(), card, bus_info, flags: flags | V4L2_CAP_STREAMING };
        kind(&capabilities, || formats.iter().map(|format| FourCc::new(format)).collect())
    }

    #[test]
    fn cameras_are_told_from_sensors_outputs_and_metadata() {
        let (capture, multi) = (V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE);
        assert_eq!(kind_of("uvcvideo", capture, &[b"MJPG", b"YUYV"]), Kind::Camera { multi_planar: false });
        assert_eq!(kind_of("vivid", multi, &[b"NM12"]), Kind::Camera { multi_planar: true });
        assert_eq!(kind_of("unicam", capture, &[b"pRAA", b"RG10"]), Kind::RawSensor);
        assert_eq!(kind_of("tegra-video", capture, &[b"RG10"]), Kind::RawSensor);
        assert_eq!(kind_of("rp1-cfe", capture | V4L2_CAP_IO_MC, &[b"YUYV", b"pBAA"]), Kind::RawSensor);
        assert_eq!(kind_of("unicam", capture, &[b"UYVY"]), Kind::Camera { multi_planar: false }); // HDMI to CSI
        assert_eq!(
            kind_of("bcm2835-codec", multi | V4L2_CAP_VIDEO_OUTPUT_MPLANE, &[]),
            Kind::Other("a converter of pictures")
        );
        assert_eq!(
            kind_of("bcm2835-codec", V4L2_CAP_VIDEO_M2M_MPLANE, &[]),
            Kind::Other("a converter of pictures (m2m)")
        );
        assert_eq!(kind_of("uvcvideo", V4L2_CAP_META_CAPTURE, &[]), Kind::Other("data about pictures (metadata)"));
        let both = capture | V4L2_CAP_VIDEO_OUTPUT;
        assert_eq!(kind_of("v4l2 loopback", both, &[b"YUYV"]), Kind::Camera { multi_planar: false });
        assert_eq!(
            kind_of("v4l2 loopback", V4L2_CAP_VIDEO_OUTPUT, &[]),
            Kind::Other("a v4l2loopback that nobody writes to yet")
        );
    }
}
