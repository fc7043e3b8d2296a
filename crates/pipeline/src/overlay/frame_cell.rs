//! Frame cell: the frame in its place, darker outside of what the model sees, with marks at the corners of that.

use super::compose::FULL;
use super::draw_list::FrameItem;
use super::frame_scaler::{FrameScaler, Shade, Target};
use phicam_frame::canvas::Canvas;
use phicam_frame::{Frame, Rect};

/// Colours of the marks and of their edge, which is seen on a white picture: 0xRRGGBB, ink and nearly black.
const MARK: u32 = 0xf4f1ea;
const MARK_EDGE: u32 = 0x121316;
/// Length of the arms of a mark, as a share of the region: the project's design.
const ARM_SHARE: u32 = 13;
const MIN_ARM: u32 = 6;

/// Frame that is drawn into an area, but for the holes.
pub struct FrameCell<'a> {
    pub frame: &'a Frame,
    pub item: FrameItem,
    /// Area of the canvas for all that is shown of the frame.
    pub area: Rect,
    /// Region that the model sees, in pixels of the canvas.
    pub region: Rect,
    /// Areas of the canvas that keep their content.
    pub holes: &'a [Rect],
    /// Thickness of the marks; 0 without marks.
    pub mark_width: u32,
}

impl FrameCell<'_> {
    /// Draws the cell onto `canvas`.
    pub fn draw(&self, canvas: &mut Canvas, scaler: &mut FrameScaler) {
        let FrameItem { inside_brightness, outside_brightness, .. } = self.item;
        let shade = Shade { region: self.region, inside_brightness, outside_brightness };
        let target = Target { area: self.area, holes: self.holes, shade };
        scaler.draw(canvas, self.frame, self.item.placement.crop, target);
        if self.mark_width > 0 {
            self.draw_marks(canvas);
        }
    }

    /// Draws a mark at each corner of the region, unless it would touch a hole.
    fn draw_marks(&self, canvas: &mut Canvas) {
        let Rect { left, top, width, height } = self.region;
        let arm = arm_length(self.region);
        let thick = self.mark_width.min(arm);
        let (right, bottom) = (left + width, top + height);
        for (x, is_right) in [(left, false), (right - arm, true)] {
            for (y, is_bottom) in [(top, false), (bottom - arm, true)] {
                let corner = grow(Rect { left: x, top: y, width: arm, height: arm }, 1);
                let is_touched = |hole: &Rect| {
                    let shared = corner.intersection(*hole);
                    shared.width > 0 && shared.height > 0
                };
                if self.holes.iter().any(is_touched) {
                    continue;
                }
                let horizontal =
                    Rect { left: x, top: if is_bottom { bottom - thick } else { top }, width: arm, height: thick };
                let vertical =
                    Rect { left: if is_right { right - thick } else { left }, top: y, width: thick, height: arm };
                for (grown, colour) in [(1, MARK_EDGE), (0, MARK)] {
                    for bar in [horizontal, vertical] {
                        self.fill(canvas, grow(bar, grown), colour);
                    }
                }
            }
        }
    }

    fn fill(&self, canvas: &mut Canvas, bar: Rect, colour: u32) {
        let bar = bar.intersection(self.area);
        for y in bar.top..bar.top + bar.height {
            canvas.row_mut(bar.left, y, bar.width).fill(colour);
        }
    }
}

/// Returns the length of a mark's arms, which leaves a gap between two of them.
fn arm_length(region: Rect) -> u32 {
    let shorter = region.width.min(region.height);
    (shorter / ARM_SHARE).max(MIN_ARM).min(shorter / 3)
}

/// Returns the areas of the four marks with their edges.
pub fn mark_areas(region: Rect) -> [Rect; 4] {
    let Rect { left, top, width, height } = region;
    let arm = arm_length(region);
    let (right, bottom) = (left + width - arm, top + height - arm);
    [(left, top), (right, top), (left, bottom), (right, bottom)]
        .map(|(left, top)| grow(Rect { left, top, width: arm, height: arm }, 1))
}

/// Returns `area` with `by` pixels more on each side.
fn grow(area: Rect, by: u32) -> Rect {
    let (left, top) = (area.left.saturating_sub(by), area.top.saturating_sub(by));
    Rect { left, top, width: area.left + area.width + by - left, height: area.top + area.height + by - top }
}

/// Returns whether pixels keep their brightness.
pub fn is_full(brightness: u32) -> bool {
    brightness >= FULL
}
