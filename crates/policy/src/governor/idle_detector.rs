//! Idle detector: reports when CPU contention has been gone long enough to repeat noisy measurements.

use phicam_platform::system::NEGLIGIBLE_CORES;

/// Polling interval in seconds.
const POLL_S: f64 = 60.0;
/// Seconds without CPU contention that are required at first. Estimate.
pub const IDLE_S: f64 = 600.0;

/// Detector of a period without CPU contention.
pub struct IdleDetector {
    required_s: f64,
    polled_s: f64,
    idle_since_s: Option<f64>,
}

impl IdleDetector {
    /// Returns a detector that starts at `now_s`, in seconds of a monotonic clock, and requires `required_s` without
    /// load.
    pub fn new(now_s: f64, required_s: f64) -> IdleDetector {
        IdleDetector { required_s, polled_s: now_s, idle_since_s: None }
    }

    /// Returns `true` at the end of each idle period.
    ///
    /// `other_cores` is called once a minute. It returns the cores that other programs occupied since its last call, or
    /// `None` if that is unknown, which counts as load.
    pub fn other_load_gone(&mut self, now_s: f64, other_cores: impl FnOnce() -> Option<f64>) -> bool {
        if now_s - self.polled_s < POLL_S {
            return false;
        }
        let previous_poll_s = std::mem::replace(&mut self.polled_s, now_s);
        if other_cores().is_none_or(|cores| cores > NEGLIGIBLE_CORES) {
            self.idle_since_s = None;
            return false;
        }
        let idle_since_s = *self.idle_since_s.get_or_insert(previous_poll_s);
        let is_gone = now_s - idle_since_s >= self.required_s;
        if is_gone {
            self.idle_since_s = None;
        }
        is_gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the seconds at which the detector reports idleness, for a load as a function of time.
    fn detections(other_cores: impl Fn(f64) -> Option<f64>) -> Vec<u32> {
        let mut detector = IdleDetector::new(0.0, IDLE_S);
        (0..2000)
            .filter(|&second| detector.other_load_gone(f64::from(second), || other_cores(f64::from(second))))
            .collect()
    }

    #[test]
    fn idle_detector_reports_every_ten_minutes() {
        assert_eq!(detections(|_| Some(0.01)), [600, 1200, 1800]);
    }

    #[test]
    fn idle_detector_restarts_on_load() {
        assert_eq!(detections(|second| Some(if second == 540.0 { 0.3 } else { 0.1 })), [1140, 1740]);
    }

    #[test]
    fn idle_detector_never_fires_under_load() {
        assert_eq!(detections(|_| Some(0.3)), Vec::<u32>::new());
        assert_eq!(detections(|_| None), Vec::<u32>::new(), "an unknown load counts as load");
    }
}
