//! Terminal: picture and words that fill its window, or a line of text for each answer if it is none.

use std::io::{ErrorKind, IsTerminal, stdout};

use log::warn;

use crate::{CanvasContent, Display, DisplayError, Key, ScreenUpdate};
use phicam_frame::Size;

mod alternate_screen;
mod graphics;
mod half_block_letters;
mod layout;
mod log_writer;
mod page;
mod palette;
mod picture;
#[cfg(test)]
mod tests;
mod text;
mod text_lines;
pub use alternate_screen::restore_terminal;
pub use text_lines::{describe, printable};
mod window;
pub use log_writer::LogWriter;
use text_lines::TextLines;
use window::Window;

/// Size of the canvas that nobody sees if the output is lines of text.
const UNSEEN_CANVAS: Size = Size::new(16, 9);

/// Display on standard output.
pub struct Terminal(Output);

enum Output {
    Window(Box<Window>),
    Lines(TextLines),
}

impl Terminal {
    /// Opens standard output: a window if it is a terminal that can place text, otherwise lines of text.
    pub fn open() -> Terminal {
        let term = std::env::var("TERM").unwrap_or_default();
        if !stdout().is_terminal() || term.is_empty() || term == "dumb" {
            return Terminal::text();
        }
        match Window::open() {
            Ok(window) => Terminal(Output::Window(Box::new(window))),
            Err(error) => {
                warn!("{error}; each answer is printed as a line of text");
                Terminal::text()
            }
        }
    }

    /// Opens standard output for lines of text, such as for a screen reader.
    pub fn text() -> Terminal {
        Terminal(Output::Lines(TextLines::default()))
    }
}

impl Display for Terminal {
    fn name(&self) -> String {
        match &self.0 {
            Output::Window(_) => "terminal".into(),
            Output::Lines(_) => "text".into(),
        }
    }

    fn size(&self) -> Size {
        match &self.0 {
            Output::Window(window) => window.picture_size(),
            Output::Lines(_) => UNSEEN_CANVAS,
        }
    }

    fn canvas_content(&self) -> CanvasContent {
        CanvasContent::Picture
    }

    fn show(&mut self, update: &ScreenUpdate) -> Result<(), DisplayError> {
        match &mut self.0 {
            Output::Window(window) => window.show(update),
            Output::Lines(lines) => match lines.next_line(update.words, update.new_answer) {
                Some(line) => {
                    alternate_screen::write_out((line + "\n").as_bytes()).map_err(DisplayError::from_terminal)
                }
                None => Ok(()),
            },
        }
    }

    fn needs_redraw(&mut self) -> bool {
        matches!(&self.0, Output::Window(window) if window.is_resized())
    }

    fn idle(&mut self) -> Result<(), DisplayError> {
        match &mut self.0 {
            Output::Window(window) => window.show_log(),
            Output::Lines(_) => Ok(()),
        }
    }

    fn pressed(&mut self) -> Option<Key> {
        match &mut self.0 {
            Output::Window(window) => window.read_key(),
            Output::Lines(_) => None,
        }
    }

    fn close(&mut self) -> Result<(), DisplayError> {
        match &mut self.0 {
            Output::Window(window) => window.close(),
            Output::Lines(_) => Ok(()),
        }
    }
}

impl DisplayError {
    /// Converts a failure to write to standard output.
    fn from_terminal(error: std::io::Error) -> DisplayError {
        match error.kind() {
            ErrorKind::BrokenPipe => DisplayError::Closed,
            _ => DisplayError::Terminal(error.to_string()),
        }
    }
}
