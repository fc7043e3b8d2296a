//! Screen class: sizes of letters and distances for a screen of any shape.
//!
//! Letters are sized by the height of their capitals. A person reads 5 minutes of arc with good eyes, and 10 with ease:
//! a name of 1/11 of the height has 31 on a 24-inch screen at 3 m.

use phicam_frame::{Rect, Size};

/// Arrangement of picture and label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The picture fills the screen, the label is in the lower left corner.
    Wide,
    /// About as wide as high: what the model sees fills it.
    Square,
    /// A square picture above the label.
    Portrait,
    /// A circle: picture above, label centred below.
    Round,
    /// Too small for a picture: the label alone, in one colour.
    Tiny,
}

/// Shorter side of a screen up to which it shows the label alone: OLED screens have 128 × 64 pixels.
const TINY_SIDE: u32 = 128;
/// Shorter side below which a screen has no time, and notices across its width: a height of 240 pixels is small.
const SMALL_SIDE: u32 = 320;
/// Smallest capitals in pixels of the name, of percentage and candidates, and of the rest: estimates of legibility.
pub const MIN_NAME_CAP: u32 = 10;
const MIN_VALUE_CAP: u32 = 9;
const MIN_QUIET_CAP: u32 = 8;

/// Sizes in pixels for one screen. All shares of the screen are the project's design, chosen by looking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScreenClass {
    pub size: Size,
    pub shape: Shape,
    pub is_small: bool,
    /// Whether the percentage stands behind the name; else at the end of the rule.
    pub is_inline: bool,
    /// Largest capitals of the name.
    pub name_cap: u32,
    /// Unit of distances and smaller letters.
    pub unit: u32,
    /// Distance of words from the edge of their panel.
    pub pad: u32,
    pub percent_cap: u32,
    pub candidate_cap: u32,
    /// Capitals of times, notices and faults.
    pub quiet_cap: u32,
    /// Thickness of the corner marks.
    pub mark_width: u32,
    /// Largest width of the words in the label.
    pub label_width: u32,
    /// Number of sizes at which the name is tried in one line before it is set in two.
    pub single_line_sizes: usize,
}

/// Returns `pixels` times `ratio`, rounded.
pub fn scaled(pixels: u32, ratio: f64) -> u32 {
    (f64::from(pixels) * ratio).round() as u32
}

impl ScreenClass {
    /// Returns the class of a screen of `size`.
    pub fn new(size: Size, is_round: bool) -> ScreenClass {
        let Size { width, height } = size;
        let shorter = width.min(height);
        let shape = match () {
            () if shorter <= TINY_SIDE => Shape::Tiny,
            () if is_round => Shape::Round,
            () if u64::from(width) * 5 <= u64::from(height) * 4 => Shape::Portrait,
            () if u64::from(width) * 4 < u64::from(height) * 5 => Shape::Square,
            () => Shape::Wide,
        };
        let is_small = shorter < SMALL_SIDE;
        let is_inline = shape == Shape::Wide && !is_small;
        let parts_of_height = match shape {
            Shape::Wide if is_inline => 11.0,
            Shape::Wide | Shape::Square | Shape::Tiny => 10.0,
            Shape::Round => 11.0,
            Shape::Portrait => 12.0,
        };
        let mut name_cap = scaled(height, 1.0 / parts_of_height).max(1);
        if shape == Shape::Portrait {
            // On a bar display the width decides how many letters fit.
            name_cap = name_cap.min(scaled(width, 0.15).max(1));
        }
        let unit = name_cap.min(scaled(width, 0.1)).max(1);
        let pad = scaled(unit, 0.6);
        let label_share = match shape {
            Shape::Wide if is_inline => 0.70,
            Shape::Wide => 0.76,
            Shape::Round => 0.80,
            Shape::Square | Shape::Portrait | Shape::Tiny => 1.0,
        };
        let label_width = scaled(width, label_share);
        let label_width = if shape == Shape::Round { label_width } else { label_width.saturating_sub(2 * pad) };
        ScreenClass {
            size,
            shape,
            is_small,
            is_inline,
            name_cap,
            unit,
            pad,
            percent_cap: scaled(unit, if is_inline { 0.8 } else { 0.62 }).max(MIN_VALUE_CAP),
            candidate_cap: scaled(unit, 0.48).max(MIN_VALUE_CAP),
            quiet_cap: scaled(unit, 0.36).max(MIN_QUIET_CAP),
            mark_width: scaled(height, 1.0 / 200.0).max(2),
            label_width,
            single_line_sizes: if shape == Shape::Portrait { 3 } else { 2 },
        }
    }

    /// Returns the area of the whole screen.
    pub fn area(&self) -> Rect {
        Rect { left: 0, top: 0, width: self.size.width, height: self.size.height }
    }

    /// Returns the area in which the picture may be.
    pub fn picture_area(&self) -> Rect {
        let Size { width, height } = self.size;
        let height = match self.shape {
            Shape::Portrait => width.min(scaled(height, 0.62)),
            Shape::Round => scaled(height, 0.645),
            Shape::Tiny => 0,
            Shape::Wide | Shape::Square => height,
        };
        Rect { left: 0, top: 0, width, height }
    }

    /// Returns the thickness of the rule below the name.
    pub fn rule_height(&self) -> u32 {
        scaled(self.unit, 1.0 / 11.0).max(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_follows_the_ratio_of_the_sides() {
        let shape = |width, height| ScreenClass::new(Size::new(width, height), false).shape;
        let sizes = [(1920, 1080), (800, 480), (320, 240), (240, 240), (480, 480), (480, 800), (240, 320)];
        use Shape::{Portrait, Square, Tiny, Wide};
        let shapes = [Wide, Wide, Wide, Square, Square, Portrait, Portrait];
        assert_eq!(sizes.map(|(width, height)| shape(width, height)), shapes);
        assert_eq!([(128, 64), (128, 32), (128, 128)].map(|(width, height)| shape(width, height)), [Tiny; 3]);
        assert_eq!(ScreenClass::new(Size::new(240, 240), true).shape, Shape::Round);
    }

    #[test]
    fn smallest_screen_has_no_size_of_zero() {
        let class = ScreenClass::new(Size::new(1, 1), false);
        assert!(class.unit >= 1);
        assert!(class.name_cap >= 1);
    }
}
