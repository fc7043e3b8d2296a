//! Whether other programs have left the processor alone for so long that it is worth measuring again what they disturbed.

use phicam_platform::system::NEGLIGIBLE_CORES;

/// How often it is looked at what they have, in seconds.
const LOOK_S: f64 = 60.0;
/// For how long, the first time.
pub const IDLE_S: f64 = 600.0;

/// See the module.
pub struct IdleDetector {
    calm_s: f64,
    looked_s: f64,
    since_s: Option<f64>,
}

impl IdleDetector {
    /// From `now_s` on, seconds of a clock that never goes back, until they are gone for `calm_s` seconds.
    pub fn new(now_s: f64, calm_s: f64) -> IdleDetector {
        IdleDetector { calm_s, looked_s: now_s, since_s: None }
    }

    /// Whether it is time, once; `others` tells how many cores' time they had since it was asked last.
    pub fn is_long_enough(&mut self, now_s: f64, others: impl FnOnce() -> Option<f64>) -> bool {
        if now_s - self.looked_s < LOOK_S {
            return false;
        }
        let before_s = std::mem::replace(&mut self.looked_s, now_s);
        match others() {
            Some(cores) if cores <= NEGLIGIBLE_CORES => {
                let since_s = *self.since_s.get_or_insert(before_s);
                let is_long = now_s - since_s >= self.calm_s;
                if is_long {
                    self.since_s = None;
                }
                is_long
            }
            _ => {
                self.since_s = None;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds at which it is time, for what the others take then.
    fn times(others: impl Fn(f64) -> Option<f64>) -> Vec<u32> {
        let mut calm = IdleDetector::new(0.0, IDLE_S);
        (0..2000).filter(|second| calm.is_long_enough(f64::from(*second), || others(f64::from(*second)))).collect()
    }

    #[test]
    fn ten_minutes_without_others_are_enough_and_one_minute_of_them_begins_anew() {
        assert_eq!(times(|_| Some(0.01)), [600, 1200, 1800]);
        assert_eq!(times(|second| Some(if second == 540.0 { 0.3 } else { 0.1 })), [1140, 1740]);
    }

    #[test]
    fn it_is_never_time_where_others_go_on_or_nobody_can_tell() {
        assert!(times(|_| Some(0.3)).is_empty() && times(|_| None).is_empty());
    }
}
