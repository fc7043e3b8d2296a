//! By what a camera is known again when its node has another number.

use std::fs;
use std::path::{Path, PathBuf};

use log::debug;

use super::devices;
use super::ioctl::Capabilities;

/// What was noted of a camera when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Names of the links to its node in /dev/v4l/by-id: udev makes them of vendor, product and serial number.
    by_id: Vec<String>,
    /// And in /dev/v4l/by-path, of the socket that it is plugged in.
    by_path: Vec<String>,
    /// Vendor, product and serial number of a USB device that has one, with the number of the node within it.
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
    /// Of the camera at `path`.
    pub fn of(path: &Path, capabilities: &Capabilities) -> Identity {
        let Capabilities { driver, card, bus_info, .. } = capabilities.clone();
        let (by_id, by_path) = (links("/dev/v4l/by-id", path), links("/dev/v4l/by-path", path));
        Identity { by_id, by_path, usb_serial: usb_serial(path), bus_info, card, driver }
    }

    /// How surely `other` is the same camera, none where it is not: the same serial number or name by id, the same
    /// socket with the same kind of camera in it, or at least the same kind of camera.
    fn likeness(&self, other: &Identity) -> Option<u32> {
        let share = |a: &[String], b: &[String]| a.iter().any(|name| b.contains(name));
        let same_kind = self.card == other.card && self.driver == other.driver;
        match () {
            () if self.usb_serial.is_some() && other.usb_serial.is_some() => {
                (self.usb_serial == other.usb_serial).then_some(4)
            }
            () if share(&self.by_id, &other.by_id) && same_kind => Some(3),
            () if share(&self.by_path, &other.by_path) && same_kind => Some(2),
            () if self.bus_info == other.bus_info && same_kind => Some(1),
            () if same_kind => Some(0),
            () => None,
        }
    }

    /// The node that this camera has now, or nothing. Of several cameras of one kind in other sockets than before none
    /// is taken for it.
    pub fn find(&self) -> Option<PathBuf> {
        let cameras = devices::paths().into_iter().filter_map(|path| match devices::open(&path) {
            Ok((_, capabilities, devices::Kind::Camera { .. })) => Some((Identity::of(&path, &capabilities), path)),
            Ok(_) => None,
            Err(error) => {
                debug!("passed over {}: {error}", path.display());
                None
            }
        });
        self.best(cameras)
    }

    fn best(&self, cameras: impl Iterator<Item = (Identity, PathBuf)>) -> Option<PathBuf> {
        let mut alike: Vec<(u32, PathBuf)> =
            cameras.filter_map(|(other, path)| Some((self.likeness(&other)?, path))).collect();
        let most = alike.iter().map(|(likeness, _)| *likeness).max()?;
        alike.retain(|(likeness, _)| *likeness == most);
        // One USB device can have several nodes with pictures; the first of them was meant, as at the first start.
        (most > 0 || alike.len() == 1).then(|| alike.swap_remove(0).1)
    }
}

/// Names of the links in `folder` that lead to `path`.
fn links(folder: &str, path: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let leads = |link: &PathBuf| fs::canonicalize(link).is_ok_and(|target| target == path);
    let links = entries.map(|entry| entry.path()).filter(leads);
    links.filter_map(|link| Some(link.file_name()?.to_string_lossy().into_owned())).collect()
}

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

    fn camera(serial: Option<&str>, by_id: &str, socket: &str, card: &str) -> Identity {
        Identity {
            by_id: if by_id.is_empty() { vec![] } else { vec![by_id.into()] },
            by_path: vec![socket.into()],
            usb_serial: serial.map(String::from),
            bus_info: format!("usb-{socket}"),
            card: card.into(),
            driver: "uvcvideo".into(),
        }
    }

    fn found(camera: &Identity, others: &[&Identity]) -> Option<usize> {
        let numbered = others.iter().enumerate().map(|(n, other)| ((*other).clone(), PathBuf::from(n.to_string())));
        camera.best(numbered)?.to_str()?.parse().ok()
    }

    #[test]
    fn a_serial_number_is_known_again_in_any_socket() {
        let mine = camera(Some("046d:0825 A1 0"), "", "1.1", "C270");
        let twin = camera(Some("046d:0825 B2 0"), "", "1.1", "C270");
        let moved = camera(Some("046d:0825 A1 0"), "", "1.4", "C270");
        assert_eq!(found(&mine, &[&twin, &moved]), Some(1));
        assert_eq!(found(&mine, &[&twin]), None);
    }

    #[test]
    fn twins_without_serial_numbers_are_known_by_their_sockets() {
        let mine = camera(None, "", "1.2", "C270");
        let others = [camera(None, "", "1.1", "C270"), camera(None, "", "1.2", "C270")];
        assert_eq!(found(&mine, &[&others[0], &others[1]]), Some(1));
        assert_eq!(found(&mine, &[&others[0], &others[0]]), None, "either could be it");
        assert_eq!(found(&mine, &[&others[0]]), Some(0), "the only one of its kind");
    }

    #[test]
    fn another_camera_in_the_same_socket_is_another() {
        let mine = camera(None, "", "1.2", "C270");
        assert_eq!(found(&mine, &[&camera(None, "", "1.2", "BRIO")]), None);
    }
}
