//! Notices at the top, and messages of two lines in the middle.

use phicam_display::words::{MessageKind, NoticeWords, ScreenWords};

use super::Text;
use super::draw_list::{DrawList, Lettering};
use super::palette::{FAULT, INK, PAPER, QUIET};
use super::screen_class::{ScreenClass, Shape, scaled};
use phicam_frame::Rect;

/// Adds the panel of a notice: as wide as its words on large wide screens, else across the screen.
pub fn add_notice(list: &mut DrawList, text: &mut Text, class: &ScreenClass, notice: &NoticeWords) {
    let Rect { width, height, .. } = class.area();
    let cap = if class.is_small { 9 } else { class.quiet_cap };
    let strip_pad = scaled(cap, 0.95);
    let pad = if class.is_inline { class.pad } else { strip_pad };
    let sign_width = if notice.is_fault { scaled(cap, 1.7) } else { 0 };
    let room = if class.shape == Shape::Round { scaled(width, 0.6) } else { width.saturating_sub(2 * pad) };
    let words = longest_fitting(text, &notice.wordings, cap, room.saturating_sub(sign_width));
    let words_width = text.width(words, cap) + sign_width;
    let (panel_height, left, baseline, panel_width) = if class.shape == Shape::Round {
        let panel_height = scaled(height, 0.13) + cap + pad;
        (panel_height, width.saturating_sub(words_width) / 2, panel_height - pad, width)
    } else {
        let panel_height = cap + 2 * strip_pad;
        let panel_width = if class.is_inline { (words_width + 2 * pad).min(width) } else { width };
        (panel_height, pad, (panel_height + cap) / 2, panel_width)
    };
    list.begin_panel(Rect { left: 0, top: 0, width: panel_width, height: panel_height.min(height) }, Some(PAPER));
    if notice.is_fault {
        list.add_warning_sign(Rect { left, top: baseline - cap, width: scaled(cap, 1.15), height: cap });
    }
    let colour = if notice.is_fault { FAULT } else { INK };
    list.add_text(text, (left + sign_width, baseline), Lettering::left(cap, colour), format_args!("{words}"));
}

/// Adds two lines in the middle of the screen, or below the picture on screens with room there.
pub fn add_middle_message(list: &mut DrawList, text: &mut Text, class: &ScreenClass, words: &ScreenWords) {
    let has_sign = words.kind == MessageKind::NoCamera;
    let (unit, width, height) = (class.unit, class.size.width, class.size.height);
    let mut cap = scaled(unit, if class.is_inline { 1.0 } else { 0.85 });
    let hint_cap = scaled(unit, 0.48).max(9);
    let room = scaled(
        width,
        match (class.shape, has_sign) {
            (Shape::Round, true) => 0.8,
            (Shape::Round, false) => 0.74,
            _ => 0.9,
        },
    );
    while cap > 1 && text.width(&words.title, cap) > room {
        cap -= 1;
    }
    let hints_in_two_lines = longest_fitting_in_two_lines(text, &words.hints, hint_cap, room);
    // Below the picture of a round screen the circle leaves room for one short line.
    let (first, second) = match (class.shape, has_sign) {
        (Shape::Round, false) => (longest_fitting(text, &words.hints, hint_cap, width / 2), ""),
        _ => hints_in_two_lines,
    };
    let sign_height = if has_sign { scaled(unit, 1.9) } else { 0 };
    let gap = scaled(unit, 0.75);
    let hint_pitch = scaled(hint_cap, 1.7);
    let hint_height =
        if first.is_empty() { 0 } else { gap + hint_cap + if second.is_empty() { 0 } else { hint_pitch } };
    let total = sign_height + if has_sign { gap } else { 0 } + cap + hint_height;
    let below = class.picture_area().height;
    let mut y = match class.shape {
        Shape::Portrait if !has_sign => below + height.saturating_sub(below + total) / 2,
        Shape::Round if !has_sign => below + class.pad,
        _ => height.saturating_sub(total) / 2,
    };
    list.begin_panel(class.area(), None);
    if has_sign {
        let sign_width = scaled(sign_height, 1.6);
        let area = Rect { left: width.saturating_sub(sign_width) / 2, top: y, width: sign_width, height: sign_height };
        list.add_no_camera_sign(area, class.mark_width);
        y += sign_height + gap;
    }
    y += cap;
    list.add_text(text, (width / 2, y), Lettering::centre(cap, INK), format_args!("{}", words.title));
    y += gap + hint_cap;
    let hint_room = if class.shape == Shape::Round && !has_sign { width / 2 } else { width };
    for (index, line) in [first, second].into_iter().filter(|line| !line.is_empty()).enumerate() {
        let baseline = y + hint_pitch * index as u32;
        let (line, ellipsis) = text.cut(line, hint_cap, hint_room);
        let lettering = Lettering::centre(hint_cap, QUIET);
        list.add_text(text, (width / 2, baseline), lettering, format_args!("{line}{ellipsis}"));
    }
}

/// Returns the longest wording that fits into `room`, else the shortest.
pub fn longest_fitting<'a>(text: &mut Text, wordings: &'a [String], cap: u32, room: u32) -> &'a str {
    let fitting = wordings.iter().find(|words| text.width(words, cap) <= room).or(wordings.last());
    fitting.map_or("", String::as_str)
}

/// Returns the longest wording that fits into one or two lines of width `room`, else the shortest in one line.
fn longest_fitting_in_two_lines<'a>(
    text: &mut Text,
    wordings: &'a [String],
    cap: u32,
    room: u32,
) -> (&'a str, &'a str) {
    for words in wordings {
        if text.width(words, cap) <= room {
            return (words, "");
        }
        let first = text.first_line(words, cap, room);
        let second = words[first.len()..].trim_start();
        if text.width(second, cap) <= room {
            return most_even(text, words, cap, room).unwrap_or((first, second));
        }
    }
    (wordings.last().map_or("", String::as_str), "")
}

/// Returns the division of `words` at a space with the narrowest longest line.
fn most_even<'a>(text: &mut Text, words: &'a str, cap: u32, room: u32) -> Option<(&'a str, &'a str)> {
    let pairs = words.match_indices(' ').map(|(at, _)| (&words[..at], &words[at + 1..]));
    let widest = |text: &mut Text, (first, second): (&str, &str)| text.width(first, cap).max(text.width(second, cap));
    pairs.min_by_key(|pair| widest(text, *pair)).filter(|pair| widest(text, *pair) <= room)
}
