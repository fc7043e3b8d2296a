//! Composition: fills the draw list from a scene, without drawing.

use std::fmt::{Arguments, Write};

use embedded_graphics::pixelcolor::Rgb888;

use super::draw_list::{Content, DrawList, FrameKey};
use super::scene::{Scene, round_up_ms};
use super::{ACCENT, Layout, MUTED, TEXT, Text, WARNING};
use crate::classify::Classification;
use phicam_frame::{Frame, Rect};

/// Fills `list` with the items of `scene`. `frame` is the scene's frame with a JPEG decoded.
pub fn compose(list: &mut DrawList, text: &mut Text, scene: &Scene, frame: Option<&Frame>, layout: &Layout) {
    list.clear();
    if let Some(frame) = frame {
        add_frame(list, text, scene, frame, layout);
    }
    add_label(list, text, scene.classification, layout);
    let mut column =
        Column { area: layout.column, y: layout.column.top, cap_height: layout.small_cap_height, list, text };
    for fault in scene.faults.messages() {
        column.add_paragraph(fault, WARNING);
    }
    if let Some(toast) = scene.toast {
        column.add_paragraph(toast, WARNING);
    }
    match scene.classification {
        Some(classification) => column.add_classification(classification, scene),
        None => column.add_age(scene, None),
    }
}

fn add_frame(list: &mut DrawList, text: &mut Text, scene: &Scene, frame: &Frame, layout: &Layout) {
    let classification = scene.classification.filter(|classification| classification.frame_size == frame.size());
    let dimmed = scene.stale.filter(|stale| stale.is_dimmed);
    let start = list.text.len();
    let area = layout.frame;
    let mut cap_height = layout.label_cap_height / 2;
    if let Some(stale) = dimmed {
        append(&mut list.text, format_args!("no frame for {} s", stale.age_s));
        while cap_height > layout.small_cap_height && text.width(&list.text[start..], cap_height) > area.width {
            cap_height -= 1;
        }
    }
    let content = Content::Frame {
        frame: FrameKey { sequence: frame.sequence, captured: frame.captured },
        region: classification.map(|classification| classification.region),
        is_dimmed: dimmed.is_some(),
        message: start..list.text.len(),
        cap_height,
    };
    list.add(area, area, content);
}

fn add_label(list: &mut DrawList, text: &mut Text, classification: Option<&Classification>, layout: &Layout) {
    let first = classification.and_then(|classification| {
        classification.predictions.best().first().map(|prediction| (classification, prediction))
    });
    let (label, colour) = match first {
        None => ("…", MUTED),
        Some((classification, _)) if classification.predictions.unsure => ("unsure", MUTED),
        Some((classification, prediction)) => (classification.model.labels.label(prediction.class), TEXT),
    };
    let (area, cap_height, start) = (layout.label, layout.label_cap_height, list.text.len());
    let max_width = area.width.saturating_sub(cap_height);
    if text.width(label, cap_height) <= max_width {
        list.text.push_str(label);
    } else {
        let ellipsis_width = text.width("…", cap_height);
        list.text.push_str(text.first_line(label, cap_height, max_width.saturating_sub(ellipsis_width)));
        list.text.push('…');
    }
    let content = Content::TextLine {
        text: start..list.text.len(),
        colour,
        cap_height,
        left: cap_height / 2,
        baseline: area.height * 3 / 4,
    };
    list.add(area, area, content);
}

fn append(text: &mut String, words: Arguments) {
    let _ = text.write_fmt(words); // Writing to a string cannot fail.
}

/// Column beside the frame, filled with lines of small text from top to bottom.
struct Column<'a> {
    area: Rect,
    /// Top of the next line.
    y: u32,
    cap_height: u32,
    list: &'a mut DrawList,
    text: &'a mut Text,
}

impl Column<'_> {
    fn line_height(&self) -> u32 {
        self.cap_height + self.cap_height.div_ceil(2).max(3)
    }

    /// Returns the distance from the top of an item to the top of its capitals.
    ///
    /// The gap between two lines is shared: descenders of the upper line get what they need, and accents on capitals of
    /// the lower line get the rest.
    fn ascent_margin(&self) -> u32 {
        let descent = (self.cap_height * 7).div_ceil(20); // Noto Sans: 0.24 of the font size; a capital is 0.714 of it.
        (self.line_height() - self.cap_height).saturating_sub(descent).min(self.y)
    }

    fn has_room(&self, height: u32) -> bool {
        self.y + height <= self.area.top + self.area.height
    }

    /// Adds `content` in the next `height` rows.
    fn add(&mut self, height: u32, content: Content) {
        let top = self.y - self.ascent_margin();
        let area = Rect { left: self.area.left, top, width: self.area.width, height };
        let clip = Rect { top: 0, height: self.area.top + self.area.height, ..self.area };
        self.list.add(area, clip, content);
        self.y += height;
    }

    /// Adds a line with the list's text from byte `start`, cut at the width of the column.
    fn add_line_from(&mut self, start: usize, colour: Rgb888) {
        if self.has_room(self.cap_height) {
            let length = self.text.first_line(&self.list.text[start..], self.cap_height, self.area.width).len();
            let content = Content::TextLine {
                text: start..start + length,
                colour,
                cap_height: self.cap_height,
                left: 0,
                baseline: self.ascent_margin() + self.cap_height,
            };
            self.add(self.line_height(), content);
        }
    }

    fn add_line(&mut self, colour: Rgb888, words: Arguments) {
        let start = self.list.text.len();
        append(&mut self.list.text, words);
        self.add_line_from(start, colour);
    }

    fn add_paragraph(&mut self, mut rest: &str, colour: Rgb888) {
        while !rest.is_empty() && self.has_room(self.cap_height) {
            let line = self.text.first_line(rest, self.cap_height, self.area.width);
            if line.is_empty() {
                return; // The column is narrower than a letter.
            }
            self.add_line(colour, format_args!("{line}"));
            rest = rest[line.len()..].trim_start();
        }
    }

    fn add_bar(&mut self, probability: f32) {
        let height = (self.cap_height / 3).max(2);
        let width = self.area.width.saturating_sub(self.cap_height);
        let filled = (probability * width as f32).round() as u32;
        let content = Content::Bar { width, filled, top: self.ascent_margin(), height };
        self.add(height + self.cap_height.div_ceil(2), content);
    }

    /// Adds the predictions that fit with their bars, then model, φ, latency and age.
    fn add_classification(&mut self, classification: &Classification, scene: &Scene) {
        let model = &classification.model;
        // Room for the four short lines below the bars.
        let reserved = 4 * self.line_height();
        for prediction in classification.predictions.best() {
            if !self.has_room(reserved + self.line_height() + self.cap_height) {
                break;
            }
            let label = model.labels.label(prediction.class);
            self.add_line(TEXT, format_args!("{:.0} % {label}", prediction.probability * 100.0));
            self.add_bar(prediction.probability);
        }
        self.add_line(ACCENT, format_args!("{}", model.variant.name));
        self.add_line(ACCENT, format_args!("{}", model.variant.phi_display()));
        self.add_line(MUTED, format_args!("{:.1} ms", classification.times.total_ms()));
        self.add_age(scene, Some(classification));
    }

    /// Adds the age of the classified frame, or that of a stale frame in the warning colour.
    fn add_age(&mut self, scene: &Scene, classification: Option<&Classification>) {
        if let Some(stale) = scene.stale {
            return self.add_line(WARNING, format_args!("age {} s", stale.age_s));
        }
        let Some(classification) = classification else { return };
        match round_up_ms(scene.now.saturating_duration_since(classification.captured)) {
            ms @ 0..=10_000 => self.add_line(MUTED, format_args!("age {ms} ms")),
            ms => self.add_line(MUTED, format_args!("age {} s", ms / 1000)),
        }
    }
}
