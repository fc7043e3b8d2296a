//! Two buffers that take turns: one is shown while the other is drawn into.

use std::io;

use drm::control::framebuffer;

use super::super::pixel_packing::Packing;
use super::card::Card;
use super::dumb_buffer::Buffer;
use phicam_frame::Rect;
use phicam_frame::Size;
use phicam_frame::canvas::Canvas;

/// See the module.
pub struct Pair {
    buffers: [Buffer; 2],
    /// Which of them is not shown.
    hidden: usize,
}

impl Pair {
    /// Two black ones.
    pub fn new(card: &Card, size: Size, packing: Packing) -> io::Result<Pair> {
        let first = Buffer::new(card, size, packing)?;
        match Buffer::new(card, size, packing) {
            Ok(second) => Ok(Pair { buffers: [first, second], hidden: 1 }),
            Err(error) => {
                first.destroy(card);
                Err(error)
            }
        }
    }

    pub fn size(&self) -> Size {
        self.buffers[0].size()
    }

    /// The one that is shown, or was last, or will be first.
    pub fn shown(&self) -> framebuffer::Handle {
        self.buffers[1 - self.hidden].framebuffer()
    }

    pub fn has(&self, framebuffer: framebuffer::Handle) -> bool {
        self.buffers.iter().any(|buffer| buffer.framebuffer() == framebuffer)
    }

    /// Remembers that there is a picture which differs from the one before within `damage`.
    pub fn miss(&mut self, damage: &[Rect]) {
        self.buffers.iter_mut().for_each(|buffer| buffer.miss(damage));
    }

    /// Whether the shown one has all of the newest picture.
    pub fn is_current(&self) -> bool {
        self.buffers[1 - self.hidden].is_current()
    }

    /// Draws what the hidden one has not of `picture`, and gives that one.
    pub fn draw(&mut self, picture: &Canvas) -> framebuffer::Handle {
        let hidden = &mut self.buffers[self.hidden];
        hidden.catch_up(picture);
        hidden.framebuffer()
    }

    /// Says that the hidden one is shown from now on.
    pub fn turn(&mut self) {
        self.hidden = 1 - self.hidden;
    }

    /// Gives their memory back to the card.
    pub fn destroy(&self, card: &Card) {
        self.buffers.iter().for_each(|buffer| buffer.destroy(card));
    }
}
