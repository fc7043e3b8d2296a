//! The terminal: the picture redrawn in place where it is a terminal, a line an answer where it is a pipe.

use std::io::{ErrorKind, IsTerminal, Write};

use log::warn;

use super::{Display, DisplayError, Shown};
use phicam_frame::Size;

mod log_writer;
mod viewport;
pub use log_writer::LogLines;
use viewport::Window;

/// Pixels of the picture that is drawn: as many as its columns and rows have in a terminal that can show pixels.
const SIZE: Size = Size::new(640, 400);

/// See the module.
pub struct Terminal {
    /// Nothing where standard output is no terminal.
    window: Option<Window>,
}

impl Terminal {
    /// Standard output, whatever it is.
    pub fn open() -> Terminal {
        let window = std::io::stdout().is_terminal().then(|| Window::open(SIZE));
        let window = window.and_then(|opened| {
            let told = |error| warn!("the terminal draws no pictures ({error}): answers are lines of text");
            opened.map_err(told).ok()
        });
        Terminal { window }
    }
}

impl Display for Terminal {
    fn name(&self) -> String {
        "terminal".into()
    }

    fn size(&self) -> Size {
        SIZE
    }

    fn show(&mut self, shown: &Shown) -> Result<(), DisplayError> {
        if let Some(window) = &mut self.window {
            return window.show(shown).map_err(DisplayError::Terminal);
        }
        if !shown.new_answer {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "{}", shown.caption).and_then(|()| out.flush());
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => DisplayError::Closed,
            _ => DisplayError::Terminal(error.to_string()),
        })
    }

    fn idle(&mut self) -> Result<(), DisplayError> {
        self.window.as_mut().map_or(Ok(()), |window| window.write_log().map_err(DisplayError::Terminal))
    }

    fn close(&mut self) -> Result<(), DisplayError> {
        self.window.take().map_or(Ok(()), |window| window.close().map_err(DisplayError::Terminal))
    }
}
