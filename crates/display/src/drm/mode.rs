//! Modes of a screen: size and refresh rate.

use std::fmt;

/// Mode that the user requests, such as `1280x720` or `1280x720@60`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Mode {
    pub width: u32,
    pub height: u32,
    /// Refresh rate; `None` for the highest.
    pub hertz: Option<u32>,
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Mode, String> {
        let (size, hertz) = text.split_once('@').map_or((text, None), |(size, hertz)| (size, Some(hertz)));
        let (width, height) = phicam_frame::parse_size(size)?;
        let invalid = |_| format!("mode is `{text}`, expected WIDTHxHEIGHT or WIDTHxHEIGHT@HERTZ, such as 1280x720@60");
        let hertz = hertz.map(|hertz| hertz.trim_end_matches("Hz").parse()).transpose().map_err(invalid)?;
        Ok(Mode { width, height, hertz })
    }
}

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Mode, String> {
        text.parse()
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)?;
        self.hertz.map_or(Ok(()), |hertz| write!(f, "@{hertz}"))
    }
}

/// Mode that a screen supports.
#[derive(Clone, Copy, Debug)]
pub struct ScreenMode {
    pub width: u32,
    pub height: u32,
    pub hertz: u32,
    pub preferred: bool,
    /// Whether each refresh draws only every other row.
    pub interlaced: bool,
}

impl fmt::Display for ScreenMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}@{}", self.width, self.height, self.hertz)
    }
}

/// Returns the index of the mode to set: the requested one, otherwise the screen's preferred or first one.
///
/// If several modes match, progressive ones come before interlaced ones, then the preferred one, then the highest
/// refresh rate.
pub fn select_mode(modes: &[ScreenMode], requested: Option<Mode>) -> Option<usize> {
    let matches = |mode: &ScreenMode| {
        requested.is_none_or(|requested| {
            (requested.width, requested.height) == (mode.width, mode.height)
                && requested.hertz.is_none_or(|hertz| hertz == mode.hertz)
        })
    };
    let rank = |index: usize| {
        let ScreenMode { hertz, preferred, interlaced, .. } = modes[index];
        let hertz = if requested.is_some() { hertz } else { 0 };
        (!interlaced, preferred, hertz, std::cmp::Reverse(index))
    };
    (0..modes.len()).filter(|&index| matches(&modes[index])).max_by_key(|&index| rank(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(width: u32, height: u32, hertz: u32) -> ScreenMode {
        ScreenMode { width, height, hertz, preferred: false, interlaced: false }
    }

    #[test]
    fn requested_mode_overrides_the_preferred_mode() {
        let television = [
            ScreenMode { interlaced: true, ..mode(1920, 1080, 60) },
            mode(1920, 1080, 50),
            ScreenMode { preferred: true, ..mode(1920, 1080, 60) },
            mode(1280, 720, 50),
            mode(1280, 720, 60),
        ];
        assert_eq!(select_mode(&television, None), Some(2));
        assert_eq!(select_mode(&television, "1280x720".parse().ok()), Some(4), "the highest refresh rate");
        assert_eq!(select_mode(&television, "1280x720@50".parse().ok()), Some(3));
        assert_eq!(select_mode(&television, "1920x1080@50Hz".parse().ok()), Some(1));
        assert_eq!(select_mode(&television, "800x600".parse().ok()), None);
        assert_eq!(select_mode(&television[3..], None), Some(0), "the first mode if none is preferred");
        assert_eq!(select_mode(&[], None), None);
    }

    #[test]
    fn mode_is_parsed_from_text() {
        assert_eq!("1280x720@60".parse(), Ok(Mode { width: 1280, height: 720, hertz: Some(60) }));
        assert_eq!("640x480".parse::<Mode>().unwrap().to_string(), "640x480");
        for invalid in ["", "720p", "1280x720@", "1280x720@sixty", "0x720"] {
            assert!(invalid.parse::<Mode>().is_err(), "{invalid}");
        }
    }
}
