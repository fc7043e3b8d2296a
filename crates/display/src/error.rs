//! Why a display cannot be opened, or did not take a picture.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// A display that cannot be opened, or did not take a picture.
#[derive(Debug, thiserror::Error)]
pub enum DisplayError {
    #[error("{} cannot be written: {cause}; {}name another file with --display png:FILE", path.display(), space(cause))]
    File { path: PathBuf, cause: io::Error },
    #[error("the picture for {} cannot be encoded: {cause}", path.display())]
    Encode { path: PathBuf, cause: String },
    #[error("the terminal took no picture: {0}")]
    Terminal(String),
    #[error("whoever read standard output has closed it")]
    Closed,

    #[error(
        "{} is not there; load the screen's driver (Raspberry Pi: dtoverlay=vc4-kms-v3d in config.txt), \
         or take another display: terminal, png:FILE", path.display()
    )]
    NoDevice { path: PathBuf },
    #[error("{} may not be opened; add the user to its group: sudo usermod -aG {group} USER, then log in again", path.display())]
    Forbidden { path: PathBuf, group: String },
    #[error("{} cannot be opened: {cause}", path.display())]
    Open { path: PathBuf, cause: io::Error },
    #[error(
        "another program draws on {} (X, Wayland, or another display of this one); end it: \
         sudo systemctl isolate multi-user.target, or sudo systemctl stop display-manager", path.display()
    )]
    Busy { path: PathBuf },
    #[error("no screen at {wanted}; there {}; connect it, or name another with --display drm:CONNECTOR", are(known))]
    NotConnected { wanted: String, known: Vec<String> },
    #[error("{screen} has no mode {wanted}; it has {}", known.join(", "))]
    NoMode { screen: String, wanted: String, known: Vec<String> },
    #[error("{screen} cannot {what}: {cause}; dmesg may say more")]
    Driver { screen: String, what: &'static str, cause: io::Error },
    #[error("{screen} has not shown a picture for {limit_s} s that it took; its driver hangs, dmesg may say more")]
    Silent { screen: String, limit_s: u64 },
    #[error("{} has {what}, which cannot be drawn; use --display drm or another screen", path.display())]
    Unsuited { path: PathBuf, what: String },
    #[error("{screen} is not connected any more; connect it again")]
    Unplugged { screen: String },
    #[error("{screen} is lost ({cause}); it is looked for every second")]
    Lost { screen: String, cause: Box<DisplayError> },
    /// It was told that the display is lost, and it still is.
    #[error("{screen} is still lost")]
    StillLost { screen: String },
    #[error("no display at all: {}", .0.join("; "))]
    None(Vec<String>),
}

impl DisplayError {
    /// Of a device that could not be opened for `cause`.
    pub fn of_open(path: &Path, cause: io::Error) -> DisplayError {
        let path = path.to_path_buf();
        if matches!(Errno::from_io_error(&cause), Some(Errno::NODEV | Errno::NXIO)) {
            return DisplayError::NoDevice { path };
        }
        match cause.kind() {
            io::ErrorKind::NotFound => DisplayError::NoDevice { path },
            io::ErrorKind::PermissionDenied => DisplayError::Forbidden { group: "video".into(), path },
            _ => DisplayError::Open { path, cause },
        }
    }
}

fn space(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space or ",
        _ => "",
    }
}

fn are(known: &[String]) -> String {
    if known.is_empty() { "is none".into() } else { format!("are {}", known.join(", ")) }
}
