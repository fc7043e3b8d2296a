//! Memory of a screen, mapped into this program, and what a framebuffer says of its own.
#![allow(unsafe_code)] // mmap, munmap and the framebuffer's three ioctls

use std::ffi::{c_ulong, c_void};
use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use rustix::ioctl::{Getter, Updater, ioctl};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Memory of a device. It stays mapped when the device goes away.
pub struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: the memory belongs to this value alone, and any thread may write to it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// `length` bytes of `device` from `offset` on.
    pub fn new(device: impl AsFd, offset: u64, length: usize) -> io::Result<Mapping> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's variant overlaps nothing that Rust knows of.
        let start = unsafe { mmap(std::ptr::null_mut(), length, access, MapFlags::SHARED, device, offset) }?;
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { start, length })
    }

    /// What the screen shows, or will. Reading it can be very slow.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `length` bytes are mapped at `start` for as long as `self` lives, and it is borrowed alone. The
        // device only reads them; whatever a console writes there are bytes too.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nothing can borrow it any more.
        let _ = unsafe { munmap(self.start.as_ptr(), self.length) }; // fails only for what was never mapped
    }
}

/// Where the bits of one colour are in a pixel (`struct fb_bitfield`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    pub offset: u32,
    pub length: u32,
    /// Not 0 where the most significant bit is at the right.
    pub msb_right: u32,
}

/// `struct fb_var_screeninfo` of linux/fb.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Variable {
    pub width: u32,
    pub height: u32,
    pub virtual_width: u32,
    pub virtual_height: u32,
    pub left: u32,
    pub top: u32,
    pub bits_per_pixel: u32,
    pub greyscale: u32,
    pub red: Bits,
    pub green: Bits,
    pub blue: Bits,
    pub transparency: Bits,
    pub nonstandard: u32,
    pub activate: u32,
    pub rest: [u32; 18],
}

/// `struct fb_fix_screeninfo` of linux/fb.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed {
    pub driver: [u8; 16],
    pub memory_start: c_ulong,
    /// Bytes that can be mapped.
    pub memory_bytes: u32,
    /// 0 where pixels follow one another in rows.
    pub kind: u32,
    pub kind_more: u32,
    /// 2 where a pixel is its colour, and not a number in a palette.
    pub visual: u32,
    pub steps: [u16; 3],
    /// Bytes from one row to the next.
    pub stride: u32,
    pub registers_start: c_ulong,
    pub registers_bytes: u32,
    pub accelerator: u32,
    pub capabilities: u16,
    pub reserved: [u16; 2],
}

/// What the framebuffer `device` looks like now.
pub fn variable(device: impl AsFd) -> io::Result<Variable> {
    const GET_VARIABLE: u32 = 0x4600;
    // SAFETY: FBIOGET_VSCREENINFO writes one `struct fb_var_screeninfo`, which `Variable` is; any bits are valid in it.
    Ok(unsafe { ioctl(device, Getter::<GET_VARIABLE, Variable>::new()) }?)
}

/// Has the driver of the framebuffer `device` set the mode that it has already: it does not by itself where the console
/// shows no text.
pub fn activate(device: impl AsFd) -> io::Result<()> {
    const PUT_VARIABLE: u32 = 0x4601;
    const NOW_AND_ALTHOUGH_NOTHING_CHANGED: u32 = 128;
    let mut wanted = variable(&device)?;
    wanted.activate = NOW_AND_ALTHOUGH_NOTHING_CHANGED;
    // SAFETY: FBIOPUT_VSCREENINFO reads and writes one `struct fb_var_screeninfo`, which `Variable` is; any bits are valid
    // in it.
    Ok(unsafe { ioctl(device, Updater::<PUT_VARIABLE, Variable>::new(&mut wanted)) }?)
}

/// What the framebuffer `device` is.
pub fn fixed(device: impl AsFd) -> io::Result<Fixed> {
    const GET_FIXED: u32 = 0x4602;
    // SAFETY: FBIOGET_FSCREENINFO writes one `struct fb_fix_screeninfo`, which `Fixed` is; any bits are valid in it.
    Ok(unsafe { ioctl(device, Getter::<GET_FIXED, Fixed>::new()) }?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_structures_have_the_kernels_sizes() {
        assert_eq!(size_of::<Variable>(), 160);
        assert_eq!(size_of::<Fixed>(), if size_of::<c_ulong>() == 8 { 80 } else { 68 });
    }

    #[test]
    fn what_is_written_into_a_mapping_is_in_the_file() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        Mapping::new(&file, 4096, 4096).unwrap().bytes()[7] = 42;
        let mut byte = [0];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut byte, 4103).unwrap();
        assert_eq!(byte, [42]);
        assert!(Mapping::new(&file, 1, 4096).is_err(), "from within a page nothing can be mapped");
    }
}
