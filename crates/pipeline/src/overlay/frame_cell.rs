//! Frame cell: the frame with the box around the model's region and the notice on a stale frame.

use embedded_graphics::primitives::{PrimitiveStyleBuilder, StrokeAlignment, StyledDrawable};

use super::frame_scaler::FrameScaler;
use super::text::TextStyle;
use super::{ACCENT, TEXT, Text, rectangle};
use phicam_frame::canvas::Canvas;
use phicam_frame::{Frame, Rect, Size};

/// Brightness outside the model's region, in 1/256: an estimate, a bit more than half.
const OUTSIDE_BRIGHTNESS: u32 = 140;
/// Brightness of a dimmed frame, in 1/256: an estimate, a bit more than a quarter.
const DIMMED_BRIGHTNESS: u32 = 70;

/// Frame with everything that is drawn over it.
pub struct FrameCell<'a> {
    pub frame: &'a Frame,
    /// Region that the model has classified, in pixels of the frame.
    pub region: Option<Rect>,
    /// Notice over a dimmed frame.
    pub message: Option<&'a str>,
    /// Height of capitals of the notice, in pixels.
    pub cap_height: u32,
    /// Line width of the box, in pixels.
    pub line_width: u32,
}

/// Returns the line width for a screen of `size`: 2 pixels at 480 lines, and at least 1.
pub fn line_width(size: Size) -> u32 {
    (size.height / 240).max(1)
}

impl FrameCell<'_> {
    /// Draws the cell into `area` of `canvas`.
    pub fn draw(&self, canvas: &mut Canvas, area: Rect, scaler: &mut FrameScaler, text: &mut Text) {
        scaler.draw(canvas, self.frame, area);
        if let Some(region) = self.region {
            self.draw_region(canvas, region, area);
        }
        if let Some(message) = self.message {
            (area.top..area.top + area.height).for_each(|y| canvas.darken(area.left, y, area.width, DIMMED_BRIGHTNESS));
            let left = area.width.saturating_sub(text.width(message, self.cap_height)) / 2;
            let origin = (area.left + left, area.top + (area.height + self.cap_height) / 2);
            let style = TextStyle { cap_height: self.cap_height, colour: TEXT, clip: area };
            text.draw(canvas, origin, message, style);
        }
    }

    /// Darkens the frame outside `region`, and draws a box around it.
    fn draw_region(&self, canvas: &mut Canvas, region: Rect, area: Rect) {
        let size = self.frame.size();
        let scale =
            |pixels: u32, to: u32, from: u32| (u64::from(pixels) * u64::from(to) / u64::from(from.max(1))) as u32;
        let Rect { left, top, width, height } = region;
        let scale_x = |pixels: u32| scale(pixels, area.width, size.width).min(area.width);
        let scale_y = |pixels: u32| scale(pixels, area.height, size.height).min(area.height);
        let (from_x, to_x) = (area.left + scale_x(left), area.left + scale_x(left + width));
        let (from_y, to_y) = (area.top + scale_y(top), area.top + scale_y(top + height));
        for y in area.top..area.top + area.height {
            if (from_y..to_y).contains(&y) {
                canvas.darken(area.left, y, from_x - area.left, OUTSIDE_BRIGHTNESS);
                canvas.darken(to_x, y, area.left + area.width - to_x, OUTSIDE_BRIGHTNESS);
            } else {
                canvas.darken(area.left, y, area.width, OUTSIDE_BRIGHTNESS);
            }
        }
        let outline = Rect { left: from_x, top: from_y, width: to_x - from_x, height: to_y - from_y };
        let style = PrimitiveStyleBuilder::new().stroke_color(ACCENT).stroke_width(self.line_width);
        let style = style.stroke_alignment(StrokeAlignment::Inside).build();
        let Ok(()) = rectangle(outline).draw_styled(&style, canvas);
    }
}
