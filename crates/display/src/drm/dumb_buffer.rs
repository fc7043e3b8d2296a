//! A dumb buffer: memory that the card shows and this program draws into.

use std::io;
use std::os::fd::AsFd;

use drm::buffer::{Buffer as _, DrmFourcc};
use drm::control::dumbbuffer::DumbBuffer;
use drm::control::{Device, framebuffer};

use super::super::mmap::Mapping;
use super::super::pixel_packing::Packing;
use super::card::Card;
use phicam_frame::Rect;
use phicam_frame::Size;
use phicam_frame::canvas::Canvas;

/// More areas than this are not kept apart: all of the picture is copied.
const MOST_AREAS: usize = 128;

/// See the module.
pub struct Buffer {
    memory: Mapping,
    dumb: DumbBuffer,
    framebuffer: framebuffer::Handle,
    packing: Packing,
    /// What has changed since this buffer was drawn into; nothing known at first.
    missed: Option<Vec<Rect>>,
}

impl Buffer {
    /// A black one.
    pub fn new(card: &Card, size: Size, packing: Packing) -> io::Result<Buffer> {
        let (format, depth) = match packing {
            Packing::RGB565 => (DrmFourcc::Rgb565, 16),
            _ => (DrmFourcc::Xrgb8888, 24),
        };
        let bits = packing.bits_per_pixel();
        let dumb = card.create_dumb_buffer((size.width, size.height), format, bits)?;
        let framebuffer = card.add_framebuffer(&dumb, depth, bits);
        let made = framebuffer.and_then(|framebuffer| {
            let map = drm_ffi::mode::dumbbuffer::map(card.as_fd(), u32::from(dumb.handle()), 0, 0);
            let length = dumb.pitch() as usize * size.height as usize;
            let memory = map.and_then(|map| Mapping::new(card, map.offset, length));
            memory.map(|memory| (framebuffer, memory)).inspect_err(|_| drop(card.destroy_framebuffer(framebuffer)))
        });
        match made {
            Ok((framebuffer, memory)) => Ok(Buffer { memory, dumb, framebuffer, packing, missed: None }),
            Err(error) => {
                let _ = card.destroy_dumb_buffer(dumb); // the first error is the one to tell
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

    /// Remembers that a picture was shown which differs from the one before within `damage`.
    pub fn miss(&mut self, damage: &[Rect]) {
        let Some(missed) = &mut self.missed else { return };
        missed.extend(damage.iter().filter(|area| !missed.contains(area)).copied().collect::<Vec<_>>());
        if missed.len() > MOST_AREAS {
            self.missed = None;
        }
    }

    /// Whether it has all of the newest picture.
    pub fn is_current(&self) -> bool {
        self.missed.as_ref().is_some_and(Vec::is_empty)
    }

    /// Draws what this buffer has not of `picture`.
    pub fn catch_up(&mut self, picture: &Canvas) {
        let stride = self.dumb.pitch() as usize;
        let whole = [picture.area()];
        let areas = self.missed.as_deref().unwrap_or(&whole);
        self.packing.copy(picture, areas, self.memory.bytes(), stride);
        self.missed.get_or_insert_default().clear();
    }

    /// Gives its memory back to the card.
    pub fn destroy(&self, card: &Card) {
        let _ = card.destroy_framebuffer(self.framebuffer); // a card that is gone has freed them
        let _ = card.destroy_dumb_buffer(self.dumb);
    }
}
