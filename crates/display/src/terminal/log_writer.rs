//! Log output while an image is in the terminal: lines are buffered, then printed above the image instead of into it.

use std::io::{self, IsTerminal, Write};

use parking_lot::Mutex;

/// Buffered lines; `None` while no image is shown, so that lines go to standard error at once.
static BUFFERED_LINES: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// Target of the program's log.
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *BUFFERED_LINES.lock() {
            Some(lines) => lines.extend(String::from_utf8_lossy(bytes).lines().map(String::from)),
            None => io::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Guard during which log lines are buffered; when it is dropped, the remaining lines go to standard error.
pub struct LogBuffer;

impl LogBuffer {
    /// Starts to buffer if standard error is a terminal; a file or a pipe gets its lines at once.
    pub fn start() -> LogBuffer {
        *BUFFERED_LINES.lock() = io::stderr().is_terminal().then(Vec::new);
        LogBuffer
    }

    /// Returns the lines since the last call.
    pub fn take(&self) -> Vec<String> {
        BUFFERED_LINES.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        let lines = BUFFERED_LINES.lock().take(); // The lock ends here: writing may be slow.
        for line in lines.unwrap_or_default() {
            let _ = writeln!(io::stderr(), "{line}"); // Nowhere is left to report a failure of standard error.
        }
    }
}
