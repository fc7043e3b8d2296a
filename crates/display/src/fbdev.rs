//! Linux framebuffer, for screens without a KMS driver: the screen shows the mapped memory.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use log::debug;

use crate::mmap::{self, Mapping};
use crate::pixel_packing::PixelLayout;
use crate::reconnect::{Device, Reconnecting};
use crate::{DisplayError, ScreenUpdate};
use phicam_frame::Size;

/// Framebuffer display that survives the loss of its device.
pub type Fb = Reconnecting<Framebuffer>;

/// An open framebuffer.
pub struct Framebuffer {
    file: File,
    path: PathBuf,
    memory: Mapping,
    geometry: Geometry,
    /// Whether no update was drawn since it was opened, so that the first one is drawn completely.
    is_blank: bool,
}

/// Memory layout of a framebuffer, which can change while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Geometry {
    /// Size of the visible part.
    size: Size,
    layout: PixelLayout,
    /// Bytes from one row to the next.
    stride: usize,
    /// Bytes before the first visible pixel: the memory can be larger than the screen.
    offset: usize,
    /// Length of the memory in bytes.
    bytes: usize,
}

impl Geometry {
    fn from_device(file: &File, path: &Path) -> Result<Geometry, DisplayError> {
        let ioctl_error = |ioctl| move |cause| DisplayError::from_device(path, ioctl, cause);
        let variable = mmap::variable_screen_info(file).map_err(ioctl_error("FBIOGET_VSCREENINFO"))?;
        let fixed = mmap::fixed_screen_info(file).map_err(ioctl_error("FBIOGET_FSCREENINFO"))?;
        Geometry::from_screen_info(&variable, &fixed)
            .map_err(|reason| DisplayError::UnsupportedFramebuffer { path: path.into(), reason })
    }

    fn from_screen_info(
        variable: &mmap::VariableScreenInfo,
        fixed: &mmap::FixedScreenInfo,
    ) -> Result<Geometry, String> {
        // FB_VISUAL_TRUECOLOR and FB_VISUAL_DIRECTCOLOR, which has a colour table for each channel.
        const COLOUR_VISUALS: [u32; 2] = [2, 4];
        let bits = variable.bits_per_pixel;
        if fixed.kind != 0 || !COLOUR_VISUALS.contains(&fixed.visual) {
            return Err(format!("it has type {} and visual {} (a palette or planes)", fixed.kind, fixed.visual));
        }
        let fields = [variable.red, variable.green, variable.blue];
        let layout = PixelLayout::from_bit_fields(bits, fields)
            .ok_or_else(|| format!("it has pixels of {bits} bits with the fields {fields:?}"))?;
        let stride = fixed.stride as usize;
        let bytes = fixed.memory_bytes as usize;
        let size = Size::new(variable.width, variable.height);
        let row_bytes = size.width as usize * layout.bytes();
        let offset = variable.top as usize * stride + variable.left as usize * layout.bytes();
        let end = offset + (size.height as usize).saturating_sub(1) * stride + row_bytes;
        if row_bytes == 0 || size.height == 0 || row_bytes > stride || end > bytes {
            return Err(format!(
                "its {size} pixels, in rows of {stride} bytes from byte {offset}, do not fit into its {bytes} bytes"
            ));
        }
        Ok(Geometry { size, layout, stride, offset, bytes })
    }
}

/// Returns the existing framebuffers in the order of their numbers.
fn device_paths() -> Vec<PathBuf> {
    let numbers = 0..32; // FB_MAX in the kernel
    numbers.map(|number| PathBuf::from(format!("/dev/fb{number}"))).filter(|path| path.exists()).collect()
}

impl Device for Framebuffer {
    /// Path of the device; `None` for the first framebuffer.
    type Settings = Option<PathBuf>;

    fn open(path: &mut Option<PathBuf>) -> Result<Framebuffer, DisplayError> {
        let path = path.clone().or_else(|| device_paths().into_iter().next()).unwrap_or_else(|| "/dev/fb0".into());
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|cause| DisplayError::from_device(&path, "open", cause))?;
        if let Err(error) = mmap::activate(&file) {
            debug!("FBIOPUT_VSCREENINFO failed on {}: {error}; using the mode that is already set", path.display());
        }
        let geometry = Geometry::from_device(&file, &path)?;
        let memory =
            Mapping::new(&file, 0, geometry.bytes).map_err(|cause| DisplayError::from_device(&path, "mmap", cause))?;
        Ok(Framebuffer { file, path, memory, geometry, is_blank: true })
    }

    fn name(&self) -> String {
        format!("fb:{}", self.path.display())
    }

    fn size(&self) -> Size {
        self.geometry.size
    }

    fn show(&mut self, update: &ScreenUpdate) -> Result<(), DisplayError> {
        let &ScreenUpdate { canvas, damage, .. } = update;
        self.check()?;
        let whole = [canvas.area()];
        let areas = if self.is_blank { &whole } else { damage };
        let Geometry { layout, stride, offset, .. } = self.geometry;
        layout.copy(canvas, areas, &mut self.memory.bytes()[offset..], stride);
        self.is_blank = false;
        Ok(())
    }

    fn check(&mut self) -> Result<(), DisplayError> {
        // The memory stays mapped when the driver goes away; only this ioctl fails then.
        let geometry = Geometry::from_device(&self.file, &self.path)?;
        if geometry == self.geometry {
            return Ok(());
        }
        let reason = format!("its mode has changed to {}, {} bits", geometry.size, geometry.layout.bits_per_pixel());
        Err(DisplayError::UnsupportedFramebuffer { path: self.path.clone(), reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmap::{BitField, FixedScreenInfo, VariableScreenInfo};

    fn screen_info(
        width: u32,
        height: u32,
        bits: u32,
        stride: u32,
        bytes: u32,
    ) -> (VariableScreenInfo, FixedScreenInfo) {
        let field = |offset, length| BitField { offset, length, msb_right: 0 };
        let [red, green, blue] = if bits == 16 {
            [field(11, 5), field(5, 6), field(0, 5)]
        } else {
            [field(16, 8), field(8, 8), field(0, 8)]
        };
        let variable = VariableScreenInfo {
            width,
            height,
            bits_per_pixel: bits,
            red,
            green,
            blue,
            ..VariableScreenInfo::default()
        };
        let fixed = FixedScreenInfo { memory_bytes: bytes, visual: 2, stride, ..FixedScreenInfo::default() };
        (variable, fixed)
    }

    #[test]
    fn geometry_supports_padded_rows_and_an_offset() {
        let (variable, fixed) = screen_info(480, 320, 16, 1024, 1024 * 640);
        let part = VariableScreenInfo { top: 320, left: 2, ..variable };
        let geometry = Geometry::from_screen_info(&part, &fixed).unwrap();
        assert_eq!(geometry.layout, PixelLayout::RGB565);
        assert_eq!(geometry.stride, 1024);
        assert_eq!(geometry.offset, 320 * 1024 + 4);
    }

    #[test]
    fn geometry_outside_the_memory_is_refused() {
        for (width, height, bits, stride, bytes) in [
            (480, 320, 16, 900, 900 * 320), // rows shorter than the canvas
            (480, 320, 16, 960, 960 * 319), // one row too few
            (0, 320, 32, 0, 4096),          // no pixels
            (800, 480, 8, 800, 800 * 480),  // a palette
        ] {
            let (variable, fixed) = screen_info(width, height, bits, stride, bytes);
            assert!(Geometry::from_screen_info(&variable, &fixed).is_err(), "{width}x{height}, {bits} bits");
        }
        let (variable, fixed) = screen_info(64, 64, 32, 256, 256 * 64);
        assert!(Geometry::from_screen_info(&variable, &fixed).is_ok());
        let shifted = VariableScreenInfo { top: 1, ..variable };
        assert!(Geometry::from_screen_info(&shifted, &fixed).is_err());
        let palette = FixedScreenInfo { visual: 3, ..fixed };
        assert!(Geometry::from_screen_info(&variable, &palette).is_err());
    }
}
