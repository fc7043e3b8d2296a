//! Log lines while a picture stands in the terminal: kept for a moment, then written above it instead of into it.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines that wait; nothing while there is no picture, so that lines go to standard error at once.
static WAITING: Mutex<Option<Vec<String>>> = Mutex::new(None);

fn waiting() -> MutexGuard<'static, Option<Vec<String>>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner) // a list of lines is whole at any moment
}

/// Where the log is written to.
pub struct LogLines;

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *waiting() {
            Some(lines) => lines.extend(String::from_utf8_lossy(bytes).lines().map(String::from)),
            None => io::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// While it lives, lines wait; what still waits when it is dropped goes to standard error.
pub struct Hold;

impl Hold {
    /// Lines wait only where they would stand in the picture's way: a file that standard error goes to gets them at once.
    pub fn new() -> Hold {
        *waiting() = io::stderr().is_terminal().then(Vec::new);
        Hold
    }

    /// The lines that came since the last time.
    pub fn take(&self) -> Vec<String> {
        waiting().as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let lines = waiting().take(); // not held while writing, which may be slow
        for line in lines.unwrap_or_default() {
            let _ = writeln!(io::stderr(), "{line}"); // standard error is the last place there is
        }
    }
}
