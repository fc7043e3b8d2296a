//! Label card: name, percentage and rule; candidates while the answer is not clear; how long it has been shown.

use phicam_display::words::{Certainty, MessageKind, ScreenWords};

use super::Text;
use super::draw_list::{DrawList, Lettering};
use super::name_fit::{FittedName, NameRoom, fit_name};
use super::palette::{ACCENT, GROOVE, INK, PAPER, QUIET};
use super::screen_class::{ScreenClass, Shape, scaled};
use phicam_frame::Rect;

/// Distance of the baselines of two lines of the name, in capitals.
const NAME_PITCH: f64 = 1.45;
/// Distance of the baselines of two candidates, in capitals.
const CANDIDATE_PITCH: f64 = 1.85;
/// Depth of the name below its baseline, in capitals: descenders of Noto Sans.
const DESCENT: f64 = 0.34;
/// Size of an answer that is not clear: the third step of the name.
const NOT_CLEAR_STEP: usize = 2;
const NOT_CLEAR_RATIO: f64 = 0.68;
/// Smallest size of the candidates, as a share of their usual one.
const MIN_CANDIDATE_RATIO: f64 = 0.8;

/// Measures of one label.
struct Card<'a> {
    words: &'a ScreenWords,
    is_unsure: bool,
    /// Number of candidates that are shown.
    candidate_count: usize,
    name: FittedName<'a>,
    percent_cap: u32,
    /// Width that every percentage needs, so that the label keeps its size.
    percent_width: u32,
    /// Width behind the name that the percentage needs.
    tail: u32,
    time: &'a str,
    name_pitch: u32,
    candidate_pitch: u32,
    /// Heights of the parts, from top to bottom.
    name_height: u32,
    descent: u32,
    rule_part: u32,
    candidate_part: u32,
    time_part: u32,
}

impl<'a> Card<'a> {
    fn new(text: &mut Text, class: &ScreenClass, words: &'a ScreenWords) -> Card<'a> {
        let unit = class.unit;
        let is_unsure = words.kind == MessageKind::Answer(Certainty::Unsure);
        let max_candidates = match (class.shape, is_unsure) {
            (Shape::Round, true) => 2,
            (Shape::Round, false) => 1,
            _ => usize::MAX,
        };
        let candidate_count = words.candidates().len().min(max_candidates);
        // Nobody asks for how long it has been unsure, but an old picture must not look live.
        let is_hidden = class.is_small || is_unsure && !words.is_late;
        let time = if is_hidden { "" } else { words.time.as_str() };
        // What is not clear is said in smaller letters.
        let is_certain = words.kind == MessageKind::Answer(Certainty::Sure);
        let is_smaller = class.is_inline && !is_certain;
        let percent_cap = scaled(class.percent_cap, if is_smaller { NOT_CLEAR_RATIO } else { 1.0 });
        let percent_width = text.width("99 %", percent_cap);
        let tail = if class.is_inline && !is_unsure { percent_width + scaled(unit, 0.7) } else { 0 };
        let first_step = if is_certain { 0 } else { NOT_CLEAR_STEP };
        let room = NameRoom {
            cap_height: class.name_cap,
            width: class.label_width,
            tail,
            first_step,
            single_line_steps: class.single_line_sizes.max(first_step + 1),
        };
        let name = fit_name(text, &words.title, room);
        let name_pitch = scaled(name.cap_height, NAME_PITCH);
        let candidate_pitch = scaled(class.candidate_cap, CANDIDATE_PITCH);
        let rule_part = match () {
            () if is_unsure && (time.is_empty() || !class.is_inline) => 0,
            () if class.is_inline && time.is_empty() => scaled(unit, 0.22) + class.rule_height(),
            () if class.is_inline => scaled(unit, 0.22) + class.quiet_cap,
            () => scaled(unit, 0.30) + class.percent_cap,
        };
        let candidate_part = match candidate_count as u32 {
            0 => 0,
            count => candidate_gap(class, is_unsure) + class.candidate_cap + candidate_pitch * (count - 1),
        };
        let time_part = if time.is_empty() || class.is_inline { 0 } else { scaled(unit, 0.55) + class.quiet_cap };
        Card {
            words,
            is_unsure,
            candidate_count,
            name,
            percent_cap,
            percent_width,
            tail,
            time,
            name_pitch,
            candidate_pitch,
            name_height: name.cap_height + name_pitch * (name.line_count() - 1),
            descent: scaled(name.cap_height, DESCENT),
            rule_part,
            candidate_part,
            time_part,
        }
    }

    fn content_height(&self) -> u32 {
        self.name_height + self.descent + self.rule_part + self.candidate_part + self.time_part
    }

    /// Returns the width that the words need.
    fn content_width(&self, text: &mut Text, class: &ScreenClass) -> u32 {
        let FittedName { first, cap_height, is_cut, .. } = self.name;
        let ellipsis = if is_cut { text.width("…", cap_height) } else { 0 };
        let last = text.width(self.name.last(), cap_height) + ellipsis + self.tail;
        let name = if self.name.second.is_some() { last.max(text.width(first, cap_height)) } else { last };
        let rule =
            if self.is_unsure { 0 } else { class.unit * if class.is_inline { 6 } else { 4 } + self.percent_width };
        let time = if class.is_inline && !self.time.is_empty() {
            text.width(self.time, class.quiet_cap) + class.unit * 2
        } else {
            0
        };
        let candidate_percent = text.width("99 %", class.candidate_cap);
        let candidates = (0..self.candidate_count).map(|index| {
            candidate_width(text, self.words, index, class.candidate_cap) + candidate_percent + class.unit
        });
        let candidates = candidates.max().unwrap_or(0).min(class.label_width);
        name.max(rule).max(candidates).max(time)
    }
}

/// Returns the distance from the rule, or from the word "unsure", to the first candidate's capitals.
fn candidate_gap(class: &ScreenClass, is_unsure: bool) -> u32 {
    scaled(class.unit, if is_unsure { 0.32 } else { 0.5 })
}

fn candidate_width(text: &mut Text, words: &ScreenWords, index: usize, cap: u32) -> u32 {
    let conjunction = text.width(words.conjunction(index), cap) + text.width(" ", cap);
    conjunction + text.width(&words.candidates()[index].label, cap)
}

/// Adds the panel of the answer of `words` to `list`.
pub fn add_label_card(list: &mut DrawList, text: &mut Text, class: &ScreenClass, words: &ScreenWords) {
    let card = Card::new(text, class, words);
    let (width, height) = (class.size.width, class.size.height);
    let (pad, content_height) = (class.pad, card.content_height());
    let content_width = card.content_width(text, class);
    let padded_top = height.saturating_sub(content_height + 2 * pad);
    let (area, inner, left, top) = match class.shape {
        Shape::Portrait => {
            let y = class.picture_area().height.min(padded_top);
            let area = Rect { left: 0, top: y, width, height: height - y };
            let gap = scaled((height - y).saturating_sub(content_height), 0.40).max(pad);
            (area, width.saturating_sub(2 * pad), pad, y + gap)
        }
        Shape::Round => {
            let (inner, below) = match (card.is_unsure, card.candidate_count) {
                (true, _) => (0.64, 0.13),
                (false, 0) => (0.60, 0.14),
                (false, _) => (0.70, 0.16),
            };
            let inner = scaled(width, inner);
            let y = height.saturating_sub(content_height + pad + scaled(height, below));
            let area = Rect { left: 0, top: y, width, height: height - y };
            (area, inner, (width - inner) / 2, y + pad)
        }
        Shape::Wide | Shape::Square | Shape::Tiny => {
            let area = Rect {
                left: 0,
                top: padded_top,
                width: (content_width + 2 * pad).min(width),
                height: height - padded_top,
            };
            (area, content_width, pad, padded_top + pad)
        }
    };
    list.begin_panel(area, Some(PAPER));
    let right = left + inner;
    let mut baseline = top + card.name.cap_height;
    add_name(list, text, class, &card, (left, baseline));
    baseline += card.name_pitch * (card.name.line_count() - 1);
    let percent = words.percent;
    if !card.is_unsure && class.is_inline {
        let lettering = Lettering::right(card.percent_cap, ACCENT);
        list.add_text(text, (right, baseline), lettering, format_args!("{percent} %"));
    }
    baseline += card.descent + card.rule_part;
    if card.is_unsure && class.is_inline && !card.time.is_empty() {
        let lettering = Lettering::right(class.quiet_cap, QUIET);
        list.add_text(text, (right, baseline), lettering, format_args!("{}", card.time));
    } else if !card.is_unsure {
        add_rule(list, text, class, &card, (left, right, baseline));
    }
    let candidate_cap = shared_candidate_cap(text, class, &card, inner);
    for index in 0..card.candidate_count {
        baseline +=
            if index > 0 { card.candidate_pitch } else { candidate_gap(class, card.is_unsure) + class.candidate_cap };
        add_candidate(list, text, words, index, candidate_cap, (left, right, baseline));
    }
    if card.time_part > 0 {
        let lettering = Lettering::left(class.quiet_cap, QUIET);
        list.add_text(text, (left, baseline + card.time_part), lettering, format_args!("{}", card.time));
    }
}

fn add_name(list: &mut DrawList, text: &mut Text, class: &ScreenClass, card: &Card, (left, baseline): (u32, u32)) {
    let FittedName { first, second, is_cut, cap_height, .. } = card.name;
    let colour = if card.is_unsure { QUIET } else { INK };
    let (lettering, x) = match class.shape {
        Shape::Round => (Lettering::centre(cap_height, colour), class.size.width / 2),
        _ => (Lettering::left(cap_height, colour), left),
    };
    let ellipsis = if is_cut { "…" } else { "" };
    match second {
        None => list.add_text(text, (x, baseline), lettering, format_args!("{first}{ellipsis}")),
        Some(second) => {
            list.add_text(text, (x, baseline), lettering, format_args!("{first}"));
            list.add_text(text, (x, baseline + card.name_pitch), lettering, format_args!("{second}{ellipsis}"));
        }
    }
}

/// Adds the rule, with the time or the percentage at its end.
fn add_rule(
    list: &mut DrawList,
    text: &mut Text,
    class: &ScreenClass,
    card: &Card,
    (left, right, baseline): (u32, u32, u32),
) {
    let (unit, thick, percent) = (class.unit, class.rule_height(), card.words.percent);
    let (length, middle) = if class.is_inline {
        let time = match card.time {
            "" => 0,
            time => {
                list.add_text(
                    text,
                    (right, baseline),
                    Lettering::right(class.quiet_cap, QUIET),
                    format_args!("{time}"),
                );
                text.width(time, class.quiet_cap) + scaled(unit, 0.5)
            }
        };
        let below_middle = if card.time.is_empty() { thick } else { class.quiet_cap } / 2;
        ((right - left).saturating_sub(time), baseline - below_middle)
    } else {
        let lettering = Lettering::right(class.percent_cap, ACCENT);
        list.add_text(text, (right, baseline), lettering, format_args!("{percent} %"));
        ((right - left).saturating_sub(card.percent_width + scaled(unit, 0.4)), baseline - class.percent_cap / 2)
    };
    let rule = Rect { left, top: middle.saturating_sub(thick / 2), width: length, height: thick };
    list.add_fill(rule, GROOVE);
    list.add_fill(Rect { width: scaled(length, f64::from(percent) / 100.0), ..rule }, ACCENT);
}

/// Returns the capitals at which all candidates fit beside their percentages, down to a limit.
fn shared_candidate_cap(text: &mut Text, class: &ScreenClass, card: &Card, inner: u32) -> u32 {
    let smallest = scaled(class.candidate_cap, MIN_CANDIDATE_RATIO).max(9);
    let mut cap = class.candidate_cap;
    while cap > smallest
        && (0..card.candidate_count).any(|index| {
            candidate_width(text, card.words, index, cap) + text.width("99 %", cap) + class.unit / 2 > inner
        })
    {
        cap -= 1;
    }
    cap
}

fn add_candidate(
    list: &mut DrawList,
    text: &mut Text,
    words: &ScreenWords,
    index: usize,
    cap: u32,
    (left, right, baseline): (u32, u32, u32),
) {
    let candidate = &words.candidates()[index];
    let conjunction = words.conjunction(index);
    let label_left = left + text.width(conjunction, cap) + text.width(" ", cap);
    let room = right.saturating_sub(label_left + text.width("99 %", cap) + cap / 2);
    let (label, ellipsis) = text.cut(&candidate.label, cap, room);
    list.add_text(text, (left, baseline), Lettering::left(cap, INK), format_args!("{conjunction} {label}{ellipsis}"));
    list.add_text(text, (right, baseline), Lettering::right(cap, INK), format_args!("{} %", candidate.percent));
}

/// Returns the name of `words` as the label has it.
#[cfg(test)]
pub fn fitted_name<'a>(text: &mut Text, class: &ScreenClass, words: &'a ScreenWords) -> FittedName<'a> {
    Card::new(text, class, words).name
}
