//! Where pictures go.

use std::io::IsTerminal;
use std::path::PathBuf;

use log::info;

use phicam_frame::Rect;
use phicam_frame::Size;
use phicam_frame::canvas::Canvas;

mod drm;
mod error;
mod fbdev;
mod mmap;
mod pixel_packing;
mod png;
mod reconnect;
mod terminal;
mod vt;
pub use drm::{Drm, Mode, Wish};
pub use error::DisplayError;
pub use fbdev::Fb;
pub use png::Png;
pub use terminal::{LogLines, Terminal};

/// What is to be shown.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    pub picture: &'a Canvas,
    /// Where it differs from the one before that this display was given; all of it at first, and after one that the
    /// display did not take.
    pub damage: &'a [Rect],
    /// The frame, where the display has given a size for it in [`Display::layer`].
    pub layer: Option<Layer<'a>>,
    /// The same in words, one line.
    pub caption: &'a str,
    /// Whether the caption's answer is one that was not shown before.
    pub new_answer: bool,
    /// Whether it shows a fault that was not shown before, or one no more; a frame that grows old is one.
    pub new_fault: bool,
}

/// The newest frame in a picture of its own, for the display to scale over the other.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    pub picture: &'a Canvas,
    /// What it is to cover, all of it. The other picture has nothing there.
    pub area: Rect,
    /// Whether it differs from the one before that this display was given.
    pub is_new: bool,
}

/// Shows pictures of a size of its own.
pub trait Display: Send {
    /// For messages: which display.
    fn name(&self) -> String;
    /// Pixels that pictures for it should have.
    fn size(&self) -> Size;
    /// In which size to draw the frame, in a picture of its own, so that the display shows it over `area` of the other;
    /// nothing where the frame belongs into the other. It is asked before each picture that has a frame.
    fn layer(&mut self, area: Rect) -> Option<Size> {
        let _ = area;
        None
    }
    /// Shows it, or keeps it for [`Display::close`] where it comes too soon after the last.
    fn show(&mut self, shown: &Shown) -> Result<(), DisplayError>;
    /// Whether it shows nothing, and would show the picture again although nothing in it has changed.
    fn wants_picture(&mut self) -> bool {
        false
    }
    /// Is called a few times a second while nothing changes: time to show what it kept.
    fn idle(&mut self) -> Result<(), DisplayError> {
        Ok(())
    }
    /// Shows what it kept, and leaves the device as it was found.
    fn close(&mut self) -> Result<(), DisplayError> {
        Ok(())
    }
}

/// Which display. In a board file, `kind = "auto"`, `"drm"`, `"fb"`, `"png"`, `"terminal"`, `"none"`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Settings {
    /// A screen by KMS, else a framebuffer, else the terminal where there is one.
    Auto {},
    /// A screen on a graphics card, by KMS.
    Drm {
        /// A node in /dev/dri; the first card with a screen where it is left out.
        device: Option<PathBuf>,
        /// Such as `HDMI-A-1`; the first that is connected where it is left out.
        connector: Option<String>,
        /// Such as `1280x720@60`; what the screen prefers where it is left out.
        mode: Option<Mode>,
    },
    /// A Linux framebuffer.
    Fb {
        /// Such as `/dev/fb1`; the first where it is left out.
        device: Option<PathBuf>,
    },
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

/// `auto`, `drm`, `drm:HDMI-A-1@1280x720`, `drm:/dev/dri/card1`, `fb`, `fb:/dev/fb1`, `png:FILE`, `png:FILE@800x480`,
/// `terminal`, `none`.
impl std::str::FromStr for Settings {
    type Err = String;

    fn from_str(uri: &str) -> Result<Settings, String> {
        let (kind, rest) = uri.split_once(':').map_or((uri, None), |(kind, rest)| (kind, Some(rest)));
        match (kind, rest) {
            ("auto", None) => Ok(Settings::Auto {}),
            ("drm", rest) => {
                let (screen, mode) = rest.map_or((None, None), |rest| match rest.split_once('@') {
                    Some((screen, mode)) => (Some(screen), Some(mode)),
                    None => (Some(rest), None),
                });
                let screen = screen.filter(|screen| !screen.is_empty());
                let (device, connector) = match screen {
                    Some(path) if path.starts_with('/') => (Some(path.into()), None),
                    connector => (None, connector.map(String::from)),
                };
                Ok(Settings::Drm { device, connector, mode: mode.map(str::parse).transpose()? })
            }
            ("fb", rest) => Ok(Settings::Fb { device: rest.filter(|path| !path.is_empty()).map(PathBuf::from) }),
            ("png", Some(file)) if !file.is_empty() => {
                let (path, (width, height)) = match file.rsplit_once('@') {
                    Some((file, size)) if is_size(size) => (file, phicam_frame::parse_size(size)?),
                    _ => (file, (default_width(), default_height())),
                };
                Ok(Settings::Png { path: path.into(), width, height })
            }
            ("terminal", None) => Ok(Settings::Terminal {}),
            ("none", None) => Ok(Settings::None {}),
            ("spi" | "i2c", _) => Err(format!(
                "display `{uri}` needs a driver that this version does not have; with the kernel's own there is \
                 drm:SPI-1 or fb:/dev/fb1"
            )),
            _ => Err(format!(
                "display is `{uri}`, expected auto, drm, drm:CONNECTOR@WIDTHxHEIGHT, fb, png:FILE, \
                 png:FILE@WIDTHxHEIGHT, terminal or none{}",
                phicam_platform::config_file::did_you_mean(kind, ["auto", "drm", "fb", "png", "terminal", "none"])
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
            Settings::Png { width, height, .. } => phicam_frame::check_size(width, height),
            _ => Ok(()),
        }
    }
}

/// Opens a display; nothing for `none`. A file that cannot be written is found out now, not at the first picture.
pub fn open(settings: &Settings) -> Result<Option<Box<dyn Display>>, DisplayError> {
    Ok(match settings {
        Settings::Auto {} => Some(open_any()?),
        Settings::Drm { device, connector, mode } => {
            let wish = Wish::new(device.clone(), connector.clone(), *mode);
            Some(Box::new(Drm::open_or_wait(wish)?))
        }
        Settings::Fb { device } => Some(Box::new(Fb::open(device.clone())?)),
        Settings::Png { path, width, height } => Some(Box::new(Png::open(path.clone(), Size::new(*width, *height))?)),
        Settings::Terminal {} => Some(Box::new(Terminal::open())),
        Settings::None {} => None,
    })
}

/// The best display that there is; each that there is not is told of.
fn open_any() -> Result<Box<dyn Display>, DisplayError> {
    let mut why = Vec::new();
    let mut passed = |name: &str, error: DisplayError| {
        info!("no display {name}: {error}");
        why.push(format!("{name}: {error}"));
    };
    match Drm::open(Wish::default()) {
        Ok(drm) => return Ok(Box::new(drm)),
        Err(error) => passed("drm", error),
    }
    match Fb::open(None) {
        Ok(fb) => return Ok(Box::new(fb)),
        Err(error) => passed("fb", error),
    }
    if std::io::stdout().is_terminal() {
        return Ok(Box::new(Terminal::open()));
    }
    // A board that was started before its screen was plugged in.
    if let Ok(drm) = Drm::open_or_wait(Wish::default()) {
        return Ok(Box::new(drm));
    }
    Err(DisplayError::None(why))
}

#[cfg(test)]
mod tests {
    use crate::*;

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
        assert!("spi".parse::<Settings>().unwrap_err().contains("does not have"));
        let drm = |device: Option<&str>, connector: Option<&str>, mode: Option<&str>| Settings::Drm {
            device: device.map(Into::into),
            connector: connector.map(Into::into),
            mode: mode.map(|mode| mode.parse().unwrap()),
        };
        assert_eq!("drm".parse(), Ok(drm(None, None, None)));
        assert_eq!("drm:HDMI-A-1".parse(), Ok(drm(None, Some("HDMI-A-1"), None)));
        assert_eq!("drm:/dev/dri/card1".parse(), Ok(drm(Some("/dev/dri/card1"), None, None)));
        assert_eq!("drm:HDMI-A-1@1280x720@60".parse(), Ok(drm(None, Some("HDMI-A-1"), Some("1280x720@60"))));
        assert_eq!("drm:@640x480".parse(), Ok(drm(None, None, Some("640x480"))));
        assert!("drm:HDMI-A-1@720p".parse::<Settings>().unwrap_err().contains("720p"));
        assert_eq!("fb:/dev/fb1".parse(), Ok(Settings::Fb { device: Some("/dev/fb1".into()) }));
        assert_eq!("fb".parse(), Ok(Settings::Fb { device: None }));
        assert_eq!("auto".parse(), Ok(Settings::Auto {}));
    }
}
