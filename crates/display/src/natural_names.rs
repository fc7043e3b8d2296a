//! Displays by the names that people use: a connector, a device node, a file or a word.

use std::path::{Path, PathBuf};

use crate::Settings;

/// Kinds of connectors, as the kernel names them before their number.
const CONNECTORS: [&str; 14] = [
    "HDMI-A",
    "HDMI-B",
    "HDMI",
    "eDP",
    "DP",
    "DSI",
    "DPI",
    "DVI-I",
    "DVI-D",
    "VGA",
    "LVDS",
    "SPI",
    "Composite",
    "Virtual",
];

/// Returns the display that a natural name stands for; `None` if `text` is no such name.
pub fn parse(text: &str) -> Option<Result<Settings, String>> {
    let drm = |screen: &str| Some(format!("drm:{screen}").parse());
    let (name, mode) = text.split_once('@').map_or((text, None), |(name, mode)| (name, Some(mode)));
    let with_mode = |screen: &str| mode.map_or(screen.into(), |mode| format!("{screen}@{mode}"));
    match (name.to_ascii_lowercase().as_str(), mode) {
        ("screen" | "monitor" | "display" | "tv", None) => return Some(Ok(Settings::Auto {})),
        ("screen" | "monitor" | "display" | "tv" | "kms", _) => return drm(&with_mode("")),
        ("displayport", _) => return drm(&with_mode("DP")),
        ("framebuffer", None) => return Some(Ok(Settings::Fb { device: None })),
        ("console" | "tty" | "shell" | "stdout", None) => return Some(Ok(Settings::Terminal {})),
        ("lines" | "plain", None) => return Some(Ok(Settings::Text {})),
        ("off" | "no" | "headless", None) => return Some(Ok(Settings::None {})),
        ("window" | "x11" | "wayland" | "desktop", _) => {
            return Some(Err(format!(
                "display `{text}` is not supported: there is no window; use --display terminal in a desktop, or end \
                 the desktop (sudo systemctl isolate multi-user.target) and use --display screen"
            )));
        }
        _ => {}
    }
    if let Some(connector) = connector(name) {
        return drm(&with_mode(&connector));
    }
    if name.starts_with("/dev/fb") && mode.is_none() {
        return Some(Ok(Settings::Fb { device: Some(PathBuf::from(name)) }));
    }
    if name.starts_with("/dev/dri/card") {
        return drm(text);
    }
    if name.starts_with("/dev/") {
        let error = "is no screen; name /dev/fbN or /dev/dri/cardN, or use --display screen for the first";
        return Some(Err(format!("{name} {error}")));
    }
    if text.rsplit_once('@').is_some_and(|(file, _)| is_png(file)) || is_png(text) {
        return Some(format!("png:{text}").parse());
    }
    let extension = Path::new(text).extension()?;
    ["jpg", "jpeg", "webp", "bmp", "gif", "mp4"].iter().any(|known| extension.eq_ignore_ascii_case(known)).then(|| {
        let png = Path::new(text).with_extension("png");
        Err(format!("{text}: pictures of the screen are PNG files only; use --display png:{}", png.display()))
    })
}

/// Returns whether the file name ends in `.png`.
pub fn is_png(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"))
}

/// Returns the connector `HDMI-A-1` for `hdmi-a-1`, or the kind of connector `HDMI` for `hdmi`.
fn connector(name: &str) -> Option<String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    CONNECTORS.into_iter().find_map(|kind| {
        let rest = name.get(kind.len()..).filter(|_| name[..kind.len()].eq_ignore_ascii_case(kind))?;
        let is_whole = rest.is_empty() || rest.strip_prefix('-').is_some_and(is_number);
        (is_whole && !(kind == "SPI" && rest.is_empty())).then(|| format!("{kind}{rest}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Settings {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn natural_words_equal_their_uris() {
        for (word, uri) in [
            ("hdmi", "drm:HDMI"),
            ("HDMI@1280x720", "drm:HDMI@1280x720"),
            ("hdmi-a-1", "drm:HDMI-A-1"),
            ("HDMI-A-2@800x480@60", "drm:HDMI-A-2@800x480@60"),
            ("dsi", "drm:DSI"),
            ("SPI-1", "drm:SPI-1"),
            ("displayport", "drm:DP"),
            ("screen", "auto"),
            ("Monitor", "auto"),
            ("screen@640x480", "drm:@640x480"),
            ("kms", "drm"),
            ("/dev/fb1", "fb:/dev/fb1"),
            ("/dev/dri/card1", "drm:/dev/dri/card1"),
            ("/dev/dri/card1@640x480", "drm:/dev/dri/card1@640x480"),
            ("framebuffer", "fb"),
            ("Text", "text"),
            ("tty", "terminal"),
            ("off", "none"),
            ("out.png", "png:out.png"),
            ("out.png@128x64", "png:out.png@128x64"),
        ] {
            assert_eq!(parsed(word), parsed(uri), "{word}");
        }
        assert_eq!(parsed("text"), Settings::Text {});
    }

    #[test]
    fn other_words_are_answered_with_a_line_to_type() {
        for (word, line) in [
            ("window", "--display terminal"),
            ("out.jpg", "--display png:out.png"),
            ("/dev/ttyAMA0", "--display screen"),
            ("hdmi@big", "size is `big`, expected WIDTHxHEIGHT"),
            ("out.png@big", "size is `big`, expected WIDTHxHEIGHT in pixels, such as 640x480"),
            ("hdim", "did you mean `hdmi`?"),
            ("spi", "drm:SPI-1"),
            ("ünknown", "expected screen, hdmi"),
        ] {
            let error = word.parse::<Settings>().unwrap_err();
            assert!(error.contains(line), "{word}: {error}");
        }
    }
}
