//! How often a camera gives frames, and so from what age on one of them is too old.

use std::time::{Duration, Instant};

use crate::overlay::Stale;

/// A frame is not called old before this.
const LEAST: Duration = Duration::from_secs(1);
/// Nor before as many frames should have come after it.
const INTERVALS: u32 = 5;
/// Where it is not known how often they come.
const UNKNOWN: Duration = Duration::from_secs(1);
const KEPT: usize = 9;

/// The last few intervals between frames.
#[derive(Default)]
pub struct Pace {
    last: Option<Instant>,
    intervals: [Duration; KEPT],
    count: usize,
}

impl Pace {
    /// A frame was captured then.
    pub fn frame(&mut self, captured: Instant) {
        if let Some(last) = self.last {
            self.intervals[self.count % KEPT] = captured.saturating_duration_since(last);
            self.count += 1;
        }
        self.last = Some(captured);
    }

    /// The usual interval: the middle one, so that a camera that stood still for a while is not thought to be slow.
    fn usual(&self) -> Duration {
        let count = self.count.min(KEPT);
        let mut known = self.intervals;
        known[..count].sort_unstable();
        known[..count].get(count / 2).copied().unwrap_or(UNKNOWN)
    }

    /// Whether a frame of that `age` is too old to be taken for what is to be seen now.
    pub fn stale(&self, age: Duration) -> Option<Stale> {
        let limit = LEAST.max(self.usual() * INTERVALS);
        (age >= limit).then(|| Stale { age_s: age.as_secs(), dim: age >= limit * 2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(intervals_ms: &[u64]) -> Pace {
        let (mut pace, mut at) = (Pace::default(), Instant::now());
        pace.frame(at);
        for &ms in intervals_ms {
            at += Duration::from_millis(ms);
            pace.frame(at);
        }
        pace
    }

    fn dims(pace: &Pace, age_ms: u64) -> Option<bool> {
        pace.stale(Duration::from_millis(age_ms)).map(|stale| stale.dim)
    }

    #[test]
    fn a_fast_cameras_frame_is_old_after_a_second_and_dimmed_after_two() {
        let fast = pace(&[33; 20]);
        assert_eq!([999, 1000, 1999, 2000].map(|ms| dims(&fast, ms)), [None, Some(false), Some(false), Some(true)]);
        assert_eq!(fast.stale(Duration::from_millis(7900)), Some(Stale { age_s: 7, dim: true }));
    }

    #[test]
    fn a_slow_camera_is_given_time_and_one_pause_makes_none_slow() {
        let slow = pace(&[2000; 3]);
        assert_eq!([9999, 10_000].map(|ms| dims(&slow, ms)), [None, Some(false)]);
        let paused = pace(&[33, 33, 60_000, 33, 33]);
        assert_eq!(dims(&paused, 1000), Some(false));
        assert_eq!([4999, 5000].map(|ms| dims(&pace(&[]), ms)), [None, Some(false)], "one frame tells nothing");
    }
}
