//! A graphics card: its node, its connectors, and what drives them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use drm::control::{Device as _, ModeFlags, ModeTypeFlags, connector, crtc, encoder};
use rustix::io::Errno;

use super::super::DisplayError;
use super::mode::{Mode, Offer, choose};

/// Where the nodes of cards are.
pub const FOLDER: &str = "/dev/dri";

/// See the module.
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

/// A connector with a screen, and the mode that it is to have.
pub struct Connector {
    pub handle: connector::Handle,
    /// Such as `HDMI-A-1`.
    pub name: String,
    pub mode: drm::control::Mode,
    encoders: Vec<encoder::Handle>,
    current: Option<encoder::Handle>,
}

/// The nodes to try: the named one, else the one that has the named one's hardware now, or all where none is named.
pub fn paths(named: Option<&Path>, its_hardware: Option<&Path>) -> Vec<PathBuf> {
    let number =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.strip_prefix("card")?.parse::<u32>().ok());
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let mut cards: Vec<_> = entries.map(|entry| entry.path()).filter_map(|path| Some((number(&path)?, path))).collect();
    cards.sort();
    let all = cards.into_iter().map(|(_, path)| path);
    match (named, its_hardware) {
        (None, _) => all.collect(),
        (Some(named), Some(its)) => {
            let same: Vec<PathBuf> = all.filter(|path| hardware(path).as_deref() == Some(its)).collect();
            if same.is_empty() { vec![named.into()] } else { same }
        }
        (Some(named), None) => vec![named.into()],
    }
}

/// The device behind a node, wherever its number comes from; nothing where there is no sysfs.
pub fn hardware(node: &Path) -> Option<PathBuf> {
    let node = node.canonicalize().ok()?;
    Path::new("/sys/class/drm").join(node.file_name()?).join("device").canonicalize().ok()
}

/// Whether the driver does not know how to do this, whoever asks.
pub fn is_unable(error: &io::Error) -> bool {
    let codes = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOTSUP, Errno::NOTTY];
    Errno::from_io_error(error).is_some_and(|errno| codes.contains(&errno))
}

/// Of the errors of several cards, the one that tells most of what to do: a card without any connector tells least.
pub fn more_telling(known: Option<DisplayError>, new: DisplayError) -> DisplayError {
    let rank = |error: &DisplayError| match error {
        DisplayError::Driver { .. } | DisplayError::NoDevice { .. } => 0,
        DisplayError::NotConnected { known, .. } => 1 + u8::from(!known.is_empty()),
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
        Ok(Card { file: file.map_err(|cause| DisplayError::of_open(path, cause))?, path: path.into() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Of `screen`, which could not do `what`.
    pub fn error(&self, screen: &str, what: &'static str, cause: io::Error) -> DisplayError {
        match Errno::from_io_error(&cause) {
            Some(Errno::ACCESS | Errno::PERM) => DisplayError::Busy { path: self.path.clone() },
            Some(Errno::NODEV) => DisplayError::NoDevice { path: self.path.clone() },
            _ => DisplayError::Driver { screen: format!("{screen} of {}", self.path.display()), what, cause },
        }
    }

    /// The connector of that name, or the first with a screen, and the mode to set there.
    pub fn connector(&self, named: Option<&str>, wish: Option<Mode>) -> Result<Connector, DisplayError> {
        let failed = |what| move |cause| self.error("the screen", what, cause);
        let resources = self.resource_handles().map_err(failed("be driven by this card"))?;
        let mut known = Vec::new();
        let mut found: Option<connector::Info> = None;
        for &handle in resources.connectors() {
            let info = self.get_connector(handle, true).map_err(failed("be looked for"))?;
            let name = info.to_string();
            if matches!(info.interface(), connector::Interface::Writeback) {
                continue; // nothing that anybody could look at
            }
            known.push(format!("{name} ({})", state(&info)));
            let does = named.is_none_or(|named| named.eq_ignore_ascii_case(&name)) && !info.modes().is_empty();
            // Some panels do not say whether they are there; another that does comes first.
            let better = match info.state() {
                connector::State::Connected => {
                    found.as_ref().is_none_or(|found| found.state() != connector::State::Connected)
                }
                connector::State::Unknown => found.is_none(),
                connector::State::Disconnected => false,
            };
            if does && better {
                found = Some(info);
            }
        }
        let wanted = || format!("{} of {}", named.unwrap_or("any connector"), self.path.display());
        let info = found.ok_or_else(|| DisplayError::NotConnected { wanted: wanted(), known })?;
        let offers: Vec<Offer> = info.modes().iter().map(offer).collect();
        let chosen = choose(&offers, wish).ok_or_else(|| DisplayError::NoMode {
            screen: info.to_string(),
            wanted: wish.map_or_else(|| "at all".into(), |wish| wish.to_string()),
            known: offers.iter().map(Offer::to_string).collect(),
        })?;
        Ok(Connector {
            handle: info.handle(),
            name: info.to_string(),
            mode: info.modes()[chosen],
            encoders: info.encoders().to_vec(),
            current: info.current_encoder(),
        })
    }

    /// The CRTC that drives `connector` already, with `true`, or else one that can and drives nothing else.
    pub fn crtc_for(&self, connector: &Connector) -> Result<(crtc::Handle, bool), DisplayError> {
        let failed = |what| move |cause| self.error(&connector.name, what, cause);
        let current = connector.current.and_then(|encoder| self.get_encoder(encoder).ok()?.crtc());
        if let Some(current) = current {
            return Ok((current, true));
        }
        let resources = self.resource_handles().map_err(failed("be looked at"))?;
        let busy: Vec<crtc::Handle> =
            resources.encoders().iter().filter_map(|&encoder| self.get_encoder(encoder).ok()?.crtc()).collect();
        let encoders = connector.encoders.iter().filter_map(|&encoder| self.get_encoder(encoder).ok());
        let mut can = encoders.flat_map(|encoder| resources.filter_crtcs(encoder.possible_crtcs()));
        let free = can.find(|crtc| !busy.contains(crtc)).ok_or_else(|| {
            failed("be driven")(io::Error::other("every CRTC of the card that could drives another screen"))
        })?;
        Ok((free, false))
    }
}

fn offer(mode: &drm::control::Mode) -> Offer {
    let (width, height) = mode.size();
    Offer {
        width: width.into(),
        height: height.into(),
        hertz: mode.vrefresh(),
        preferred: mode.mode_type().contains(ModeTypeFlags::PREFERRED),
        interlaced: mode.flags().contains(ModeFlags::INTERLACE),
    }
}

fn state(info: &connector::Info) -> &'static str {
    match info.state() {
        connector::State::Connected => "connected",
        connector::State::Disconnected => "not connected",
        connector::State::Unknown => "unknown",
    }
}
