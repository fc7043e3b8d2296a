//! Enumeration of the modes that a driver offers.

use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::{FrameSizeEnum, Stepwise};

use super::ioctl::Node;
use super::mode_selection::{Intervals, Mode, ModeRequest};
use phicam_frame::Size;

/// Sizes to consider if a driver scales to any size: QVGA, VGA, 720p, 1080p and 4K UHD.
const COMMON: [(u32, u32); 5] = [(320, 240), (640, 480), (1280, 720), (1920, 1080), (3840, 2160)];
/// Most modes to consider, an estimate above any driver's.
const MAX_MODES: usize = 2000;

/// Returns the modes of `node`. For a driver that scales to any size, these are the common sizes and the requested one.
pub fn modes(node: &Node, request: &ModeRequest) -> Vec<Mode> {
    let mut modes: Vec<Mode> = Vec::new();
    for fourcc in node.formats() {
        let mut sizes: Vec<Size> = node.sizes(fourcc).iter().flat_map(|size| sizes_of(size, request)).collect();
        if sizes.is_empty() {
            // The driver enumerates no sizes: consider the current and the requested one.
            sizes.extend(node.format().ok().map(|format| format.size));
            sizes.extend(request.width.zip(request.height).map(|(width, height)| Size::new(width, height)));
        }
        for size in sizes {
            let mode = Mode { fourcc, size, intervals: intervals(node.intervals(fourcc, size)) };
            if modes.len() < MAX_MODES && !modes.contains(&mode) {
                modes.push(mode);
            }
        }
    }
    modes
}

/// Returns the sizes to consider for one enumerated item.
fn sizes_of(size: &FrameSizeEnum, request: &ModeRequest) -> Vec<Size> {
    match size {
        FrameSizeEnum::Discrete(size) => vec![Size::new(size.width, size.height)],
        FrameSizeEnum::Stepwise(steps) => {
            let candidates = request.width.zip(request.height).into_iter().chain(COMMON);
            let ends = [(steps.min_width, steps.min_height), (steps.max_width, steps.max_height)];
            let mut sizes: Vec<Size> = candidates.filter_map(|candidate| size_on_step(steps, candidate)).collect();
            if sizes.is_empty() {
                sizes.extend(ends.map(|(width, height)| Size::new(width, height)));
            }
            sizes.dedup();
            sizes
        }
    }
}

/// Returns the size if it is on a step of the driver's range.
fn size_on_step(steps: &Stepwise, (width, height): (u32, u32)) -> Option<Size> {
    // A step of 0 means any size.
    let on_step = |side: u32, min: u32, max: u32, step: u32| {
        (min..=max).contains(&side) && (side - min).is_multiple_of(step.max(1))
    };
    let is_offered = on_step(width, steps.min_width, steps.max_width, steps.step_width)
        && on_step(height, steps.min_height, steps.max_height, steps.step_height);
    is_offered.then(|| Size::new(width, height))
}

fn intervals(items: Vec<FrameIntervalEnum>) -> Intervals {
    let mut discrete = Vec::new();
    for item in items {
        match item {
            FrameIntervalEnum::Discrete(interval) => discrete.push((interval.numerator, interval.denominator)),
            FrameIntervalEnum::Stepwise(steps) => {
                let [min, max] = [steps.min, steps.max].map(|end| (end.numerator, end.denominator));
                return Intervals::Range(min, max);
            }
        }
    }
    discrete.retain(|&(numerator, denominator)| numerator > 0 && denominator > 0);
    if discrete.is_empty() { Intervals::Unknown } else { Intervals::Discrete(discrete) }
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
    fn scaling_driver_offers_common_and_requested_sizes() {
        let request = ModeRequest { width: Some(800), height: Some(600), ..ModeRequest::default() };
        let sizes = |size| sizes_of(&size, &request).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(sizes(steps(2, 1920, 2)), ["800×600", "320×240", "640×480", "1280×720", "1920×1080"]);
        assert_eq!(sizes(steps(48, 700, 0)), ["320×240", "640×480"]);
        assert_eq!(sizes(steps(2, 200, 1)), ["2×2", "200×200"]);
    }
}
