//! Log output while the terminal shows a picture: lines are kept, and printed when the picture is gone.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};

use parking_lot::Mutex;

/// Largest number of lines kept: an estimate, a few screens to scroll back through.
const MAX_LINES: usize = 200;

/// Kept lines; `None` while no picture is shown, so that lines go to standard error at once.
static KEPT_LINES: Mutex<Option<KeptLines>> = Mutex::new(None);

/// Newest lines of the log, and the number of older ones left out.
#[derive(Default)]
struct KeptLines {
    lines: VecDeque<String>,
    left_out: usize,
    /// Begin of a line whose end is not written yet.
    partial: String,
    /// Number of lines so far, by which a new one is noticed.
    count: usize,
}

impl KeptLines {
    /// Adds text of any length; its lines count once they end.
    fn write(&mut self, text: &str) {
        for part in text.split_inclusive('\n') {
            self.partial.push_str(part.trim_end_matches('\n'));
            if part.ends_with('\n') {
                let line = std::mem::take(&mut self.partial);
                self.push(&line);
            }
        }
    }

    fn push(&mut self, line: &str) {
        self.count += 1;
        self.lines.push_back(line.into());
        if self.lines.len() > MAX_LINES {
            // Warnings stay as long as there is anything else to leave out.
            let is_warning = |line: &String| ["warn", "error"].iter().any(|level| line.starts_with(level));
            let index = self.lines.iter().position(|line| !is_warning(line)).unwrap_or(0);
            self.lines.remove(index);
            self.left_out += 1;
        }
    }

    /// Writes all lines, with the number of those left out.
    fn print(mut self, out: &mut impl Write) -> io::Result<()> {
        if !self.partial.is_empty() {
            self.write("\n");
        }
        if self.left_out > 0 {
            writeln!(out, "({} log lines left out)", self.left_out)?;
        }
        self.lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}

/// Target of the program's log.
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *KEPT_LINES.lock() {
            Some(kept) => kept.write(&String::from_utf8_lossy(bytes)),
            None => io::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Guard during which log lines are kept; when it is dropped, they go to standard error.
pub struct LogBuffer;

impl LogBuffer {
    /// Starts to keep lines if standard error is a terminal; a file or a pipe gets its lines at once.
    pub fn start() -> LogBuffer {
        *KEPT_LINES.lock() = io::stderr().is_terminal().then(KeptLines::default);
        LogBuffer
    }

    /// Returns the number of lines since the start.
    pub fn count(&self) -> usize {
        KEPT_LINES.lock().as_ref().map_or(0, |kept| kept.count)
    }

    /// Returns up to `count` lines, the newest last.
    pub fn newest(&self, count: usize) -> Vec<String> {
        KEPT_LINES.lock().as_ref().map_or_else(Vec::new, |kept| {
            kept.lines.iter().skip(kept.lines.len().saturating_sub(count)).cloned().collect()
        })
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        let kept = KEPT_LINES.lock().take(); // The lock ends here: writing may be slow.
        if let Some(kept) = kept {
            let _ = kept.print(&mut io::stderr()); // Nowhere is left to report a failure of standard error.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_log_leaves_out_the_oldest_information() {
        let mut kept = KeptLines::default();
        kept.push("warn: too little power");
        (0..MAX_LINES + 4).for_each(|number| kept.push(&format!("info: line {number}")));
        let mut printed = Vec::new();
        kept.print(&mut printed).unwrap();
        let printed = String::from_utf8(printed).unwrap();
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines[..3], ["(5 log lines left out)", "warn: too little power", "info: line 5"]);
        assert_eq!(lines.last(), Some(&"info: line 203"));
    }

    #[test]
    fn line_in_parts_is_a_single_line() {
        let mut kept = KeptLines::default();
        ["warn: too", " little", " power\ninfo: a", "nswer"].iter().for_each(|part| kept.write(part));
        assert_eq!((kept.count, kept.lines[0].as_str()), (1, "warn: too little power"));
        let mut printed = Vec::new();
        kept.print(&mut printed).unwrap();
        assert_eq!(printed, b"warn: too little power\ninfo: answer\n");
    }

    #[test]
    fn warnings_alone_are_limited_too() {
        let mut kept = KeptLines::default();
        (0..MAX_LINES + 1).for_each(|number| kept.push(&format!("error: {number}")));
        assert_eq!((kept.lines.len(), kept.lines[0].as_str()), (MAX_LINES, "error: 1"));
    }
}
