//! Errors of displays: a device that cannot be opened, or an update that was refused.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Failure to open a display or to show an update.
#[derive(Debug, thiserror::Error)]
pub enum DisplayError {
    #[error(
        "cannot write {}: {cause}; {}name another file with --display png:FILE", path.display(), space_remedy(cause)
    )]
    WriteFile { path: PathBuf, cause: io::Error },
    #[error("PNG encoding failed for {}: {cause}", path.display())]
    Encode { path: PathBuf, cause: String },
    #[error("drawing in the terminal failed: {0}")]
    Terminal(String),
    #[error("standard output was closed by its reader")]
    Closed,

    #[error(
        "{} does not exist; load the screen's driver (Raspberry Pi: dtoverlay=vc4-kms-v3d in config.txt), \
         or choose another display: --display terminal or --display png:FILE", path.display()
    )]
    NoDevice { path: PathBuf },
    #[error(
        "no permission to open {}; add the user to its group: sudo usermod -aG {group} USER, then log in again",
        path.display()
    )]
    PermissionDenied { path: PathBuf, group: String },
    /// A system call on a device node failed; `call` is `open`, `mmap` or the name of an ioctl.
    #[error("{call} failed on {}: {cause}", path.display())]
    Open { path: PathBuf, call: &'static str, cause: io::Error },
    #[error(
        "another program draws on {} (X, Wayland, or another Phicam); end it: \
         sudo systemctl isolate multi-user.target, or sudo systemctl stop display-manager", path.display()
    )]
    Busy { path: PathBuf },
    #[error(
        "no screen at {requested}: {}; connect the screen, or choose a connector with --display drm:CONNECTOR",
        list_connectors(connectors)
    )]
    NotConnected { requested: String, connectors: Vec<String> },
    #[error("{screen} has no mode {requested}; choose one of {}", modes.join(", "))]
    NoMode { screen: String, requested: String, modes: Vec<String> },
    #[error("{ioctl} failed on {screen}: {cause}; dmesg may say more")]
    Ioctl { screen: String, ioctl: &'static str, cause: io::Error },
    #[error("{screen} has no CRTC: every CRTC that can drive it drives another screen; unplug one of the screens")]
    NoCrtc { screen: String },
    #[error("no page-flip event from {screen} within {limit_s} s: its driver hangs; dmesg may say more")]
    FlipTimeout { screen: String, limit_s: u64 },
    #[error("cannot draw on {}: {reason}; use --display drm or another screen", path.display())]
    UnsupportedFramebuffer { path: PathBuf, reason: String },
    #[error("{screen} is disconnected; connect it again")]
    Unplugged { screen: String },
    #[error("{screen} is lost: {cause}; reopening it is tried every second")]
    Lost { screen: String, cause: Box<DisplayError> },
    /// The display was reported as [`DisplayError::Lost`] before, and has not come back.
    #[error("{screen} is still lost")]
    StillLost { screen: String },
    #[error("no display is available: {}", .0.join("; "))]
    NoneAvailable(Vec<String>),
}

impl DisplayError {
    /// Converts the failure of `call` on the device node `path`: a missing device, no permission, or another cause.
    pub fn from_device(path: &Path, call: &'static str, cause: io::Error) -> DisplayError {
        let path = path.to_path_buf();
        if matches!(Errno::from_io_error(&cause), Some(Errno::NODEV | Errno::NXIO)) {
            return DisplayError::NoDevice { path };
        }
        match cause.kind() {
            io::ErrorKind::NotFound => DisplayError::NoDevice { path },
            io::ErrorKind::PermissionDenied => DisplayError::PermissionDenied { group: "video".into(), path },
            _ => DisplayError::Open { path, call, cause },
        }
    }
}

fn space_remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space or ",
        _ => "",
    }
}

fn list_connectors(connectors: &[String]) -> String {
    if connectors.is_empty() {
        "the card has no connectors".into()
    } else {
        format!("the card has {}", connectors.join(", "))
    }
}
