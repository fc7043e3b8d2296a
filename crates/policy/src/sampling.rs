//! How exactly to time a variant.

/// How exactly to time a variant. Of n frames whose times scatter by σ around their median, the 95th percentile is
/// known to 2.1 σ / √n (one standard error): with 5 % of scatter, 16 frames tell it to 2.6 %, 600 to 0.4 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Frames to time, those that warm up not counted.
    pub frames: u64,
    /// No less than this long, so that what disturbs for a moment is not all there is.
    pub least_ms: f64,
    /// No longer than this, but for [`Effort::LEAST_FRAMES`].
    pub most_ms: f64,
}

impl Effort {
    /// What `bench` does where nothing else is said.
    pub const USUAL: Effort = Effort { frames: 20, least_ms: 1500.0, most_ms: f64::INFINITY };
    /// Fewer frames than this tell nothing, however long they take.
    pub const LEAST_FRAMES: u64 = 5;
    /// Frames before those that count: caches and clocks settle.
    pub const WARM_UP: u64 = 3;
    /// While other programs disturb, the least time is so many times as long: who has which core changes within a second
    /// or so, and a quarter of one shows what luck gave.
    const DISTURBED: f64 = 4.0;

    /// Whether `frames` in `elapsed_ms` are enough, `preempted_frames` of which other programs kept waiting.
    pub fn is_done(&self, frames: u64, elapsed_ms: f64, preempted_frames: u64) -> bool {
        let longer = if is_disturbed(preempted_frames, frames) { Effort::DISTURBED } else { 1.0 };
        let asked = frames >= self.frames && elapsed_ms >= self.least_ms * longer;
        asked || (elapsed_ms >= self.most_ms && frames >= Effort::LEAST_FRAMES.min(self.frames))
    }

    /// At least as much as `other` asks as well.
    pub fn or_longer(self, other: Effort) -> Effort {
        Effort {
            frames: self.frames.max(other.frames),
            least_ms: self.least_ms.max(other.least_ms),
            most_ms: self.most_ms.max(other.most_ms),
        }
    }

    /// How many frames it comes to where one takes `ms`.
    pub fn frames_at(&self, ms: f64) -> u64 {
        let asked = self.frames.max((self.least_ms / ms).ceil() as u64);
        let most = (self.most_ms / ms).ceil().max(Effort::LEAST_FRAMES.min(self.frames) as f64);
        if most < asked as f64 { most as u64 } else { asked }
    }
}

/// Returns whether other programs show in the 95th percentile: they kept more than one frame in twenty waiting.
pub fn is_disturbed(preempted_frames: u64, frames: u64) -> bool {
    preempted_frames.saturating_mul(20) > frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timing_ends_with_enough_frames_or_enough_time() {
        let effort = Effort { frames: 16, least_ms: 250.0, most_ms: 4000.0 };
        assert!(!effort.is_done(16, 100.0, 0) && !effort.is_done(15, 300.0, 0) && effort.is_done(16, 250.0, 0));
        assert!(
            effort.is_done(8, 4000.0, 0) && !effort.is_done(4, 9000.0, 0),
            "five frames at least, however long they take"
        );
        assert_eq!([1.0, 10.0, 20.0, 500.0, 3000.0].map(|ms| effort.frames_at(ms)), [250, 25, 16, 8, 5]);
        assert!(Effort { frames: 3, least_ms: 0.0, most_ms: 0.0 }.is_done(3, 1.0, 0));
    }

    #[test]
    fn while_others_disturb_it_is_timed_for_longer() {
        let effort = Effort { frames: 16, least_ms: 250.0, most_ms: 4000.0 };
        assert!(effort.is_done(20, 250.0, 1), "one in twenty does not show");
        assert!(!effort.is_done(20, 250.0, 2) && !effort.is_done(90, 990.0, 45) && effort.is_done(100, 1000.0, 50));
        assert!(effort.is_done(8, 4000.0, 8), "but no longer than what is most");
    }
}
