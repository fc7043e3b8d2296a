//! The modes that a driver offers, as it enumerates them.

use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::{FrameSizeEnum, Stepwise};

use super::ioctl::Node;
use super::mode_selection::{Intervals, Mode, Wish};
use phicam_frame::Size;

/// Sizes that are asked for where a driver scales to any.
const COMMON: [(u32, u32); 5] = [(320, 240), (640, 480), (1280, 720), (1920, 1080), (3840, 2160)];
/// Modes beyond this are not looked at.
const MOST: usize = 2000;

/// All modes of `node`; of drivers that scale to any size, those of common sizes and of the one in `wish`.
pub fn modes(node: &Node, wish: &Wish) -> Vec<Mode> {
    let mut modes: Vec<Mode> = Vec::new();
    for fourcc in node.formats() {
        let mut sizes: Vec<Size> = node.sizes(fourcc).iter().flat_map(|size| each(size, wish)).collect();
        if sizes.is_empty() {
            // It does not tell: what is set now, and what the user asks for.
            sizes.extend(node.format().ok().map(|format| format.size));
            sizes.extend(wish.width.zip(wish.height).map(|(width, height)| Size::new(width, height)));
        }
        for size in sizes {
            let mode = Mode { fourcc, size, intervals: intervals(node.intervals(fourcc, size)) };
            if modes.len() < MOST && !modes.contains(&mode) {
                modes.push(mode);
            }
        }
    }
    modes
}

fn each(size: &FrameSizeEnum, wish: &Wish) -> Vec<Size> {
    match size {
        FrameSizeEnum::Discrete(size) => vec![Size::new(size.width, size.height)],
        FrameSizeEnum::Stepwise(steps) => {
            let wanted = wish.width.zip(wish.height).into_iter().chain(COMMON);
            let ends = [(steps.min_width, steps.min_height), (steps.max_width, steps.max_height)];
            let mut sizes: Vec<Size> = wanted.filter_map(|wanted| on_a_step(steps, wanted)).collect();
            if sizes.is_empty() {
                sizes.extend(ends.map(|(width, height)| Size::new(width, height)));
            }
            sizes.dedup();
            sizes
        }
    }
}

/// That size, where it is one of the driver's.
fn on_a_step(steps: &Stepwise, (width, height): (u32, u32)) -> Option<Size> {
    let fits = |wanted: u32, least: u32, most: u32, step: u32| {
        (least..=most).contains(&wanted) && (wanted - least).is_multiple_of(step.max(1))
    };
    let fits = fits(width, steps.min_width, steps.max_width, steps.step_width)
        && fits(height, steps.min_height, steps.max_height, steps.step_height);
    fits.then(|| Size::new(width, height))
}

fn intervals(found: Vec<FrameIntervalEnum>) -> Intervals {
    let mut each = Vec::new();
    for interval in found {
        match interval {
            FrameIntervalEnum::Discrete(one) => each.push((one.numerator, one.denominator)),
            FrameIntervalEnum::Stepwise(steps) => {
                let [least, most] = [steps.min, steps.max].map(|end| (end.numerator, end.denominator));
                return Intervals::Between(least, most);
            }
        }
    }
    each.retain(|&(numerator, denominator)| numerator > 0 && denominator > 0);
    if each.is_empty() { Intervals::Untold } else { Intervals::Each(each) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(min: u32, max: u32, step: u32) -> FrameSizeEnum {
        FrameSizeEnum::Stepwise(Stepwise {
            min_width: min,
            max_width: max,
            step_width: step,
            min_height: min,
            max_height: max,
            step_height: step,
        })
    }

    #[test]
    fn a_driver_that_scales_is_asked_for_common_sizes_and_the_users_own() {
        let wish = Wish { width: Some(800), height: Some(600), ..Wish::default() };
        let sizes = |size| each(&size, &wish).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(sizes(steps(2, 1920, 2)), ["800×600", "320×240", "640×480", "1280×720", "1920×1080"]);
        assert_eq!(sizes(steps(48, 700, 0)), ["320×240", "640×480"]); // a step of 0 means any
        assert_eq!(sizes(steps(2, 200, 1)), ["2×2", "200×200"]);
    }
}
