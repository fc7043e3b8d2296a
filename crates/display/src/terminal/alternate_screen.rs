//! Alternate screen of the terminal without echo, and its keys; the normal screen returns at the end, also on a panic.

use std::io::{self, IsTerminal, Write, stdin, stdout};
use std::sync::Once;

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, Winsize, tcgetwinsize};

use super::LogWriter;
use crate::Key;
use phicam_frame::Size;

/// State to restore; `None` while the normal screen is shown.
static ACTIVE: Mutex<Option<Restore>> = Mutex::new(None);

struct Restore {
    /// Mode of standard input; `None` if it was not changed.
    mode: Option<Termios>,
}

/// Terminal device that a window draws on.
pub trait Tty: Send {
    fn size(&self) -> WindowSize;
    /// Writes to the terminal at once.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns the key that was pressed, without waiting.
    fn read_key(&mut self) -> Option<Key>;
    /// Restores the normal screen.
    fn leave(&mut self);
}

/// Size of a window in cells, and of a cell in pixels if known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    pub columns: u16,
    pub rows: u16,
    pub cell: Option<Size>,
}

/// Columns and rows if the terminal does not state them, as on a serial line: those of the VT100.
const DEFAULT_WINDOW: (u16, u16) = (80, 24);

/// Guard of the alternate screen on standard output.
pub struct AlternateScreen(());

impl AlternateScreen {
    /// Switches to the alternate screen, without cursor and echo.
    pub fn enter() -> io::Result<AlternateScreen> {
        handle_panics();
        *ACTIVE.lock() = Some(Restore { mode: disable_echo() });
        let screen = AlternateScreen(()); // Dropped if the next line fails.
        write_out(b"\x1b[?1049h\x1b[?25l\x1b[2J")?;
        Ok(screen)
    }
}

impl Tty for AlternateScreen {
    fn size(&self) -> WindowSize {
        let unknown = Winsize { ws_col: 0, ws_row: 0, ws_xpixel: 0, ws_ypixel: 0 };
        let Winsize { ws_col, ws_row, ws_xpixel, ws_ypixel } = tcgetwinsize(stdout()).unwrap_or(unknown);
        let (columns, rows) = if ws_col == 0 || ws_row == 0 { DEFAULT_WINDOW } else { (ws_col, ws_row) };
        let (width, height) = (ws_xpixel / columns, ws_ypixel / rows);
        let cell = (width > 0 && height > 0).then(|| Size::new(u32::from(width), u32::from(height)));
        WindowSize { columns, rows, cell }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        write_out(bytes)
    }

    fn read_key(&mut self) -> Option<Key> {
        let reads_keys = ACTIVE.lock().as_ref().is_some_and(|restore| restore.mode.is_some());
        let stdin = stdin();
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        let no_wait = Timespec { tv_sec: 0, tv_nsec: 0 };
        if !reads_keys || !is_in_foreground() || poll(&mut ready, Some(&no_wait)) != Ok(1) {
            return None;
        }
        let mut bytes = [0; 32];
        let length = rustix::io::read(&stdin, &mut bytes).unwrap_or(0);
        key(&bytes[..length])
    }

    fn leave(&mut self) {
        let restore = ACTIVE.lock().take();
        restore.into_iter().for_each(restore_screen);
    }
}

impl Drop for AlternateScreen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Returns the key that these bytes of the terminal mean. A sequence such as that of an arrow key means none.
fn key(bytes: &[u8]) -> Option<Key> {
    match bytes {
        [b'q' | b'Q'] => Some(Key::Quit),
        [b'd' | b'D'] => Some(Key::Details),
        _ => None,
    }
}

/// Writes to standard output at once.
pub fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Disables echo and lines of standard input, and returns its mode from before. Signals of keys stay, so that Ctrl-C
/// ends the program, but for Ctrl-Z, which would leave the shell with the alternate screen.
fn disable_echo() -> Option<Termios> {
    if !stdin().is_terminal() || !is_in_foreground() {
        return None;
    }
    let saved = rustix::termios::tcgetattr(stdin()).ok()?;
    let mut mode = saved.clone();
    mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    mode.special_codes[SpecialCodeIndex::VMIN] = 1;
    mode.special_codes[SpecialCodeIndex::VTIME] = 0;
    mode.special_codes[SpecialCodeIndex::VSUSP] = 0; // _POSIX_VDISABLE
    rustix::termios::tcsetattr(stdin(), OptionalActions::Now, &mode).ok()?;
    Some(saved)
}

/// Returns whether this process may read the terminal; the kernel stops one in the background that tries.
fn is_in_foreground() -> bool {
    rustix::termios::tcgetpgrp(stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Restores the normal screen, cursor and echo. Nowhere is left to report a failure.
fn restore_screen(restore: Restore) {
    let _ = write_out(b"\x1b[0m\x1b[2J\x1b[H\x1b[?25h\x1b[?1049l");
    if let Some(mode) = restore.mode
        && is_in_foreground()
    {
        // Keys that were typed in vain do not go to the shell.
        let _ = rustix::termios::tcsetattr(stdin(), OptionalActions::Flush, &mode);
    }
}

/// Restores the normal screen if the alternate one is shown, for a program that ends at once.
pub fn restore_terminal() {
    let restore = ACTIVE.try_lock().and_then(|mut active| active.take());
    restore.into_iter().for_each(restore_screen);
}

/// Installs a panic hook: the message would vanish with the alternate screen, so it goes to the log, or the normal
/// screen returns first if a panic ends the program at once.
fn handle_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous_hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let Some(mut active) = ACTIVE.try_lock().filter(|active| active.is_some()) else {
                return previous_hook(panic);
            };
            if cfg!(panic = "unwind") {
                let message = panic.to_string().replace('\n', " "); // a line of the log
                let _ = writeln!(LogWriter, "error: {message}");
            } else {
                active.take().into_iter().for_each(restore_screen);
                previous_hook(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrow_key_is_no_letter() {
        assert_eq!(key(b"q"), Some(Key::Quit));
        assert_eq!(key(b"d"), Some(Key::Details));
        assert_eq!(key(b"\x1b[D"), None);
        assert_eq!(key(b"quit"), None, "pasted text");
        assert_eq!(key(b""), None);
    }
}
