//! Content of the screen: frame, classification, faults and toast.

use std::time::{Duration, Instant};

use crate::classify::Classification;
use crate::status::Faults;
use phicam_frame::Frame;

/// Everything that the overlay draws.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub frame: Option<&'a Frame>,
    /// Set if the frame is older than the staleness limit.
    pub stale: Option<StaleFrame>,
    pub classification: Option<&'a Classification>,
    /// Faults, shown while they last.
    pub faults: &'a Faults,
    /// Message that is shown for a few seconds, such as a change of model.
    pub toast: Option<&'a str>,
    /// Time from which the age of the classification counts.
    pub now: Instant,
}

/// Age of a frame that is older than the staleness limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleFrame {
    /// Age in whole seconds.
    pub age_s: u64,
    /// Whether the frame is so old that it is dimmed, so that nobody takes it for a live image.
    pub is_dimmed: bool,
}

/// Rounds an age up to 10 ms below 100 ms, to 100 ms below 10 s, then to seconds.
///
/// Rounding up never makes a frame look newer than it is. The steps keep the text unchanged for several frames.
pub fn round_up_ms(age: Duration) -> u64 {
    let ms = age.as_millis().try_into().unwrap_or(u64::MAX / 2);
    let step = match ms {
        0..=100 => 10,
        101..=10_000 => 100,
        _ => 1000,
    };
    ms.div_ceil(step) * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_rounded_up_in_coarse_steps() {
        let rounded = |ms| round_up_ms(Duration::from_millis(ms));
        assert_eq!([0, 1, 10, 95, 100, 101, 9_950, 10_001].map(rounded), [0, 10, 10, 100, 100, 200, 10_000, 11_000]);
        for ms in 0..20_000 {
            assert!(rounded(ms) >= ms, "{ms} ms");
            assert!(rounded(ms) <= rounded(ms + 1), "{ms} ms");
        }
    }
}
