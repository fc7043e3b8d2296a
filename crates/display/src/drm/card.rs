//! Graphics card: its node, connectors and CRTCs.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use drm::control::{Device as _, ModeFlags, ModeTypeFlags, connector, crtc, encoder};
use rustix::io::Errno;

use super::mode::{Mode, ScreenMode, select_mode};
use crate::DisplayError;

/// Folder of the nodes of all cards.
pub const DRI_FOLDER: &str = "/dev/dri";

/// Open graphics card.
pub struct Card {
    file: File,
    path: PathBuf,
}

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

/// Connector with a screen, and the mode to set on it.
pub struct Connector {
    pub handle: connector::Handle,
    /// Such as `HDMI-A-1`.
    pub name: String,
    pub mode: drm::control::Mode,
    encoders: Vec<encoder::Handle>,
    current: Option<encoder::Handle>,
}

/// Returns the nodes to try: the requested one, or the nodes of its hardware if that is known, or all if none is
/// requested.
pub fn candidate_paths(requested: Option<&Path>, known_hardware: Option<&Path>) -> Vec<PathBuf> {
    let number =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.strip_prefix("card")?.parse::<u32>().ok());
    let entries = std::fs::read_dir(DRI_FOLDER).into_iter().flatten().flatten();
    let mut cards: Vec<_> = entries.map(|entry| entry.path()).filter_map(|path| Some((number(&path)?, path))).collect();
    cards.sort();
    let all = cards.into_iter().map(|(_, path)| path);
    match (requested, known_hardware) {
        (None, _) => all.collect(),
        (Some(requested), Some(known)) => {
            let same: Vec<PathBuf> = all.filter(|path| hardware(path).as_deref() == Some(known)).collect();
            if same.is_empty() { vec![requested.into()] } else { same }
        }
        (Some(requested), None) => vec![requested.into()],
    }
}

/// Returns the sysfs path of the hardware behind a node, whose number may change; `None` without sysfs.
pub fn hardware(node: &Path) -> Option<PathBuf> {
    let node = node.canonicalize().ok()?;
    Path::new("/sys/class/drm").join(node.file_name()?).join("device").canonicalize().ok()
}

/// Returns whether the driver does not support the call, for any caller.
pub fn is_unsupported(error: &io::Error) -> bool {
    let codes = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOTSUP, Errno::NOTTY];
    Errno::from_io_error(error).is_some_and(|errno| codes.contains(&errno))
}

/// Returns the more helpful error of two cards; that of a card without connectors helps least.
pub fn more_helpful(known: Option<DisplayError>, new: DisplayError) -> DisplayError {
    let rank = |error: &DisplayError| match error {
        DisplayError::Ioctl { .. } | DisplayError::NoCrtc { .. } | DisplayError::NoDevice { .. } => 0,
        DisplayError::NotConnected { connectors, .. } => 1 + u8::from(!connectors.is_empty()),
        _ => 3,
    };
    match known {
        Some(known) if rank(&known) >= rank(&new) => known,
        _ => new,
    }
}

impl Card {
    /// Opens the node of a card.
    pub fn open(path: &Path) -> Result<Card, DisplayError> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        Ok(Card { file: file.map_err(|cause| DisplayError::from_device(path, "open", cause))?, path: path.into() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Converts the failure of `ioctl` for `screen`.
    pub fn ioctl_error(&self, screen: &str, ioctl: &'static str, cause: io::Error) -> DisplayError {
        match Errno::from_io_error(&cause) {
            Some(Errno::ACCESS | Errno::PERM) => DisplayError::Busy { path: self.path.clone() },
            Some(Errno::NODEV) => DisplayError::NoDevice { path: self.path.clone() },
            _ => DisplayError::Ioctl { screen: self.describe(screen), ioctl, cause },
        }
    }

    fn describe(&self, screen: &str) -> String {
        format!("{screen} of {}", self.path.display())
    }

    /// Returns the connector with the name or of the kind `requested`, or the first with a screen, and the mode to set
    /// there.
    pub fn find_connector(&self, requested: Option<&str>, mode: Option<Mode>) -> Result<Connector, DisplayError> {
        let ioctl_error = |ioctl| move |cause| self.ioctl_error("the screen", ioctl, cause);
        let resources = self.resource_handles().map_err(ioctl_error("DRM_IOCTL_MODE_GETRESOURCES"))?;
        let mut connectors = Vec::new();
        let mut best: Option<connector::Info> = None;
        for &handle in resources.connectors() {
            let info = self.get_connector(handle, true).map_err(ioctl_error("DRM_IOCTL_MODE_GETCONNECTOR"))?;
            let name = info.to_string();
            if matches!(info.interface(), connector::Interface::Writeback) {
                continue; // It writes to memory, not to a screen.
            }
            connectors.push(format!("{name} ({})", describe_state(&info)));
            let matches = requested.is_none_or(|requested| is_connector(&name, requested));
            // Some panels do not report their state; a screen that is certainly connected comes before them.
            let is_better = match info.state() {
                connector::State::Connected => {
                    best.as_ref().is_none_or(|best| best.state() != connector::State::Connected)
                }
                connector::State::Unknown => best.is_none(),
                connector::State::Disconnected => false,
            };
            if matches && !info.modes().is_empty() && is_better {
                best = Some(info);
            }
        }
        let info = best.ok_or_else(|| DisplayError::NotConnected {
            requested: self.describe(requested.unwrap_or("any connector")),
            connectors,
        })?;
        let modes: Vec<ScreenMode> = info.modes().iter().map(screen_mode).collect();
        let selected = select_mode(&modes, mode).ok_or_else(|| DisplayError::NoMode {
            screen: info.to_string(),
            requested: mode.map_or_else(|| "at all".into(), |mode| mode.to_string()),
            modes: modes.iter().map(ScreenMode::to_string).collect(),
        })?;
        Ok(Connector {
            handle: info.handle(),
            name: info.to_string(),
            mode: info.modes()[selected],
            encoders: info.encoders().to_vec(),
            current: info.current_encoder(),
        })
    }

    /// Returns the CRTC that drives `connector` already, with `true`, or a free one that can drive it, with `false`.
    pub fn find_crtc(&self, connector: &Connector) -> Result<(crtc::Handle, bool), DisplayError> {
        let current = connector.current.and_then(|encoder| self.get_encoder(encoder).ok()?.crtc());
        if let Some(current) = current {
            return Ok((current, true));
        }
        let resources = self
            .resource_handles()
            .map_err(|cause| self.ioctl_error(&connector.name, "DRM_IOCTL_MODE_GETRESOURCES", cause))?;
        let busy: Vec<crtc::Handle> =
            resources.encoders().iter().filter_map(|&encoder| self.get_encoder(encoder).ok()?.crtc()).collect();
        let encoders = connector.encoders.iter().filter_map(|&encoder| self.get_encoder(encoder).ok());
        let mut possible = encoders.flat_map(|encoder| resources.filter_crtcs(encoder.possible_crtcs()));
        let free = possible
            .find(|crtc| !busy.contains(crtc))
            .ok_or_else(|| DisplayError::NoCrtc { screen: self.describe(&connector.name) })?;
        Ok((free, false))
    }
}

fn screen_mode(mode: &drm::control::Mode) -> ScreenMode {
    let (width, height) = mode.size();
    ScreenMode {
        width: width.into(),
        height: height.into(),
        hertz: mode.vrefresh(),
        preferred: mode.mode_type().contains(ModeTypeFlags::PREFERRED),
        interlaced: mode.flags().contains(ModeFlags::INTERLACE),
    }
}

/// Returns whether the connector `name`, such as `HDMI-A-1`, has the name or is of the kind `requested`, such as `hdmi`.
fn is_connector(name: &str, requested: &str) -> bool {
    let start = name.get(..requested.len()).unwrap_or_default();
    let is_end = matches!(name.as_bytes().get(requested.len()), None | Some(b'-'));
    is_end && start.eq_ignore_ascii_case(requested)
}

fn describe_state(info: &connector::Info) -> &'static str {
    match info.state() {
        connector::State::Connected => "connected",
        connector::State::Disconnected => "not connected",
        connector::State::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connector_is_named_or_given_by_kind() {
        for (requested, expected) in
            [("HDMI-A-1", true), ("hdmi-a-1", true), ("HDMI", true), ("hdmi-a", true), ("HDMI-A-11", false)]
        {
            assert_eq!(is_connector("HDMI-A-1", requested), expected, "{requested}");
        }
        for requested in ["HDMI-A-1", "DP", "eDP", ""] {
            assert!(!is_connector("HDMI-A-12", requested), "{requested}");
        }
    }
}
