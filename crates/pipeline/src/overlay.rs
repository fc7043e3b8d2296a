//! Draws what is seen: the frame, the box that the model saw, the label, the probabilities, and what it took; of a
//! picture that it has drawn before only what has changed.

use embedded_graphics::geometry::{Point, Size as Extent};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use phicam_frame::Rect;
use phicam_frame::canvas::Canvas;
use phicam_frame::decode::Unpack;
use phicam_frame::{Frame, Size};

mod compose;
mod draw_list;
mod frame_cell;
mod frame_layer;
mod frame_scaler;
mod layout;
mod scene;
#[cfg(test)]
mod tests;
mod text;
use draw_list::{Cell, Content, Plan};
use frame_cell::Framed;
pub use frame_layer::Layer;
use frame_scaler::Preview;
pub use layout::Layout;
pub use scene::{Fault, Faults, Scene, Stale};
pub use text::{NOTO_SANS, Text};

const PAPER: Rgb888 = Rgb888::new(16, 18, 22);
const INK: Rgb888 = Rgb888::new(240, 240, 240);
const QUIET: Rgb888 = Rgb888::new(150, 155, 165);
const ACCENT: Rgb888 = Rgb888::new(255, 196, 0);
const RED: Rgb888 = Rgb888::new(255, 110, 80);
const GROOVE: Rgb888 = Rgb888::new(48, 52, 60);

/// Draws scenes for one picture; buffers and glyphs are made once.
#[derive(Default)]
pub struct Overlay {
    text: Text,
    unpack: Unpack,
    preview: Preview,
    /// What is on the picture.
    drawn: Plan,
    next: Plan,
    /// Size of the picture that `drawn` is on; nothing where it is on none.
    size: Option<Size>,
}

impl Overlay {
    /// Draws all of `scene` over whatever `picture` showed.
    pub fn draw(&mut self, picture: &mut Canvas, scene: &Scene) {
        self.size = None;
        self.redraw(picture, scene, &mut Vec::new());
    }

    /// Draws what `scene` has changed since it was last drawn, on the same picture, and puts where that is into `damage`.
    pub fn redraw(&mut self, picture: &mut Canvas, scene: &Scene, damage: &mut Vec<Rect>) {
        self.redraw_layered(picture, &mut Layer::default(), scene, damage, &mut |_| None);
    }

    /// The same for a display that may show the frame over the picture: `give` tells in which size to draw it then, for the
    /// area that it is to cover. Nothing of it is drawn into the picture, and nothing damaged there.
    pub fn redraw_layered(
        &mut self,
        picture: &mut Canvas,
        layer: &mut Layer,
        scene: &Scene,
        damage: &mut Vec<Rect>,
        give: &mut dyn FnMut(Rect) -> Option<Size>,
    ) {
        damage.clear();
        if self.size != Some(picture.size()) {
            self.size = Some(picture.size());
            self.drawn.clear();
            let Ok(()) = picture.clear(PAPER);
            damage.push(picture.area());
        }
        // Of a JPEG that holds no picture the line has told: such a frame gets no answer either.
        let frame = scene.frame.and_then(|frame| self.unpack.unpacked(frame).ok());
        let layout = Layout::new(picture.size(), frame.as_ref().map_or(Size::new(4, 3), Frame::size));
        compose::compose(&mut self.next, &mut self.text, scene, frame.as_ref(), &layout);
        self.draw_layer(layer, frame.as_ref(), picture.size(), give);
        let is_whole = !damage.is_empty();
        // First all that goes, then all that comes: a cell may come where two others were.
        for (place, cell) in self.drawn.cells.iter().enumerate() {
            if !self.next.has(&self.drawn, place) {
                if !self.next.cells.iter().any(|next| next.area == cell.area && next.is_opaque()) {
                    fill(picture, cell.area, PAPER);
                }
                damage.push(cell.area);
            }
        }
        for place in 0..self.next.cells.len() {
            if !self.drawn.has(&self.next, place) {
                let area = self.next.cells[place].area;
                self.draw_cell(picture, place, frame.as_ref());
                if !is_whole && !damage.contains(&area) {
                    damage.push(area);
                }
            }
        }
        std::mem::swap(&mut self.drawn, &mut self.next);
    }

    /// Takes the frame's cell out of the plan for the picture where the display shows it as a layer, and draws that one
    /// where it has changed.
    fn draw_layer(
        &mut self,
        layer: &mut Layer,
        frame: Option<&Frame>,
        screen: Size,
        give: &mut dyn FnMut(Rect) -> Option<Size>,
    ) {
        layer.is_new = false;
        self.next.layer = frame_layer::take(&mut self.next.cells, frame, give);
        let Some((Cell { area, content }, size)) = &self.next.layer else {
            layer.area = None;
            return;
        };
        if layer.area.is_some() && self.drawn.has_layer(&self.next) {
            return;
        }
        (layer.area, layer.is_new) = (Some(*area), true);
        if layer.picture.size() != *size {
            layer.picture = Canvas::new(*size);
        }
        if let (Content::Frame { seen, dim, words, capital, .. }, Some(frame)) = (content, frame) {
            // The hardware scales it all, also what is written on it.
            let scaled = |pixels: u32| frame_layer::scaled(pixels, size.height, area.height);
            let words = dim.then(|| &self.next.text[words.clone()]);
            let (capital, line) = (scaled(*capital), scaled(frame_cell::line(screen)));
            let whole = layer.picture.area();
            let framed = Framed { frame, seen: *seen, words, capital, line };
            framed.draw(&mut layer.picture, whole, &mut self.preview, &mut self.text);
        }
    }

    fn draw_cell(&mut self, picture: &mut Canvas, place: usize, frame: Option<&Frame>) {
        let cell = &self.next.cells[place];
        let area = cell.area;
        match cell.content {
            Content::Frame { seen, dim, ref words, capital, .. } => {
                let Some(frame) = frame else { return };
                let words = dim.then(|| &self.next.text[words.clone()]);
                let line = frame_cell::line(picture.size());
                let framed = Framed { frame, seen, words, capital, line };
                framed.draw(picture, area, &mut self.preview, &mut self.text);
            }
            Content::Pipeline { ref text, colour, capital, left, baseline } => {
                let (words, at) = (&self.next.text[text.clone()], (area.left + left, area.top + baseline));
                self.text.draw(picture, at, words, capital, colour, area);
            }
            Content::Bar { width, filled, top, height } => {
                for (width, colour) in [(width, GROOVE), (filled, ACCENT)] {
                    let bar = Rect { top: area.top + top, width, height, ..area };
                    fill(picture, bar.intersection(area), colour);
                }
            }
        }
    }
}

fn fill(picture: &mut Canvas, area: Rect, colour: Rgb888) {
    let Ok(()) = picture.fill_solid(&rectangle(area), colour);
}

fn rectangle(Rect { left, top, width, height }: Rect) -> Rectangle {
    Rectangle::new(Point::new(left as i32, top as i32), Extent::new(width, height))
}
