//! Overlay: draws the frame, the model's region, the label, probability bars, timing and faults.
//!
//! A canvas that was drawn before is only redrawn where its draw list has changed.

use embedded_graphics::geometry::{Point, Size as Extent};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use phicam_display::FramePlacement;
use phicam_frame::canvas::Canvas;
use phicam_frame::decode::JpegCache;
use phicam_frame::{Frame, Rect, Size};

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
use draw_list::{Content, DrawItem, DrawList};
use frame_cell::FrameCell;
pub use frame_layer::LayerCanvas;
use frame_scaler::FrameScaler;
pub use layout::Layout;
pub use scene::{Scene, StaleFrame};
pub use text::{NOTO_SANS, Text, TextStyle};

const BACKGROUND: Rgb888 = Rgb888::new(16, 18, 22);
const TEXT: Rgb888 = Rgb888::new(240, 240, 240);
const MUTED: Rgb888 = Rgb888::new(150, 155, 165);
const ACCENT: Rgb888 = Rgb888::new(255, 196, 0);
const WARNING: Rgb888 = Rgb888::new(255, 110, 80);
const BAR_TRACK: Rgb888 = Rgb888::new(48, 52, 60);

/// Renderer of scenes for one canvas. It allocates buffers and glyphs once.
#[derive(Default)]
pub struct Overlay {
    text: Text,
    jpegs: JpegCache,
    scaler: FrameScaler,
    /// Draw list of the canvas.
    drawn: DrawList,
    next: DrawList,
    /// Size of the canvas that `drawn` is on; `None` if the next canvas has unknown content.
    size: Option<Size>,
}

impl Overlay {
    /// Draws all of `scene`, whatever `canvas` shows.
    pub fn draw(&mut self, canvas: &mut Canvas, scene: &Scene) {
        self.size = None;
        self.redraw(canvas, scene, &mut Vec::new());
    }

    /// Draws the changes of `scene` onto the canvas of the last call, and writes their areas to `damage`.
    pub fn redraw(&mut self, canvas: &mut Canvas, scene: &Scene, damage: &mut Vec<Rect>) {
        self.redraw_layered(canvas, &mut LayerCanvas::default(), scene, damage, FramePlacement::Canvas);
    }

    /// Returns the area of `frame` on a canvas of `size`; `None` if a JPEG cannot be decoded, or if no pixel remains
    /// for it.
    pub fn frame_area(&mut self, frame: &Frame, size: Size) -> Option<Rect> {
        let frame = self.jpegs.decoded(frame).ok()?;
        let area = Layout::new(size, frame.size()).frame;
        (area.width > 0 && area.height > 0).then_some(area)
    }

    /// Draws the changes of `scene` like [`Overlay::redraw`], with the frame at `placement`.
    ///
    /// A frame on `layer` changes nothing on the canvas, and causes no damage there.
    pub fn redraw_layered(
        &mut self,
        canvas: &mut Canvas,
        layer: &mut LayerCanvas,
        scene: &Scene,
        damage: &mut Vec<Rect>,
        placement: FramePlacement,
    ) {
        damage.clear();
        if self.size != Some(canvas.size()) {
            self.size = Some(canvas.size());
            self.drawn.clear();
            let Ok(()) = canvas.clear(BACKGROUND);
            damage.push(canvas.area());
        }
        // The pipeline reports a JPEG that cannot be decoded, because it cannot be classified either.
        let frame = scene.frame.and_then(|frame| self.jpegs.decoded(frame).ok());
        let layout = Layout::new(canvas.size(), frame.as_ref().map_or(Size::new(4, 3), Frame::size));
        compose::compose(&mut self.next, &mut self.text, scene, frame.as_ref(), &layout);
        self.draw_layer(layer, frame.as_ref(), canvas.size(), placement);
        let is_new_canvas = !damage.is_empty();
        // Remove first, then draw: a new item may cover the areas of several old ones.
        for (index, item) in self.drawn.items.iter().enumerate() {
            if !self.next.contains_item(&self.drawn, index) {
                if !self.next.items.iter().any(|next| next.area == item.area && next.is_opaque()) {
                    fill(canvas, item.area, BACKGROUND);
                }
                damage.push(item.area);
            }
        }
        for index in 0..self.next.items.len() {
            if !self.drawn.contains_item(&self.next, index) {
                let area = self.next.items[index].area;
                self.draw_item(canvas, index, frame.as_ref());
                if !is_new_canvas && !damage.contains(&area) {
                    damage.push(area);
                }
            }
        }
        std::mem::swap(&mut self.drawn, &mut self.next);
    }

    /// Moves the frame's item from the canvas to the layer if `placement` says so, and draws the layer if it has
    /// changed.
    fn draw_layer(&mut self, layer: &mut LayerCanvas, frame: Option<&Frame>, screen: Size, placement: FramePlacement) {
        layer.is_new = false;
        self.next.layer = frame_layer::take_layer_item(&mut self.next.items, frame, placement);
        let Some((DrawItem { area, content }, size)) = &self.next.layer else {
            layer.area = None;
            return;
        };
        if layer.area.is_some() && self.drawn.is_layer_equal(&self.next) {
            return;
        }
        layer.area = Some(*area);
        layer.is_new = true;
        if layer.canvas.size() != *size {
            layer.canvas = Canvas::new(*size);
        }
        if let (Content::Frame { region, is_dimmed, message, cap_height, .. }, Some(frame)) = (content, frame) {
            // The display scales the whole layer, with lines and text on it.
            let scale = |pixels: u32| frame_layer::scale(pixels, size.height, area.height);
            let cell = FrameCell {
                frame,
                region: *region,
                message: is_dimmed.then(|| &self.next.text[message.clone()]),
                cap_height: scale(*cap_height),
                line_width: scale(frame_cell::line_width(screen)),
            };
            let whole = layer.canvas.area();
            cell.draw(&mut layer.canvas, whole, &mut self.scaler, &mut self.text);
        }
    }

    fn draw_item(&mut self, canvas: &mut Canvas, index: usize, frame: Option<&Frame>) {
        let item = &self.next.items[index];
        let area = item.area;
        match item.content {
            Content::Frame { region, is_dimmed, ref message, cap_height, .. } => {
                let Some(frame) = frame else { return };
                let message = is_dimmed.then(|| &self.next.text[message.clone()]);
                let line_width = frame_cell::line_width(canvas.size());
                let cell = FrameCell { frame, region, message, cap_height, line_width };
                cell.draw(canvas, area, &mut self.scaler, &mut self.text);
            }
            Content::TextLine { ref text, colour, cap_height, left, baseline } => {
                let origin = (area.left + left, area.top + baseline);
                let style = TextStyle { cap_height, colour, clip: area };
                self.text.draw(canvas, origin, &self.next.text[text.clone()], style);
            }
            Content::Bar { width, filled, top, height } => {
                for (width, colour) in [(width, BAR_TRACK), (filled, ACCENT)] {
                    let bar = Rect { top: area.top + top, width, height, ..area };
                    fill(canvas, bar.intersection(area), colour);
                }
            }
        }
    }
}

fn fill(canvas: &mut Canvas, area: Rect, colour: Rgb888) {
    let Ok(()) = canvas.fill_solid(&rectangle(area), colour);
}

fn rectangle(Rect { left, top, width, height }: Rect) -> Rectangle {
    Rectangle::new(Point::new(left as i32, top as i32), Extent::new(width, height))
}
