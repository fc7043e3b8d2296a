//! Double buffer: one buffer is shown, the other is drawn.

use std::io;

use drm::control::framebuffer;

use super::card::Card;
use super::dumb_buffer::DumbBuffer;
use crate::pixel_packing::PixelLayout;
use phicam_frame::canvas::Canvas;
use phicam_frame::{Rect, Size};

/// Front buffer, which is shown, and back buffer, which is drawn.
pub struct DoubleBuffer {
    buffers: [DumbBuffer; 2],
    /// Index of the back buffer.
    back: usize,
}

impl DoubleBuffer {
    /// Allocates two black buffers.
    pub fn new(card: &Card, size: Size, layout: PixelLayout) -> io::Result<DoubleBuffer> {
        let first = DumbBuffer::new(card, size, layout)?;
        match DumbBuffer::new(card, size, layout) {
            Ok(second) => Ok(DoubleBuffer { buffers: [first, second], back: 1 }),
            Err(error) => {
                first.destroy(card);
                Err(error)
            }
        }
    }

    pub fn size(&self) -> Size {
        self.buffers[0].size()
    }

    /// Returns the front buffer: it is shown, or it is the next to be shown if none is.
    pub fn front(&self) -> framebuffer::Handle {
        self.buffers[1 - self.back].framebuffer()
    }

    pub fn contains(&self, framebuffer: framebuffer::Handle) -> bool {
        self.buffers.iter().any(|buffer| buffer.framebuffer() == framebuffer)
    }

    /// Records that a new canvas differs from the previous one within `damage`.
    pub fn mark_damaged(&mut self, damage: &[Rect]) {
        self.buffers.iter_mut().for_each(|buffer| buffer.mark_damaged(damage));
    }

    /// Returns whether the front buffer has the newest canvas.
    pub fn is_up_to_date(&self) -> bool {
        self.buffers[1 - self.back].is_up_to_date()
    }

    /// Draws the damaged areas of the back buffer from `canvas`, makes `holes` transparent, and returns that buffer.
    pub fn draw_back(&mut self, canvas: &Canvas, holes: &[Rect]) -> framebuffer::Handle {
        let back = &mut self.buffers[self.back];
        back.draw(canvas, holes);
        back.framebuffer()
    }

    /// Exchanges front and back buffer.
    pub fn swap(&mut self) {
        self.back = 1 - self.back;
    }

    /// Frees the memory of both buffers.
    pub fn destroy(&self, card: &Card) {
        self.buffers.iter().for_each(|buffer| buffer.destroy(card));
    }
}
