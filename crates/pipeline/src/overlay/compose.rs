//! Decides what of a scene goes where, without drawing any of it.

use std::fmt::{Arguments, Write};

use embedded_graphics::pixelcolor::Rgb888;

use super::draw_list::{Content, FrameKey, Plan};
use super::scene::{Scene, rounded_ms};
use super::{ACCENT, INK, Layout, QUIET, RED, Text};
use crate::classify::Classification;
use phicam_frame::Frame;
use phicam_frame::Rect;

/// Puts the cells of `scene` into `plan`. `frame` is the scene's as pixels, where it has one.
pub fn compose(plan: &mut Plan, text: &mut Text, scene: &Scene, frame: Option<&Frame>, layout: &Layout) {
    plan.clear();
    if let Some(frame) = frame {
        add_frame(plan, text, scene, frame, layout);
    }
    add_label(plan, text, scene.answer, layout);
    let mut column = Column { area: layout.column, y: layout.column.top, capital: layout.small_capital, plan, text };
    for fault in scene.faults.words() {
        column.paragraph(fault, RED);
    }
    if let Some(notice) = scene.notice {
        column.paragraph(notice, RED);
    }
    match scene.answer {
        Some(answer) => column.answer(answer, scene),
        None => column.age(scene, None),
    }
}

fn add_frame(plan: &mut Plan, text: &mut Text, scene: &Scene, frame: &Frame, layout: &Layout) {
    let answer = scene.answer.filter(|answer| answer.frame_size == frame.size());
    let stale = scene.stale.filter(|stale| stale.dim);
    let start = plan.text.len();
    let (area, mut capital) = (layout.frame, layout.label_capital / 2);
    if let Some(stale) = stale {
        say(&mut plan.text, format_args!("no picture since {} s", stale.age_s));
        while capital > layout.small_capital && text.width(&plan.text[start..], capital) > area.width {
            capital -= 1;
        }
    }
    let key = FrameKey { sequence: frame.sequence, captured: frame.captured };
    let (seen, words) = (answer.map(|answer| answer.seen), start..plan.text.len());
    plan.add(area, area, Content::Frame { frame: key, seen, dim: stale.is_some(), words, capital });
}

fn add_label(plan: &mut Plan, text: &mut Text, answer: Option<&Classification>, layout: &Layout) {
    let best = answer.and_then(|answer| answer.predictions.best().first().map(|best| (answer, best)));
    let (label, colour) = match best {
        None => ("…", QUIET),
        Some((answer, _)) if answer.predictions.unsure => ("unsure", QUIET),
        Some((answer, best)) => (answer.model.labels.of(best.class), INK),
    };
    let (area, capital, start) = (layout.label, layout.label_capital, plan.text.len());
    let room = area.width.saturating_sub(capital);
    if text.width(label, capital) <= room {
        plan.text.push_str(label);
    } else {
        let dots = text.width("…", capital);
        plan.text.push_str(text.first_line(label, capital, room.saturating_sub(dots)));
        plan.text.push('…');
    }
    let (text, left, baseline) = (start..plan.text.len(), capital / 2, area.height * 3 / 4);
    plan.add(area, area, Content::Pipeline { text, colour, capital, left, baseline });
}

fn say(text: &mut String, words: Arguments) {
    let _ = text.write_fmt(words); // writing into a string cannot fail
}

/// A place for lines of small text, from top to bottom.
struct Column<'a> {
    area: Rect,
    y: u32,
    capital: u32,
    plan: &'a mut Plan,
    text: &'a mut Text,
}

impl Column<'_> {
    fn line_height(&self) -> u32 {
        self.capital + self.capital.div_ceil(2).max(3)
    }

    /// A cell begins so much above what stands in it: what the tails of its letters leave of the gap between lines is for
    /// the accents on capitals.
    fn lift(&self) -> u32 {
        let tails = (self.capital * 7).div_ceil(20); // 0.24 of the font's size, of which a capital is 0.714
        (self.line_height() - self.capital).saturating_sub(tails).min(self.y)
    }

    fn has_room(&self, height: u32) -> bool {
        self.y + height <= self.area.top + self.area.height
    }

    /// Takes the next `height` rows for `content`.
    fn add(&mut self, height: u32, content: Content) {
        let top = self.y - self.lift();
        let area = Rect { left: self.area.left, top, width: self.area.width, height };
        let within = Rect { top: 0, height: self.area.top + self.area.height, ..self.area };
        self.plan.add(area, within, content);
        self.y += height;
    }

    /// A line of the text from `start` on.
    fn line(&mut self, start: usize, colour: Rgb888) {
        if self.has_room(self.capital) {
            let shown = self.text.first_line(&self.plan.text[start..], self.capital, self.area.width).len();
            let (text, capital, baseline) = (start..start + shown, self.capital, self.lift() + self.capital);
            self.add(self.line_height(), Content::Pipeline { text, colour, capital, left: 0, baseline });
        }
    }

    fn say(&mut self, colour: Rgb888, words: Arguments) {
        let start = self.plan.text.len();
        say(&mut self.plan.text, words);
        self.line(start, colour);
    }

    fn paragraph(&mut self, mut rest: &str, colour: Rgb888) {
        while !rest.is_empty() && self.has_room(self.capital) {
            let line = self.text.first_line(rest, self.capital, self.area.width);
            if line.is_empty() {
                return; // narrower than one letter
            }
            self.say(colour, format_args!("{line}"));
            rest = rest[line.len()..].trim_start();
        }
    }

    fn bar(&mut self, share: f32) {
        let height = (self.capital / 3).max(2);
        let width = self.area.width.saturating_sub(self.capital);
        let filled = (share * width as f32).round() as u32;
        let content = Content::Bar { width, filled, top: self.lift(), height };
        self.add(height + self.capital.div_ceil(2), content);
    }

    /// The guesses with their bars, then what answered and how long it took; as much as there is room for.
    fn answer(&mut self, answer: &Classification, scene: &Scene) {
        let model = &answer.model;
        // The four short lines below the bars must fit as well.
        let below = 4 * self.line_height();
        for prediction in answer.predictions.best() {
            if !self.has_room(below + self.line_height() + self.capital) {
                break;
            }
            let label = model.labels.of(prediction.class);
            self.say(INK, format_args!("{:.0} % {label}", prediction.probability * 100.0));
            self.bar(prediction.probability);
        }
        self.say(ACCENT, format_args!("{}", model.variant.name));
        self.say(ACCENT, format_args!("{}", model.variant.phi_in_words()));
        self.say(QUIET, format_args!("{:.1} ms", answer.times.total_ms()));
        self.age(scene, Some(answer));
    }

    /// How old the answered frame is or, in red, the newest where that should not be so old.
    fn age(&mut self, scene: &Scene, answer: Option<&Classification>) {
        if let Some(stale) = scene.stale {
            return self.say(RED, format_args!("age {} s", stale.age_s));
        }
        let Some(answer) = answer else { return };
        match rounded_ms(scene.now.saturating_duration_since(answer.captured)) {
            ms @ 0..=10_000 => self.say(QUIET, format_args!("age {ms} ms")),
            ms => self.say(QUIET, format_args!("age {} s", ms / 1000)),
        }
    }
}
