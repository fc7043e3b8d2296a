//! Details page: picture, answer, and a table of numbers for people who set the board up.

use phicam_display::words::{Certainty, MessageKind, ScreenWords};

use super::Text;
use super::draw_list::{DrawList, Lettering};
use super::palette::{ACCENT, GROOVE, INK, PAPER, QUIET};
use super::screen_class::{ScreenClass, Shape, scaled};
use phicam_frame::Rect;

/// Number of rows on small screens and on round ones.
const SMALL_ROWS: usize = 6;
const ROUND_ROWS: usize = 5;
/// Number of rows that the table has room for: rows without a value leave a gap at its end.
const ALL_ROWS: usize = 8;

/// Returns the area of the picture on the details page; `None` on screens without room for it.
pub fn picture_area(class: &ScreenClass) -> Option<Rect> {
    let margin = 2 * class.pad;
    class.is_inline.then(|| Rect {
        left: margin,
        top: margin,
        width: scaled(class.size.width, 0.40).saturating_sub(margin),
        height: class.size.height.saturating_sub(2 * margin + scaled(class.name_cap, 2.2)),
    })
}

/// Adds the panels of the page: the answer and one for each row, so that a value changes alone.
pub fn add_details(list: &mut DrawList, text: &mut Text, class: &ScreenClass, words: &ScreenWords) {
    let (width, height) = (class.size.width, class.size.height);
    let table = match picture_area(class) {
        Some(picture) => {
            let margin = 2 * class.pad;
            let (cap, percent_cap) = (scaled(class.name_cap, 0.62), scaled(class.name_cap, 0.45));
            let top = picture.top + picture.height + 1;
            list.begin_panel(
                Rect { left: 0, top, width: picture.left + picture.width, height: height - top },
                Some(PAPER),
            );
            let baseline = height - margin - cap - scaled(class.name_cap, 0.15);
            add_answer_name(list, text, words, cap, (picture.left, baseline), picture.width);
            if let Some(percent) = percent(words) {
                let baseline = height - margin + scaled(class.name_cap, 0.1);
                let lettering = Lettering::left(percent_cap, ACCENT);
                list.add_text(text, (picture.left, baseline), lettering, format_args!("{percent} %"));
            }
            let left = scaled(width, 0.40) + margin;
            Rect {
                left,
                top: margin,
                width: width.saturating_sub(left + margin),
                height: height.saturating_sub(2 * margin),
            }
        }
        None => add_heading(list, text, class, words),
    };
    let cap = match class.is_inline {
        true => scaled(height, 1.0 / 29.0),
        false => scaled(width, 0.0375).min(scaled(height, 0.04)).max(8),
    };
    let rows = match class.shape {
        Shape::Round => ROUND_ROWS,
        _ if class.is_small => SMALL_ROWS,
        _ => ALL_ROWS,
    };
    let pitch = table.height / rows as u32;
    for (index, detail) in words.details.iter().take(rows).enumerate() {
        let row = Rect { top: table.top + pitch * index as u32, height: pitch, ..table };
        list.begin_panel(row, Some(PAPER));
        list.add_fill(Rect { height: 1, ..row }, GROOVE);
        let baseline = row.top + (pitch + cap) / 2;
        list.add_text(text, (row.left, baseline), Lettering::left(cap, QUIET), format_args!("{}", detail.name));
        let room = row.width.saturating_sub(text.width(detail.name, cap) + cap);
        let (value, ellipsis) = text.cut(&detail.value, cap, room);
        let right = row.left + row.width;
        list.add_text(text, (right, baseline), Lettering::right(cap, INK), format_args!("{value}{ellipsis}"));
    }
}

/// Adds the answer above the table, and returns the area of the table.
fn add_heading(list: &mut DrawList, text: &mut Text, class: &ScreenClass, words: &ScreenWords) -> Rect {
    let (width, height, pad) = (class.size.width, class.size.height, class.pad);
    let is_round = class.shape == Shape::Round;
    let area = match is_round {
        true => Rect {
            left: scaled(width, 0.2),
            top: scaled(height, 0.12),
            width: scaled(width, 0.6),
            height: scaled(height, 0.76),
        },
        false => {
            Rect { left: pad, top: pad, width: width.saturating_sub(2 * pad), height: height.saturating_sub(2 * pad) }
        }
    };
    let largest = scaled(class.name_cap, if class.shape == Shape::Portrait { 0.62 } else { 0.7 });
    let percent_width = if is_round { 0 } else { text.width("99 %", scaled(largest, 0.8)) + pad };
    let heading = largest + scaled(pad, 0.9);
    list.begin_panel(Rect { top: 0, height: area.top + heading, ..class.area() }, Some(PAPER));
    let baseline = area.top + largest;
    let room = area.width.saturating_sub(percent_width);
    add_answer_name(list, text, words, largest, (area.left, baseline), room);
    if let (Some(percent), false) = (percent(words), is_round) {
        let lettering = Lettering::right(scaled(largest, 0.8), ACCENT);
        list.add_text(text, (area.left + area.width, baseline), lettering, format_args!("{percent} %"));
    }
    Rect { top: area.top + heading, height: area.height.saturating_sub(heading), ..area }
}

fn add_answer_name(
    list: &mut DrawList,
    text: &mut Text,
    words: &ScreenWords,
    largest: u32,
    origin: (u32, u32),
    room: u32,
) {
    let smallest = (largest / 2).max(8);
    let mut cap = largest;
    while cap > smallest && text.width(&words.title, cap) > room {
        cap -= 1;
    }
    let (name, ellipsis) = text.cut(&words.title, cap, room);
    let colour = if percent(words).is_some() { INK } else { QUIET };
    list.add_text(text, origin, Lettering::left(cap, colour), format_args!("{name}{ellipsis}"));
}

/// Returns the percentage of the answer, unless it is unsure.
fn percent(words: &ScreenWords) -> Option<u8> {
    match words.kind {
        MessageKind::Answer(Certainty::Sure | Certainty::NotClear) => Some(words.percent),
        _ => None,
    }
}
