//! Rows of the terminal with the image and its caption; log lines scroll away above them.

use std::io::{Stdout, Write, stdout};

use image::{DynamicImage, RgbImage};
use ratatui::TerminalOptions;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget, Wrap};
use ratatui_image::picker::{Picker, ProtocolType};
use ratatui_image::{Image, Resize};

use super::log_writer::LogBuffer;
use crate::ScreenUpdate;
use phicam_frame::Size;

/// Height of a terminal cell divided by its width: 2 in usual fonts.
const CELL_ASPECT_RATIO: u32 = 2;
/// Largest width of the image in columns: an estimate that leaves 20 rows for it, and room for the log, in 24 rows.
const MAX_COLUMNS: u16 = 64;

/// Part of the terminal that this program redraws.
pub struct Viewport {
    terminal: ratatui::Terminal<CrosstermBackend<Stdout>>,
    picker: Picker,
    log: LogBuffer,
    rgb: Vec<u8>,
}

impl Viewport {
    /// Opens a viewport for canvases of `size`, as large as the terminal allows. It fails if the terminal does not
    /// report the position of its cursor.
    pub fn open(size: Size) -> Result<Viewport, String> {
        let (columns, rows) = ratatui::crossterm::terminal::size().map_err(|error| error.to_string())?;
        let columns = u32::from(columns.min(MAX_COLUMNS));
        let image_rows = (columns * size.height).div_ceil(size.width * CELL_ASPECT_RATIO);
        let height = (image_rows as u16 + 1).clamp(2, rows.saturating_sub(1).max(2)); // one more row for the caption
        let options = TerminalOptions { viewport: ratatui::Viewport::Inline(height) };
        let terminal = ratatui::Terminal::with_options(CrosstermBackend::new(stdout()), options);
        let terminal = terminal.map_err(|error| error.to_string())?;
        let mut picker = Picker::halfblocks();
        picker.set_protocol_type(graphics_protocol(|name| std::env::var(name).unwrap_or_default()));
        Ok(Viewport { terminal, picker, log: LogBuffer::start(), rgb: Vec::new() })
    }

    /// Draws the image with its caption, and prints new log lines above them.
    pub fn show(&mut self, update: &ScreenUpdate) -> Result<(), String> {
        self.write_log()?;
        update.canvas.to_rgb(&mut self.rgb);
        let Size { width, height } = update.canvas.size();
        let rgb = std::mem::take(&mut self.rgb);
        let image = RgbImage::from_raw(width, height, rgb).ok_or("the image has too few pixels for its size")?;
        let area = self.terminal.get_frame().area();
        let room = ratatui::layout::Size::new(area.width.min(MAX_COLUMNS), area.height.saturating_sub(1));
        let resize = Resize::Fit(Some(image::imageops::FilterType::Triangle));
        let encoded = self.picker.new_protocol(DynamicImage::from(image), room, resize);
        let encoded = encoded.map_err(|error| error.to_string())?;
        let draw = |frame: &mut ratatui::Frame| {
            let Rect { x, y, width, height } = frame.area();
            let caption = Rect::new(x, y + height.saturating_sub(1), width, 1);
            frame.render_widget(Image::new(&encoded), Rect::new(x, y, room.width.min(width), room.height));
            frame.render_widget(Line::from(update.words.title.as_str()), caption);
            // Whenever the program ends, later output then begins below the viewport.
            frame.set_cursor_position(Position::new(0, caption.y));
        };
        self.terminal.draw(draw).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Prints new log lines above the viewport.
    pub fn write_log(&mut self) -> Result<(), String> {
        let width = usize::from(self.terminal.get_frame().area().width.max(1));
        for line in self.log.take() {
            // One spare row: wrapping at words leaves gaps at the ends of rows.
            let characters = line.chars().count();
            let height = if characters <= width { 1 } else { characters.div_ceil(width) + 1 };
            let write = |buffer: &mut ratatui::buffer::Buffer| {
                Paragraph::new(line.as_str()).wrap(Wrap { trim: false }).render(buffer.area, buffer);
            };
            self.terminal.insert_before(height as u16, write).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Leaves the last image in the terminal, with the cursor below it.
    pub fn close(mut self) -> Result<(), String> {
        self.write_log()?;
        let last_row = self.terminal.get_frame().area().bottom().saturating_sub(1);
        let moved = self.terminal.set_cursor_position(Position::new(0, last_row));
        moved.and_then(|()| self.terminal.show_cursor()).map_err(|error| error.to_string())?;
        writeln!(stdout()).map_err(|error| error.to_string())
    }
}

/// Returns the graphics protocol of the terminal, from its environment variables; half blocks work in every terminal.
///
/// A query to the terminal would read standard input. A late reply to one query is then taken for the reply to another,
/// and the thread that reads the cursor position waits for ever (seen in tmux).
fn graphics_protocol(variable: impl Fn(&str) -> String) -> ProtocolType {
    let term = variable("TERM");
    match variable("TERM_PROGRAM").as_str() {
        "iTerm.app" | "WezTerm" => ProtocolType::Iterm2,
        _ if term == "xterm-kitty" || term == "xterm-ghostty" => ProtocolType::Kitty,
        _ => ProtocolType::Halfblocks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_terminal_gets_half_blocks() {
        let protocol = |program: &'static str, term: &'static str| {
            graphics_protocol(move |name| if name == "TERM" { term.into() } else { program.into() })
        };
        assert_eq!(protocol("", "xterm-256color"), ProtocolType::Halfblocks);
        assert_eq!(protocol("tmux", "tmux-256color"), ProtocolType::Halfblocks);
        assert_eq!(protocol("", "xterm-kitty"), ProtocolType::Kitty);
        assert_eq!(protocol("iTerm.app", "xterm-256color"), ProtocolType::Iterm2);
    }
}
