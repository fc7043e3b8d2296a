//! Draw list: the screen's content as rectangles without overlap, so that each can be redrawn alone.

use std::ops::Range;
use std::time::Instant;

use embedded_graphics::pixelcolor::Rgb888;

use phicam_frame::{Rect, Size};

/// Rectangle of the canvas with its content, which is clipped to it.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawItem {
    pub area: Rect,
    pub content: Content,
}

impl DrawItem {
    /// Returns whether the content covers its area completely.
    pub fn is_opaque(&self) -> bool {
        matches!(self.content, Content::Frame { .. })
    }
}

/// Content of a draw item. Texts are ranges of [`DrawList::text`].
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Frame with the box around the model's region; a dimmed one has a message over it.
    Frame { frame: FrameKey, region: Option<Rect>, is_dimmed: bool, message: Range<usize>, cap_height: u32 },
    /// Line of text; `left` and `baseline` are in pixels from the corner of the item.
    TextLine { text: Range<usize>, colour: Rgb888, cap_height: u32, left: u32, baseline: u32 },
    /// Bar of which some columns are filled; `top` is in pixels from the top of the item.
    Bar { width: u32, filled: u32, top: u32, height: u32 },
}

/// Identity of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameKey {
    pub sequence: u64,
    pub captured: Instant,
}

/// All draw items of a canvas.
#[derive(Default)]
pub struct DrawList {
    pub items: Vec<DrawItem>,
    /// Item of the frame and the size to draw it in, if it is on a layer over the area of the item.
    pub layer: Option<(DrawItem, Size)>,
    /// All texts, one after another.
    pub text: String,
}

impl DrawList {
    pub fn clear(&mut self) {
        self.items.clear();
        self.layer = None;
        self.text.clear();
    }

    /// Adds an item, clipped to `clip`, unless nothing of it remains.
    pub fn add(&mut self, area: Rect, clip: Rect, content: Content) {
        let area = area.intersection(clip);
        if area.width > 0 && area.height > 0 {
            self.items.push(DrawItem { area, content });
        }
    }

    /// Returns whether this list contains an item equal to the one of `other` at `index`.
    pub fn contains_item(&self, other: &DrawList, index: usize) -> bool {
        let item = &other.items[index];
        let is_equal =
            |own: &DrawItem| own.area == item.area && self.is_content_equal(&own.content, other, &item.content);
        // Most items keep their index.
        self.items.get(index).is_some_and(is_equal) || self.items.iter().any(is_equal)
    }

    /// Returns whether the layers of this list and of `other` are equal.
    pub fn is_layer_equal(&self, other: &DrawList) -> bool {
        match (&self.layer, &other.layer) {
            (Some((item, size)), Some((other_item, other_size))) => {
                item.area == other_item.area
                    && size == other_size
                    && self.is_content_equal(&item.content, other, &other_item.content)
            }
            (layer, other_layer) => layer.is_none() && other_layer.is_none(),
        }
    }

    /// Compares the texts themselves, not their ranges.
    fn is_content_equal(&self, content: &Content, other: &DrawList, other_content: &Content) -> bool {
        let text_range = |content: &Content| match content {
            Content::Frame { message: text, .. } | Content::TextLine { text, .. } => text.clone(),
            Content::Bar { .. } => 0..0,
        };
        let without_range = |content: &Content| {
            let mut content = content.clone();
            if let Content::Frame { message: text, .. } | Content::TextLine { text, .. } = &mut content {
                *text = 0..0;
            }
            content
        };
        without_range(content) == without_range(other_content)
            && self.text[text_range(content)] == other.text[text_range(other_content)]
    }
}
