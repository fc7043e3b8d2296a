//! Displays: KMS (DRM), Linux framebuffer, terminal and PNG file.
//!
//! [`open`] returns a [`Display`] for [`Settings`]. A display takes canvases with their damaged areas, and knows
//! nothing of models, classifications or cameras. Lost devices reconnect by themselves.

use std::io::IsTerminal;
use std::path::PathBuf;

use log::debug;

use phicam_frame::Size;

mod drm;
mod error;
mod fbdev;
mod mmap;
mod natural_names;
mod output;
mod pixel_packing;
mod png;
mod reconnect;
mod terminal;
mod vt;
pub mod words;
pub use drm::{Drm, Mode, OutputRequest};
pub use error::DisplayError;
pub use fbdev::Fb;
pub use output::{CANVAS_BACKGROUND, CanvasContent, Display, FrameLayer, FramePlacement, Key, ScreenUpdate};
pub use png::Png;
pub use terminal::{LogWriter, Terminal, describe, printable, restore_terminal};

/// Kind of display and its device. In a board file: `kind = "auto"`, `"drm"`, `"fb"`, `"png"`, `"terminal"`, `"text"`,
/// `"none"`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Settings {
    /// A KMS screen, else a framebuffer, else the terminal if standard output is one.
    Auto {},
    /// A screen on a graphics card, by kernel mode setting (KMS).
    Drm {
        /// Node in /dev/dri. Default: the first card with a screen.
        device: Option<PathBuf>,
        /// Connector such as `HDMI-A-1`, or a kind of connector such as `HDMI`. Default: the first connected one.
        connector: Option<String>,
        /// Mode such as `1280x720@60`. Default: the screen's preferred mode.
        mode: Option<Mode>,
    },
    /// A Linux framebuffer.
    Fb {
        /// Device such as `/dev/fb1`. Default: the framebuffer with the lowest number.
        device: Option<PathBuf>,
    },
    /// A PNG file, replaced by each new classification, at most twice a second.
    Png {
        path: PathBuf,
        #[serde(default = "default_width")]
        width: u32,
        #[serde(default = "default_height")]
        height: u32,
    },
    /// The terminal: picture and words, or lines of text if standard output is not a terminal.
    Terminal {},
    /// Lines of text on standard output, one for each new answer, such as for a screen reader.
    Text {},
    /// No output.
    None {},
}

// Default size of PNG files: 720p, a common screen size, for which `phicam bench` also times the drawing.
fn default_width() -> u32 {
    1280
}
fn default_height() -> u32 {
    720
}

/// `auto`, `drm`, `drm:HDMI-A-1@1280x720`, `drm:/dev/dri/card1`, `fb`, `fb:/dev/fb1`, `png:FILE`, `png:FILE@800x480`,
/// `terminal`, `text`, `none`; else a natural name, such as `hdmi`, `screen` or `/dev/fb1`.
impl std::str::FromStr for Settings {
    type Err = String;

    fn from_str(uri: &str) -> Result<Settings, String> {
        let (kind, rest) = uri.split_once(':').map_or((uri, None), |(kind, rest)| (kind, Some(rest)));
        let kind = kind.to_ascii_lowercase();
        match (kind.as_str(), rest) {
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
                    Some((file, size)) if is_size(size) || natural_names::is_png(file) => {
                        (file, phicam_frame::parse_size(size)?)
                    }
                    _ => (file, (default_width(), default_height())),
                };
                Ok(Settings::Png { path: path.into(), width, height })
            }
            ("png", _) => Err("png needs a file name: --display png:screen.png".into()),
            ("terminal", None) => Ok(Settings::Terminal {}),
            ("text", None) => Ok(Settings::Text {}),
            ("none", None) => Ok(Settings::None {}),
            ("spi" | "i2c" | "oled" | "lcd" | "ssd1306" | "sh1106" | "st7735" | "st7789" | "ili9341" | "gc9a01", _) => {
                Err(format!(
                    "display `{uri}` is not supported: this version has no SPI or I2C drivers; with the kernel's driver, \
                 use drm:SPI-1 or fb:/dev/fb1"
                ))
            }
            _ if uri.contains(',') => Err(format!(
                "display is `{uri}`: give --display several times, such as --display terminal --display hdmi"
            )),
            _ => natural_names::parse(uri).unwrap_or_else(|| {
                let known = ["auto", "screen", "hdmi", "drm", "fb", "png", "terminal", "text", "none"];
                Err(format!(
                    "display is `{uri}`, expected screen, hdmi, terminal, text, none, /dev/fb1, png:FILE, \
                     png:FILE@WIDTHxHEIGHT, fb or drm:CONNECTOR@WIDTHxHEIGHT{}",
                    phicam_platform::config_file::did_you_mean(&kind, known)
                ))
            }),
        }
    }
}

/// Returns whether `text` after an @ is meant as a size, valid or not; otherwise it belongs to a file name.
fn is_size(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit()) && !text.contains(['.', '/'])
}

impl Settings {
    /// Returns an error that names the first value out of range.
    pub fn check(&self) -> Result<(), String> {
        match *self {
            Settings::Png { width, height, .. } => phicam_frame::check_size(width, height),
            _ => Ok(()),
        }
    }
}

/// Opens a display; returns `None` for `none`. It fails now, not at the first update, if a file cannot be written.
pub fn open(settings: &Settings) -> Result<Option<Box<dyn Display>>, DisplayError> {
    Ok(match settings {
        Settings::Auto {} => Some(open_any()?),
        Settings::Drm { device, connector, mode } => {
            let request = OutputRequest::new(device.clone(), connector.clone(), *mode);
            Some(Box::new(Drm::open_or_wait(request)?))
        }
        Settings::Fb { device } => Some(Box::new(Fb::open(device.clone())?)),
        Settings::Png { path, width, height } => Some(Box::new(Png::open(path.clone(), Size::new(*width, *height))?)),
        Settings::Terminal {} => Some(Box::new(Terminal::open())),
        Settings::Text {} => Some(Box::new(Terminal::text())),
        Settings::None {} => None,
    })
}

/// Opens the best available display; logs each one that failed.
fn open_any() -> Result<Box<dyn Display>, DisplayError> {
    let mut reasons = Vec::new();
    let mut record_failure = |name: &str, error: DisplayError| {
        debug!("display {name} is not available: {error}");
        reasons.push(format!("{name}: {error}"));
    };
    match Drm::open(OutputRequest::default()) {
        Ok(drm) => return Ok(Box::new(drm)),
        Err(error) => record_failure("drm", error),
    }
    match Fb::open(None) {
        Ok(fb) => return Ok(Box::new(fb)),
        Err(error) => record_failure("fb", error),
    }
    if std::io::stdout().is_terminal() {
        return Ok(Box::new(Terminal::open()));
    }
    // The board may have started before its screen was plugged in.
    if let Ok(drm) = Drm::open_or_wait(OutputRequest::default()) {
        return Ok(Box::new(drm));
    }
    Err(DisplayError::NoneAvailable(reasons))
}

#[cfg(test)]
mod tests {
    use crate::*;

    #[test]
    fn settings_are_parsed_from_a_flag() {
        let png = |path: &str, width, height| Settings::Png { path: path.into(), width, height };
        assert_eq!("png:a.png".parse(), Ok(png("a.png", 1280, 720)));
        assert_eq!("png:a.png@128x64".parse(), Ok(png("a.png", 128, 64)));
        assert_eq!("png:me@home.png".parse(), Ok(png("me@home.png", 1280, 720)));
        assert_eq!("png:me@2home.png".parse(), Ok(png("me@2home.png", 1280, 720)));
        for invalid in ["png:a.png@0x64", "png:a.png@128", "png:a.png@128x"] {
            assert!(invalid.parse::<Settings>().unwrap_err().contains("size is"), "{invalid}");
        }
        assert_eq!("text".parse(), Ok(Settings::Text {}));
        assert_eq!("none".parse(), Ok(Settings::None {}));
        assert!("termnal".parse::<Settings>().unwrap_err().contains("did you mean `terminal`?"));
        assert!("spi".parse::<Settings>().unwrap_err().contains("not supported"));
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
