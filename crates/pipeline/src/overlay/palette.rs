//! Colours of the screen. On paper each text colour has a contrast of at least 8 : 1 (WCAG 2 asks for 4.5 : 1).

use embedded_graphics::pixelcolor::Rgb888;

/// Label and empty screen.
pub const PAPER: Rgb888 = Rgb888::new(0x12, 0x13, 0x16);
/// Names, values and candidates: 16.5 : 1 on paper.
pub const INK: Rgb888 = Rgb888::new(0xf4, 0xf1, 0xea);
/// "unsure", times and names of rows: 8.1 : 1.
pub const QUIET: Rgb888 = Rgb888::new(0xa7, 0xab, 0xb3);
/// Percentage and rule of the answer, and nothing else: 12.0 : 1.
pub const ACCENT: Rgb888 = Rgb888::new(0xff, 0xc8, 0x45);
/// Words of a fault, always beside a warning sign: 9.0 : 1.
pub const FAULT: Rgb888 = Rgb888::new(0xff, 0x9a, 0x7a);
/// Rest of the rule, and hairlines: 1.7 : 1, without a meaning of its own.
pub const GROOVE: Rgb888 = Rgb888::new(0x3b, 0x3e, 0x46);

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::pixelcolor::RgbColor;

    /// Returns the relative luminance of WCAG 2.
    fn luminance(colour: Rgb888) -> f64 {
        let linear = |level: u8| {
            let share = f64::from(level) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(colour.r()) + 0.7152 * linear(colour.g()) + 0.0722 * linear(colour.b())
    }

    #[test]
    fn paper_is_the_background_of_every_display() {
        let paper = phicam_frame::canvas::xrgb8888([PAPER.r(), PAPER.g(), PAPER.b()]);
        assert_eq!(paper, phicam_display::CANVAS_BACKGROUND);
    }

    #[test]
    fn text_colours_have_the_contrast_of_wcag() {
        for colour in [INK, QUIET, ACCENT, FAULT] {
            let contrast = (luminance(colour) + 0.05) / (luminance(PAPER) + 0.05);
            assert!(contrast >= 4.5, "{colour:?}: {contrast:.1}");
        }
    }

    #[test]
    fn accent_and_fault_differ_in_luminance_too() {
        let ratio = (luminance(ACCENT) + 0.05) / (luminance(FAULT) + 0.05);
        assert!(ratio >= 1.3, "{ratio:.2}");
    }
}
