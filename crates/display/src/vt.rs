//! The virtual terminal that a screen belongs to: the kernel writes no text there while pictures are shown.
#![allow(unsafe_code)] // the terminal's ioctls

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, Once, PoisonError};

use log::debug;
use rustix::fs::OFlags;
use rustix::ioctl::{Getter, IntegerSetter, ioctl};

/// The terminal in front, wherever that is.
const FRONT: &str = "/dev/tty0";
const TEXT: usize = 0;
const GRAPHICS: usize = 1;

/// Keeps the kernel from writing onto the screen; gives the terminal its text back when it is dropped.
pub struct Console(Arc<File>);

/// For [`give_back_on_panic`]: the terminal that is taken.
static TAKEN: Mutex<Option<Arc<File>>> = Mutex::new(None);

impl Console {
    /// The terminal in front; nothing where there is none, or where this user may not change it. Pictures can be shown
    /// without: a display driver keeps the console's text away by itself while someone else draws.
    ///
    /// A program that was killed leaves its terminal without text. That makes no difference here, and the text comes back
    /// when this value is dropped.
    pub fn take() -> Option<Console> {
        let open = || {
            let flags = (OFlags::NOCTTY | OFlags::CLOEXEC).bits() as i32;
            // Writing is all that the group tty may do with it.
            let file = OpenOptions::new().write(true).custom_flags(flags).open(FRONT)?;
            if is_switched_by_a_program(&file)? {
                return Err(io::Error::other("another program switches it"));
            }
            set_mode(&file, GRAPHICS)?;
            Ok(file)
        };
        let told = |error: io::Error| debug!("{FRONT}: {error}; going on without, the console may blink");
        let file = Arc::new(open().map_err(told).ok()?);
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(file.clone());
        give_back_on_panic();
        Some(Console(file))
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Err(error) = set_mode(&self.0, TEXT) {
            debug!("{FRONT} keeps its text hidden: {error}");
        }
    }
}

/// Where a panic ends the program at once, nothing is dropped.
fn give_back_on_panic() {
    static ONCE: Once = Once::new();
    if cfg!(panic = "unwind") {
        return;
    }
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if let Ok(taken) = TAKEN.try_lock()
                && let Some(file) = &*taken
            {
                let _ = set_mode(file, TEXT); // the panic is what has to be told
            }
            before(panic);
        }));
    });
}

fn set_mode(terminal: &File, mode: usize) -> io::Result<()> {
    const SET_MODE: u32 = 0x4b3a;
    // SAFETY: KDSETMODE takes a number and touches no memory of this program.
    Ok(unsafe { ioctl(terminal, IntegerSetter::<SET_MODE>::new_usize(mode)) }?)
}

/// `struct vt_mode` of linux/vt.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct Switching {
    by: u8,
    rest: [u8; 7],
}

/// Whether a graphical session has the terminal: what it shows is then not ours to change.
fn is_switched_by_a_program(terminal: &File) -> io::Result<bool> {
    const GET_SWITCHING: u32 = 0x5601;
    const BY_A_PROGRAM: u8 = 1;
    // SAFETY: VT_GETMODE writes one `struct vt_mode`, eight bytes of any value.
    let switching = unsafe { ioctl(terminal, Getter::<GET_SWITCHING, Switching>::new()) }?;
    Ok(switching.by == BY_A_PROGRAM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_structure_has_the_kernels_size() {
        assert_eq!(size_of::<Switching>(), 8);
    }

    #[test]
    fn what_is_no_terminal_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        assert!(set_mode(&file, TEXT).is_err() && is_switched_by_a_program(&file).is_err());
    }
}
