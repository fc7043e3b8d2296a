//! A few lines of the terminal that hold the picture and its caption; what is logged scrolls away above them.

use std::io::{Stdout, Write, stdout};

use image::{DynamicImage, RgbImage};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget, Wrap};
use ratatui::{TerminalOptions, Viewport};
use ratatui_image::picker::{Picker, ProtocolType};
use ratatui_image::{Image, Resize};

use super::super::Shown;
use super::log_writer::Hold;
use phicam_frame::Size;

/// How many times as high as wide a terminal's cells are.
const CELL_SHAPE: u32 = 2;
/// Columns that the picture takes at most.
const COLUMNS: u16 = 64;

/// See the module.
pub struct Window {
    terminal: ratatui::Terminal<CrosstermBackend<Stdout>>,
    picker: Picker,
    hold: Hold,
    rgb: Vec<u8>,
}

impl Window {
    /// A window for pictures of `size`, as large as the terminal allows. Fails where the terminal does not say where its
    /// cursor is.
    pub fn open(size: Size) -> Result<Window, String> {
        let (columns, rows) = ratatui::crossterm::terminal::size().map_err(|error| error.to_string())?;
        let columns = u32::from(columns.min(COLUMNS));
        let wanted = (columns * size.height).div_ceil(size.width * CELL_SHAPE);
        let height = (wanted as u16 + 1).clamp(2, rows.saturating_sub(1).max(2)); // with the caption
        let options = TerminalOptions { viewport: Viewport::Inline(height) };
        let terminal = ratatui::Terminal::with_options(CrosstermBackend::new(stdout()), options);
        let terminal = terminal.map_err(|error| error.to_string())?;
        let mut picker = Picker::halfblocks();
        picker.set_protocol_type(protocol(|name| std::env::var(name).unwrap_or_default()));
        Ok(Window { terminal, picker, hold: Hold::new(), rgb: Vec::new() })
    }

    /// Draws the picture with its caption, and above them what was logged since the last time.
    pub fn show(&mut self, shown: &Shown) -> Result<(), String> {
        self.write_log()?;
        shown.picture.to_rgb(&mut self.rgb);
        let Size { width, height } = shown.picture.size();
        let picture = RgbImage::from_raw(width, height, std::mem::take(&mut self.rgb)).ok_or("its size is wrong")?;
        let room = self.terminal.get_frame().area();
        let room = ratatui::layout::Size::new(room.width.min(COLUMNS), room.height.saturating_sub(1));
        let picture = DynamicImage::from(picture);
        let drawn = self.picker.new_protocol(picture, room, Resize::Fit(Some(image::imageops::FilterType::Triangle)));
        let drawn = drawn.map_err(|error| error.to_string())?;
        let draw = |frame: &mut ratatui::Frame| {
            let Rect { x, y, width, height } = frame.area();
            let caption = Rect::new(x, y + height.saturating_sub(1), width, 1);
            frame.render_widget(Image::new(&drawn), Rect::new(x, y, room.width.min(width), room.height));
            frame.render_widget(Line::from(shown.caption), caption);
            // Wherever the program ends, what is printed next begins below the window.
            frame.set_cursor_position(Position::new(0, caption.y));
        };
        self.terminal.draw(draw).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Writes the log's new lines above the window.
    pub fn write_log(&mut self) -> Result<(), String> {
        let width = usize::from(self.terminal.get_frame().area().width.max(1));
        for line in self.hold.take() {
            // Words that wrap leave gaps at the ends of lines: one line more than the letters alone would need.
            let letters = line.chars().count();
            let height = if letters <= width { 1 } else { letters.div_ceil(width) + 1 };
            let write = |buffer: &mut ratatui::buffer::Buffer| {
                Paragraph::new(line.as_str()).wrap(Wrap { trim: false }).render(buffer.area, buffer);
            };
            self.terminal.insert_before(height as u16, write).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Leaves the last picture standing, with the cursor below it.
    pub fn close(mut self) -> Result<(), String> {
        self.write_log()?;
        let below = self.terminal.get_frame().area().bottom().saturating_sub(1);
        let moved = self.terminal.set_cursor_position(Position::new(0, below));
        moved.and_then(|()| self.terminal.show_cursor()).map_err(|error| error.to_string())?;
        writeln!(stdout()).map_err(|error| error.to_string())
    }
}

/// How pictures are sent, by what the terminal says of itself in the environment; half blocks work in any.
///
/// Asking the terminal itself would read standard input, and a late answer to one question is taken for the other's: the
/// thread that reads the cursor's place then waits for ever (seen in tmux).
fn protocol(variable: impl Fn(&str) -> String) -> ProtocolType {
    let (program, term) = (variable("TERM_PROGRAM"), variable("TERM"));
    match program.as_str() {
        "iTerm.app" | "WezTerm" => ProtocolType::Iterm2,
        _ if term == "xterm-kitty" || term == "xterm-ghostty" => ProtocolType::Kitty,
        _ => ProtocolType::Halfblocks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_is_not_known_to_show_pixels_gets_half_blocks() {
        let chosen = |program: &'static str, term: &'static str| {
            protocol(move |name| if name == "TERM" { term.into() } else { program.into() })
        };
        assert_eq!(chosen("", "xterm-256color"), ProtocolType::Halfblocks);
        assert_eq!(chosen("tmux", "tmux-256color"), ProtocolType::Halfblocks);
        assert_eq!(chosen("", "xterm-kitty"), ProtocolType::Kitty);
        assert_eq!(chosen("iTerm.app", "xterm-256color"), ProtocolType::Iterm2);
    }
}
