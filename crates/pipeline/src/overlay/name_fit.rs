//! Fitting of a name: one line, two lines, smaller letters, and only then a cut.

use super::Text;
use super::screen_class::{MIN_NAME_CAP, scaled};

/// Sizes of the name's capitals, as shares of the largest.
const STEPS: [f64; 4] = [1.0, 0.82, 0.68, 0.56];

/// Room for a name.
#[derive(Clone, Copy, Debug)]
pub struct NameRoom {
    /// Largest capitals, in pixels.
    pub cap_height: u32,
    /// Width of a line, in pixels.
    pub width: u32,
    /// Width behind the last line that something else needs.
    pub tail: u32,
    /// Index of the first step to try.
    pub first_step: usize,
    /// Number of steps at which one line is tried before two.
    pub single_line_steps: usize,
}

/// Lines of a name, with the height of their capitals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FittedName<'a> {
    pub first: &'a str,
    pub second: Option<&'a str>,
    /// Whether the last line ends with an ellipsis, which is not part of it.
    pub is_cut: bool,
    /// Whether all of the name is there.
    pub is_whole: bool,
    pub cap_height: u32,
}

impl<'a> FittedName<'a> {
    fn whole(first: &'a str, second: Option<&'a str>, cap_height: u32) -> FittedName<'a> {
        FittedName { first, second, is_cut: false, is_whole: true, cap_height }
    }

    pub fn line_count(&self) -> u32 {
        1 + u32::from(self.second.is_some())
    }

    pub fn last(&self) -> &'a str {
        self.second.unwrap_or(self.first)
    }
}

/// Fits `name` into `room`, in this order: one line at the first sizes; two lines, divided at a space, then behind a
/// hyphen; smaller; without the words in brackets; cut.
pub fn fit_name<'a>(text: &mut Text, name: &'a str, room: NameRoom) -> FittedName<'a> {
    let NameRoom { width, tail, first_step, single_line_steps, .. } = room;
    let caps = STEPS.map(|step| scaled(room.cap_height, step).max(MIN_NAME_CAP));
    for &cap in &caps[first_step.min(STEPS.len())..single_line_steps.min(STEPS.len())] {
        if text.width(name, cap) + tail <= width {
            return FittedName::whole(name, None, cap);
        }
    }
    let from = first_step.clamp(1, 3);
    for (separator, caps) in [(' ', &caps[from..3]), ('-', &caps[from..3]), (' ', &caps[3..]), ('-', &caps[3..])] {
        for &cap in caps {
            if let Some((first, second)) = most_even_lines(text, name, separator, cap, width, tail) {
                return FittedName::whole(first, Some(second), cap);
            }
        }
    }
    let smallest = caps[3];
    if text.width(name, smallest) + tail <= width {
        return FittedName::whole(name, None, smallest);
    }
    if let Some((shorter, _)) = name.split_once(" (") {
        return FittedName { is_whole: false, ..fit_name(text, shorter, room) };
    }
    cut(text, name, smallest, width, tail)
}

/// Returns the pair of lines that fits with the narrower longest line.
fn most_even_lines<'a>(
    text: &mut Text,
    name: &'a str,
    separator: char,
    cap: u32,
    width: u32,
    tail: u32,
) -> Option<(&'a str, &'a str)> {
    let pairs = name.match_indices(separator).map(|(at, _)| {
        let first = if separator == ' ' { &name[..at] } else { &name[..=at] };
        (first, &name[at + separator.len_utf8()..])
    });
    let fitting = pairs.filter_map(|(first, second)| {
        let longest = text.width(first, cap).max(text.width(second, cap) + tail);
        (longest <= width && !first.is_empty() && !second.is_empty()).then_some((longest, (first, second)))
    });
    fitting.min_by_key(|(longest, _)| *longest).map(|(_, lines)| lines)
}

/// Fills the first line with whole words, if there are several, and cuts the second.
fn cut<'a>(text: &mut Text, name: &'a str, cap: u32, width: u32, tail: u32) -> FittedName<'a> {
    let spaces: Vec<usize> = name.match_indices(' ').map(|(at, _)| at).collect();
    let end_of_first = spaces.into_iter().rev().find(|&at| text.width(&name[..at], cap) <= width);
    let (first, rest) = match end_of_first {
        Some(at) => (Some(&name[..at]), &name[at + 1..]),
        None => (None, name),
    };
    let room = width.saturating_sub(tail + text.width("…", cap));
    let mut end = 0;
    for (start, character) in rest.char_indices() {
        let next = start + character.len_utf8();
        if text.width(&rest[..next], cap) > room {
            break;
        }
        end = next;
    }
    let last = rest[..end].trim_end_matches([' ', '-']);
    let (first, second) = first.map_or((last, None), |first| (first, Some(last)));
    FittedName { first, second, is_cut: true, is_whole: false, cap_height: cap }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(width: u32) -> NameRoom {
        NameRoom { cap_height: 60, width, tail: 0, first_step: 0, single_line_steps: 2 }
    }

    #[test]
    fn name_shrinks_before_it_is_divided() {
        let mut text = Text::default();
        let width = text.width("German shepherd", 60);
        let caps = [width, width - 1, width * 85 / 100].map(|width| {
            let fitted = fit_name(&mut text, "German shepherd", room(width));
            (fitted.cap_height, fitted.line_count())
        });
        assert_eq!(caps, [(60, 1), (49, 1), (49, 1)]);
    }

    #[test]
    fn lines_are_as_even_as_possible() {
        let mut text = Text::default();
        let width = text.width("German short-haired", 49) + 2;
        let fitted = fit_name(&mut text, "German short-haired pointer", NameRoom { tail: 150, ..room(width) });
        assert_eq!((fitted.first, fitted.second), ("German short-haired", Some("pointer")));
        assert!(fitted.is_whole);
    }

    #[test]
    fn words_in_brackets_go_before_letters_are_cut() {
        let mut text = Text::default();
        let width = text.width("flatworm", 34) + 4;
        let fitted = fit_name(&mut text, "flatworm (a very long word beside it)", room(width));
        assert_eq!((fitted.first, fitted.is_cut, fitted.is_whole), ("flatworm", false, false));
    }

    #[test]
    fn longest_word_is_cut_with_an_ellipsis() {
        let mut text = Text::default();
        let fitted = fit_name(&mut text, "Staffordshirebullterrier", room(300));
        assert!(fitted.is_cut);
        assert!(text.width(fitted.last(), fitted.cap_height) + text.width("…", fitted.cap_height) <= 300);
        assert!("Staffordshirebullterrier".starts_with(fitted.last()));
        assert_eq!(fit_name(&mut text, "Staffordshirebullterrier", room(3)).first, "", "nothing fits");
    }

    #[test]
    fn width_behind_the_last_line_stays_free() {
        let mut text = Text::default();
        for name in ["ox", "German short-haired pointer", "African hunting dog, hyena dog"] {
            let fitted = fit_name(&mut text, name, NameRoom { tail: 150, ..room(560) });
            assert!(text.width(fitted.last(), fitted.cap_height) + 150 <= 560, "{name}");
        }
    }
}
