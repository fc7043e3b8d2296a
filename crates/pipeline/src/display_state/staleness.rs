//! Staleness: the age from which a frame is too old for the frame rate of its camera.

use std::time::{Duration, Instant};

/// Age of a frame that is older than the staleness limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleFrame {
    /// Age in whole seconds.
    pub age_s: u64,
    /// Whether the frame is so old that it is dimmed, so that nobody takes it for a live image.
    pub is_dimmed: bool,
}

/// Smallest age of a stale frame: an estimate of the delay that a person notices in a live image.
const MIN_AGE: Duration = Duration::from_secs(1);
/// Number of missing frames after which a frame is stale: an estimate, so that a few lost frames are no fault.
const MISSING_FRAMES: u32 = 5;
/// Assumed interval before two frames were captured: an estimate, slower than usual cameras.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
/// Number of intervals for the median: an estimate; up to four pauses among them do not change it.
const WINDOW: usize = 9;

/// Monitor of the intervals between frames.
#[derive(Default)]
pub struct StalenessMonitor {
    last_captured: Option<Instant>,
    intervals: [Duration; WINDOW],
    count: usize,
}

impl StalenessMonitor {
    /// Records the capture of a frame.
    pub fn record_frame(&mut self, captured: Instant) {
        if let Some(last) = self.last_captured {
            self.intervals[self.count % WINDOW] = captured.saturating_duration_since(last);
            self.count += 1;
        }
        self.last_captured = Some(captured);
    }

    /// Returns the median, so that one pause does not make a camera look slow.
    fn median_interval(&self) -> Duration {
        let count = self.count.min(WINDOW);
        let mut sorted = self.intervals;
        sorted[..count].sort_unstable();
        sorted[..count].get(count / 2).copied().unwrap_or(DEFAULT_INTERVAL)
    }

    /// Returns the staleness of a frame; `None` if its age is below the limit. Twice the limit dims it.
    pub fn evaluate(&self, age: Duration) -> Option<StaleFrame> {
        let limit = MIN_AGE.max(self.median_interval() * MISSING_FRAMES);
        (age >= limit).then(|| StaleFrame { age_s: age.as_secs(), is_dimmed: age >= limit * 2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(intervals_ms: &[u64]) -> StalenessMonitor {
        let mut monitor = StalenessMonitor::default();
        let mut captured = Instant::now();
        monitor.record_frame(captured);
        for &ms in intervals_ms {
            captured += Duration::from_millis(ms);
            monitor.record_frame(captured);
        }
        monitor
    }

    fn is_dimmed(monitor: &StalenessMonitor, age_ms: u64) -> Option<bool> {
        monitor.evaluate(Duration::from_millis(age_ms)).map(|stale| stale.is_dimmed)
    }

    #[test]
    fn fast_camera_is_stale_after_1_s_and_dimmed_after_2_s() {
        let fast = monitor(&[33; 20]);
        let dimmed = [999, 1000, 1999, 2000].map(|ms| is_dimmed(&fast, ms));
        assert_eq!(dimmed, [None, Some(false), Some(false), Some(true)]);
        assert_eq!(fast.evaluate(Duration::from_millis(7900)), Some(StaleFrame { age_s: 7, is_dimmed: true }));
    }

    #[test]
    fn limit_follows_the_median_interval() {
        let slow = monitor(&[2000; 3]);
        assert_eq!([9999, 10_000].map(|ms| is_dimmed(&slow, ms)), [None, Some(false)]);
        let paused = monitor(&[33, 33, 60_000, 33, 33]);
        assert_eq!(is_dimmed(&paused, 1000), Some(false));
        let single = monitor(&[]);
        assert_eq!([4999, 5000].map(|ms| is_dimmed(&single, ms)), [None, Some(false)], "one frame has no interval");
    }
}
