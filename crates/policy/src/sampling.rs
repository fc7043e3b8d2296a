//! Sampling plan: number of frames and duration of a measurement.

/// Number of frames to time, with a minimum and a maximum duration.
///
/// If the log latency of n frames has the standard deviation σ, the standard error of p95 is 2.1 σ / √n. With 5 % of
/// scatter, 16 frames give p95 to 2.6 %, 600 frames to 0.4 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingPlan {
    /// Frames to time, without warm-up.
    pub frames: u64,
    /// Minimum duration. A momentary disturbance is then only a part of the sample.
    pub min_ms: f64,
    /// Maximum duration, except that at least [`SamplingPlan::MIN_FRAMES`] are timed.
    pub max_ms: f64,
}

impl SamplingPlan {
    /// Plan of `phicam bench` without flags.
    pub const DEFAULT: SamplingPlan = SamplingPlan { frames: 20, min_ms: 1500.0, max_ms: f64::INFINITY };
    /// Frames to time however long they take. Estimate: the smallest useful sample.
    pub const MIN_FRAMES: u64 = 5;
    /// Untimed frames at the start, during which caches fill and clocks rise.
    pub const WARM_UP_FRAMES: u64 = 3;
    /// Factor on the minimum duration under CPU contention. Linux reassigns cores within about a second, so a quarter
    /// of a second would show one random assignment.
    const CONTENTION_FACTOR: f64 = 4.0;

    /// Returns whether `frames` in `elapsed_ms` complete the plan, if `preempted_frames` of them waited for a core.
    pub fn is_done(&self, frames: u64, elapsed_ms: f64, preempted_frames: u64) -> bool {
        let factor = if is_noisy(preempted_frames, frames) { SamplingPlan::CONTENTION_FACTOR } else { 1.0 };
        let is_complete = frames >= self.frames && elapsed_ms >= self.min_ms * factor;
        is_complete || (elapsed_ms >= self.max_ms && frames >= SamplingPlan::MIN_FRAMES.min(self.frames))
    }

    /// Returns the plan with the larger value of each limit.
    pub fn max(self, other: SamplingPlan) -> SamplingPlan {
        SamplingPlan {
            frames: self.frames.max(other.frames),
            min_ms: self.min_ms.max(other.min_ms),
            max_ms: self.max_ms.max(other.max_ms),
        }
    }

    /// Returns the number of frames that the plan times at a constant latency of `frame_ms`.
    pub fn expected_frames(&self, frame_ms: f64) -> u64 {
        let needed = self.frames.max((self.min_ms / frame_ms).ceil() as u64);
        let max = (self.max_ms / frame_ms).ceil().max(SamplingPlan::MIN_FRAMES.min(self.frames) as f64);
        if max < needed as f64 { max as u64 } else { needed }
    }
}

/// Returns whether CPU contention affects the 95th percentile: more than one frame in twenty waited for a core.
pub fn is_noisy(preempted_frames: u64, frames: u64) -> bool {
    preempted_frames.saturating_mul(20) > frames
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: SamplingPlan = SamplingPlan { frames: 16, min_ms: 250.0, max_ms: 4000.0 };

    #[test]
    fn plan_ends_with_enough_frames_and_time() {
        assert!(!PLAN.is_done(16, 100.0, 0));
        assert!(!PLAN.is_done(15, 300.0, 0));
        assert!(PLAN.is_done(16, 250.0, 0));
        assert!(SamplingPlan { frames: 3, min_ms: 0.0, max_ms: 0.0 }.is_done(3, 1.0, 0));
    }

    #[test]
    fn plan_ends_after_its_maximum_with_five_frames() {
        assert!(PLAN.is_done(8, 4000.0, 0));
        assert!(!PLAN.is_done(4, 9000.0, 0), "at least five frames, however long they take");
    }

    #[test]
    fn expected_frames_follow_the_latency() {
        assert_eq!([1.0, 10.0, 20.0, 500.0, 3000.0].map(|ms| PLAN.expected_frames(ms)), [250, 25, 16, 8, 5]);
    }

    #[test]
    fn cpu_contention_extends_the_minimum_duration() {
        assert!(PLAN.is_done(20, 250.0, 1), "one frame in twenty is not noisy");
        assert!(!PLAN.is_done(20, 250.0, 2));
        assert!(!PLAN.is_done(90, 990.0, 45));
        assert!(PLAN.is_done(100, 1000.0, 50));
        assert!(PLAN.is_done(8, 4000.0, 8), "the maximum duration stays");
    }
}
