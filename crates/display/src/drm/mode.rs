//! Modes of a screen: its pixels and how often a second they are drawn.

use std::fmt;

/// A mode as somebody wishes it: `1280x720`, `1280x720@60`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Mode {
    pub width: u32,
    pub height: u32,
    /// Pictures a second; the most where there is none.
    pub hertz: Option<u32>,
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Mode, String> {
        let (size, hertz) = text.split_once('@').map_or((text, None), |(size, hertz)| (size, Some(hertz)));
        let (width, height) = phicam_frame::parse_size(size)?;
        let refused = |_| format!("mode is `{text}`, expected WIDTHxHEIGHT or WIDTHxHEIGHT@HERTZ, such as 1280x720@60");
        let hertz = hertz.map(|hertz| hertz.trim_end_matches("Hz").parse()).transpose().map_err(refused)?;
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

/// What a screen says of one of its modes.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    pub width: u32,
    pub height: u32,
    pub hertz: u32,
    pub preferred: bool,
    /// Half of each picture's rows at a time.
    pub interlaced: bool,
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}@{}", self.width, self.height, self.hertz)
    }
}

/// The place of the mode to take: the wished one, or the one that the screen prefers, else its first. Of several that
/// would do, whole pictures come before interlaced ones, then the screen's preference, then the most pictures a second.
pub fn choose(offers: &[Offer], wish: Option<Mode>) -> Option<usize> {
    let does = |offer: &Offer| {
        wish.is_none_or(|wish| {
            (wish.width, wish.height) == (offer.width, offer.height)
                && wish.hertz.is_none_or(|hertz| hertz == offer.hertz)
        })
    };
    let order = |place: usize| {
        let Offer { hertz, preferred, interlaced, .. } = offers[place];
        let hertz = if wish.is_some() { hertz } else { 0 };
        (!interlaced, preferred, hertz, std::cmp::Reverse(place))
    };
    (0..offers.len()).filter(|&place| does(&offers[place])).max_by_key(|&place| order(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(width: u32, height: u32, hertz: u32) -> Offer {
        Offer { width, height, hertz, preferred: false, interlaced: false }
    }

    #[test]
    fn the_screens_preference_is_taken_and_a_wish_comes_before_it() {
        let television = [
            Offer { interlaced: true, ..offer(1920, 1080, 60) },
            offer(1920, 1080, 50),
            Offer { preferred: true, ..offer(1920, 1080, 60) },
            offer(1280, 720, 50),
            offer(1280, 720, 60),
        ];
        assert_eq!(choose(&television, None), Some(2));
        assert_eq!(choose(&television, "1280x720".parse().ok()), Some(4), "the most pictures a second");
        assert_eq!(choose(&television, "1280x720@50".parse().ok()), Some(3));
        assert_eq!(choose(&television, "1920x1080@50Hz".parse().ok()), Some(1));
        assert_eq!(choose(&television, "800x600".parse().ok()), None);
        assert_eq!(choose(&television[3..], None), Some(0), "without a preference its first");
        assert_eq!(choose(&[], None), None);
    }

    #[test]
    fn a_mode_is_read_from_what_the_user_types() {
        assert_eq!("1280x720@60".parse(), Ok(Mode { width: 1280, height: 720, hertz: Some(60) }));
        assert_eq!("640x480".parse::<Mode>().unwrap().to_string(), "640x480");
        for bad in ["", "720p", "1280x720@", "1280x720@sixty", "0x720"] {
            assert!(bad.parse::<Mode>().is_err(), "{bad}");
        }
    }
}
