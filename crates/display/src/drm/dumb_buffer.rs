//! Dumb buffer of a graphics card: memory that this program draws and the card scans out.

use std::io;
use std::os::fd::AsFd;

use drm::buffer::{Buffer as _, DrmFourcc};
use drm::control::dumbbuffer;
use drm::control::{Device, framebuffer};

use super::card::Card;
use crate::mmap::Mapping;
use crate::pixel_packing::PixelLayout;
use phicam_frame::canvas::Canvas;
use phicam_frame::{Rect, Size};

/// Number of damaged areas above which the whole canvas is copied. An estimate: a draw list has about 20 items, so it
/// is reached only after several updates without a draw.
const MAX_DAMAGED_AREAS: usize = 128;

/// Mapped buffer with its framebuffer and its damage.
pub struct DumbBuffer {
    memory: Mapping,
    dumb: dumbbuffer::DumbBuffer,
    framebuffer: framebuffer::Handle,
    layout: PixelLayout,
    /// Areas that have changed since this buffer was drawn; `None` for all of it.
    damage: Option<Vec<Rect>>,
}

impl DumbBuffer {
    /// Allocates a black buffer.
    pub fn new(card: &Card, size: Size, layout: PixelLayout) -> io::Result<DumbBuffer> {
        let (format, depth) = match layout {
            PixelLayout::RGB565 => (DrmFourcc::Rgb565, 16),
            PixelLayout::ARGB8888 => (DrmFourcc::Argb8888, 32),
            _ => (DrmFourcc::Xrgb8888, 24),
        };
        let bits = layout.bits_per_pixel();
        let dumb = card.create_dumb_buffer((size.width, size.height), format, bits)?;
        let framebuffer = card.add_framebuffer(&dumb, depth, bits);
        let mapped = framebuffer.and_then(|framebuffer| {
            let map = drm_ffi::mode::dumbbuffer::map(card.as_fd(), u32::from(dumb.handle()), 0, 0);
            let length = dumb.pitch() as usize * size.height as usize;
            let memory = map.and_then(|map| Mapping::new(card, map.offset, length));
            memory.map(|memory| (framebuffer, memory)).inspect_err(|_| drop(card.destroy_framebuffer(framebuffer)))
        });
        match mapped {
            Ok((framebuffer, memory)) => Ok(DumbBuffer { memory, dumb, framebuffer, layout, damage: None }),
            Err(error) => {
                let _ = card.destroy_dumb_buffer(dumb); // The first error is the one to report.
                Err(error)
            }
        }
    }

    pub fn size(&self) -> Size {
        let (width, height) = self.dumb.size();
        Size::new(width, height)
    }

    pub fn framebuffer(&self) -> framebuffer::Handle {
        self.framebuffer
    }

    /// Records that a new canvas differs from the previous one within `areas`.
    pub fn mark_damaged(&mut self, areas: &[Rect]) {
        let Some(damage) = &mut self.damage else { return };
        damage.extend(areas.iter().filter(|area| !damage.contains(area)).copied().collect::<Vec<_>>());
        if damage.len() > MAX_DAMAGED_AREAS {
            self.damage = None;
        }
    }

    /// Returns whether it has the newest canvas.
    pub fn is_up_to_date(&self) -> bool {
        self.damage.as_ref().is_some_and(Vec::is_empty)
    }

    /// Draws the damaged areas from `canvas`, and makes `holes` transparent.
    pub fn draw(&mut self, canvas: &Canvas, holes: &[Rect]) {
        let stride = self.dumb.pitch() as usize;
        let whole = [canvas.area()];
        let areas = self.damage.as_deref().unwrap_or(&whole);
        self.layout.copy(canvas, areas, self.memory.bytes(), stride);
        self.layout.clear(holes, self.memory.bytes(), stride);
        self.damage.get_or_insert_default().clear();
    }

    /// Frees its memory.
    pub fn destroy(&self, card: &Card) {
        let _ = card.destroy_framebuffer(self.framebuffer); // A card that is gone has freed both.
        let _ = card.destroy_dumb_buffer(self.dumb);
    }
}
