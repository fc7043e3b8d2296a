//! Draws what is seen: the frame, the box that the model saw, the label, the probabilities, and what it took; of a
//! picture that it has drawn before only what has changed.

use embedded_graphics::geometry::{Point, Size as Extent};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyleBuilder, Rectangle, StrokeAlignment, StyledDrawable};

use crate::decode::Unpack;
use crate::frame::{Frame, Size};
use crate::picture::Picture;
use crate::view::Area;

mod compose;
mod layout;
mod plan;
mod preview;
mod scene;
mod text;
pub use layout::Layout;
use plan::{Content, Plan};
use preview::Preview;
pub use scene::{Fault, Faults, Scene, Stale};
pub use text::{NOTO_SANS, Text};

const PAPER: Rgb888 = Rgb888::new(16, 18, 22);
const INK: Rgb888 = Rgb888::new(240, 240, 240);
const QUIET: Rgb888 = Rgb888::new(150, 155, 165);
const ACCENT: Rgb888 = Rgb888::new(255, 196, 0);
const RED: Rgb888 = Rgb888::new(255, 110, 80);
const GROOVE: Rgb888 = Rgb888::new(48, 52, 60);
/// How bright the part of the frame is that the model did not see, of 256.
const UNSEEN_SHARE: u32 = 140;
/// How bright a frame is that is not of now, of 256.
const STALE_SHARE: u32 = 70;

/// Draws scenes for one picture; buffers and glyphs are made once.
#[derive(Default)]
pub struct Overlay {
    text: Text,
    unpack: Unpack,
    preview: Preview,
    /// What is on the picture.
    drawn: Plan,
    next: Plan,
    /// Size of the picture that `drawn` is on; nothing where it is on none.
    size: Option<Size>,
}

impl Overlay {
    /// Draws all of `scene` over whatever `picture` showed.
    pub fn draw(&mut self, picture: &mut Picture, scene: &Scene) {
        self.size = None;
        self.redraw(picture, scene, &mut Vec::new());
    }

    /// Draws what `scene` has changed since it was last drawn, on the same picture, and puts where that is into `damage`.
    pub fn redraw(&mut self, picture: &mut Picture, scene: &Scene, damage: &mut Vec<Area>) {
        damage.clear();
        if self.size != Some(picture.size()) {
            self.size = Some(picture.size());
            self.drawn.clear();
            let Ok(()) = picture.clear(PAPER);
            damage.push(picture.area());
        }
        // Of a JPEG that holds no picture the line has told: such a frame gets no answer either.
        let frame = scene.frame.and_then(|frame| self.unpack.unpacked(frame).ok());
        let layout = Layout::new(picture.size(), frame.as_ref().map_or(Size::new(4, 3), Frame::size));
        compose::compose(&mut self.next, &mut self.text, scene, frame.as_ref(), &layout);
        let is_whole = !damage.is_empty();
        // First all that goes, then all that comes: a cell may come where two others were.
        for (place, cell) in self.drawn.cells.iter().enumerate() {
            if !self.next.has(&self.drawn, place) {
                if !self.next.cells.iter().any(|next| next.area == cell.area && next.is_opaque()) {
                    fill(picture, cell.area, PAPER);
                }
                damage.push(cell.area);
            }
        }
        for place in 0..self.next.cells.len() {
            if !self.drawn.has(&self.next, place) {
                let area = self.next.cells[place].area;
                self.draw_cell(picture, place, frame.as_ref());
                if !is_whole && !damage.contains(&area) {
                    damage.push(area);
                }
            }
        }
        std::mem::swap(&mut self.drawn, &mut self.next);
    }

    fn draw_cell(&mut self, picture: &mut Picture, place: usize, frame: Option<&Frame>) {
        let cell = &self.next.cells[place];
        let area = cell.area;
        match cell.content {
            Content::Frame { seen, dim, ref words, capital, .. } => {
                let Some(frame) = frame else { return };
                self.preview.draw(picture, frame, area);
                if let Some(seen) = seen {
                    draw_seen(picture, seen, frame.size(), area);
                }
                if dim {
                    (area.top..area.top + area.height)
                        .for_each(|y| picture.darken(area.left, y, area.width, STALE_SHARE));
                    let words = &self.next.text[words.clone()];
                    let left = area.width.saturating_sub(self.text.width(words, capital)) / 2;
                    let at = (area.left + left, area.top + (area.height + capital) / 2);
                    self.text.draw(picture, at, words, capital, INK, area);
                }
            }
            Content::Line { ref text, colour, capital, left, baseline } => {
                let (words, at) = (&self.next.text[text.clone()], (area.left + left, area.top + baseline));
                self.text.draw(picture, at, words, capital, colour, area);
            }
            Content::Bar { width, filled, top, height } => {
                for (width, colour) in [(width, GROOVE), (filled, ACCENT)] {
                    let bar = Area { top: area.top + top, width, height, ..area };
                    fill(picture, plan::intersection(bar, area), colour);
                }
            }
        }
    }
}

fn fill(picture: &mut Picture, area: Area, colour: Rgb888) {
    let Ok(()) = picture.fill_solid(&rectangle(area), colour);
}

fn rectangle(Area { left, top, width, height }: Area) -> Rectangle {
    Rectangle::new(Point::new(left as i32, top as i32), Extent::new(width, height))
}

/// Darkens what the model did not see of a frame of `size`, and draws a box around what it did.
fn draw_seen(picture: &mut Picture, seen: Area, size: Size, area: Area) {
    let scale = |pixels: u32, to: u32, of: u32| (u64::from(pixels) * u64::from(to) / u64::from(of.max(1))) as u32;
    let Area { left, top, width, height } = seen;
    let across = |pixels: u32| scale(pixels, area.width, size.width).min(area.width);
    let down = |pixels: u32| scale(pixels, area.height, size.height).min(area.height);
    let (from_x, to_x) = (area.left + across(left), area.left + across(left + width));
    let (from_y, to_y) = (area.top + down(top), area.top + down(top + height));
    for y in area.top..area.top + area.height {
        if (from_y..to_y).contains(&y) {
            picture.darken(area.left, y, from_x - area.left, UNSEEN_SHARE);
            picture.darken(to_x, y, area.left + area.width - to_x, UNSEEN_SHARE);
        } else {
            picture.darken(area.left, y, area.width, UNSEEN_SHARE);
        }
    }
    let seen = Area { left: from_x, top: from_y, width: to_x - from_x, height: to_y - from_y };
    let line = (picture.size().height / 240).max(1);
    let style = PrimitiveStyleBuilder::new().stroke_color(ACCENT).stroke_width(line);
    let style = style.stroke_alignment(StrokeAlignment::Inside).build();
    let Ok(()) = rectangle(seen).draw_styled(&style, picture);
}

#[cfg(test)]
mod tests;
