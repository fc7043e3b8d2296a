//! Colours of the terminal: the roles of the screen's design, in as many colours as the terminal has.

use ratatui::style::{Color, Modifier, Style};

/// Number of colours that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourDepth {
    /// 24 bits.
    True,
    /// The 256 colours of xterm.
    Indexed256,
    /// The 16 colours whose shades the user chooses.
    Sixteen,
    /// None: the user asked for no colours, or the terminal is monochrome.
    Monochrome,
}

/// Purpose of a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Names, values and candidates.
    Ink,
    /// Everything that explains: status, times, "unsure".
    Quiet,
    /// Probability and rule of the answer, nothing else.
    Accent,
    /// Faults.
    Fault,
    /// Rest of the rule.
    Groove,
}

/// Background of the whole window, as 0xRRGGBB. It and the colours of the roles are those of the screen's design.
const PAPER: u32 = 0x121316;

/// Levels of a channel in xterm's cube of 6 × 6 × 6 colours, which begins at index 16.
const CUBE_LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
/// Index of the first of xterm's 24 greys, and its level. Each further one is 10 brighter.
const FIRST_GREY: (u8, u8) = (232, 8);
const GREYS: u8 = 24;

impl ColourDepth {
    /// Returns the depth that the environment states.
    pub fn from_environment(variable: impl Fn(&str) -> String) -> ColourDepth {
        let term = variable("TERM");
        let colour_term = variable("COLORTERM");
        if !variable("NO_COLOR").is_empty() || term.starts_with("vt") || term.ends_with("-mono") {
            ColourDepth::Monochrome
        } else if colour_term == "truecolor" || colour_term == "24bit" || term.ends_with("-direct") {
            ColourDepth::True
        } else if term.contains("256color") || term.contains("kitty") || term.contains("ghostty") {
            ColourDepth::Indexed256
        } else {
            ColourDepth::Sixteen
        }
    }

    /// Returns whether a photograph can have its colours; otherwise it is drawn in shades.
    pub fn shows_photographs(self) -> bool {
        matches!(self, ColourDepth::True | ColourDepth::Indexed256)
    }

    /// Returns the colour of a pixel, 0x00RRGGBB; the terminal's own if there are too few colours for photographs.
    pub fn pixel(self, pixel: u32) -> Color {
        let [_, red, green, blue] = pixel.to_be_bytes();
        match self {
            ColourDepth::True => Color::Rgb(red, green, blue),
            ColourDepth::Indexed256 => Color::Indexed(nearest_of_256([red, green, blue])),
            ColourDepth::Sixteen | ColourDepth::Monochrome => Color::Reset,
        }
    }

    /// Returns the background of the window.
    pub fn paper(self) -> Color {
        match self {
            ColourDepth::Sixteen => Color::Black,
            depth => depth.pixel(PAPER),
        }
    }

    /// Returns the style of text with this role.
    pub fn style(self, role: Role) -> Style {
        let (rgb, basic) = match role {
            Role::Ink => (0xf4f1ea, Color::White),
            Role::Quiet => (0xa7abb3, Color::Gray),
            Role::Accent => (0xffc845, Color::LightYellow),
            Role::Fault => (0xff9a7a, Color::LightRed),
            Role::Groove => (0x3b3e46, Color::DarkGray),
        };
        let colour = if self == ColourDepth::Sixteen { basic } else { self.pixel(rgb) };
        Style::new().fg(colour).bg(self.paper())
    }

    /// Returns the style of prominent text with this role.
    pub fn bold(self, role: Role) -> Style {
        self.style(role).add_modifier(Modifier::BOLD)
    }
}

/// Returns the nearest of xterm's 240 colours that users do not redefine, by the sum of squared differences.
fn nearest_of_256(rgb: [u8; 3]) -> u8 {
    let distance = |[red, green, blue]: [u8; 3]| -> u32 {
        let squared = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        squared(red, rgb[0]) + squared(green, rgb[1]) + squared(blue, rgb[2])
    };
    let cube = rgb.map(|value| {
        let nearest = CUBE_LEVELS.iter().enumerate().min_by_key(|(_, level)| level.abs_diff(value));
        nearest.map_or(0, |(index, _)| index as u8)
    });
    let cube_index = 16 + 36 * cube[0] + 6 * cube[1] + cube[2];
    let mean = rgb.iter().map(|&value| u32::from(value)).sum::<u32>() / 3;
    let step = ((mean.saturating_sub(u32::from(FIRST_GREY.1)) + 5) / 10).min(u32::from(GREYS) - 1) as u8;
    let grey = FIRST_GREY.1 + 10 * step;
    let cube_rgb = cube.map(|index| CUBE_LEVELS[usize::from(index)]);
    if distance([grey; 3]) < distance(cube_rgb) { FIRST_GREY.0 + step } else { cube_index }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(term: &'static str, colour_term: &'static str, no_color: &'static str) -> ColourDepth {
        ColourDepth::from_environment(move |name| {
            match name {
                "TERM" => term,
                "COLORTERM" => colour_term,
                _ => no_color,
            }
            .into()
        })
    }

    #[test]
    fn colour_depth_follows_the_environment() {
        assert_eq!(depth("xterm-256color", "truecolor", ""), ColourDepth::True);
        assert_eq!(depth("tmux-256color", "", ""), ColourDepth::Indexed256);
        assert_eq!(depth("linux", "", ""), ColourDepth::Sixteen);
        assert_eq!(depth("xterm-256color", "truecolor", "1"), ColourDepth::Monochrome);
        assert_eq!(depth("vt220", "", ""), ColourDepth::Monochrome);
    }

    #[test]
    fn nearest_of_256_colours_is_found() {
        assert_eq!(nearest_of_256([0, 0, 0]), 16);
        assert_eq!(nearest_of_256([255, 0, 0]), 196);
        assert_eq!(nearest_of_256([18, 19, 22]), 233);
        assert_eq!(nearest_of_256([118, 118, 118]), 243);
    }

    #[test]
    fn monochrome_text_has_no_colours() {
        for role in [Role::Ink, Role::Quiet, Role::Accent, Role::Fault, Role::Groove] {
            let style = ColourDepth::Monochrome.style(role);
            assert_eq!((style.fg, style.bg), (Some(Color::Reset), Some(Color::Reset)), "{role:?}");
        }
    }
}
