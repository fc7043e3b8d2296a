//! Frame layer, for displays that scale the frame over the canvas.

use super::draw_list::DrawItem;
use phicam_display::FramePlacement;
use phicam_frame::canvas::Canvas;
use phicam_frame::{Frame, Rect, Size};

/// Canvas of the frame layer, with its area on the screen.
pub struct LayerCanvas {
    pub canvas: Canvas,
    /// Area of the main canvas that the layer covers; `None` if there is no frame, or if it is on the main canvas.
    pub area: Option<Rect>,
    /// Whether the last redraw changed the layer.
    pub is_new: bool,
}

impl Default for LayerCanvas {
    fn default() -> LayerCanvas {
        LayerCanvas { canvas: Canvas::new(Size::new(0, 0)), area: None, is_new: false }
    }
}

/// Removes the frame's item from `items` and returns it with the size of its layer, if it is to be drawn onto a layer.
pub fn take_layer_item(
    items: &mut Vec<DrawItem>,
    frame: Option<&Frame>,
    placement: FramePlacement,
) -> Option<(DrawItem, Size)> {
    let FramePlacement::Layer(size) = placement else { return None };
    let index = items.iter().position(DrawItem::is_opaque)?;
    let area = items[index].area;
    // A still image from a file is looked at for a while, so it is drawn once in its full size.
    let is_still = frame.is_some_and(|frame| frame.source.is_some());
    if is_still && size != area.size() {
        return None;
    }
    Some((items.remove(index), size))
}

/// Scales `pixels` of an area that is `from` pixels high to one that is `to` pixels high; at least 1.
pub fn scale(pixels: u32, to: u32, from: u32) -> u32 {
    let (to, from) = (u64::from(to), u64::from(from.max(1)));
    ((u64::from(pixels) * to + from / 2) / from).max(1) as u32
}
