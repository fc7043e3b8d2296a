//! Soak test: p95 of a pick in its first 20 seconds of service, beside the camera and display that no measurement has.

use crate::picker::PIPELINE_HEADROOM;
use phicam_engine::latency::{Percentiles, Stage, p95_error};
use phicam_platform::system::NEGLIGIBLE_CORES;

/// Duration of the test, including the warm-up. Estimate.
const SOAK_S: f64 = 20.0;
/// Seconds at the start that do not count: caches fill and clocks rise.
const WARM_UP_S: f64 = 1.0;
/// Smallest sample that has a 95th percentile below its maximum: 19 of 20.
const MIN_SAMPLES: u64 = 20;
/// Standard errors by which p95 must stay within the limit. With unstable latency, as on shared virtual cores, the next
/// minute may be slower.
const CONFIDENCE_SIGMAS: f64 = 2.0;
/// Ratio of the upper bound to p95 above which the description states it.
const NOTABLE_RATIO: f64 = 1.01;

/// Test of the active pick. It ends once, with a [`SoakResult`].
pub struct SoakTest {
    start_s: f64,
    /// `None` after the end.
    total: Option<Stage>,
    latencies_ms: Vec<f32>,
}

/// Latency of a soak test.
pub struct SoakResult {
    pub p95_ms: f64,
    /// Upper confidence bound of p95 for the next minutes.
    pub max_p95_ms: f64,
    /// Number of latencies.
    pub answers: u64,
    /// Whether CPU contention affected the test. It then says nothing about a quiet machine.
    pub is_noisy: bool,
    pub percentiles: Percentiles,
}

impl SoakTest {
    /// Returns a test that starts at `now_s`, in seconds of a monotonic clock.
    pub fn new(now_s: f64) -> SoakTest {
        SoakTest { start_s: now_s, total: Some(Stage::new("total")), latencies_ms: Vec::new() }
    }

    /// Records a latency. Returns the result once, at the end.
    ///
    /// `other_cores` is called at the end only. It returns the cores that other programs occupied since the start.
    pub fn record(
        &mut self,
        now_s: f64,
        total_ms: f64,
        other_cores: impl FnOnce() -> Option<f64>,
    ) -> Option<SoakResult> {
        let total = self.total.as_mut()?;
        if now_s - self.start_s < WARM_UP_S {
            return None;
        }
        total.record_ms(total_ms);
        self.latencies_ms.push(total_ms as f32);
        if now_s - self.start_s < SOAK_S || total.count() < MIN_SAMPLES {
            return None;
        }
        let percentiles = total.percentiles()?;
        let p95_ms = percentiles.p95;
        let is_noisy = other_cores().is_some_and(|cores| cores > NEGLIGIBLE_CORES);
        // At most the headroom, so that the stored result does not rule out a pick that keeps the budget.
        let error = (CONFIDENCE_SIGMAS * p95_error(&self.latencies_ms).unwrap_or(0.0)).min(PIPELINE_HEADROOM);
        let max_p95_ms = p95_ms * (1.0 + error);
        let result = SoakResult { p95_ms, max_p95_ms, answers: total.count(), is_noisy, percentiles };
        self.total = None;
        self.latencies_ms = Vec::new();
        Some(result)
    }
}

impl SoakResult {
    /// Describes the result for logs, such as `lite2@260 took 61.3 ms at p95 (up to 63.0 ms) over 290 frames in
    /// service`.
    ///
    /// The upper bound is left out if it is within 1 % of p95, unless only the bound exceeds `limit_ms`.
    pub fn description(&self, name: &str, limit_ms: f64) -> String {
        let SoakResult { p95_ms, max_p95_ms, answers, is_noisy, .. } = self;
        let is_decisive = *p95_ms <= limit_ms && *max_p95_ms > limit_ms;
        let bound = if is_decisive || *max_p95_ms > p95_ms * NOTABLE_RATIO {
            format!(" (up to {max_p95_ms:.1} ms)")
        } else {
            String::new()
        };
        let contention = if *is_noisy { " under CPU contention" } else { "" };
        format!("{name} took {p95_ms:.1} ms at p95{bound} over {answers} frames in service{contention}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soak_ends_once_after_20_seconds_without_warm_up() {
        let mut soak = SoakTest::new(100.0);
        let mut results = Vec::new();
        for tenth in 0..400 {
            let now_s = 100.0 + f64::from(tenth) / 10.0;
            let total_ms = if tenth < 10 { 500.0 } else { 20.0 };
            let result = soak.record(now_s, total_ms, || None);
            results.extend(result.map(|result| (now_s, result.answers, result.p95_ms.round())));
        }
        assert_eq!(results, [(120.0, 191, 20.0)]);
    }

    #[test]
    fn soak_waits_for_minimum_samples() {
        let mut soak = SoakTest::new(0.0);
        let end = (0..80).step_by(2).find(|second| soak.record(f64::from(*second), 900.0, || None).is_some());
        assert_eq!(end, Some(40), "one latency every two seconds, and the first is warm-up");
    }

    /// Returns the description of a soak test at 30 frames per second with a limit of 23 ms.
    fn described(latency_ms: impl Fn(u32) -> f64) -> String {
        let mut soak = SoakTest::new(0.0);
        let mut results = (0..).map(|n| soak.record(f64::from(n) / 30.0, latency_ms(n), || None));
        results.find_map(|result| result).unwrap().description("lite2@260", 23.0)
    }

    #[test]
    fn unstable_latency_raises_the_upper_bound() {
        let scattered = |n: u32| 20.0 + f64::from(n * 7919 % 100) / 100.0;
        assert_eq!(described(scattered), "lite2@260 took 20.9 ms at p95 over 571 frames in service");
        let fluctuating = |n: u32| scattered(n) + if (n / 90).is_multiple_of(3) { 2.0 } else { 0.0 };
        assert_eq!(described(fluctuating), "lite2@260 took 22.9 ms at p95 (up to 23.6 ms) over 571 frames in service");
    }
}
