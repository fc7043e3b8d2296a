//! Frame layer, for displays that scale the frame over the canvas during scan-out.

use super::draw_list::FrameItem;
use super::frame_cell::FrameCell;
use super::frame_scaler::FrameScaler;
use phicam_frame::canvas::Canvas;
use phicam_frame::{Frame, Rect, Size};

/// Canvas of the frame layer, with its area on the screen.
pub struct LayerCanvas {
    pub canvas: Canvas,
    /// Area of the main canvas that the layer covers; `None` if there is no frame, or if it is on the main canvas.
    pub area: Option<Rect>,
    /// Parts of the layer, in its own pixels, through which the panels of the main canvas are seen.
    pub holes: Vec<Rect>,
    /// Whether the last redraw changed the layer.
    pub is_new: bool,
    /// Frame on the layer, with its place and brightness.
    drawn: Option<FrameItem>,
}

impl Default for LayerCanvas {
    fn default() -> LayerCanvas {
        LayerCanvas { canvas: Canvas::new(Size::new(0, 0)), area: None, holes: Vec::new(), is_new: false, drawn: None }
    }
}

impl LayerCanvas {
    /// Removes the layer from the screen.
    pub fn remove(&mut self) {
        self.area = None;
        self.drawn = None;
        self.is_new = false;
    }

    /// Draws `frame` onto the layer of `size`, unless it shows all of that already. `panels` are areas of the screen.
    pub fn draw(
        &mut self,
        frame: &Frame,
        item: FrameItem,
        size: Size,
        panels: impl Iterator<Item = Rect>,
        scaler: &mut FrameScaler,
    ) {
        let shown = item.placement.shown;
        let scaling = Scaling { from: shown, to: size };
        let mut holes = std::mem::take(&mut self.holes);
        let (count_before, mut count, mut is_equal) = (holes.len(), 0, true);
        for hole in panels.filter_map(|panel| scaling.hole(panel)) {
            is_equal &= holes.get(count) == Some(&hole);
            holes.truncate(count.max(if is_equal { count_before } else { count }));
            if !is_equal {
                holes.push(hole);
            }
            count += 1;
        }
        is_equal &= count == count_before;
        holes.truncate(count);
        self.holes = holes;
        self.is_new = !(is_equal && self.drawn == Some(item) && self.canvas.size() == size && self.area == Some(shown));
        self.area = Some(shown);
        if !self.is_new {
            return;
        }
        self.drawn = Some(item);
        if self.canvas.size() != size {
            self.canvas = Canvas::new(size);
        }
        let cell = FrameCell {
            frame,
            item,
            area: self.canvas.area(),
            region: scaling.region(item.placement.region),
            holes: &self.holes,
            mark_width: if item.mark_width > 0 { scaling.height(item.mark_width) } else { 0 },
        };
        cell.draw(&mut self.canvas, scaler);
    }
}

/// Mapping of the screen below a layer to the pixels of the layer.
struct Scaling {
    from: Rect,
    to: Size,
}

impl Scaling {
    fn x(&self, x: u32) -> f64 {
        f64::from(x.saturating_sub(self.from.left)) * f64::from(self.to.width) / f64::from(self.from.width.max(1))
    }

    fn y(&self, y: u32) -> f64 {
        f64::from(y.saturating_sub(self.from.top)) * f64::from(self.to.height) / f64::from(self.from.height.max(1))
    }

    fn height(&self, pixels: u32) -> u32 {
        (self.y(self.from.top + pixels).round() as u32).max(1)
    }

    fn region(&self, area: Rect) -> Rect {
        let area = area.intersection(self.from);
        let (left, right) = (self.x(area.left).round() as u32, self.x(area.left + area.width).round() as u32);
        let (top, bottom) = (self.y(area.top).round() as u32, self.y(area.top + area.height).round() as u32);
        Rect { left, top, width: right - left, height: bottom - top }
    }

    /// Returns the whole pixels of the layer inside `panel`, so that no background is seen beside the panel; `None` if
    /// there are none.
    fn hole(&self, panel: Rect) -> Option<Rect> {
        let panel = panel.intersection(self.from);
        if panel.width == 0 || panel.height == 0 {
            return None;
        }
        let (left, right) = (self.x(panel.left).ceil() as u32, self.x(panel.left + panel.width).floor() as u32);
        let (top, bottom) = (self.y(panel.top).ceil() as u32, self.y(panel.top + panel.height).floor() as u32);
        (right > left && bottom > top).then(|| Rect { left, top, width: right - left, height: bottom - top })
    }
}
