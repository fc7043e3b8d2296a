//! Where pictures go.

use std::path::PathBuf;

use crate::frame::Size;
use crate::picture::Picture;

mod png;
mod terminal;
pub use png::Png;
pub use terminal::{LogLines, Terminal};

/// A display that cannot be opened, or did not take a picture.
#[derive(Debug, thiserror::Error)]
pub enum DisplayError {
    #[error("{} cannot be written: {cause}; {}name another file with --display png:FILE", path.display(), space(cause))]
    File { path: PathBuf, cause: std::io::Error },
    #[error("the picture for {} cannot be encoded: {cause}", path.display())]
    Encode { path: PathBuf, cause: String },
    #[error("the terminal took no picture: {0}")]
    Terminal(String),
    #[error("whoever read standard output has closed it")]
    Closed,
}

fn space(cause: &std::io::Error) -> &'static str {
    match cause.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "free some space or ",
        _ => "",
    }
}

/// What is to be shown.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    pub picture: &'a Picture,
    /// The same in words, one line.
    pub caption: &'a str,
    /// Whether the caption's answer is one that was not shown before.
    pub new_answer: bool,
}

/// Shows pictures of a size of its own.
pub trait Display: Send {
    /// For messages: which display.
    fn name(&self) -> String;
    /// Pixels that pictures for it should have.
    fn size(&self) -> Size;
    /// Shows it, or keeps it for [`Display::close`] where it comes too soon after the last.
    fn show(&mut self, shown: &Shown) -> Result<(), DisplayError>;
    /// Is called a few times a second while nothing changes: time to show what it kept.
    fn idle(&mut self) -> Result<(), DisplayError> {
        Ok(())
    }
    /// Shows what it kept, and leaves the device as it was found.
    fn close(&mut self) -> Result<(), DisplayError> {
        Ok(())
    }
}

/// Which display. In a board file, `kind = "png"`, `"terminal"`, `"none"`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Settings {
    /// A file, written anew for answers, at most a few times a second.
    Png {
        path: PathBuf,
        #[serde(default = "default_width")]
        width: u32,
        #[serde(default = "default_height")]
        height: u32,
    },
    /// The terminal: a picture where it is one, a line of text an answer where it is not.
    Terminal {},
    /// Nothing is shown.
    None {},
}

fn default_width() -> u32 {
    1280
}
fn default_height() -> u32 {
    720
}

/// `png:FILE`, `png:FILE@800x480`, `terminal`, `none`.
impl std::str::FromStr for Settings {
    type Err = String;

    fn from_str(uri: &str) -> Result<Settings, String> {
        let (kind, rest) = uri.split_once(':').map_or((uri, None), |(kind, rest)| (kind, Some(rest)));
        match (kind, rest) {
            ("png", Some(file)) if !file.is_empty() => {
                let (path, (width, height)) = match file.rsplit_once('@') {
                    Some((file, size)) if is_size(size) => (file, crate::frame::parse_size(size)?),
                    _ => (file, (default_width(), default_height())),
                };
                Ok(Settings::Png { path: path.into(), width, height })
            }
            ("terminal", None) => Ok(Settings::Terminal {}),
            ("none", None) => Ok(Settings::None {}),
            ("drm" | "fb" | "spi" | "i2c", _) => Err(format!(
                "display `{uri}` needs a driver that this version does not have yet; there are png:FILE, terminal and none"
            )),
            _ => Err(format!(
                "display is `{uri}`, expected png:FILE, png:FILE@WIDTHxHEIGHT, terminal or none{}",
                crate::strict::did_you_mean(kind, ["png", "terminal", "none"])
            )),
        }
    }
}

/// Whether what follows an @ is meant as a size, if perhaps a wrong one: a file's name goes on with its extension.
fn is_size(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit()) && !text.contains(['.', '/'])
}

impl Settings {
    /// Numbers that could not be meant; the message says which.
    pub fn check(&self) -> Result<(), String> {
        match *self {
            Settings::Png { width, height, .. } => crate::frame::check_size(width, height),
            Settings::Terminal {} | Settings::None {} => Ok(()),
        }
    }
}

/// Opens a display; nothing for `none`. A file that cannot be written is found out now, not at the first picture.
pub fn open(settings: &Settings) -> Result<Option<Box<dyn Display>>, DisplayError> {
    Ok(match settings {
        Settings::Png { path, width, height } => Some(Box::new(Png::open(path.clone(), Size::new(*width, *height))?)),
        Settings::Terminal {} => Some(Box::new(Terminal::open())),
        Settings::None {} => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_is_read_from_what_the_user_types() {
        let png = |path: &str, width, height| Settings::Png { path: path.into(), width, height };
        assert_eq!("png:a.png".parse(), Ok(png("a.png", 1280, 720)));
        assert_eq!("png:a.png@128x64".parse(), Ok(png("a.png", 128, 64)));
        assert_eq!("png:me@home.png".parse(), Ok(png("me@home.png", 1280, 720)));
        assert_eq!("png:me@2home.png".parse(), Ok(png("me@2home.png", 1280, 720)));
        for bad in ["png:a.png@0x64", "png:a.png@128", "png:a.png@128x"] {
            assert!(bad.parse::<Settings>().unwrap_err().contains("size is"), "{bad}");
        }
        assert_eq!("none".parse(), Ok(Settings::None {}));
        assert!("termnal".parse::<Settings>().unwrap_err().contains("did you mean `terminal`?"));
        assert!("drm".parse::<Settings>().unwrap_err().contains("does not have yet"));
    }
}
