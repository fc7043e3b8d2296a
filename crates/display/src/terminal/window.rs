//! Window of the terminal: draws pictures and words, follows its size, and sends only changed cells.

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::alternate_screen::{AlternateScreen, Tty, WindowSize};
use super::graphics::{self, Graphics, ImageEncoding};
use super::layout::{LOG_ROWS, Layout};
use super::log_writer::LogBuffer;
use super::page::Page;
use super::palette::ColourDepth;
use super::picture;
use super::text_lines::describe;
use crate::{DisplayError, Key, ScreenUpdate};
use phicam_frame::Size;

/// Begin and end of an update that the terminal shows at once (mode 2026); others ignore it.
const BEGIN_UPDATE: &[u8] = b"\x1b[?2026h";
const END_UPDATE: &[u8] = b"\x1b[?2026l";

/// Terminal with its alternate screen.
pub struct Window {
    tty: Box<dyn Tty>,
    is_closed: bool,
    log: Option<LogBuffer>,
    page: Page,
    graphics: Graphics,
    encoding: ImageEncoding,
    size: WindowSize,
    layout: Layout,
    /// Cells that the terminal shows, and those of the next update.
    shown: Buffer,
    next: Buffer,
    /// Whether the terminal may show other cells than `shown`.
    needs_clearing: bool,
    /// Whether the terminal shows a picture in pixels.
    has_image: bool,
    shown_log_lines: usize,
    /// Last answer, printed when the picture is gone.
    last_line: Option<String>,
}

impl Window {
    /// Opens the window with the abilities that the environment states.
    pub fn open() -> Result<Window, DisplayError> {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let depth = ColourDepth::from_environment(variable);
        let has_pixels = depth.shows_photographs();
        let graphics = if has_pixels { Graphics::from_environment(variable) } else { Graphics::HalfBlocks };
        let log = LogBuffer::start();
        let screen = AlternateScreen::enter().map_err(DisplayError::from_terminal)?;
        Ok(Window::new(Box::new(screen), log, depth, graphics))
    }

    fn new(tty: Box<dyn Tty>, log: LogBuffer, depth: ColourDepth, graphics: Graphics) -> Window {
        let size = tty.size();
        let mut window = Window {
            tty,
            is_closed: false,
            log: Some(log),
            page: Page::new(depth, depth == ColourDepth::Sixteen),
            graphics,
            encoding: ImageEncoding::default(),
            size,
            layout: Layout::default(),
            shown: Buffer::default(),
            next: Buffer::default(),
            needs_clearing: true,
            has_image: false,
            shown_log_lines: 0,
            last_line: None,
        };
        window.set_size(size);
        window
    }

    /// Returns the size of the picture in pixels, for the window's size now.
    pub fn picture_size(&self) -> Size {
        let size = self.tty.size();
        self.graphics.picture_size(Layout::new(size.columns, size.rows).picture, size.cell)
    }

    /// Returns whether the window has another size than the last update.
    pub fn is_resized(&self) -> bool {
        !self.is_closed && self.tty.size() != self.size
    }

    /// Shows an update. Its canvas may still have the size of the window before.
    pub fn show(&mut self, update: &ScreenUpdate) -> Result<(), DisplayError> {
        if self.is_closed {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let size = self.tty.size();
        if size != self.size || (self.has_image && !Page::has_picture(update.words)) {
            self.set_size(size);
        }
        if std::mem::take(&mut self.needs_clearing) {
            graphics::remove(&mut bytes, self.graphics);
            bytes.extend_from_slice(b"\x1b[0m\x1b[2J");
        }
        let has_picture = Page::has_picture(update.words) && !self.layout.picture.is_empty();
        self.next.reset();
        self.page.draw(&mut self.next, &self.layout, update.words);
        if has_picture && self.graphics == Graphics::HalfBlocks {
            picture::draw(&mut self.next, self.layout.picture, update.canvas, self.page.depth);
        }
        self.draw_log();
        self.write_changes(&mut bytes)?;
        if has_picture && self.graphics != Graphics::HalfBlocks && (!self.has_image || !update.damage.is_empty()) {
            let written = self.encoding.write(&mut bytes, self.graphics, self.layout.picture, update.canvas);
            written.map_err(DisplayError::Terminal)?;
            self.has_image = true;
        }
        self.last_line = describe(update.words).filter(|_| update.words.has_answer()).or(self.last_line.take());
        self.send(&bytes)
    }

    /// Shows new lines of the log.
    pub fn show_log(&mut self) -> Result<(), DisplayError> {
        let lines = self.log.as_ref().map_or(0, LogBuffer::count);
        if self.is_closed || lines == self.shown_log_lines || self.needs_clearing {
            return Ok(());
        }
        self.next.clone_from(&self.shown);
        self.draw_log();
        let mut bytes = Vec::new();
        self.write_changes(&mut bytes)?;
        self.send(&bytes)
    }

    /// Returns the key that was pressed; from then on the window says which keys there are.
    pub fn read_key(&mut self) -> Option<Key> {
        self.page.has_keys = true;
        if self.is_closed { None } else { self.tty.read_key() }
    }

    /// Restores the normal screen, and prints the log and the last answer on it.
    pub fn close(&mut self) -> Result<(), DisplayError> {
        if self.is_closed {
            return Ok(());
        }
        let mut bytes = Vec::new();
        graphics::remove(&mut bytes, self.graphics);
        let sent = self.send(&bytes);
        self.is_closed = true;
        self.tty.leave();
        self.log = None;
        sent?;
        let line = self.last_line.take().map(|line| line + "\n").unwrap_or_default();
        self.tty.write(line.as_bytes()).map_err(DisplayError::from_terminal)
    }

    /// Prepares an update of everything for a window of `size`.
    fn set_size(&mut self, size: WindowSize) {
        self.size = size;
        self.layout = Layout::new(size.columns, size.rows);
        let area = Rect::new(0, 0, size.columns, size.rows);
        self.shown = Buffer::empty(area);
        self.next = Buffer::empty(area);
        self.needs_clearing = true;
        self.has_image = false;
    }

    fn draw_log(&mut self) {
        if let Some(log) = &self.log {
            self.shown_log_lines = log.count();
            let lines = log.newest(usize::from(LOG_ROWS.min(self.layout.log.height)));
            self.page.draw_log(&mut self.next, self.layout.log, &lines);
        }
    }

    /// Writes the cells that differ, and takes them as shown.
    fn write_changes(&mut self, bytes: &mut Vec<u8>) -> Result<(), DisplayError> {
        let changes = self.shown.diff(&self.next);
        if !changes.is_empty() {
            let drawn = CrosstermBackend::new(&mut *bytes).draw(changes.into_iter());
            drawn.map_err(DisplayError::from_terminal)?;
        }
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(())
    }

    /// Sends an update as a whole. After a failure the next update is complete.
    fn send(&mut self, bytes: &[u8]) -> Result<(), DisplayError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.tty.write(&[BEGIN_UPDATE, bytes, END_UPDATE].concat()).map_err(|error| {
            self.set_size(self.size);
            DisplayError::from_terminal(error)
        })
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.close(); // A failure has no other place to go.
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::terminal::tests::{sure, words};
    use crate::words::{MessageKind, ScreenWords};
    use phicam_frame::canvas::Canvas;

    /// Terminal that records its output.
    struct Recorded {
        size: WindowSize,
        output: String,
        fails: bool,
    }

    #[derive(Clone)]
    struct Recorder(Arc<Mutex<Recorded>>);

    impl Tty for Recorder {
        fn size(&self) -> WindowSize {
            self.0.lock().size
        }

        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            let mut recorded = self.0.lock();
            if recorded.fails {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            recorded.output.push_str(std::str::from_utf8(bytes).unwrap());
            Ok(())
        }

        fn read_key(&mut self) -> Option<Key> {
            None
        }

        fn leave(&mut self) {
            self.0.lock().output.push_str("<leave>");
        }
    }

    impl Recorder {
        fn window(graphics: Graphics) -> (Window, Recorder) {
            let size = WindowSize { columns: 80, rows: 24, cell: None };
            let recorder = Recorder(Arc::new(Mutex::new(Recorded { size, output: String::new(), fails: false })));
            // Not started: other tests of this process log.
            let window = Window::new(Box::new(recorder.clone()), LogBuffer, ColourDepth::True, graphics);
            (window, recorder)
        }

        /// Returns the output since the last call.
        fn take(&self) -> String {
            std::mem::take(&mut self.0.lock().output)
        }
    }

    fn show(window: &mut Window, words: &ScreenWords, has_damage: bool) -> Result<(), DisplayError> {
        let canvas = &Canvas::new(window.picture_size());
        let damage = if has_damage { &[canvas.area()][..] } else { &[] };
        window.show(&ScreenUpdate { canvas, damage, layer: None, words, new_answer: true, new_fault: false })
    }

    #[test]
    fn only_changed_cells_are_sent() {
        let (mut window, recorder) = Recorder::window(Graphics::HalfBlocks);
        show(&mut window, &sure("hen", 93), true).unwrap();
        assert!(recorder.take().contains("93 %"));
        show(&mut window, &sure("hen", 93), true).unwrap();
        assert_eq!(recorder.take(), "");
        show(&mut window, &sure("hen", 95), true).unwrap();
        let output = recorder.take();
        assert!(output.len() < 200, "{output:?}"); // a digit and a part of the rule
    }

    #[test]
    fn resized_window_is_drawn_anew() {
        let (mut window, recorder) = Recorder::window(Graphics::HalfBlocks);
        show(&mut window, &sure("hen", 93), true).unwrap();
        recorder.take();
        recorder.0.lock().size = WindowSize { columns: 40, rows: 12, cell: None };
        assert!(window.is_resized());
        assert_eq!(window.picture_size(), Size::new(20, 20));
        show(&mut window, &sure("hen", 93), true).unwrap();
        let output = recorder.take();
        assert!(output.contains("\x1b[2J"), "{output:?}");
        assert!(output.contains("hen"), "{output:?}");
        assert!(!window.is_resized());
    }

    #[test]
    fn picture_in_pixels_is_sent_only_when_damaged() {
        let (mut window, recorder) = Recorder::window(Graphics::Kitty);
        let mut sends_picture = |words: &ScreenWords, has_damage| {
            show(&mut window, words, has_damage).unwrap();
            recorder.take().contains("a=T")
        };
        assert!(sends_picture(&sure("hen", 93), false), "the first picture");
        assert!(!sends_picture(&sure("ox", 93), false));
        assert!(sends_picture(&sure("ox", 93), true));
        assert!(!sends_picture(&words(MessageKind::NoCamera, "No camera", 0, &[]), true));
        assert!(sends_picture(&sure("ox", 93), false), "the picture was removed");
    }

    #[test]
    fn update_after_a_failure_is_complete() {
        let (mut window, recorder) = Recorder::window(Graphics::HalfBlocks);
        recorder.0.lock().fails = true;
        assert!(matches!(show(&mut window, &sure("hen", 93), true), Err(DisplayError::Closed)));
        recorder.0.lock().fails = false;
        show(&mut window, &sure("hen", 93), true).unwrap();
        let output = recorder.take();
        assert!(output.contains("\x1b[2J") && output.contains("93 %"), "{output:?}");
    }

    #[test]
    fn close_prints_the_last_answer_once() {
        let (mut window, recorder) = Recorder::window(Graphics::HalfBlocks);
        show(&mut window, &sure("hen", 93), true).unwrap();
        show(&mut window, &words(MessageKind::NoCamera, "No camera", 0, &[]), true).unwrap();
        recorder.take();
        window.close().unwrap();
        drop(window);
        assert!(recorder.take().ends_with("<leave>hen 93 %\n"));
    }
}
