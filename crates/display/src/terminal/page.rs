//! Page of the terminal: name, rule, candidates, notice and status in the areas of the layout.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::half_block_letters::{LetterBitmap, Letters};
use super::layout::Layout;
use super::palette::{ColourDepth, Role};
use super::text::{even_break, fit_wording, put, put_right, shorten, width, wrap};
use crate::words::{Certainty, MessageKind, ScreenWords};

/// Heights of capitals in half rows, the largest first, from the screen's design; 16 is for windows of 56 rows or more.
const CAP_HEIGHTS: [u16; 5] = [16, 11, 8, 7, 6];
/// Keys, said only if the program reads them.
const KEYS: &str = "q ends, d details";

/// Renderer of the words.
pub struct Page {
    letters: Letters,
    pub depth: ColourDepth,
    /// Whether the sign before a fault is plain, because the terminal may lack others.
    pub has_plain_signs: bool,
    /// Whether the program reads keys.
    pub has_keys: bool,
}

impl Page {
    pub fn new(depth: ColourDepth, has_plain_signs: bool) -> Page {
        Page { letters: Letters::default(), depth, has_plain_signs, has_keys: false }
    }

    /// Returns whether a message with these words has a picture.
    pub fn has_picture(words: &ScreenWords) -> bool {
        words.kind != MessageKind::NoCamera
    }

    /// Draws all words on an empty buffer.
    pub fn draw(&self, buffer: &mut Buffer, layout: &Layout, words: &ScreenWords) {
        buffer.set_style(buffer.area, self.depth.style(Role::Ink));
        if words.kind == MessageKind::NoCamera {
            self.draw_middle(buffer, layout, words);
        } else if layout.is_large {
            let next_row = self.draw_name(buffer, layout, words);
            if has_percent(words) {
                self.draw_rule(buffer, layout.rule, words.percent);
            } else {
                let hint = fit_wording(&words.hints, layout.rule.width, 1);
                put(buffer, layout.window, (layout.rule.x, next_row), &hint[0], self.depth.style(Role::Quiet));
            }
            self.draw_side(buffer, layout.side, words);
        } else {
            self.draw_small(buffer, layout.side, words);
        }
        self.draw_status(buffer, layout.status, words);
    }

    /// Draws the newest lines of the log.
    pub fn draw_log(&self, buffer: &mut Buffer, area: Rect, lines: &[String]) {
        let style = self.depth.style(Role::Quiet);
        for (line, y) in lines.iter().zip(area.y..area.bottom()) {
            put(buffer, area, (area.x, y), &" ".repeat(usize::from(area.width)), style);
            let line_style = if line.starts_with("error") || line.starts_with("warn") {
                self.depth.style(Role::Fault)
            } else {
                style
            };
            put(buffer, area, (area.x, y), &shorten(line, area.width), line_style);
        }
    }

    /// Returns the role of the title: "unsure" and other messages are quieter than an answer.
    fn title_role(words: &ScreenWords) -> Role {
        match words.kind {
            MessageKind::Answer(Certainty::Unsure) | MessageKind::Waiting => Role::Quiet,
            _ => Role::Ink,
        }
    }

    /// Returns `text` in the largest letters that fit into `area`: in one line, otherwise in two.
    pub fn largest_letters(&self, text: &str, area: Rect) -> Option<Headline> {
        let in_lines = |lines: &[&str]| {
            CAP_HEIGHTS.iter().find_map(|&cap_height| {
                let bitmaps: Option<Vec<_>> =
                    lines.iter().map(|line| self.letters.rasterise(line, cap_height)).collect();
                let headline = Headline { cap_height, lines: bitmaps? };
                let fits = headline.height() < 2 * area.height && headline.width() <= area.width;
                fits.then_some(headline)
            })
        };
        in_lines(&[text]).or_else(|| even_break(text, u16::MAX).and_then(|(first, second)| in_lines(&[first, second])))
    }

    /// Draws the title in large letters or bold, and returns the row for a hint below it.
    fn draw_name(&self, buffer: &mut Buffer, layout: &Layout, words: &ScreenWords) -> u16 {
        let area = layout.name;
        let role = Page::title_role(words);
        if let Some(headline) = self.largest_letters(&words.title, area) {
            let top = 2 * area.bottom() - headline.height();
            headline.draw(buffer, top, |_| area.x, self.depth.style(role));
            return layout.rule.y;
        }
        let lines = wrap(&words.title, area.width);
        let height = area.height.min(lines.len() as u16);
        let top = area.y + (area.height - height) / 2;
        self.draw_lines(buffer, Rect::new(area.x, top, area.width, height), &lines, role);
        (top + height + 1).min(layout.rule.y)
    }

    /// Draws bold lines; the last one that fits ends with "…" if there are more.
    fn draw_lines(&self, buffer: &mut Buffer, area: Rect, lines: &[String], role: Role) {
        for ((index, line), y) in lines.iter().enumerate().zip(area.y..area.bottom()) {
            let is_cut = y + 1 == area.bottom() && index + 1 < lines.len();
            let cut = if is_cut { shorten(&format!("{line}……"), area.width) } else { line.clone() };
            put(buffer, area, (area.x, y), &cut, self.depth.bold(role));
        }
    }

    /// Draws a thick rule for the probability, a thin one for the rest, and the percentage behind them.
    fn draw_rule(&self, buffer: &mut Buffer, area: Rect, percent: u8) {
        let text = format!("{percent} %");
        let length = area.width.saturating_sub("99 %".len() as u16 + 1);
        let thick = (u32::from(length) * u32::from(percent.min(100)) + 50) / 100;
        let rule = |dash: &str, count: u32| dash.repeat(count as usize);
        put(buffer, area, (area.x, area.y), &rule("━", thick), self.depth.style(Role::Accent));
        let rest = u32::from(length).saturating_sub(thick);
        put(buffer, area, (area.x + thick as u16, area.y), &rule("─", rest), self.depth.style(Role::Groove));
        put_right(buffer, area, area.y, &text, self.depth.bold(Role::Accent));
    }

    /// Draws the notice at the top of `area`, the time at its bottom, and the candidates or details between them.
    fn draw_side(&self, buffer: &mut Buffer, area: Rect, words: &ScreenWords) {
        let notice_rows = self.draw_notice(buffer, area, words, 2.min(area.height / 2));
        let time_row = area.bottom().saturating_sub(1);
        put(buffer, area, (area.x, time_row), &words.time, self.depth.style(Role::Quiet));
        let top = area.y + notice_rows + u16::from(notice_rows > 0);
        let room = Rect::new(area.x, top.min(time_row), area.width, time_row.saturating_sub(top));
        if !words.details.is_empty() {
            return self.draw_details(buffer, room, words);
        }
        let height = candidate_lines(words, room).height;
        let first = room.bottom() - height.saturating_add(1).min(room.height);
        self.draw_candidates(buffer, Rect::new(room.x, first, room.width, room.bottom() - first), words);
    }

    /// Draws the candidates from the top of `area`, and returns the rows used.
    fn draw_candidates(&self, buffer: &mut Buffer, area: Rect, words: &ScreenWords) -> u16 {
        let CandidateLines { lines, gap, height } = candidate_lines(words, area);
        let style = self.depth.style(Role::Ink);
        let mut y = area.y;
        for (lines, candidate) in lines.iter().zip(words.candidates()) {
            if y < area.bottom() {
                put_right(buffer, area, y, &format!("{} %", candidate.percent), style);
            }
            for line in lines {
                put(buffer, area, (area.x, y), line, style);
                y += 1;
            }
            y += gap;
        }
        height
    }

    fn draw_details(&self, buffer: &mut Buffer, area: Rect, words: &ScreenWords) {
        for (detail, y) in words.details.iter().zip(area.y..area.bottom()) {
            put(buffer, area, (area.x, y), detail.name, self.depth.style(Role::Quiet));
            let room = area.width.saturating_sub(width(detail.name) + 1);
            put_right(buffer, area, y, &shorten(&detail.value, room), self.depth.style(Role::Ink));
        }
    }

    /// Draws the notice in up to `rows` rows, and returns their number.
    fn draw_notice(&self, buffer: &mut Buffer, area: Rect, words: &ScreenWords, rows: u16) -> u16 {
        let Some(notice) = &words.notice else { return 0 };
        let sign = if !notice.is_fault {
            ""
        } else if self.has_plain_signs {
            "! "
        } else {
            "⚠ "
        };
        let role = if notice.is_fault { Role::Fault } else { Role::Ink };
        let lines = fit_wording(&notice.wordings, area.width.saturating_sub(width(sign)), rows);
        put(buffer, area, (area.x, area.y), sign, self.depth.style(role));
        for (line, y) in lines.iter().zip(area.y..area.bottom()) {
            put(buffer, area, (area.x + width(sign), y), line, self.depth.style(role));
        }
        lines.len() as u16
    }

    /// Draws everything but picture and status into a narrow column, with empty rows if there is room for them.
    fn draw_small(&self, buffer: &mut Buffer, area: Rect, words: &ScreenWords) {
        let gap = u16::from(area.height >= 8);
        let notice_rows = if area.height >= 4 { self.draw_notice(buffer, area, words, 1 + gap) } else { 0 };
        let mut y = area.y + notice_rows + gap;
        let bottom = area.bottom();
        let below = |y: u16| Rect::new(area.x, y.min(bottom), area.width, bottom.saturating_sub(y));
        // The percentage has the last row in any case.
        let name_rows = below(y).height.saturating_sub(u16::from(has_percent(words))).max(1);
        let name = wrap(&words.title, area.width);
        let name_rows = name_rows.min(name.len() as u16).min(below(y).height);
        self.draw_lines(buffer, Rect { height: name_rows, ..below(y) }, &name, Page::title_role(words));
        y += name_rows + gap;
        if has_percent(words) {
            self.draw_rule(buffer, Rect { height: below(y).height.min(1), ..below(y) }, words.percent);
            y += 1 + gap;
        } else if !words.hints.is_empty() {
            let hint = fit_wording(&words.hints, area.width, below(y).height);
            for (line, y) in hint.iter().zip(y..bottom) {
                put(buffer, area, (area.x, y), line, self.depth.style(Role::Quiet));
            }
            y += hint.len() as u16 + gap;
        }
        if !words.details.is_empty() {
            return self.draw_details(buffer, below(y), words);
        }
        y += self.draw_candidates(buffer, below(y), words);
        put(buffer, area, (area.x, y.max(bottom.saturating_sub(1))), &words.time, self.depth.style(Role::Quiet));
    }

    /// Draws a message that takes the place of the picture, in the middle of the window.
    fn draw_middle(&self, buffer: &mut Buffer, layout: &Layout, words: &ScreenWords) {
        let bottom = if layout.log.is_empty() { layout.window.bottom() } else { layout.log.y };
        let area = Rect { height: bottom, ..layout.window };
        let hint = fit_wording(&words.hints, area.width.saturating_sub(2).max(1), area.height.saturating_sub(2));
        let centred = |columns: u16| area.x + area.width.saturating_sub(columns) / 2;
        let room = Rect { height: if layout.is_large { layout.name.height } else { 0 }, ..area };
        let headline = self.largest_letters(&words.title, Rect { width: area.width.saturating_sub(4), ..room });
        let mut y;
        if let Some(headline) = headline {
            let letter_rows = headline.height().div_ceil(2);
            let top = area.height.saturating_sub(letter_rows + 1 + hint.len() as u16) / 2;
            headline.draw(buffer, 2 * top, centred, self.depth.style(Role::Ink));
            y = top + letter_rows + 1;
        } else {
            let lines = wrap(&words.title, area.width);
            y = area.height.saturating_sub(lines.len() as u16 + 1 + hint.len() as u16) / 2;
            for line in &lines {
                put(buffer, area, (centred(width(line)), y), line, self.depth.bold(Role::Ink));
                y += 1;
            }
            y += u16::from(area.height > 3);
        }
        for line in hint {
            put(buffer, area, (centred(width(&line)), y), &line, self.depth.style(Role::Quiet));
            y += 1;
        }
    }

    fn draw_status(&self, buffer: &mut Buffer, area: Rect, words: &ScreenWords) {
        let style = self.depth.style(Role::Quiet);
        let has_room = |status: &str| width(status) + width(KEYS) + 3 <= area.width;
        // In a narrow window the keys go before the rate: a person must see how to leave.
        let without_rate = words.status.rsplit_once(", ").map_or("", |(start, _)| start);
        let status = match () {
            () if !self.has_keys || has_room(&words.status) => words.status.as_str(),
            () if has_room(without_rate) => without_rate,
            () => words.status.as_str(),
        };
        put(buffer, area, (area.x, area.y), &shorten(status, area.width), style);
        if self.has_keys && has_room(status) {
            put_right(buffer, area, area.y, KEYS, style);
        }
    }
}

/// Candidates in lines.
struct CandidateLines {
    lines: Vec<Vec<String>>,
    /// Empty rows between two candidates.
    gap: u16,
    height: u16,
}

/// Returns the candidates in lines: wrapped with empty rows between them, without these, or cut to a line each,
/// whichever fits into `area` first.
fn candidate_lines(words: &ScreenWords, area: Rect) -> CandidateLines {
    let columns = area.width.saturating_sub("99 %".len() as u16 + 1);
    let texts: Vec<String> = words
        .candidates()
        .iter()
        .enumerate()
        .map(|(index, candidate)| format!("{} {}", words.conjunction(index), candidate.label))
        .collect();
    let mut lines: Vec<Vec<String>> = texts.iter().map(|text| wrap(text, columns)).collect();
    let gaps = texts.len().saturating_sub(1) as u16;
    let height = |lines: &[Vec<String>]| lines.iter().map(|lines| lines.len() as u16).sum::<u16>();
    if height(&lines) > area.height {
        lines = texts.iter().map(|text| vec![shorten(text, columns)]).collect();
    }
    let height = height(&lines);
    let gap = u16::from(height + gaps <= area.height);
    CandidateLines { lines, gap, height: height + gap * gaps }
}

/// Text in large letters, in one line or two.
pub struct Headline {
    cap_height: u16,
    pub lines: Vec<LetterBitmap>,
}

impl Headline {
    /// Returns the half rows from one baseline to the next: 1.45 capitals, from the screen's design.
    fn pitch(&self) -> u16 {
        (self.cap_height * 29).div_ceil(20)
    }

    /// Returns the half rows from the capitals of the first line to the descenders of the last; the font's descenders
    /// are a third of its capitals.
    fn height(&self) -> u16 {
        self.cap_height + self.pitch() * (self.lines.len() as u16 - 1) + self.cap_height.div_ceil(3)
    }

    fn width(&self) -> u16 {
        self.lines.iter().map(|line| line.width).max().unwrap_or(0)
    }

    /// Draws the letters below half row `top`, each line from the column that `left` returns for its width.
    fn draw(&self, buffer: &mut Buffer, top: u16, left: impl Fn(u16) -> u16, style: Style) {
        for (index, line) in self.lines.iter().enumerate() {
            line.draw(buffer, left(line.width), top + self.cap_height + self.pitch() * index as u16, style);
        }
    }
}

/// Returns whether the message has a percentage of its own.
fn has_percent(words: &ScreenWords) -> bool {
    matches!(words.kind, MessageKind::Answer(Certainty::Sure | Certainty::NotClear))
}
