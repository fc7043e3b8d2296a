//! Video nodes of this machine: their kinds, and the diagnosis of failed calls.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use v4l::v4l_sys::*;

use super::error::{CallError, RAW_REMEDY, V4l2Error};
use super::fourcc::FourCc;
use super::ioctl::{Capabilities, Node};
use super::mode_enumeration;
use super::mode_selection::{ModeRequest, mode_lines};

/// Kind of a video node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Camera {
        multi_planar: bool,
    },
    /// Delivers raw sensor data.
    RawSensor,
    /// Not a camera; the text describes it, with its article.
    Other(&'static str),
}

/// Description of a video node for `phicam doctor`.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    pub path: PathBuf,
    /// Name of the device and of its driver.
    pub name: String,
    /// Kind of the node, or the error of opening it.
    pub description: String,
    /// Modes of a camera, one line for the formats with equal sizes.
    pub modes: Vec<String>,
    /// Whether phicam can read frames from it.
    pub usable: bool,
    /// Remedy if it is not usable; `None` if there is none.
    pub remedy: Option<String>,
}

/// Driver name of v4l2loopback, which keeps writing into dequeued buffers.
pub const LOOPBACK: &str = "v4l2 loopback";
/// Drivers of CSI receivers, to which image sensors are wired.
const CSI_RECEIVERS: &[&str] = &["unicam", "bcm2835-unicam", "rp1-cfe", "tegra-video", "tegra-camrtc-ca"];

/// Returns the paths of the video nodes, sorted by number.
pub fn paths() -> Vec<PathBuf> {
    let numbers_in = |folder: &str| {
        let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let numbers = names.filter_map(|name| name.to_str()?.strip_prefix("video")?.parse::<u32>().ok());
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        numbers
    };
    let sys = numbers_in("/sys/class/video4linux");
    let numbers = if sys.is_empty() { numbers_in("/dev") } else { sys };
    numbers.into_iter().map(|number| PathBuf::from(format!("/dev/video{number}"))).collect()
}

/// Returns the kind of a node with these capabilities and formats.
pub fn classify(capabilities: &Capabilities, formats: impl FnOnce() -> Vec<FourCc>) -> Kind {
    let has = |flags: u32| capabilities.flags & flags != 0;
    let captures = has(V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE);
    let outputs = has(V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_VIDEO_OUTPUT_MPLANE);
    // v4l2loopback without exclusive_caps reports capture and output at once; so do codecs of old kernels.
    let loopback = capabilities.driver == LOOPBACK;
    if has(V4L2_CAP_VIDEO_M2M | V4L2_CAP_VIDEO_M2M_MPLANE) || (captures && outputs && !loopback) {
        return Kind::Other("a codec or scaler (memory to memory)");
    }
    if !captures {
        return Kind::Other(match () {
            () if outputs && loopback => "a v4l2loopback without a writer",
            () if outputs => "a video output",
            () if has(V4L2_CAP_META_CAPTURE | V4L2_CAP_META_OUTPUT) => "a metadata node",
            () => "a node without video capture",
        });
    }
    if !has(V4L2_CAP_STREAMING) {
        return Kind::Other("a camera without streaming I/O");
    }
    let multi_planar = !has(V4L2_CAP_VIDEO_CAPTURE);
    let formats = formats();
    let readable = formats.iter().any(|format| format.readable().is_some());
    let raw = formats.iter().any(|format| format.is_raw_sensor());
    // A receiver with the media controller (IO_MC) lists every format it supports, but its sensor delivers raw data.
    let csi_receiver = CSI_RECEIVERS.contains(&capabilities.driver.as_str());
    if csi_receiver && (has(V4L2_CAP_IO_MC) || !readable) || raw && !readable {
        Kind::RawSensor
    } else {
        Kind::Camera { multi_planar }
    }
}

/// Opens a node; returns it with its capabilities and kind.
pub fn open(path: &Path) -> Result<(Node, Capabilities, Kind), CallError> {
    let mut node = Node::open(path)?;
    let capabilities = node.capabilities()?;
    node.multi_planar = capabilities.flags & V4L2_CAP_VIDEO_CAPTURE == 0;
    let kind = classify(&capabilities, || node.formats());
    Ok((node, capabilities, kind))
}

/// Describes every video node of this machine.
pub fn list() -> Vec<NodeInfo> {
    paths().into_iter().map(node_info).collect()
}

fn node_info(path: PathBuf) -> NodeInfo {
    let unknown =
        NodeInfo { name: "?".into(), description: String::new(), modes: vec![], usable: false, remedy: None, path };
    let (node, capabilities, kind) = match open(&unknown.path) {
        Ok(opened) => opened,
        Err(cause) => {
            let error = diagnose(&unknown.path, cause).to_string();
            let (description, remedy) = match error.split_once("; ") {
                Some((description, remedy)) => (description, Some(remedy.into())),
                None => (error.as_str(), None),
            };
            return NodeInfo { description: description.into(), remedy, ..unknown };
        }
    };
    let name = format!("{}, driver {}", capabilities.card, capabilities.driver);
    let modes = mode_lines(&mode_enumeration::modes(&node, &ModeRequest::default()));
    let readable = node.formats().iter().any(|format| format.readable().is_some());
    let (description, usable, remedy) = match kind {
        Kind::Camera { .. } if !readable => (
            "a camera without a readable pixel format",
            false,
            Some("docs/cameras.md lists the readable formats".into()),
        ),
        Kind::Camera { .. } => ("a camera", true, None),
        Kind::RawSensor => ("a CSI receiver with raw sensor data", false, Some(RAW_REMEDY.into())),
        Kind::Other(description) => (description, false, None),
    };
    let modes = if matches!(kind, Kind::Other(_)) { vec![] } else { modes };
    NodeInfo { name, description: description.into(), usable, modes, remedy, ..unknown }
}

/// Finds the cause of a failed call on `path`. This opens other nodes or reads /proc, to name what is connected or
/// who holds the device.
pub fn diagnose(path: &Path, error: CallError) -> V4l2Error {
    let path = path.to_path_buf();
    let CallError { name: call, cause } = error;
    match Errno::from_io_error(&cause) {
        Some(Errno::ACCESS | Errno::PERM) => V4l2Error::Denied { path, call },
        Some(Errno::BUSY) => V4l2Error::Busy { holder: holders(&path), path, call },
        Some(Errno::NOSPC) => V4l2Error::Bandwidth { path, call },
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => {
            V4l2Error::Missing { other_nodes: other_nodes(&path), path, call }
        }
        _ => V4l2Error::Call { path, call, cause },
    }
}

/// Lists the video nodes beside `path`, such as "there is /dev/video0 (name)".
fn other_nodes(path: &Path) -> String {
    let describe = |other: &PathBuf| {
        let card = Node::open(other).and_then(|node| node.capabilities()).map(|capabilities| capabilities.card);
        format!("{} ({})", other.display(), card.unwrap_or_else(|_| "?".into()))
    };
    let others: Vec<String> = paths().iter().filter(|other| *other != path).map(describe).collect();
    if others.is_empty() { "there is no other video node".into() } else { format!("there is {}", others.join(", ")) }
}

/// Lists the other processes that have a node open, as far as this user may read /proc.
fn holders(path: &Path) -> String {
    let own_pid = std::process::id();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
    let has_open = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file == path)
    };
    let describe = |pid: u32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        format!("{} (process {pid})", name.trim())
    };
    let holders: Vec<String> = pids.filter(|pid| *pid != own_pid).filter(has_open).map(describe).collect();
    if holders.is_empty() { "another program".into() } else { holders.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(driver: &str, flags: u32, formats: &[&[u8; 4]]) -> Kind {
        let [card, bus_info] = [String::new(), String::new()];
        let capabilities = Capabilities { driver: driver.into(), card, bus_info, flags: flags | V4L2_CAP_STREAMING };
        classify(&capabilities, || formats.iter().map(|format| FourCc::new(format)).collect())
    }

    #[test]
    fn nodes_are_classified_by_capabilities_and_formats() {
        let (capture, multi) = (V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE);
        assert_eq!(kind_of("uvcvideo", capture, &[b"MJPG", b"YUYV"]), Kind::Camera { multi_planar: false });
        assert_eq!(kind_of("vivid", multi, &[b"NM12"]), Kind::Camera { multi_planar: true });
        assert_eq!(kind_of("unicam", capture, &[b"pRAA", b"RG10"]), Kind::RawSensor);
        assert_eq!(kind_of("tegra-video", capture, &[b"RG10"]), Kind::RawSensor);
        assert_eq!(kind_of("rp1-cfe", capture | V4L2_CAP_IO_MC, &[b"YUYV", b"pBAA"]), Kind::RawSensor);
        assert_eq!(kind_of("unicam", capture, &[b"UYVY"]), Kind::Camera { multi_planar: false }); // HDMI to CSI
        assert_eq!(
            kind_of("bcm2835-codec", multi | V4L2_CAP_VIDEO_OUTPUT_MPLANE, &[]),
            Kind::Other("a codec or scaler (memory to memory)")
        );
        assert_eq!(
            kind_of("bcm2835-codec", V4L2_CAP_VIDEO_M2M_MPLANE, &[]),
            Kind::Other("a codec or scaler (memory to memory)")
        );
        assert_eq!(kind_of("uvcvideo", V4L2_CAP_META_CAPTURE, &[]), Kind::Other("a metadata node"));
        let both = capture | V4L2_CAP_VIDEO_OUTPUT;
        assert_eq!(kind_of("v4l2 loopback", both, &[b"YUYV"]), Kind::Camera { multi_planar: false });
        assert_eq!(
            kind_of("v4l2 loopback", V4L2_CAP_VIDEO_OUTPUT, &[]),
            Kind::Other("a v4l2loopback without a writer")
        );
    }
}
