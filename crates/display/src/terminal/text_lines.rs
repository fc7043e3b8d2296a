//! Answers as lines of text, for pipes, plain terminals and screen readers.

use std::path::Path;

use crate::words::{Certainty, MessageKind, ScreenWords};

/// Least width of the column with file names, in characters: most names of photographs fit.
const MIN_NAME_COLUMNS: usize = 20;

/// Lines of one output, each of which says something new.
#[derive(Default)]
pub struct TextLines {
    /// Kind and title of the last line of a camera.
    last: Option<(MessageKind, String)>,
    /// Width of the longest file name so far.
    name_columns: usize,
}

impl TextLines {
    /// Returns the line to print: one for each answer to a file, and one for each change of a camera's answer.
    pub fn next_line(&mut self, words: &ScreenWords, is_new_answer: bool) -> Option<String> {
        if words.source.is_empty() {
            // Title and age of a stale frame change every second.
            let title = if words.kind == MessageKind::Stale { "" } else { &words.title };
            let is_repeated = self.last.as_ref().is_some_and(|(kind, last)| *kind == words.kind && last == title);
            if is_repeated {
                return None;
            }
            self.last = Some((words.kind, title.into()));
            return describe(words);
        }
        if !is_new_answer || !words.has_answer() {
            return None;
        }
        let description = describe(words)?;
        let name = printable(file_name(&words.source));
        self.name_columns = self.name_columns.max(name.chars().count()).max(MIN_NAME_COLUMNS);
        Some(format!("{name:columns$}  {description}", columns = self.name_columns))
    }
}

/// Returns the message as one line, such as `red panda 95 %`; `None` before the first answer.
pub fn describe(words: &ScreenWords) -> Option<String> {
    let title = &words.title;
    let line = match words.kind {
        MessageKind::Waiting => return None,
        MessageKind::Answer(Certainty::Sure) => format!("{title} {} %", words.percent),
        MessageKind::Answer(Certainty::NotClear) => {
            let mut line = format!("not clear: {title} {} %", words.percent);
            words.candidates().iter().for_each(|other| line += &format!(", {} {} %", other.label, other.percent));
            line
        }
        MessageKind::Answer(Certainty::Unsure) => match words.candidates().first() {
            Some(guess) => format!("unsure: perhaps {} {} %", guess.label, guess.percent),
            None => "unsure".into(),
        },
        MessageKind::Stale => "no new picture".into(),
        MessageKind::NoCamera => title.to_lowercase(),
    };
    Some(printable(&line))
}

/// Returns a path without its folders.
fn file_name(source: &str) -> &str {
    Path::new(source).file_name().and_then(|name| name.to_str()).unwrap_or(source)
}

/// Returns `text` without control characters: a file name must not move the cursor of a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::tests::{changed, sure, words};

    #[test]
    fn files_have_a_line_each_in_two_columns() {
        let mut lines = TextLines::default();
        let mut line = |source: &str, words: ScreenWords| {
            lines.next_line(&changed(words, |words| words.source = source.into()), true).unwrap()
        };
        let not_clear = words(MessageKind::Answer(Certainty::NotClear), "Egyptian cat", 41, &[("tabby cat", 27)]);
        let unsure = words(MessageKind::Answer(Certainty::Unsure), "unsure", 0, &[("ram", 4), ("llama", 3)]);
        let printed = [
            line("samples/bison.jpg", sure("bison", 97)),
            line("samples/chelsea.jpg", not_clear),
            line("samples/empty_meadow.jpg", unsure),
            line("a_rather_long_file_name.jpg", sure("hen", 93)),
            line("dog.jpg", sure("German shepherd", 97)),
        ];
        insta::assert_snapshot!(printed.join("\n"));
    }

    #[test]
    fn camera_has_a_line_when_its_answer_changes() {
        let stale = words(MessageKind::Stale, "No new picture for 3 s", 0, &[]);
        let staler = words(MessageKind::Stale, "No new picture for 4 s", 0, &[]);
        let no_camera = words(MessageKind::NoCamera, "No camera", 0, &[]);
        let waiting = ScreenWords::default();
        let shown =
            [waiting, sure("hen", 93), sure("hen", 94), sure("ox", 70), stale, staler, sure("ox", 70), no_camera];
        let mut lines = TextLines::default();
        let printed: Vec<String> = shown.iter().filter_map(|words| lines.next_line(words, true)).collect();
        assert_eq!(printed, ["hen 93 %", "ox 70 %", "no new picture", "ox 70 %", "no camera"]);
    }

    #[test]
    fn file_is_not_repeated_without_a_new_answer() {
        let words = changed(sure("hen", 93), |words| words.source = "a.jpg".into());
        let mut lines = TextLines::default();
        assert!(lines.next_line(&words, true).is_some());
        assert_eq!(lines.next_line(&words, false), None);
    }

    #[test]
    fn control_characters_are_not_printed() {
        let words = changed(sure("a\nb", 93), |words| words.source = "\u{1b}[2J.jpg".into());
        let line = TextLines::default().next_line(&words, true).unwrap();
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}
