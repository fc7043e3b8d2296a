//! Draw list: the screen's content as a frame with panels over it, so that only changes are drawn.

use std::fmt::{Arguments, Write};
use std::ops::Range;
use std::time::Instant;

use embedded_graphics::pixelcolor::Rgb888;

use super::Text;
use super::picture_placement::PicturePlacement;
use phicam_frame::Rect;

/// Identity of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameKey {
    pub sequence: u64,
    pub captured: Instant,
}

/// Frame with its place and brightness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameItem {
    pub frame: FrameKey,
    pub placement: PicturePlacement,
    /// Brightness inside and outside of what the model sees, in 1/256.
    pub inside_brightness: u32,
    pub outside_brightness: u32,
    /// Thickness of the corner marks around what the model sees; 0 without marks.
    pub mark_width: u32,
}

/// Rectangle over the frame with the items that belong to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub area: Rect,
    /// Colour below the items; `None` shows the frame there.
    pub colour: Option<Rgb888>,
    items: Range<usize>,
}

/// Element of a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawItem {
    /// Pixels that it may touch.
    pub area: Rect,
    pub content: Content,
}

/// Content of an element. Texts are ranges of [`DrawList::text`].
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Text {
        text: Range<usize>,
        colour: Rgb888,
        cap_height: u32,
        origin: (u32, u32),
        is_one_bit: bool,
    },
    Fill {
        colour: Rgb888,
    },
    /// Every fourth pixel of a line, for screens without grey.
    Dots {
        colour: Rgb888,
    },
    WarningSign,
    /// Camera with a line through it.
    NoCameraSign {
        line_width: u32,
    },
}

/// Horizontal position of a text relative to its x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Align {
    Left,
    Centre,
    Right,
}

/// Colour, size and alignment of a text.
#[derive(Clone, Copy, Debug)]
pub struct Lettering {
    pub cap_height: u32,
    pub colour: Rgb888,
    pub align: Align,
    /// Whether pixels are on or off, without grey between.
    pub is_one_bit: bool,
}

impl Lettering {
    pub fn left(cap_height: u32, colour: Rgb888) -> Lettering {
        Lettering { cap_height, colour, align: Align::Left, is_one_bit: false }
    }

    pub fn right(cap_height: u32, colour: Rgb888) -> Lettering {
        Lettering { align: Align::Right, ..Lettering::left(cap_height, colour) }
    }

    pub fn centre(cap_height: u32, colour: Rgb888) -> Lettering {
        Lettering { align: Align::Centre, ..Lettering::left(cap_height, colour) }
    }
}

/// Everything on a canvas, from back to front.
#[derive(Default)]
pub struct DrawList {
    pub frame: Option<FrameItem>,
    pub panels: Vec<Panel>,
    items: Vec<DrawItem>,
    /// All texts, one after another.
    pub text: String,
}

impl DrawList {
    pub fn clear(&mut self) {
        self.frame = None;
        self.panels.clear();
        self.items.clear();
        self.text.clear();
    }

    /// Begins a panel, to which the items that follow belong.
    pub fn begin_panel(&mut self, area: Rect, colour: Option<Rgb888>) {
        let end = self.items.len();
        self.panels.push(Panel { area, colour, items: end..end });
    }

    fn add(&mut self, area: Rect, content: Content) {
        let Some(panel) = self.panels.last_mut() else { return };
        let area = area.intersection(panel.area);
        if area.width > 0 && area.height > 0 {
            self.items.push(DrawItem { area, content });
            panel.items.end = self.items.len();
        }
    }

    /// Adds a filled rectangle to the last panel.
    pub fn add_fill(&mut self, area: Rect, colour: Rgb888) {
        self.add(area, Content::Fill { colour });
    }

    /// Adds a dotted line to the last panel.
    pub fn add_dots(&mut self, area: Rect, colour: Rgb888) {
        self.add(area, Content::Dots { colour });
    }

    /// Adds a warning sign to the last panel.
    pub fn add_warning_sign(&mut self, area: Rect) {
        self.add(area, Content::WarningSign);
    }

    /// Adds the sign of a missing camera to the last panel.
    pub fn add_no_camera_sign(&mut self, area: Rect, line_width: u32) {
        self.add(area, Content::NoCameraSign { line_width });
    }

    /// Adds a line of text at (`x`, `baseline`) to the last panel.
    pub fn add_text(&mut self, letters: &mut Text, (x, baseline): (u32, u32), lettering: Lettering, words: Arguments) {
        let start = self.text.len();
        let _ = self.text.write_fmt(words); // Writing to a string cannot fail.
        let Lettering { cap_height, colour, align, is_one_bit } = lettering;
        let width = letters.styled_width(&self.text[start..], cap_height, is_one_bit);
        let left = match align {
            Align::Left => x,
            Align::Centre => x.saturating_sub(width / 2),
            Align::Right => x.saturating_sub(width),
        };
        // Noto Sans: accents on capitals reach 1.4 times their height, descenders 0.34 below the baseline.
        let (above, below) = (cap_height * 3 / 2, cap_height.div_ceil(2));
        let top = baseline.saturating_sub(above);
        let overhang = cap_height / 4; // a glyph may begin before its origin
        let from = left.saturating_sub(overhang);
        let area = Rect { left: from, top, width: left - from + width + overhang, height: baseline - top + below };
        let content =
            Content::Text { text: start..self.text.len(), colour, cap_height, origin: (left, baseline), is_one_bit };
        self.add(area, content);
    }

    /// Returns the items of `panel`.
    pub fn items(&self, panel: &Panel) -> &[DrawItem] {
        &self.items[panel.items.clone()]
    }

    /// Returns whether both lists have equal panels but for their items, in the same order.
    pub fn has_equal_panels(&self, other: &DrawList) -> bool {
        let is_equal = |(panel, other): (&Panel, &Panel)| (panel.area, panel.colour) == (other.area, other.colour);
        self.panels.len() == other.panels.len() && self.panels.iter().zip(&other.panels).all(is_equal)
    }

    /// Returns whether the item is equal to one of `others` in the list `other`.
    pub fn has_equal_item(&self, item: &DrawItem, other: &DrawList, others: &[DrawItem]) -> bool {
        others.iter().any(|candidate| self.is_item_equal(item, other, candidate))
    }

    /// Compares the texts themselves, not their ranges.
    fn is_item_equal(&self, item: &DrawItem, other: &DrawList, other_item: &DrawItem) -> bool {
        let (Content::Text { text, .. }, Content::Text { text: other_text, .. }) = (&item.content, &other_item.content)
        else {
            return item == other_item;
        };
        let is_style_equal = match (&item.content, &other_item.content) {
            (
                Content::Text { colour: a, cap_height: b, origin: c, is_one_bit: d, .. },
                Content::Text { colour: e, cap_height: f, origin: g, is_one_bit: h, .. },
            ) => (a, b, c, d) == (e, f, g, h),
            _ => false,
        };
        is_style_equal && item.area == other_item.area && self.text[text.clone()] == other.text[other_text.clone()]
    }
}
