//! The frame in a picture of its own, for displays that scale it over the other.

use super::draw_list::Cell;
use phicam_frame::Rect;
use phicam_frame::canvas::Canvas;
use phicam_frame::{Frame, Size};

/// See the module.
pub struct Layer {
    pub picture: Canvas,
    /// What it covers of the other picture; nothing where the frame is drawn into that one, or there is none.
    pub area: Option<Rect>,
    /// Whether it was drawn anew the last time.
    pub is_new: bool,
}

impl Default for Layer {
    fn default() -> Layer {
        Layer { picture: Canvas::new(Size::new(0, 0)), area: None, is_new: false }
    }
}

/// Takes the frame's cell out of `cells` where `give` gives a size for it.
pub fn take(
    cells: &mut Vec<Cell>,
    frame: Option<&Frame>,
    give: &mut dyn FnMut(Rect) -> Option<Size>,
) -> Option<(Cell, Size)> {
    let place = cells.iter().position(Cell::is_opaque)?;
    let area = cells[place].area;
    let size = give(area)?;
    // A picture from a file stays for a while and is looked at: it is drawn as large as it is shown, once.
    let is_still = frame.is_some_and(|frame| frame.source.is_some());
    if is_still && size != Size::new(area.width, area.height) {
        return None;
    }
    Some((cells.remove(place), size))
}

/// `pixels` of an area that is `from` pixels high, in one that is `to` high; at least one.
pub fn scaled(pixels: u32, to: u32, from: u32) -> u32 {
    let (to, from) = (u64::from(to), u64::from(from.max(1)));
    ((u64::from(pixels) * to + from / 2) / from).max(1) as u32
}
