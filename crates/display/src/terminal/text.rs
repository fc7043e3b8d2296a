//! Short text in the window: clipped, wrapped and shortened by its width in columns.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// Returns the width of `text` in columns.
pub fn width(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// Writes `text` from column `x` of row `y`, as far as it lies in `area`.
pub fn put(buffer: &mut Buffer, area: Rect, (x, y): (u16, u16), text: &str, style: Style) {
    let area = area.intersection(buffer.area);
    if (area.x..area.right()).contains(&x) && (area.y..area.bottom()).contains(&y) {
        buffer.set_stringn(x, y, text, usize::from(area.right() - x), style);
    }
}

/// Writes `text` so that it ends at the right edge of `area`.
pub fn put_right(buffer: &mut Buffer, area: Rect, y: u16, text: &str, style: Style) {
    put(buffer, area, (area.x.max(area.right().saturating_sub(width(text))), y), text, style);
}

/// Returns `text` within `columns`, with "…" in place of its end if it is longer.
pub fn shorten(text: &str, columns: u16) -> String {
    if width(text) <= columns {
        return text.into();
    }
    let mut short = String::from(text);
    while !short.is_empty() && width(&short) + 1 > columns {
        short.pop();
    }
    short.truncate(short.trim_end_matches([' ', '-']).len());
    short + "…"
}

/// Returns the two lines of at most `columns`, broken at a space or after a hyphen, that differ least in length.
pub fn even_break(text: &str, columns: u16) -> Option<(&str, &str)> {
    let pairs = text.char_indices().filter_map(|(index, character)| match character {
        ' ' => Some((&text[..index], &text[index + 1..])),
        '-' => Some((&text[..=index], &text[index + 1..])),
        _ => None,
    });
    let longest = |(first, second): &(&str, &str)| width(first).max(width(second));
    pairs.filter(|pair| longest(pair) <= columns).min_by_key(longest)
}

/// Returns `text` in lines of at most `columns`, broken at spaces and after hyphens; in a word only if it is longer.
pub fn wrap(text: &str, columns: u16) -> Vec<String> {
    if width(text) <= columns {
        return vec![text.into()];
    }
    match even_break(text, columns) {
        Some((first, second)) => vec![first.into(), second.into()],
        None => wrap_greedily(text, columns.max(1)),
    }
}

/// Returns `text` in lines that are filled one after another.
fn wrap_greedily(text: &str, columns: u16) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive([' ', '-']) {
        let line_width = lines.last().map_or(0, |line| width(line));
        if line_width > 0 && line_width + width(word.trim_end()) > columns {
            lines.push(String::new());
        }
        for character in word.chars() {
            let Some(line) = lines.last_mut() else { break };
            if width(line) >= columns && character != ' ' {
                lines.push(character.into());
            } else {
                line.push(character);
            }
        }
    }
    lines.iter().map(|line| line.trim_end().into()).collect()
}

/// Returns the longest of `wordings` that fits into `rows` of `columns`, in lines; otherwise the shortest, cut off.
pub fn fit_wording(wordings: &[String], columns: u16, rows: u16) -> Vec<String> {
    let wrapped = |wording: &String| wrap(wording, columns);
    let fits = |lines: &Vec<String>| lines.len() <= usize::from(rows);
    wordings.iter().map(wrapped).find(fits).unwrap_or_else(|| {
        let shortest = wordings.last().map_or("", String::as_str);
        vec![shorten(shortest, columns)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_wraps_at_its_evenest_break() {
        assert_eq!(wrap("hen", 5), ["hen"]);
        assert_eq!(wrap("German short-haired pointer", 20), ["German short-", "haired pointer"]);
        assert_eq!(wrap("German short-haired pointer", 10), ["German", "short-", "haired", "pointer"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
    }

    #[test]
    fn shortened_text_ends_with_an_ellipsis() {
        assert_eq!(shorten("tabby cat", 9), "tabby cat");
        assert_eq!(shorten("tabby cat", 7), "tabby…");
        assert_eq!(shorten("tabby cat", 0), "…");
    }

    #[test]
    fn longest_wording_that_fits_is_chosen() {
        let wordings = ["Finding the best model: 6 of 18", "model 6 of 18"].map(String::from);
        assert_eq!(fit_wording(&wordings, 40, 1), ["Finding the best model: 6 of 18"]);
        assert_eq!(fit_wording(&wordings, 20, 1), ["model 6 of 18"]);
        assert_eq!(fit_wording(&wordings, 20, 2), ["Finding the best", "model: 6 of 18"]);
        assert_eq!(fit_wording(&wordings, 6, 1), ["model…"]);
    }

    #[test]
    fn text_outside_its_area_is_clipped() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 2));
        let area = Rect::new(1, 0, 3, 9);
        put(&mut buffer, area, (1, 0), "abcdef", Style::new());
        put(&mut buffer, area, (1, 5), "abcdef", Style::new());
        put_right(&mut buffer, area, 1, "xy", Style::new());
        assert_eq!(buffer, Buffer::with_lines([" abc  ", "  xy  "]));
    }
}
