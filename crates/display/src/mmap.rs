//! Mapped memory of a screen, and the ioctls of framebuffers.
#![allow(unsafe_code)] // mmap, munmap and the framebuffer's three ioctls

use std::ffi::{c_ulong, c_void};
use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use rustix::ioctl::{Getter, Updater, ioctl};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Mapped memory of a device. It stays mapped when the device goes away.
pub struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: the memory belongs to this value alone, and any thread may write to it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `length` bytes of `device` from byte `offset`.
    pub fn new(device: impl AsFd, offset: u64, length: usize) -> io::Result<Mapping> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the address, so the new mapping overlaps no memory that Rust uses.
        let start = unsafe { mmap(std::ptr::null_mut(), length, access, MapFlags::SHARED, device, offset) }?;
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { start, length })
    }

    /// Returns the memory. Reading it can be very slow: it is often uncached.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `length` bytes are mapped at `start` for as long as `self` lives, and `self` is borrowed exclusively.
        // The device only reads them; a console may write to them, and any bytes are valid.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` mapped this memory, and no borrow of it outlives `self`.
        let _ = unsafe { munmap(self.start.as_ptr(), self.length) }; // Fails only for memory that is not mapped.
    }
}

/// Position of the bits of one colour in a pixel: `struct fb_bitfield` of linux/fb.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BitField {
    pub offset: u32,
    pub length: u32,
    /// Not 0 if the most significant bit is at the right.
    pub msb_right: u32,
}

/// `struct fb_var_screeninfo` of linux/fb.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct VariableScreenInfo {
    pub width: u32,
    pub height: u32,
    pub virtual_width: u32,
    pub virtual_height: u32,
    pub left: u32,
    pub top: u32,
    pub bits_per_pixel: u32,
    pub greyscale: u32,
    pub red: BitField,
    pub green: BitField,
    pub blue: BitField,
    pub transparency: BitField,
    pub nonstandard: u32,
    pub activate: u32,
    pub rest: [u32; 18],
}

/// `struct fb_fix_screeninfo` of linux/fb.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct FixedScreenInfo {
    pub driver: [u8; 16],
    pub memory_start: c_ulong,
    /// Bytes that can be mapped.
    pub memory_bytes: u32,
    /// `FB_TYPE_PACKED_PIXELS` (0) if pixels follow one another in rows.
    pub kind: u32,
    pub kind_more: u32,
    /// `FB_VISUAL_TRUECOLOR` (2) if a pixel is a colour and not an index into a palette.
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

/// Returns the current size and pixel format of a framebuffer (`FBIOGET_VSCREENINFO`).
pub fn variable_screen_info(device: impl AsFd) -> io::Result<VariableScreenInfo> {
    const FBIOGET_VSCREENINFO: u32 = 0x4600;
    // SAFETY: FBIOGET_VSCREENINFO writes one `struct fb_var_screeninfo`. `VariableScreenInfo` has its layout, and any
    // bits are valid in it.
    Ok(unsafe { ioctl(device, Getter::<FBIOGET_VSCREENINFO, VariableScreenInfo>::new()) }?)
}

/// Sets the current mode of a framebuffer again (`FBIOPUT_VSCREENINFO`). The driver has not set it yet if the console
/// shows no text.
pub fn activate(device: impl AsFd) -> io::Result<()> {
    const FBIOPUT_VSCREENINFO: u32 = 0x4601;
    // FB_ACTIVATE_NOW (0) | FB_ACTIVATE_FORCE: even if no value has changed.
    const FORCE_NOW: u32 = 128;
    let mut info = variable_screen_info(&device)?;
    info.activate = FORCE_NOW;
    // SAFETY: FBIOPUT_VSCREENINFO reads and writes one `struct fb_var_screeninfo`. `VariableScreenInfo` has its layout,
    // and any bits are valid in it.
    Ok(unsafe { ioctl(device, Updater::<FBIOPUT_VSCREENINFO, VariableScreenInfo>::new(&mut info)) }?)
}

/// Returns the memory size, stride and visual of a framebuffer (`FBIOGET_FSCREENINFO`).
pub fn fixed_screen_info(device: impl AsFd) -> io::Result<FixedScreenInfo> {
    const FBIOGET_FSCREENINFO: u32 = 0x4602;
    // SAFETY: FBIOGET_FSCREENINFO writes one `struct fb_fix_screeninfo`. `FixedScreenInfo` has its layout, and any bits
    // are valid in it.
    Ok(unsafe { ioctl(device, Getter::<FBIOGET_FSCREENINFO, FixedScreenInfo>::new()) }?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn screen_info_structs_have_the_kernel_sizes() {
        assert_eq!(size_of::<VariableScreenInfo>(), 160);
        assert_eq!(size_of::<FixedScreenInfo>(), if size_of::<c_ulong>() == 8 { 80 } else { 68 });
    }

    #[test]
    fn writes_to_a_mapping_reach_the_file() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        Mapping::new(&file, 4096, 4096).unwrap().bytes()[7] = 42;
        let mut byte = [0];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut byte, 4103).unwrap();
        assert_eq!(byte, [42]);
        assert!(Mapping::new(&file, 1, 4096).is_err(), "the offset is not a multiple of the page size");
    }
}
