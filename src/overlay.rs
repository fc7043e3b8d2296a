//! Draws what is seen: the frame, the box that the model saw, the label, the probabilities, and what it took.

use std::fmt::Write;
use std::time::Instant;

use embedded_graphics::Drawable;
use embedded_graphics::geometry::{Point, Size as Extent};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyle, Rectangle, StyledDrawable};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::classifier::Answer;
use crate::decode::Unpack;
use crate::frame::Frame;
use crate::picture::Picture;
use crate::pixels::Pixels;
use crate::view::Area;

mod layout;
mod text;
pub use layout::Layout;
pub use text::{NOTO_SANS, Text};

/// What there is to draw.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub frame: Option<&'a Frame>,
    pub answer: Option<&'a Answer>,
    /// Something to say for a while: a change of model, a fault.
    pub notice: Option<&'a str>,
    pub now: Instant,
}

const PAPER: Rgb888 = Rgb888::new(16, 18, 22);
const INK: Rgb888 = Rgb888::new(240, 240, 240);
const QUIET: Rgb888 = Rgb888::new(150, 155, 165);
const ACCENT: Rgb888 = Rgb888::new(255, 196, 0);
const NOTICE: Rgb888 = Rgb888::new(255, 110, 80);
/// How bright the part of the frame is that the model did not see, of 256.
const UNSEEN_SHARE: u32 = 140;

/// Draws scenes; buffers and glyphs are made once.
pub struct Overlay {
    text: Text,
    unpack: Unpack,
    resizer: Resizer,
    pixels: Pixels,
    rgb: Vec<[u8; 3]>,
    scaled: Vec<U8x3>,
    line: String,
}

impl Default for Overlay {
    fn default() -> Overlay {
        Overlay {
            text: Text::default(),
            unpack: Unpack::default(),
            resizer: Resizer::new(),
            pixels: Pixels::default(),
            rgb: Vec::new(),
            scaled: Vec::new(),
            line: String::new(),
        }
    }
}

impl Overlay {
    /// Draws all of `scene` over whatever `picture` showed.
    pub fn draw(&mut self, picture: &mut Picture, scene: &Scene) {
        let Ok(()) = picture.clear(PAPER);
        // Of a JPEG that holds no picture the line has told: such a frame gets no answer either.
        let frame = scene.frame.and_then(|frame| self.unpack.unpacked(frame).ok());
        let frame_size = frame.as_ref().map_or(crate::frame::Size::new(4, 3), Frame::size);
        let layout = Layout::new(picture.size(), frame_size);
        if let Some(frame) = &frame {
            self.draw_frame(picture, frame, layout.frame);
            if let Some(answer) = scene.answer.filter(|answer| answer.frame_size == frame.size()) {
                draw_seen(picture, answer, layout.frame);
            }
        }
        self.draw_label(picture, scene.answer, &layout);
        self.draw_column(picture, scene, &layout);
    }

    fn draw_frame(&mut self, picture: &mut Picture, frame: &Frame, area: Area) {
        self.scaled.resize(area.width as usize * area.height as usize, U8x3::new([0; 3]));
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        if self.pixels.all(frame, &mut self.rgb).is_err() {
            return; // the line tells of this too
        }
        let from = TypedImageRef::from_buffer(frame.size().width, frame.size().height, self.rgb.as_flattened());
        let to = TypedImage::from_pixels_slice(area.width, area.height, &mut self.scaled);
        let (Ok(from), Ok(mut to)) = (from, to) else { return };
        if self.resizer.resize_typed::<U8x3>(&from, &mut to, &options).is_err() {
            return; // only a frame or an area without pixels: there is nothing to draw
        }
        for (row, y) in self.scaled.chunks_exact(area.width as usize).zip(area.top..) {
            let pixels = picture.row_mut(area.left, y, area.width);
            for (pixel, rgb) in pixels.iter_mut().zip(row) {
                let [red, green, blue] = rgb.0.map(u32::from);
                *pixel = red << 16 | green << 8 | blue;
            }
        }
    }

    fn draw_label(&mut self, picture: &mut Picture, answer: Option<&Answer>, layout: &Layout) {
        let best = answer.and_then(|answer| answer.guesses.best().first().map(|best| (answer, best)));
        let (label, colour) = match best {
            None => ("…", QUIET),
            Some((answer, _)) if answer.guesses.unsure => ("unsure", QUIET),
            Some((answer, best)) => (answer.model.labels.of(best.class), INK),
        };
        let (area, capital) = (layout.label, layout.label_capital);
        let room = area.width.saturating_sub(capital);
        let at = (area.left + capital / 2, area.top + area.height * 3 / 4);
        if self.text.width(label, capital) <= room {
            return self.text.draw(picture, at, label, capital, colour);
        }
        let dots = self.text.width("…", capital);
        let shown = self.text.first_line(label, capital, room.saturating_sub(dots));
        let end = at.0 + self.text.width(shown, capital);
        self.text.draw(picture, at, shown, capital, colour);
        self.text.draw(picture, (end, at.1), "…", capital, colour);
    }

    /// The guesses with their bars, then what answered and how long it took; as much as there is room for.
    fn draw_column(&mut self, picture: &mut Picture, scene: &Scene, layout: &Layout) {
        let capital = layout.small_capital;
        let mut column = Column { area: layout.column, y: layout.column.top, capital };
        if let Some(notice) = scene.notice {
            column.paragraph(&mut self.text, picture, notice, NOTICE);
        }
        let Some(answer) = scene.answer else { return };
        let model = &answer.model;
        // The four short lines below the bars must fit as well.
        let below = 4 * column.line_height();
        for guess in answer.guesses.best() {
            if !column.has_room(below + column.line_height() + capital) {
                break;
            }
            let label = model.labels.of(guess.class);
            self.say(|line| write!(line, "{:.0} % {label}", guess.probability * 100.0));
            column.line(&mut self.text, picture, &self.line, INK);
            column.bar(picture, guess.probability);
        }
        let age_ms = scene.now.saturating_duration_since(answer.captured).as_millis();
        self.say(|line| write!(line, "{}", model.choice.name));
        column.line(&mut self.text, picture, &self.line, ACCENT);
        self.say(|line| write!(line, "{}", model.choice.phi_in_words()));
        column.line(&mut self.text, picture, &self.line, ACCENT);
        self.say(|line| write!(line, "{:.1} ms", answer.times.total_ms()));
        column.line(&mut self.text, picture, &self.line, QUIET);
        self.say(|line| write!(line, "age {age_ms} ms"));
        column.line(&mut self.text, picture, &self.line, QUIET);
    }

    /// Writes one line into the kept buffer.
    fn say(&mut self, write: impl FnOnce(&mut String) -> std::fmt::Result) {
        self.line.clear();
        let _ = write(&mut self.line); // writing into a string cannot fail
    }
}

/// A place for lines of small text, from top to bottom.
struct Column {
    area: Area,
    y: u32,
    capital: u32,
}

impl Column {
    fn line_height(&self) -> u32 {
        self.capital + self.capital.div_ceil(2).max(3)
    }

    fn has_room(&self, height: u32) -> bool {
        self.y + height <= self.area.top + self.area.height
    }

    fn line(&mut self, text: &mut Text, picture: &mut Picture, line: &str, colour: Rgb888) {
        if self.has_room(self.capital) {
            let shown = text.first_line(line, self.capital, self.area.width);
            text.draw(picture, (self.area.left, self.y + self.capital), shown, self.capital, colour);
            self.y += self.line_height();
        }
    }

    fn paragraph(&mut self, text: &mut Text, picture: &mut Picture, mut rest: &str, colour: Rgb888) {
        while !rest.is_empty() && self.has_room(self.capital) {
            let line = text.first_line(rest, self.capital, self.area.width);
            if line.is_empty() {
                return; // narrower than one letter
            }
            self.line(text, picture, line, colour);
            rest = rest[line.len()..].trim_start();
        }
    }

    fn bar(&mut self, picture: &mut Picture, share: f32) {
        let height = (self.capital / 3).max(2);
        let width = self.area.width.saturating_sub(self.capital);
        let filled = (share * width as f32).round() as u32;
        for (width, colour) in [(width, Rgb888::new(48, 52, 60)), (filled, ACCENT)] {
            let at = Point::new(self.area.left as i32, self.y as i32);
            fill(picture, Rectangle::new(at, Extent::new(width, height)), colour);
        }
        self.y += height + self.capital.div_ceil(2);
    }
}

fn fill(picture: &mut Picture, area: Rectangle, colour: Rgb888) {
    let Ok(()) = area.into_styled(PrimitiveStyle::with_fill(colour)).draw(picture);
}

/// Darkens what the model did not see, and draws a box around what it did.
fn draw_seen(picture: &mut Picture, answer: &Answer, area: Area) {
    let scale = |pixels: u32, to: u32, of: u32| (u64::from(pixels) * u64::from(to) / u64::from(of.max(1))) as u32;
    let Area { left, top, width, height } = answer.seen;
    let size = answer.frame_size;
    let across = |pixels: u32| scale(pixels, area.width, size.width);
    let down = |pixels: u32| scale(pixels, area.height, size.height);
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
    let seen = Rectangle::new(Point::new(from_x as i32, from_y as i32), Extent::new(to_x - from_x, to_y - from_y));
    let line = (picture.size().height / 240).max(1);
    let Ok(()) = seen.draw_styled(&PrimitiveStyle::with_stroke(ACCENT, line), picture);
}

#[cfg(test)]
mod tests;
