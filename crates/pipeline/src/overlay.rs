//! Overlay: draws the picture and the words of the screen, laid out for its shape.
//!
//! A canvas that was drawn before is only redrawn where its draw list has changed.

use embedded_graphics::geometry::{Point, Size as Extent};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use phicam_display::FramePlacement;
use phicam_display::words::MessageKind;
use phicam_frame::canvas::Canvas;
use phicam_frame::decode::JpegCache;
use phicam_frame::{Frame, Rect, Size};

mod compose;
mod details_page;
mod draw_list;
mod frame_cell;
mod frame_layer;
mod frame_scaler;
mod label_card;
mod messages;
mod name_fit;
mod palette;
mod picture_placement;
mod scene;
mod screen_class;
mod signs;
#[cfg(test)]
mod tests;
mod text;
mod tiny_label;
use compose::{compose, picture_only, placement};
use draw_list::{Content, DrawItem, DrawList, FrameItem};
use frame_cell::{FrameCell, mark_areas};
pub use frame_layer::LayerCanvas;
use frame_scaler::FrameScaler;
use palette::PAPER;
pub use picture_placement::{Crop, PicturePlacement};
pub use scene::{Page, Scene};
pub use screen_class::{ScreenClass, Shape};
pub use text::{NOTO_SANS, Text, TextStyle};

/// Renderer of scenes for one canvas. It allocates buffers and glyphs once.
#[derive(Default)]
pub struct Overlay {
    text: Text,
    jpegs: JpegCache,
    scaler: FrameScaler,
    /// Draw list of the canvas, and whether its frame is on the canvas itself.
    drawn: DrawList,
    has_frame: bool,
    next: DrawList,
    /// Areas of the panels of `next`.
    holes: Vec<Rect>,
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

    /// Returns the area of the frame of `scene` on a screen of `size`; `None` if a JPEG cannot be decoded, or if the
    /// screen does not show the frame as a live picture.
    pub fn frame_area(&mut self, scene: &Scene, size: Size) -> Option<Rect> {
        let frame = self.jpegs.decoded(scene.frame?).ok()?;
        let class = ScreenClass::new(size, scene.is_round);
        let is_live = !matches!(scene.words.kind, MessageKind::Stale | MessageKind::NoCamera);
        (is_live && class.shape != Shape::Tiny).then(|| placement(scene, &frame, &class))?.map(|placed| placed.shown)
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
        // The pipeline reports a JPEG that cannot be decoded, because it cannot be classified either.
        let frame = scene.frame.and_then(|frame| self.jpegs.decoded(frame).ok());
        let class = ScreenClass::new(canvas.size(), scene.is_round);
        if scene.is_picture_only {
            picture_only(&mut self.next, scene, frame.as_ref(), &class);
        } else {
            compose(&mut self.next, &mut self.text, scene, frame.as_ref(), &class);
        }
        self.holes.clear();
        self.holes.extend(self.next.panels.iter().filter(|panel| panel.colour.is_some()).map(|panel| panel.area));
        let is_on_layer = self.draw_layer(layer, frame.as_ref(), placement);
        let has_frame = self.next.frame.is_some() && !is_on_layer;
        let shown =
            |list: &DrawList, has_frame: bool| list.frame.filter(|_| has_frame).map(|item| item.placement.shown);
        let is_other_place = shown(&self.next, has_frame) != shown(&self.drawn, self.has_frame);
        let is_message = |list: &DrawList| list.panels.iter().any(|panel| panel.colour.is_none());
        let is_message_changed = (is_message(&self.next) || is_message(&self.drawn)) && !self.is_unchanged(has_frame);
        if self.size != Some(canvas.size()) || is_other_place || is_message_changed {
            self.size = Some(canvas.size());
            let Ok(()) = canvas.clear(PAPER);
            self.draw_frame(canvas, frame.as_ref(), has_frame);
            (0..self.next.panels.len()).for_each(|index| self.draw_panel(canvas, index));
            damage.push(canvas.area());
        } else {
            self.draw_changes(canvas, frame.as_ref(), has_frame, damage);
        }
        self.has_frame = has_frame;
        std::mem::swap(&mut self.drawn, &mut self.next);
    }

    /// Draws what differs between two lists whose frames have one place.
    fn draw_changes(&mut self, canvas: &mut Canvas, frame: Option<&Frame>, has_frame: bool, damage: &mut Vec<Rect>) {
        let has_equal_panels = self.next.has_equal_panels(&self.drawn);
        let is_new_frame = has_frame && self.next.frame != self.drawn.frame;
        if !has_equal_panels {
            for panel in &self.drawn.panels {
                fill(canvas, panel.area, PAPER);
                damage.push(panel.area);
            }
        }
        if is_new_frame || !has_equal_panels {
            self.draw_frame(canvas, frame, has_frame);
        }
        // A mark that a panel touches is left out, as a whole.
        if !has_equal_panels && let Some(item) = self.next.frame.filter(|item| has_frame && item.mark_width > 0) {
            let marks = mark_areas(item.placement.region).map(|mark| mark.intersection(item.placement.shown));
            damage.extend(marks.into_iter().filter(|mark| mark.width > 0 && mark.height > 0));
        }
        if is_new_frame && let Some(item) = self.next.frame {
            add_uncovered(item.placement.shown, &self.holes, damage);
        }
        let mut redrawn: Option<Rect> = None;
        for index in 0..self.next.panels.len() {
            let panel = &self.next.panels[index];
            if !has_equal_panels {
                damage.push(panel.area);
                self.draw_panel(canvas, index);
                continue;
            }
            let (items, items_before) = (self.next.items(panel), self.drawn.items(&self.drawn.panels[index]));
            let added = items.iter().filter(|item| !self.next.has_equal_item(item, &self.drawn, items_before));
            let removed = items_before.iter().filter(|item| !self.drawn.has_equal_item(item, &self.next, items));
            let before = damage.len();
            damage.extend(added.chain(removed).map(|item| item.area));
            // A panel that was drawn below this one has covered it.
            let is_covered = redrawn.map(|below| below.intersection(panel.area));
            let is_covered = is_covered.is_some_and(|shared| shared.width > 0 && shared.height > 0);
            if damage.len() > before || is_covered {
                redrawn = Some(panel.area);
                self.draw_panel(canvas, index);
            }
        }
    }

    /// Returns whether the next list equals the drawn one.
    fn is_unchanged(&self, has_frame: bool) -> bool {
        let (next, drawn) = (&self.next, &self.drawn);
        let is_panel_equal = |index: usize| {
            let (items, items_before) = (next.items(&next.panels[index]), drawn.items(&drawn.panels[index]));
            items.len() == items_before.len() && items.iter().all(|item| next.has_equal_item(item, drawn, items_before))
        };
        has_frame == self.has_frame
            && (!has_frame || next.frame == drawn.frame)
            && next.has_equal_panels(drawn)
            && (0..next.panels.len()).all(is_panel_equal)
    }

    /// Draws the frame onto the layer, if `placement` says so. Returns whether it is there.
    fn draw_layer(&mut self, layer: &mut LayerCanvas, frame: Option<&Frame>, placement: FramePlacement) -> bool {
        let (Some(item), Some(frame), FramePlacement::Layer(size)) = (self.next.frame, frame, placement) else {
            layer.remove();
            return false;
        };
        // A still image is looked at for a while, so it is drawn once in its full size. A message lies over the frame,
        // and the layer would cover it.
        let is_still = frame.source.is_some();
        let has_message = self.next.panels.iter().any(|panel| panel.colour.is_none());
        if has_message || is_still && size != item.placement.shown.size() {
            layer.remove();
            return false;
        }
        layer.draw(frame, item, size, self.holes.iter().copied(), &mut self.scaler);
        true
    }

    fn draw_frame(&mut self, canvas: &mut Canvas, frame: Option<&Frame>, has_frame: bool) {
        if let (Some(item), Some(frame), true) = (self.next.frame, frame, has_frame) {
            let FrameItem { placement, mark_width, .. } = item;
            let (area, region) = (placement.shown, placement.region);
            let cell = FrameCell { frame, item, area, region, holes: &self.holes, mark_width };
            cell.draw(canvas, &mut self.scaler);
        }
    }

    fn draw_panel(&mut self, canvas: &mut Canvas, index: usize) {
        let panel = &self.next.panels[index];
        if let Some(colour) = panel.colour {
            fill(canvas, panel.area, colour);
        }
        for item in self.next.items(panel) {
            draw_item(canvas, &mut self.text, &self.next.text, item, panel.area);
        }
    }
}

/// Draws an element of the panel at `clip`.
fn draw_item(canvas: &mut Canvas, letters: &mut Text, texts: &str, item: &DrawItem, clip: Rect) {
    let area = item.area;
    match item.content {
        Content::Text { ref text, colour, cap_height, origin, is_one_bit } => {
            let style = TextStyle { cap_height, colour, clip, is_one_bit };
            letters.draw(canvas, origin, &texts[text.clone()], style);
        }
        Content::Fill { colour } => fill(canvas, area, colour),
        Content::Dots { colour } => {
            for left in (area.left..area.left + area.width).step_by(4) {
                fill(canvas, Rect { left, width: 1, ..area }, colour);
            }
        }
        Content::WarningSign => signs::draw_warning(canvas, area),
        Content::NoCameraSign { line_width } => signs::draw_no_camera(canvas, area, line_width),
    }
}

/// Adds the parts of `area` outside of `holes` to `damage`.
fn add_uncovered(area: Rect, holes: &[Rect], damage: &mut Vec<Rect>) {
    let Some((hole, rest)) = holes.split_first() else {
        if area.width > 0 && area.height > 0 {
            damage.push(area);
        }
        return;
    };
    let hole = hole.intersection(area);
    if hole.width == 0 || hole.height == 0 {
        return add_uncovered(area, rest, damage);
    }
    let (right, bottom) = (hole.left + hole.width, hole.top + hole.height);
    let above = Rect { height: hole.top - area.top, ..area };
    let below = Rect { top: bottom, height: area.top + area.height - bottom, ..area };
    let beside = Rect { top: hole.top, height: hole.height, ..area };
    let left = Rect { width: hole.left - area.left, ..beside };
    let right = Rect { left: right, width: area.left + area.width - right, ..beside };
    for part in [above, left, right, below] {
        if part.width > 0 && part.height > 0 {
            add_uncovered(part, rest, damage);
        }
    }
}

fn fill(canvas: &mut Canvas, area: Rect, colour: Rgb888) {
    let Ok(()) = canvas.fill_solid(&rectangle(area), colour);
}

fn rectangle(Rect { left, top, width, height }: Rect) -> Rectangle {
    Rectangle::new(Point::new(left as i32, top as i32), Extent::new(width, height))
}
