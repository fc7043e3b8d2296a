//! Rectangles of whole pixels.

use crate::Size;

/// A rectangle of whole pixels, its origin in the top left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

impl Rect {
    /// Returns the largest rectangle with the aspect ratio of `inner`, centred in `outer`. Both sides are at least 1.
    ///
    /// The shorter side is rounded to the nearest pixel.
    pub fn letterbox(inner: Size, outer: Size) -> Rect {
        let (iw, ih) = (u64::from(inner.width), u64::from(inner.height));
        let (ow, oh) = (u64::from(outer.width), u64::from(outer.height));
        let rounded = |a: u64, b: u64| ((a + b / 2) / b).max(1);
        let (width, height) =
            if iw * oh >= ih * ow { (ow, rounded(ih * ow, iw).min(oh)) } else { (rounded(iw * oh, ih).min(ow), oh) };
        let small = |pixels: u64| pixels as u32; // at most the outer size
        Rect {
            left: small((ow - width) / 2),
            top: small((oh - height) / 2),
            width: small(width),
            height: small(height),
        }
    }

    /// Returns the size without the position.
    pub fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }

    /// Returns the pixels that lie in both rectangles; its width or height is 0 if there are none.
    pub fn intersection(self, other: Rect) -> Rect {
        let (left, top) = (self.left.max(other.left), self.top.max(other.top));
        let right = (self.left + self.width).min(other.left + other.width);
        let bottom = (self.top + self.height).min(other.top + other.height);
        Rect { left, top, width: right.saturating_sub(left), height: bottom.saturating_sub(top) }
    }

    /// Returns whether the pixel in column `x` and row `y` lies inside.
    pub fn contains(&self, x: u32, y: u32) -> bool {
        (self.left..self.left + self.width).contains(&x) && (self.top..self.top + self.height).contains(&y)
    }
}

#[cfg(test)]
mod tests {
    use crate::*;

    #[test]
    fn letterbox_keeps_the_aspect_ratio() {
        let letterbox = |width, height, side| Rect::letterbox(Size::new(width, height), Size::new(side, side));
        assert_eq!(letterbox(640, 480, 224), Rect { left: 0, top: 28, width: 224, height: 168 });
        assert_eq!(letterbox(1, 5000, 96), Rect { left: 47, top: 0, width: 1, height: 96 });
        assert_eq!(letterbox(7, 7, 96), Rect { left: 0, top: 0, width: 96, height: 96 });
    }

    #[test]
    fn intersection_of_distant_rectangles_is_empty() {
        let rect = |left, top| Rect { left, top, width: 4, height: 2 };
        assert_eq!(rect(0, 0).intersection(rect(3, 1)), Rect { left: 3, top: 1, width: 1, height: 1 });
        assert_eq!(rect(0, 0).intersection(rect(9, 0)).width, 0);
    }
}
