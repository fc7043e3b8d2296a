//! Where things go on a picture of any shape, from 128 × 32 to 1080p.

use phicam_frame::Rect;
use phicam_frame::Size;

/// The parts of a picture: the label along the bottom, the frame above it, a column beside the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    pub frame: Rect,
    pub column: Rect,
    pub label: Rect,
    /// Height in pixels of the label's capitals: at least 1/12 of the picture's.
    pub label_capital: u32,
    /// Height in pixels of the column's capitals.
    pub small_capital: u32,
}

/// Screens lower than this get a wider column.
const SMALL: u32 = 120;
/// Capitals lower than this are not legible.
const LEAST_CAPITAL: u32 = 6;

impl Layout {
    /// For a frame of `frame` pixels on a picture of `picture` pixels.
    pub fn new(picture: Size, frame: Size) -> Layout {
        let Size { width, height } = picture;
        let label_capital = height.div_ceil(12).max(LEAST_CAPITAL);
        let small_capital = (height / 36).max(LEAST_CAPITAL);
        let band = (label_capital * 2).min(height);
        let above = Size::new(width, height - band);
        // On a small screen letters are a larger part of it: `lite2@260` must fit into the column.
        let column = if height < SMALL { width * 9 / 20 } else { width * 3 / 10 };
        // The frame keeps the column free, and stands at the left so that the column gets all that is over.
        let room = Rect::letterbox(frame, Size::new(width - column, above.height.max(1)));
        let frame = Rect { left: 0, top: (above.height.saturating_sub(room.height)) / 2, ..room };
        let gap = small_capital;
        let left = (frame.width + gap).min(width);
        Layout {
            frame,
            column: Rect { left, top: gap / 2, width: width - left, height: above.height.saturating_sub(gap / 2) },
            label: Rect { left: 0, top: above.height, width, height: band },
            label_capital,
            small_capital,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_every_size_the_label_has_a_twelfth_and_nothing_overlaps() {
        for (width, height) in [(128, 32), (128, 64), (320, 240), (800, 480), (1280, 720), (1920, 1080), (480, 800)] {
            for frame in [Size::new(640, 480), Size::new(1920, 1080), Size::new(300, 900)] {
                let layout = Layout::new(Size::new(width, height), frame);
                assert!(layout.label_capital * 12 >= height, "{layout:?}");
                assert!(layout.frame.top + layout.frame.height <= layout.label.top, "{layout:?}");
                assert!(layout.frame.width < layout.column.left, "{layout:?}");
                assert_eq!(layout.column.left + layout.column.width, width);
                assert!(layout.column.width * 4 >= width, "{layout:?}");
            }
        }
    }
}
