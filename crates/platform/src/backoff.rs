//! Exponential backoff: the wait between attempts doubles with each failure, from a minimum up to a maximum.

use std::time::Duration;

/// Wait between attempts to reopen a device. It has no clock: the caller adds the wait to its own time.
///
/// Equal limits give a constant interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    wait: Duration,
}

impl Backoff {
    /// Starts at `min`; no wait is longer than `max`.
    pub const fn new(min: Duration, max: Duration) -> Backoff {
        Backoff { min, max, wait: min }
    }

    /// Returns the wait before the next attempt.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Doubles the wait after a failed attempt, up to the maximum.
    pub fn increase(&mut self) {
        self.wait = self.wait.saturating_mul(2).min(self.max);
    }

    /// Returns to the minimum after a success.
    pub fn reset(&mut self) {
        self.wait = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(250);
    const MAX: Duration = Duration::from_secs(5);

    #[test]
    fn wait_doubles_up_to_the_maximum() {
        let mut backoff = Backoff::new(MIN, MAX);
        let mut waits_ms = Vec::new();
        for _ in 0..7 {
            waits_ms.push(backoff.wait().as_millis());
            backoff.increase();
        }
        assert_eq!(waits_ms, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }

    #[test]
    fn reset_returns_to_the_minimum() {
        let mut backoff = Backoff::new(MIN, MAX);
        backoff.increase();
        backoff.reset();
        assert_eq!(backoff, Backoff::new(MIN, MAX));
    }

    #[test]
    fn equal_limits_give_a_constant_interval() {
        let mut backoff = Backoff::new(MAX, MAX);
        backoff.increase();
        assert_eq!(backoff.wait(), MAX);
    }

    #[test]
    fn wait_saturates_when_doubling_overflows() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX);
        backoff.increase();
        assert_eq!(backoff.wait(), Duration::MAX);
    }
}
