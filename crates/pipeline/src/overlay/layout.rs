//! Layout of canvases of any shape, from 128 × 32 pixels to 1080p.

use phicam_frame::{Rect, Size};

/// Areas of a canvas: the label along the bottom, the frame above it, a column beside the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    pub frame: Rect,
    pub column: Rect,
    pub label: Rect,
    /// Height in pixels of the label's capitals: at least 1/12 of the canvas.
    pub label_cap_height: u32,
    /// Height in pixels of the column's capitals.
    pub small_cap_height: u32,
}

/// Height in pixels below which the column is wider: for OLED screens of 128 × 64 and 128 × 32 pixels.
const SMALL_HEIGHT: u32 = 120;
/// Smallest legible capitals, in pixels: an estimate.
const MIN_CAP_HEIGHT: u32 = 6;

impl Layout {
    /// Arranges a frame of size `frame` on a canvas of size `canvas`.
    pub fn new(canvas: Size, frame: Size) -> Layout {
        let Size { width, height } = canvas;
        let label_cap_height = height.div_ceil(12).max(MIN_CAP_HEIGHT);
        let small_cap_height = (height / 36).max(MIN_CAP_HEIGHT);
        let label_height = (label_cap_height * 2).min(height);
        let above = Size::new(width, height - label_height);
        // Letters take a larger share of a small screen: `lite2@260` must fit into the column.
        let column_width = if height < SMALL_HEIGHT { width * 9 / 20 } else { width * 3 / 10 };
        // The frame is at the left, so that the column gets all the remaining width.
        let fitted = Rect::letterbox(frame, Size::new(width - column_width, above.height.max(1)));
        let frame = Rect { left: 0, top: (above.height.saturating_sub(fitted.height)) / 2, ..fitted };
        let gap = small_cap_height;
        let left = (frame.width + gap).min(width);
        Layout {
            frame,
            column: Rect { left, top: gap / 2, width: width - left, height: above.height.saturating_sub(gap / 2) },
            label: Rect { left: 0, top: above.height, width, height: label_height },
            label_cap_height,
            small_cap_height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_do_not_overlap_at_any_size() {
        for (width, height) in [(128, 32), (128, 64), (320, 240), (800, 480), (1280, 720), (1920, 1080), (480, 800)] {
            for frame in [Size::new(640, 480), Size::new(1920, 1080), Size::new(300, 900)] {
                let layout = Layout::new(Size::new(width, height), frame);
                assert!(layout.label_cap_height * 12 >= height, "{layout:?}");
                assert!(layout.frame.top + layout.frame.height <= layout.label.top, "{layout:?}");
                assert!(layout.frame.width < layout.column.left, "{layout:?}");
                assert_eq!(layout.column.left + layout.column.width, width);
                assert!(layout.column.width * 4 >= width, "{layout:?}");
            }
        }
    }
}
