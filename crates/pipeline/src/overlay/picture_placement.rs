//! Placement of the picture: as large as possible while everything that the model sees stays on the screen.

use super::screen_class::{ScreenClass, Shape};
use phicam_frame::{Rect, Size};

/// Frame on the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PicturePlacement {
    /// Part of the screen that shows the frame.
    pub shown: Rect,
    /// Part of the frame that is shown there, in pixels of the frame.
    pub crop: Crop,
    /// Region that the model sees, in pixels of the screen.
    pub region: Rect,
}

/// Part of a frame, in pixels of the frame and fractions of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl PicturePlacement {
    /// Places a frame of size `frame`, of which the model sees `region`, on a screen. Returns `None` if nothing of it
    /// would be shown.
    pub fn new(class: &ScreenClass, frame: Size, region: Rect) -> Option<PicturePlacement> {
        // Wide screens are filled; on others the region itself is the picture.
        PicturePlacement::within(class.picture_area(), frame, region, class.shape == Shape::Wide)
    }

    /// Places a frame within `area`, which it fills if `fills`, as long as the region stays inside.
    pub fn within(area: Rect, frame: Size, region: Rect, fills: bool) -> Option<PicturePlacement> {
        let positive = |size: Size| size.width > 0 && size.height > 0;
        if !positive(area.size()) || !positive(frame) {
            return None;
        }
        let whole = Rect { left: 0, top: 0, width: frame.width, height: frame.height };
        let inside = region.intersection(whole);
        let region = if positive(inside.size()) { inside } else { whole };
        let ratios = |inner: Size| [ratio(area.width, inner.width), ratio(area.height, inner.height)];
        let [region_x, region_y] = ratios(region.size());
        let [frame_x, frame_y] = ratios(frame);
        let mut scale = region_x.min(region_y);
        if fills {
            scale = scale.min(frame_x.max(frame_y));
        }
        let (left, width) = axis((area.left, area.width), frame.width, (region.left, region.width), scale);
        let (top, height) = axis((area.top, area.height), frame.height, (region.top, region.height), scale);
        let shown = Rect { left: left.0, top: top.0, width: left.1, height: top.1 };
        let crop = Crop { left: width.0, top: height.0, width: width.1, height: height.1 };
        let to_screen = |start: u32, length: u32, crop_start: f64, crop_length: f64, at: u32, pixels: u32| {
            let screen = |pixel: f64| (pixel - crop_start) * f64::from(pixels) / crop_length;
            let from = screen(f64::from(start)).round().clamp(0.0, f64::from(pixels)) as u32;
            let to = screen(f64::from(start + length)).round().clamp(0.0, f64::from(pixels)) as u32;
            (at + from, to - from)
        };
        let columns = to_screen(region.left, region.width, crop.left, crop.width, shown.left, shown.width);
        let rows = to_screen(region.top, region.height, crop.top, crop.height, shown.top, shown.height);
        let region = Rect { left: columns.0, top: rows.0, width: columns.1, height: rows.1 };
        (positive(shown.size())).then_some(PicturePlacement { shown, crop, region })
    }
}

fn ratio(outer: u32, inner: u32) -> f64 {
    f64::from(outer) / f64::from(inner.max(1))
}

/// Places a frame along one axis, with the middle of the region as near to the middle of the area as it goes. Returns
/// start and length on the screen, then in the frame.
fn axis(
    (area_start, area): (u32, u32),
    frame: u32,
    (region_start, region): (u32, u32),
    scale: f64,
) -> ((u32, u32), (f64, f64)) {
    let scaled_frame = f64::from(frame) * scale;
    if scaled_frame <= f64::from(area) + 0.5 {
        let length = (scaled_frame.round() as u32).min(area);
        return ((area_start + (area - length) / 2, length), (0.0, f64::from(frame)));
    }
    let shown = f64::from(area) / scale; // in pixels of the frame
    let middle = f64::from(region_start) + f64::from(region) / 2.0;
    let start = (middle - shown / 2.0).clamp(0.0, f64::from(frame) - shown);
    ((area_start, area), (start, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(screen: (u32, u32), frame: (u32, u32), share: f64) -> PicturePlacement {
        let class = ScreenClass::new(Size::new(screen.0, screen.1), false);
        let side = (f64::from(frame.0.min(frame.1)) * share) as u32;
        let region = Rect { left: (frame.0 - side) / 2, top: (frame.1 - side) / 2, width: side, height: side };
        PicturePlacement::new(&class, Size::new(frame.0, frame.1), region).unwrap()
    }

    #[test]
    fn wide_camera_covers_nine_tenths_of_wide_screens() {
        for (width, height) in [(1920, 1080), (1280, 720), (800, 480), (320, 240), (1024, 600)] {
            let shown = placed((width, height), (1280, 720), 0.875).shown;
            let share = f64::from(shown.width * shown.height) / f64::from(width * height);
            assert!(share >= 0.9, "{width}×{height}: {share:.2}");
        }
    }

    #[test]
    fn region_stays_on_the_screen() {
        for screen in [(1920, 1080), (800, 480), (480, 800), (240, 240), (320, 240), (640, 640)] {
            for frame in [(1280, 720), (640, 480), (480, 640), (300, 900), (3000, 400)] {
                for share in [0.5, 0.875, 1.0] {
                    let PicturePlacement { shown, region, .. } = placed(screen, frame, share);
                    assert_eq!(region.intersection(shown), region, "{screen:?}, {frame:?}, {share}");
                    let difference = region.width.abs_diff(region.height);
                    assert!(difference <= 2, "{screen:?}, {frame:?}, {share}: {region:?} is no square");
                }
            }
        }
    }

    #[test]
    fn square_screen_shows_the_region_alone() {
        let PicturePlacement { shown, region, crop } = placed((240, 240), (1280, 720), 0.875);
        assert_eq!(shown, region);
        assert_eq!((crop.left, crop.width), (325.0, 630.0));
    }

    #[test]
    fn frame_without_pixels_has_no_place() {
        let class = ScreenClass::new(Size::new(800, 480), false);
        let nothing = Rect { left: 0, top: 0, width: 0, height: 0 };
        assert_eq!(PicturePlacement::new(&class, Size::new(0, 9), nothing), None);
        assert!(PicturePlacement::new(&class, Size::new(64, 48), nothing).is_some(), "an unknown region is the frame");
    }
}
