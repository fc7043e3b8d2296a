//! Draws a frame with all that is drawn over it: the box of what the model saw, darkness, words.

use embedded_graphics::primitives::{PrimitiveStyleBuilder, StrokeAlignment, StyledDrawable};

use super::frame_scaler::Preview;
use super::{ACCENT, INK, Text, rectangle};
use phicam_frame::Rect;
use phicam_frame::canvas::Canvas;
use phicam_frame::{Frame, Size};

/// How bright the part of the frame is that the model did not see, of 256.
const UNSEEN_SHARE: u32 = 140;
/// How bright a frame is that is not of now, of 256.
const STALE_SHARE: u32 = 70;

/// See the module.
pub struct Framed<'a> {
    pub frame: &'a Frame,
    /// What the model saw of it.
    pub seen: Option<Rect>,
    /// What is said over it, where it is not of now.
    pub words: Option<&'a str>,
    /// Height in pixels of the capitals of the words.
    pub capital: u32,
    /// How thick the box's lines are.
    pub line: u32,
}

/// How thick lines are on a screen of `size`.
pub fn line(size: Size) -> u32 {
    (size.height / 240).max(1)
}

impl Framed<'_> {
    /// Draws it into `area` of `picture`.
    pub fn draw(&self, picture: &mut Canvas, area: Rect, preview: &mut Preview, text: &mut Text) {
        preview.draw(picture, self.frame, area);
        if let Some(seen) = self.seen {
            self.draw_seen(picture, seen, area);
        }
        if let Some(words) = self.words {
            let capital = self.capital;
            (area.top..area.top + area.height).for_each(|y| picture.darken(area.left, y, area.width, STALE_SHARE));
            let left = area.width.saturating_sub(text.width(words, capital)) / 2;
            let at = (area.left + left, area.top + (area.height + capital) / 2);
            text.draw(picture, at, words, capital, INK, area);
        }
    }

    /// Darkens what the model did not see, and draws a box around what it did.
    fn draw_seen(&self, picture: &mut Canvas, seen: Rect, area: Rect) {
        let size = self.frame.size();
        let scale = |pixels: u32, to: u32, of: u32| (u64::from(pixels) * u64::from(to) / u64::from(of.max(1))) as u32;
        let Rect { left, top, width, height } = seen;
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
        let seen = Rect { left: from_x, top: from_y, width: to_x - from_x, height: to_y - from_y };
        let style = PrimitiveStyleBuilder::new().stroke_color(ACCENT).stroke_width(self.line);
        let style = style.stroke_alignment(StrokeAlignment::Inside).build();
        let Ok(()) = rectangle(seen).draw_styled(&style, picture);
    }
}
