//! The terminal: the picture redrawn in place where it is a terminal, a line an answer where it is a pipe.

use std::io::{ErrorKind, IsTerminal, Write};

use image::{DynamicImage, RgbImage};

use super::{Display, DisplayError, Shown};
use crate::frame::Size;

/// Pixels of the picture that is drawn small: twice as high as a terminal of 24 lines can show, so that viuer scales it
/// down once. Its text need not be legible: the caption below it says the same.
const SIZE: Size = Size::new(320, 200);
/// Columns that the picture takes at most.
const COLUMNS: u32 = 64;

/// See the module.
pub struct Terminal {
    is_terminal: bool,
    /// Lines that the last picture and its caption took.
    lines: u32,
    rgb: Vec<u8>,
}

impl Terminal {
    /// Standard output, whatever it is.
    pub fn open() -> Terminal {
        Terminal { is_terminal: std::io::stdout().is_terminal(), lines: 0, rgb: Vec::new() }
    }

    fn draw(&mut self, shown: &Shown) -> Result<(), String> {
        let mut out = std::io::stdout().lock();
        if self.lines > 0 {
            write!(out, "\x1b[{}A\r", self.lines).map_err(|e| e.to_string())?;
        }
        out.flush().map_err(|e| e.to_string())?;
        drop(out); // viuer locks it itself
        let (columns, rows) = viuer::terminal_size();
        let width = COLUMNS.min(u32::from(columns));
        let most_rows = u32::from(rows).saturating_sub(3).max(1); // the caption, and the line of the cursor
        let wanted_rows = (width * SIZE.height).div_ceil(SIZE.width * 2);
        let config = viuer::Config {
            absolute_offset: false,
            width: Some(width.min(most_rows * 2 * SIZE.width / SIZE.height)),
            height: (wanted_rows > most_rows).then_some(most_rows),
            ..viuer::Config::default()
        };
        shown.picture.to_rgb(&mut self.rgb);
        let Size { width, height } = shown.picture.size();
        let picture = RgbImage::from_raw(width, height, std::mem::take(&mut self.rgb)).ok_or("wrong size")?;
        let picture = DynamicImage::from(picture);
        let (_, drawn_rows) = viuer::print(&picture, &config).map_err(|e| e.to_string())?;
        self.rgb = picture.into_rgb8().into_raw();
        let caption: String = shown.caption.chars().take(usize::from(columns).saturating_sub(1)).collect();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\r\x1b[2K{caption}").map_err(|e| e.to_string())?;
        out.flush().map_err(|e| e.to_string())?;
        self.lines = drawn_rows + 1;
        Ok(())
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
        if self.is_terminal {
            return self.draw(shown).map_err(DisplayError::Terminal);
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
}
