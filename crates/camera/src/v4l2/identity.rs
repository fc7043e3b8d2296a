//! Identity of a camera that survives a change of its node number.

use std::fs;
use std::path::{Path, PathBuf};

use log::debug;

use super::devices;
use super::ioctl::Capabilities;

/// Properties of a camera, recorded when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Names of its links in /dev/v4l/by-id; udev derives them from vendor, product and serial number.
    by_id: Vec<String>,
    /// Names of its links in /dev/v4l/by-path; udev derives them from the port.
    by_path: Vec<String>,
    /// Vendor, product and serial number of the USB device, with the index of the node; `None` without a serial number.
    usb_serial: Option<String>,
    bus_info: String,
    card: String,
    driver: String,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the camera {} ({})", self.card, self.bus_info)
    }
}

impl Identity {
    /// Reads the identity of the camera at `path`.
    pub fn read(path: &Path, capabilities: &Capabilities) -> Identity {
        let Capabilities { driver, card, bus_info, .. } = capabilities.clone();
        let (by_id, by_path) = (links("/dev/v4l/by-id", path), links("/dev/v4l/by-path", path));
        Identity { by_id, by_path, usb_serial: usb_serial(path), bus_info, card, driver }
    }

    /// Returns a score for `other` being this camera; `None` if it is not.
    ///
    /// 4: equal serial number; 3: equal link by id; 2: equal port by path; 1: equal bus position; 0: equal model and
    /// driver only. Scores below 4 require equal model and driver.
    fn match_score(&self, other: &Identity) -> Option<u32> {
        let intersects = |a: &[String], b: &[String]| a.iter().any(|name| b.contains(name));
        let same_model = self.card == other.card && self.driver == other.driver;
        if self.usb_serial.is_some() && other.usb_serial.is_some() {
            return (self.usb_serial == other.usb_serial).then_some(4);
        }
        if !same_model {
            None
        } else if intersects(&self.by_id, &other.by_id) {
            Some(3)
        } else if intersects(&self.by_path, &other.by_path) {
            Some(2)
        } else if self.bus_info == other.bus_info {
            Some(1)
        } else {
            Some(0)
        }
    }

    /// Returns the current node of this camera; `None` if it is not connected.
    ///
    /// Several cameras of one model in other ports are ambiguous: the result is `None` then.
    pub fn find_node(&self) -> Option<PathBuf> {
        let cameras = devices::paths().into_iter().filter_map(|path| match devices::open(&path) {
            Ok((_, capabilities, devices::Kind::Camera { .. })) => Some((Identity::read(&path, &capabilities), path)),
            Ok(_) => None,
            Err(error) => {
                debug!("skipping {}: {error}", path.display());
                None
            }
        });
        self.best_match(cameras)
    }

    fn best_match(&self, cameras: impl Iterator<Item = (Identity, PathBuf)>) -> Option<PathBuf> {
        let mut matches: Vec<(u32, PathBuf)> =
            cameras.filter_map(|(other, path)| Some((self.match_score(&other)?, path))).collect();
        let best = matches.iter().map(|(score, _)| *score).max()?;
        matches.retain(|(score, _)| *score == best);
        // One USB device can have several capture nodes; the first is taken, as at the first start.
        (best > 0 || matches.len() == 1).then(|| matches.swap_remove(0).1)
    }
}

/// Returns the names of the links in `folder` that point to `path`.
fn links(folder: &str, path: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let points_here = |link: &PathBuf| fs::canonicalize(link).is_ok_and(|target| target == path);
    let links = entries.map(|entry| entry.path()).filter(points_here);
    links.filter_map(|link| Some(link.file_name()?.to_string_lossy().into_owned())).collect()
}

/// Returns vendor, product, serial number and node index from sysfs; `None` if the USB device has no serial number.
fn usb_serial(path: &Path) -> Option<String> {
    let class = Path::new("/sys/class/video4linux").join(path.file_name()?);
    let read = |file: PathBuf| fs::read_to_string(file).ok().map(|text| text.trim().to_string());
    let index = read(class.join("index")).unwrap_or_default();
    let device = fs::canonicalize(class.join("device")).ok()?;
    let usb = device.ancestors().find(|folder| folder.join("idVendor").exists())?;
    let [vendor, product, serial] = ["idVendor", "idProduct", "serial"].map(|file| read(usb.join(file)));
    Some(format!("{}:{} {} {index}", vendor?, product?, serial?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(serial: Option<&str>, by_id: &str, port: &str, card: &str) -> Identity {
        Identity {
            by_id: if by_id.is_empty() { vec![] } else { vec![by_id.into()] },
            by_path: vec![port.into()],
            usb_serial: serial.map(String::from),
            bus_info: format!("usb-{port}"),
            card: card.into(),
            driver: "uvcvideo".into(),
        }
    }

    fn match_index(camera: &Identity, others: &[&Identity]) -> Option<usize> {
        let numbered = others.iter().enumerate().map(|(n, other)| ((*other).clone(), PathBuf::from(n.to_string())));
        camera.best_match(numbered)?.to_str()?.parse().ok()
    }

    #[test]
    fn serial_number_identifies_a_camera_in_any_port() {
        let mine = camera(Some("046d:0825 A1 0"), "", "1.1", "C270");
        let twin = camera(Some("046d:0825 B2 0"), "", "1.1", "C270");
        let moved = camera(Some("046d:0825 A1 0"), "", "1.4", "C270");
        assert_eq!(match_index(&mine, &[&twin, &moved]), Some(1));
        assert_eq!(match_index(&mine, &[&twin]), None);
    }

    #[test]
    fn port_identifies_cameras_without_serial_numbers() {
        let mine = camera(None, "", "1.2", "C270");
        let others = [camera(None, "", "1.1", "C270"), camera(None, "", "1.2", "C270")];
        assert_eq!(match_index(&mine, &[&others[0], &others[1]]), Some(1));
        assert_eq!(match_index(&mine, &[&others[0], &others[0]]), None, "two equal candidates are ambiguous");
        assert_eq!(match_index(&mine, &[&others[0]]), Some(0), "the only camera of its model");
    }

    #[test]
    fn other_model_in_the_same_port_does_not_match() {
        let mine = camera(None, "", "1.2", "C270");
        assert_eq!(match_index(&mine, &[&camera(None, "", "1.2", "BRIO")]), None);
    }
}
