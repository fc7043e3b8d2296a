//! What is where on a picture: cells that do not overlap, so that each can be drawn anew without the others.

use std::ops::Range;
use std::time::Instant;

use embedded_graphics::pixelcolor::Rgb888;

use phicam_frame::Rect;
use phicam_frame::Size;

/// One rectangle of a picture. Nothing of it is drawn outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub area: Rect,
    pub content: Content,
}

impl Cell {
    /// Whether it leaves nothing of what was there before.
    pub fn is_opaque(&self) -> bool {
        matches!(self.content, Content::Frame { .. })
    }
}

/// What a cell shows. Texts are places in [`Plan::text`].
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// The frame with the box of what the model saw, perhaps dimmed, with words over it.
    Frame { frame: FrameKey, seen: Option<Rect>, dim: bool, words: Range<usize>, capital: u32 },
    /// One line; `baseline` and `left` are in pixels from the cell's corner.
    Pipeline { text: Range<usize>, colour: Rgb888, capital: u32, left: u32, baseline: u32 },
    /// A bar of which some columns are filled, from `top` on.
    Bar { width: u32, filled: u32, top: u32, height: u32 },
}

/// Tells one frame from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameKey {
    pub sequence: u64,
    pub captured: Instant,
}

/// All cells of a picture.
#[derive(Default)]
pub struct Plan {
    pub cells: Vec<Cell>,
    /// The frame's, where it is in a picture of its own: of that size, shown over the cell's area.
    pub layer: Option<(Cell, Size)>,
    /// All texts, one after another.
    pub text: String,
}

impl Plan {
    pub fn clear(&mut self) {
        self.cells.clear();
        self.layer = None;
        self.text.clear();
    }

    /// Adds a cell, cut off at `within`, unless nothing of it is left.
    pub fn add(&mut self, area: Rect, within: Rect, content: Content) {
        let area = area.intersection(within);
        if area.width > 0 && area.height > 0 {
            self.cells.push(Cell { area, content });
        }
    }

    /// Whether this plan has the very cell that `other` has at `place`.
    pub fn has(&self, other: &Plan, place: usize) -> bool {
        let cell = &other.cells[place];
        // Most cells keep their place.
        let same = |mine: &Cell| mine.area == cell.area && self.is_same(&mine.content, other, &cell.content);
        self.cells.get(place).is_some_and(same) || self.cells.iter().any(same)
    }

    /// Whether this plan has the very layer that `other` has.
    pub fn has_layer(&self, other: &Plan) -> bool {
        match (&self.layer, &other.layer) {
            (Some((mine, size)), Some((its, its_size))) => {
                mine.area == its.area && size == its_size && self.is_same(&mine.content, other, &its.content)
            }
            (mine, its) => mine.is_none() && its.is_none(),
        }
    }

    fn is_same(&self, mine: &Content, other: &Plan, its: &Content) -> bool {
        let words = |content: &Content| match content {
            Content::Frame { words: text, .. } | Content::Pipeline { text, .. } => text.clone(),
            Content::Bar { .. } => 0..0,
        };
        let without = |content: &Content| {
            let mut content = content.clone();
            if let Content::Frame { words: text, .. } | Content::Pipeline { text, .. } = &mut content {
                *text = 0..0;
            }
            content
        };
        without(mine) == without(its) && self.text[words(mine)] == other.text[words(its)]
    }
}
