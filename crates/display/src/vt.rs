//! Virtual terminal of a screen: switched to graphics mode, so that the kernel writes no text over the canvas.
#![allow(unsafe_code)] // the terminal's ioctls

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Once};

use log::debug;
use parking_lot::Mutex;
use rustix::fs::OFlags;
use rustix::ioctl::{Getter, IntegerSetter, ioctl};

/// Alias of the foreground terminal.
const FOREGROUND_TTY: &str = "/dev/tty0";
const KD_TEXT: usize = 0;
const KD_GRAPHICS: usize = 1;

/// Terminal in graphics mode; dropping it restores text mode.
pub struct Console(Arc<File>);

/// Terminal in graphics mode, for [`restore_on_panic`].
static ACTIVE_CONSOLE: Mutex<Option<Arc<File>>> = Mutex::new(None);

impl Console {
    /// Switches the foreground terminal to graphics mode. Returns `None` if there is no terminal, or if this user may
    /// not change it.
    ///
    /// Displays work without it: a display driver stops the console while another program draws. A killed program
    /// leaves its terminal in graphics mode; dropping this value restores text mode in that case as well.
    pub fn take() -> Option<Console> {
        let open = || {
            let flags = (OFlags::NOCTTY | OFlags::CLOEXEC).bits() as i32;
            // The group tty has write permission only.
            let file = OpenOptions::new().write(true).custom_flags(flags).open(FOREGROUND_TTY)?;
            if is_process_controlled(&file)? {
                return Err(io::Error::other("a graphical session controls the terminal (VT_PROCESS)"));
            }
            set_mode(&file, KD_GRAPHICS)?;
            Ok(file)
        };
        let log_error = |error: io::Error| {
            debug!("cannot switch {FOREGROUND_TTY} to graphics mode: {error}; the console may blink");
        };
        let file = Arc::new(open().map_err(log_error).ok()?);
        *ACTIVE_CONSOLE.lock() = Some(file.clone());
        restore_on_panic();
        Some(Console(file))
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        *ACTIVE_CONSOLE.lock() = None;
        if let Err(error) = set_mode(&self.0, KD_TEXT) {
            debug!("KDSETMODE failed on {FOREGROUND_TTY}: {error}; its text stays hidden");
        }
    }
}

/// Installs a panic hook that restores text mode, because a panic that aborts the program drops nothing.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    if cfg!(panic = "unwind") {
        return;
    }
    ONCE.call_once(|| {
        let previous_hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if let Some(console) = ACTIVE_CONSOLE.try_lock()
                && let Some(file) = &*console
            {
                let _ = set_mode(file, KD_TEXT); // The panic is the error to report.
            }
            previous_hook(panic);
        }));
    });
}

fn set_mode(terminal: &File, mode: usize) -> io::Result<()> {
    const KDSETMODE: u32 = 0x4b3a;
    // SAFETY: KDSETMODE takes an integer and accesses no memory of this program.
    Ok(unsafe { ioctl(terminal, IntegerSetter::<KDSETMODE>::new_usize(mode)) }?)
}

/// `struct vt_mode` of linux/vt.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct VtMode {
    mode: u8,
    rest: [u8; 7],
}

/// Returns whether a graphical session controls the terminal, so that this program must not change its mode.
fn is_process_controlled(terminal: &File) -> io::Result<bool> {
    const VT_GETMODE: u32 = 0x5601;
    const VT_PROCESS: u8 = 1;
    // SAFETY: VT_GETMODE writes one `struct vt_mode`, eight bytes of any value.
    let vt_mode = unsafe { ioctl(terminal, Getter::<VT_GETMODE, VtMode>::new()) }?;
    Ok(vt_mode.mode == VT_PROCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vt_mode_has_the_kernel_size() {
        assert_eq!(size_of::<VtMode>(), 8);
    }

    #[test]
    fn regular_file_is_refused() {
        let file = tempfile::tempfile().unwrap();
        assert!(set_mode(&file, KD_TEXT).is_err());
        assert!(is_process_controlled(&file).is_err());
    }
}
