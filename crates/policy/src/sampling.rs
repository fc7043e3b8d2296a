//! How exactly to time a variant.

/// How exactly to time a variant. Of n frames whose times scatter by σ around their median, the 95th percentile is
/// known to 2.1 σ / √n (one standard error): with 5 % of scatter, 16 frames tell it to 2.6 %, 600 to 0.4 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingPlan {
    /// Frames to time, those that warm up not counted.
    pub frames: u64,
    /// No less than this long, so that what disturbs for a moment is not all there is.
    pub min_ms: f64,
    /// No longer than this, but for [`SamplingPlan::MIN_FRAMES`].
    pub max_ms: f64,
}

impl SamplingPlan {
    /// What `bench` does where nothing else is said.
    pub const USUAL: SamplingPlan = SamplingPlan { frames: 20, min_ms: 1500.0, max_ms: f64::INFINITY };
    /// Fewer frames than this tell nothing, however long they take.
    pub const MIN_FRAMES: u64 = 5;
    /// Frames before those that count: caches and clocks settle.
    pub const WARM_UP: u64 = 3;
    /// While other programs disturb, the least time is so many times as long: who has which core changes within a second
    /// or so, and a quarter of one shows what luck gave.
    const DISTURBED: f64 = 4.0;

    /// Whether `frames` in `elapsed_ms` are enough, `preempted_frames` of which other programs kept waiting.
    pub fn is_done(&self, frames: u64, elapsed_ms: f64, preempted_frames: u64) -> bool {
        let longer = if is_noisy(preempted_frames, frames) { SamplingPlan::DISTURBED } else { 1.0 };
        let asked = frames >= self.frames && elapsed_ms >= self.min_ms * longer;
        asked || (elapsed_ms >= self.max_ms && frames >= SamplingPlan::MIN_FRAMES.min(self.frames))
    }

    /// At least as much as `other` asks as well.
    pub fn or_longer(self, other: SamplingPlan) -> SamplingPlan {
        SamplingPlan {
            frames: self.frames.max(other.frames),
            min_ms: self.min_ms.max(other.min_ms),
            max_ms: self.max_ms.max(other.max_ms),
        }
    }

    /// How many frames it comes to where one takes `ms`.
    pub fn frames_at(&self, ms: f64) -> u64 {
        let asked = self.frames.max((self.min_ms / ms).ceil() as u64);
        let most = (self.max_ms / ms).ceil().max(SamplingPlan::MIN_FRAMES.min(self.frames) as f64);
        if most < asked as f64 { most as u64 } else { asked }
    }
}

/// Returns whether other programs show in the 95th percentile: they kept more than one frame in twenty waiting.
pub fn is_noisy(preempted_frames: u64, frames: u64) -> bool {
    preempted_frames.saturating_mul(20) > frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timing_ends_with_enough_frames_or_enough_time() {
        let sampling = SamplingPlan { frames: 16, min_ms: 250.0, max_ms: 4000.0 };
        assert!(!sampling.is_done(16, 100.0, 0) && !sampling.is_done(15, 300.0, 0) && sampling.is_done(16, 250.0, 0));
        assert!(
            sampling.is_done(8, 4000.0, 0) && !sampling.is_done(4, 9000.0, 0),
            "five frames at least, however long they take"
        );
        assert_eq!([1.0, 10.0, 20.0, 500.0, 3000.0].map(|ms| sampling.frames_at(ms)), [250, 25, 16, 8, 5]);
        assert!(SamplingPlan { frames: 3, min_ms: 0.0, max_ms: 0.0 }.is_done(3, 1.0, 0));
    }

    #[test]
    fn while_others_disturb_it_is_timed_for_longer() {
        let sampling = SamplingPlan { frames: 16, min_ms: 250.0, max_ms: 4000.0 };
        assert!(sampling.is_done(20, 250.0, 1), "one in twenty does not show");
        assert!(
            !sampling.is_done(20, 250.0, 2) && !sampling.is_done(90, 990.0, 45) && sampling.is_done(100, 1000.0, 50)
        );
        assert!(sampling.is_done(8, 4000.0, 8), "but no longer than what is most");
    }
}
