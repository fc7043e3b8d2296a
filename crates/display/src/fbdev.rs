//! A Linux framebuffer, for screens without a driver for mode setting: its memory is what the screen shows.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use log::debug;

use super::mmap;
use super::mmap::Mapping;
use super::pixel_packing::Packing;
use super::reconnect::{Device, Reconnecting};
use super::{DisplayError, Shown};
use phicam_frame::Size;

/// See the module.
pub type Fb = Reconnecting<Framebuffer>;

/// An open framebuffer.
pub struct Framebuffer {
    file: File,
    path: PathBuf,
    memory: Mapping,
    shape: Shape,
    /// Whether all of it is still to be drawn.
    fresh: bool,
}

/// What can change about a framebuffer while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    /// Of the part that the screen shows.
    size: Size,
    packing: Packing,
    stride: usize,
    /// Bytes before the first pixel that the screen shows: its memory can be larger than the screen.
    offset: usize,
    bytes: usize,
}

impl Shape {
    fn of(file: &File, path: &Path) -> Result<Shape, DisplayError> {
        let failed = |cause| DisplayError::of_open(path, cause);
        let (variable, fixed) = (mmap::variable(file).map_err(failed)?, mmap::fixed(file).map_err(failed)?);
        Shape::new(&variable, &fixed).map_err(|what| DisplayError::Unsuited { path: path.into(), what })
    }

    fn new(variable: &mmap::Variable, fixed: &mmap::Fixed) -> Result<Shape, String> {
        const DIRECT_COLOURS: [u32; 2] = [2, 4]; // with and without a table for each channel
        let bits = variable.bits_per_pixel;
        if fixed.kind != 0 || !DIRECT_COLOURS.contains(&fixed.visual) {
            return Err(format!("pixels of kind {}, visual {} (a palette or planes)", fixed.kind, fixed.visual));
        }
        let fields = [variable.red, variable.green, variable.blue];
        let packing = Packing::of_fields(bits, fields).ok_or_else(|| format!("pixels of {bits} bits, {fields:?}"))?;
        let (stride, bytes) = (fixed.stride as usize, fixed.memory_bytes as usize);
        let size = Size::new(variable.width, variable.height);
        let row = size.width as usize * packing.bytes();
        let offset = variable.top as usize * stride + variable.left as usize * packing.bytes();
        let end = offset + (size.height as usize).saturating_sub(1) * stride + row;
        if row == 0 || size.height == 0 || row > stride || end > bytes {
            return Err(format!("{size} pixels in rows of {stride} bytes, {bytes} in all, from {offset} on"));
        }
        Ok(Shape { size, packing, stride, offset, bytes })
    }
}

/// The framebuffers there are, by number.
fn paths() -> Vec<PathBuf> {
    let numbers = 0..32; // FB_MAX in the kernel
    numbers.map(|number| PathBuf::from(format!("/dev/fb{number}"))).filter(|path| path.exists()).collect()
}

impl Device for Framebuffer {
    /// The named node; the first where there is none.
    type Settings = Option<PathBuf>;

    fn open(named: &mut Option<PathBuf>) -> Result<Framebuffer, DisplayError> {
        let path = named.clone().or_else(|| paths().into_iter().next()).unwrap_or_else(|| "/dev/fb0".into());
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|cause| DisplayError::of_open(&path, cause))?;
        if let Err(error) = mmap::activate(&file) {
            debug!("{}: its mode cannot be set ({error}); it has to be set already", path.display());
        }
        let shape = Shape::of(&file, &path)?;
        let memory = Mapping::new(&file, 0, shape.bytes).map_err(|cause| DisplayError::of_open(&path, cause))?;
        Ok(Framebuffer { file, path, memory, shape, fresh: true })
    }

    fn name(&self) -> String {
        format!("fb:{}", self.path.display())
    }

    fn size(&self) -> Size {
        self.shape.size
    }

    fn show(&mut self, shown: &Shown) -> Result<(), DisplayError> {
        let &Shown { picture, damage, .. } = shown;
        self.check()?;
        let whole = [picture.area()];
        let areas = if self.fresh { &whole } else { damage };
        let Shape { packing, stride, offset, .. } = self.shape;
        packing.copy(picture, areas, &mut self.memory.bytes()[offset..], stride);
        self.fresh = false;
        Ok(())
    }

    fn check(&mut self) -> Result<(), DisplayError> {
        // Its memory stays mapped when the driver goes away; only this call tells.
        match Shape::of(&self.file, &self.path)? {
            shape if shape == self.shape => Ok(()),
            shape => {
                let what = format!("another shape now, {} of {} bits", shape.size, shape.packing.bits_per_pixel());
                Err(DisplayError::Unsuited { path: self.path.clone(), what })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmap::{Bits, Fixed, Variable};

    fn screen(width: u32, height: u32, bits: u32, stride: u32, bytes: u32) -> (Variable, Fixed) {
        let field = |offset, length| Bits { offset, length, msb_right: 0 };
        let [red, green, blue] = if bits == 16 {
            [field(11, 5), field(5, 6), field(0, 5)]
        } else {
            [field(16, 8), field(8, 8), field(0, 8)]
        };
        let variable = Variable { width, height, bits_per_pixel: bits, red, green, blue, ..Variable::default() };
        let fixed = Fixed { memory_bytes: bytes, visual: 2, stride, ..Fixed::default() };
        (variable, fixed)
    }

    #[test]
    fn a_padded_screen_and_one_that_shows_a_part_of_its_memory_are_understood() {
        let (variable, fixed) = screen(480, 320, 16, 1024, 1024 * 640);
        let part = Variable { top: 320, left: 2, ..variable };
        let shape = Shape::new(&part, &fixed).unwrap();
        assert_eq!((shape.packing, shape.stride, shape.offset), (Packing::RGB565, 1024, 320 * 1024 + 4));
    }

    #[test]
    fn what_would_be_written_outside_its_memory_is_refused() {
        for (width, height, bits, stride, bytes) in [
            (480, 320, 16, 900, 900 * 320), // rows shorter than the picture
            (480, 320, 16, 960, 960 * 319), // one row too few
            (0, 320, 32, 0, 4096),          // no pixels
            (800, 480, 8, 800, 800 * 480),  // a palette
        ] {
            let (variable, fixed) = screen(width, height, bits, stride, bytes);
            assert!(Shape::new(&variable, &fixed).is_err(), "{width}x{height}, {bits} bits");
        }
        let (variable, fixed) = screen(64, 64, 32, 256, 256 * 64);
        assert!(Shape::new(&variable, &fixed).is_ok());
        assert!(Shape::new(&Variable { top: 1, ..variable }, &fixed).is_err());
        assert!(Shape::new(&variable, &Fixed { visual: 3, ..fixed }).is_err());
    }
}
