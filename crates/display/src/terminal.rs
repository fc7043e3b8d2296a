//! Terminal: an image that is redrawn in place, or one line of text for each answer if standard output is a pipe.

use std::io::{ErrorKind, IsTerminal, Write};

use log::warn;

use crate::{Display, DisplayError, ScreenUpdate};
use phicam_frame::Size;

mod log_writer;
mod viewport;
pub use log_writer::LogWriter;
use viewport::Viewport;

/// Size of the canvas: the pixels of 64 columns and 20 rows in a terminal with cells of 10 × 20 pixels.
const SIZE: Size = Size::new(640, 400);

/// Display on standard output.
pub struct Terminal {
    /// `None` if standard output is not a terminal, or cannot show an image.
    viewport: Option<Viewport>,
}

impl Terminal {
    /// Opens standard output, whether or not it is a terminal.
    pub fn open() -> Terminal {
        let viewport = std::io::stdout().is_terminal().then(|| Viewport::open(SIZE));
        let viewport = viewport.and_then(|opened| {
            let log_error =
                |error| warn!("cannot draw in the terminal: {error}; each answer is printed as a line of text");
            opened.map_err(log_error).ok()
        });
        Terminal { viewport }
    }

    /// Opens standard output for one line of text for each answer.
    pub fn lines() -> Terminal {
        Terminal { viewport: None }
    }
}

impl Display for Terminal {
    fn name(&self) -> String {
        "terminal".into()
    }

    fn size(&self) -> Size {
        SIZE
    }

    fn show(&mut self, update: &ScreenUpdate) -> Result<(), DisplayError> {
        if let Some(viewport) = &mut self.viewport {
            return viewport.show(update).map_err(DisplayError::Terminal);
        }
        if !update.new_answer {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "{}", update.caption).and_then(|()| out.flush());
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => DisplayError::Closed,
            _ => DisplayError::Terminal(error.to_string()),
        })
    }

    fn idle(&mut self) -> Result<(), DisplayError> {
        self.viewport.as_mut().map_or(Ok(()), |viewport| viewport.write_log().map_err(DisplayError::Terminal))
    }

    fn close(&mut self) -> Result<(), DisplayError> {
        self.viewport.take().map_or(Ok(()), |viewport| viewport.close().map_err(DisplayError::Terminal))
    }
}
