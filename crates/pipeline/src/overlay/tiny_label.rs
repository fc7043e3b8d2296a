//! Label of tiny screens, such as OLED modules of 128 × 64 and 128 × 32 pixels: name and percentage, without grey.

use phicam_display::words::{Certainty, MessageKind, NoticeWords, ScreenWords};

use super::Text;
use super::draw_list::{Align, DrawList, Lettering};
use super::messages::longest_fitting;
use super::palette::{INK, PAPER};
use super::screen_class::{ScreenClass, scaled};
use phicam_frame::Rect;

/// Height in pixels below which the percentage stands beside the name.
const LOW_HEIGHT: u32 = 48;
/// Capitals in pixels of names in one line and in two: the project's design, whole pixels that stay legible.
const SINGLE_LINE: [u32; 3] = [18, 15, 13];
const TWO_LINES: [u32; 6] = [13, 12, 11, 10, 9, 8];
const LOW_SINGLE_LINE: [u32; 5] = [13, 12, 11, 10, 9];
const LOW_TWO_LINES: [u32; 2] = [9, 8];
/// Height of a notice at the top, in pixels.
const STRIP_HEIGHT: u32 = 14;
/// Smallest legible capitals, in pixels.
const MIN_CAP: u32 = 8;

fn one_bit(cap_height: u32, align: Align) -> Lettering {
    Lettering { cap_height, colour: INK, align, is_one_bit: true }
}

/// Adds the values of the details page in rows of two, without their names.
pub fn add_tiny_details(list: &mut DrawList, text: &mut Text, class: &ScreenClass, words: &ScreenWords) {
    let (width, height) = (class.size.width, class.size.height);
    let (cap, first, rows) = if height < LOW_HEIGHT { (8, 11, 2) } else { (9, 12, height as usize / 16) };
    list.begin_panel(class.area(), Some(PAPER));
    for (row, pair) in (0..).zip(words.details.chunks(2).take(rows)) {
        for (detail, (x, align)) in pair.iter().zip([(1, Align::Left), (width - 1, Align::Right)]) {
            list.add_text(text, (x, first + 16 * row), one_bit(cap, align), format_args!("{}", detail.value));
        }
    }
}

/// Adds everything that a tiny screen shows.
pub fn add_tiny_label(list: &mut DrawList, text: &mut Text, class: &ScreenClass, words: &ScreenWords) {
    let (width, height) = (class.size.width, class.size.height);
    let is_low = height < LOW_HEIGHT;
    // A notice takes the first rows of a higher screen, and the last row of a low one.
    let has_notice = words.notice.is_some() && words.has_answer();
    let (top, other_count) = if has_notice && !is_low { (STRIP_HEIGHT + 1, 1) } else { (0, 2) };
    list.begin_panel(class.area(), Some(PAPER));
    match words.kind {
        MessageKind::Waiting => {}
        MessageKind::NoCamera | MessageKind::Stale => add_message(list, text, class, words, is_low),
        MessageKind::Answer(Certainty::Sure) => add_sure(list, text, class, words, is_low),
        MessageKind::Answer(Certainty::NotClear) if is_low => {
            let first = [(words.title.as_str(), "", words.percent)];
            let others = words.candidates().iter().map(|other| (other.label.as_str(), "", other.percent));
            for (index, row) in first.into_iter().chain(others).take(if has_notice { 1 } else { 2 }).enumerate() {
                add_row(list, text, row, 9, 12 + 16 * index as u32, width);
            }
        }
        MessageKind::Answer(Certainty::NotClear) => {
            add_row(list, text, (&words.title, "", words.percent), 11, top + scaled(height, 15.0 / 64.0), width);
            add_rule(list, 1, top + scaled(height, 21.0 / 64.0), width.saturating_sub(2), 3, words.percent);
            for (index, other) in words.candidates().iter().take(other_count).enumerate() {
                let baseline = top + scaled(height, 38.0 / 64.0) + scaled(height, 18.0 / 64.0) * index as u32;
                add_row(list, text, (&other.label, words.conjunction(index), other.percent), 9, baseline, width);
            }
        }
        MessageKind::Answer(Certainty::Unsure) => {
            let (cap, baseline) = if is_low { (10, 12) } else { (13, top + scaled(height, 17.0 / 64.0)) };
            list.add_text(text, (1, baseline), one_bit(cap, Align::Left), format_args!("unsure"));
            let (row_cap, first, count) = if is_low {
                (8, 28, usize::from(!has_notice))
            } else {
                (9, top + scaled(height, 37.0 / 64.0), other_count)
            };
            for (index, other) in words.candidates().iter().take(count).enumerate() {
                let baseline = first + scaled(height, 18.0 / 64.0) * index as u32;
                let conjunction = if is_low { "" } else { words.conjunction(index) };
                add_row(list, text, (&other.label, conjunction, other.percent), row_cap, baseline, width);
            }
        }
    }
    if let (Some(notice), true) = (&words.notice, words.has_answer()) {
        add_strip(list, text, notice, width, is_low);
    }
}

fn add_message(list: &mut DrawList, text: &mut Text, class: &ScreenClass, words: &ScreenWords, is_low: bool) {
    let (width, height) = (class.size.width, class.size.height);
    let (mut cap, hint_cap) = if is_low { (11, 8) } else { (14, 9) };
    // The age is what counts.
    let title = words.title.strip_prefix("No new picture for ").unwrap_or(&words.title);
    let title = if text.styled_width(&words.title, MIN_CAP, true) <= width { words.title.as_str() } else { title };
    while cap > MIN_CAP && text.styled_width(title, cap, true) > width {
        cap -= 1;
    }
    let (first, second) = if is_low { (14, 28) } else { (scaled(height, 27.0 / 64.0), scaled(height, 47.0 / 64.0)) };
    let (title, ellipsis) = cut(text, title, cap, width);
    list.add_text(text, (width / 2, first), one_bit(cap, Align::Centre), format_args!("{title}{ellipsis}"));
    let hint = longest_fitting(text, &words.hints, hint_cap, width.saturating_sub(2));
    let (hint, ellipsis) = cut(text, hint, hint_cap, width);
    list.add_text(text, (width / 2, second), one_bit(hint_cap, Align::Centre), format_args!("{hint}{ellipsis}"));
}

fn add_sure(list: &mut DrawList, text: &mut Text, class: &ScreenClass, words: &ScreenWords, is_low: bool) {
    let (width, height, percent) = (class.size.width, class.size.height, words.percent);
    let has_notice = words.notice.is_some();
    let percent_cap = if is_low { 10 } else { 12 };
    if is_low {
        let room = width.saturating_sub(text.styled_width("99 %", percent_cap, true) + 6);
        let name = match has_notice {
            true => fit_one_line(text, &words.title, room),
            false => fit(text, &words.title, room, &LOW_SINGLE_LINE, &LOW_TWO_LINES),
        };
        let is_single = name.second.is_empty();
        let baseline = match (is_single, has_notice) {
            (true, true) => 13,
            (true, false) => 17,
            (false, _) => 11,
        };
        add_name(list, text, &name, baseline, 15);
        let percent_baseline = if is_single { baseline } else { 19 };
        let lettering = one_bit(percent_cap, Align::Right);
        list.add_text(text, (width - 1, percent_baseline), lettering, format_args!("{percent} %"));
        if is_single && !has_notice {
            add_rule(list, 1, 26, width.saturating_sub(2), 4, percent);
        }
        return;
    }
    let top = if has_notice { STRIP_HEIGHT + 1 } else { 0 };
    let name = fit(text, &words.title, width.saturating_sub(2), &SINGLE_LINE, &TWO_LINES);
    let pitch = scaled(name.cap, 1.4);
    let name_height = name.cap + if name.second.is_empty() { 0 } else { pitch };
    let room = scaled(height, 46.0 / 64.0).saturating_sub(top + name_height + scaled(name.cap, 0.2));
    add_name(list, text, &name, top + room / 2 + name.cap, pitch);
    let base = height.saturating_sub(2);
    list.add_text(text, (width - 1, base), one_bit(percent_cap, Align::Right), format_args!("{percent} %"));
    add_rule(list, 1, base.saturating_sub(8), width.saturating_sub(44), 4, percent);
}

fn add_name(list: &mut DrawList, text: &mut Text, name: &TinyName, baseline: u32, pitch: u32) {
    let TinyName { first, second, cap, ellipsis } = *name;
    let lettering = one_bit(cap, Align::Left);
    match second {
        "" => list.add_text(text, (1, baseline), lettering, format_args!("{first}{ellipsis}")),
        second => {
            list.add_text(text, (1, baseline), lettering, format_args!("{first}"));
            list.add_text(text, (1, baseline + pitch), lettering, format_args!("{second}{ellipsis}"));
        }
    }
}

/// Adds a label at the left and its percentage at the right.
fn add_row(
    list: &mut DrawList,
    text: &mut Text,
    (label, conjunction, percent): (&str, &str, u8),
    largest: u32,
    baseline: u32,
    width: u32,
) {
    let room = width.saturating_sub(2 + text.styled_width("99 %", largest, true) + 5);
    let space = if conjunction.is_empty() { "" } else { " " };
    let conjunction_width =
        |text: &mut Text, cap| text.styled_width(conjunction, cap, true) + text.styled_width(space, cap, true);
    let mut cap = largest;
    while cap > MIN_CAP && text.styled_width(label, cap, true) + conjunction_width(text, cap) > room {
        cap -= 1;
    }
    let label_room = room.saturating_sub(conjunction_width(text, cap));
    let (label, ellipsis) = cut(text, label, cap, label_room);
    let lettering = one_bit(cap, Align::Left);
    list.add_text(text, (1, baseline), lettering, format_args!("{conjunction}{space}{label}{ellipsis}"));
    list.add_text(text, (width - 1, baseline), one_bit(cap, Align::Right), format_args!("{percent} %"));
}

/// Adds a rule that is filled as far as `percent`, then dotted.
fn add_rule(list: &mut DrawList, left: u32, top: u32, width: u32, thick: u32, percent: u8) {
    let filled = scaled(width, f64::from(percent) / 100.0);
    list.add_fill(Rect { left, top, width: filled, height: thick }, INK);
    let rest = width.saturating_sub(filled + 3);
    list.add_dots(Rect { left: left + filled + 3, top: top + thick / 2, width: rest, height: 1 }, INK);
}

/// Adds a notice in inverse letters.
fn add_strip(list: &mut DrawList, text: &mut Text, notice: &NoticeWords, width: u32, is_low: bool) {
    let (top, height) = if is_low { (19, 13) } else { (0, STRIP_HEIGHT) };
    let mark = if notice.is_fault { "! " } else { "" };
    let room = width.saturating_sub(6 + if notice.is_fault { 10 } else { 0 });
    let words = longest_fitting(text, &notice.wordings, 9, room);
    list.begin_panel(Rect { left: 0, top, width, height }, Some(INK));
    let lettering = Lettering { colour: PAPER, ..one_bit(9, Align::Left) };
    list.add_text(text, (3, top + 11), lettering, format_args!("{mark}{words}"));
}

/// Lines of a name on a tiny screen; the second may be empty.
#[derive(Clone, Copy, Debug)]
struct TinyName<'a> {
    first: &'a str,
    second: &'a str,
    ellipsis: &'static str,
    cap: u32,
}

/// Fits `name` in one line, cut if need be.
fn fit_one_line<'a>(text: &mut Text, name: &'a str, width: u32) -> TinyName<'a> {
    let fitting = LOW_SINGLE_LINE.into_iter().chain([MIN_CAP]).find(|&cap| text.styled_width(name, cap, true) <= width);
    match fitting {
        Some(cap) => TinyName { first: name, second: "", ellipsis: "", cap },
        None => {
            let (first, ellipsis) = cut(text, name, MIN_CAP, width);
            TinyName { first, second: "", ellipsis, cap: MIN_CAP }
        }
    }
}

/// Returns the start of `words` that fits into `width` pixels without grey, and an ellipsis if that is not all of it.
fn cut<'a>(text: &mut Text, words: &'a str, cap: u32, width: u32) -> (&'a str, &'static str) {
    if text.styled_width(words, cap, true) <= width {
        return (words, "");
    }
    let ends = words.char_indices().map(|(start, _)| words[..start].trim_end());
    let room = width.saturating_sub(text.styled_width("…", cap, true));
    let fitting = ends.take_while(|start| text.styled_width(start, cap, true) <= room).last();
    (fitting.unwrap_or(""), "…")
}

/// Fits `name` in one line at one of `single`, else in two at one of `double`, else cut.
fn fit<'a>(text: &mut Text, name: &'a str, width: u32, single: &[u32], double: &[u32]) -> TinyName<'a> {
    for &cap in single {
        if text.styled_width(name, cap, true) <= width {
            return TinyName { first: name, second: "", ellipsis: "", cap };
        }
    }
    for separator in [' ', '-'] {
        for &cap in double {
            let pairs = name.match_indices(separator).map(|(at, _)| {
                let end = if separator == '-' { at + 1 } else { at };
                (&name[..end], &name[at + 1..])
            });
            let widest = |text: &mut Text, (first, second): (&str, &str)| {
                text.styled_width(first, cap, true).max(text.styled_width(second, cap, true))
            };
            let best = pairs.min_by_key(|pair| widest(text, *pair)).filter(|pair| widest(text, *pair) <= width);
            if let Some((first, second)) = best {
                return TinyName { first, second, ellipsis: "", cap };
            }
        }
    }
    if let Some((shorter, _)) = name.split_once(" (") {
        return fit(text, shorter, width, single, double);
    }
    let cap = double.last().copied().unwrap_or(MIN_CAP);
    let first = text.first_line(name, cap, width);
    let (second, ellipsis) = text.cut(name[first.len()..].trim_start(), cap, width.saturating_sub(4));
    match second {
        "" => TinyName { first, second, ellipsis: "…", cap },
        second => TinyName { first, second, ellipsis, cap },
    }
}

/// Returns whether all letters of `name` are on a tiny screen of `size`.
#[cfg(test)]
pub fn is_whole(text: &mut Text, name: &str, size: phicam_frame::Size) -> bool {
    let fitted = if size.height < LOW_HEIGHT {
        let room = size.width.saturating_sub(text.styled_width("99 %", 10, true) + 6);
        fit(text, name, room, &LOW_SINGLE_LINE, &LOW_TWO_LINES)
    } else {
        fit(text, name, size.width - 2, &SINGLE_LINE, &TWO_LINES)
    };
    let letters = |words: &str| words.chars().filter(|letter| *letter != ' ').count();
    letters(fitted.first) + letters(fitted.second) == letters(name)
}
