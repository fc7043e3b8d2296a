//! How the pick does in its first seconds of service, beside a camera and a screen that no measurement had.

use crate::picker::PIPELINE_HEADROOM;
use phicam_engine::latency::{Percentiles, Stage, p95_error};
use phicam_platform::system::NEGLIGIBLE_CORES;

/// How long it has to hold.
const SECONDS: f64 = 20.0;
/// Answers before that say nothing: caches fill, clocks rise.
const SETTLES_S: f64 = 1.0;
/// Fewer answers than this tell no 95th percentile.
const LEAST: u64 = 20;
/// Standard errors that its 95th percentile is to be within the limit by: where times wander, as on the shared cores of a
/// virtual machine, the next minute is another one.
const SURE: f64 = 2.0;
/// What it may come to is told where that is another figure.
const TOLD: f64 = 1.01;

/// See the module.
pub struct SoakTest {
    since_s: f64,
    total: Option<Stage>,
    times_ms: Vec<f32>,
}

/// What came of it.
pub struct SoakResult {
    pub p95_ms: f64,
    /// What that may come to in the next minutes.
    pub p95_at_most_ms: f64,
    pub answers: u64,
    /// Whether other programs had a part in it: then it says nothing of other days.
    pub is_noisy: bool,
    pub percentiles: Percentiles,
}

impl SoakTest {
    /// From now on.
    pub fn new(now_s: f64) -> SoakTest {
        SoakTest { since_s: now_s, total: Some(Stage::new("total")), times_ms: Vec::new() }
    }

    /// Records a latency. Returns the result once, at the end; `other_cores` is asked then for the cores that other programs
    /// took since the start.
    pub fn answered(
        &mut self,
        now_s: f64,
        total_ms: f64,
        other_cores: impl FnOnce() -> Option<f64>,
    ) -> Option<SoakResult> {
        let total = self.total.as_mut()?;
        if now_s - self.since_s < SETTLES_S {
            return None;
        }
        total.record_ms(total_ms);
        self.times_ms.push(total_ms as f32);
        if now_s - self.since_s < SECONDS || total.count() < LEAST {
            return None;
        }
        let percentiles = total.percentiles()?;
        let is_noisy = other_cores().is_some_and(|cores| cores > NEGLIGIBLE_CORES);
        // No more than the line's share, so that what is remembered keeps it from being picked again.
        let doubt = (SURE * p95_error(&self.times_ms).unwrap_or(0.0)).min(PIPELINE_HEADROOM);
        let (p95_ms, p95_at_most_ms) = (percentiles.p95, percentiles.p95 * (1.0 + doubt));
        let soaked = SoakResult { p95_ms, p95_at_most_ms, answers: total.count(), is_noisy, percentiles };
        (self.total, self.times_ms) = (None, Vec::new());
        Some(soaked)
    }
}

impl SoakResult {
    /// `lite2@260 took 61.3 ms at p95, which may come to 63.0, for 290 pictures of service beside other programs`
    pub fn in_words(&self, name: &str, limit_ms: f64) -> String {
        let SoakResult { p95_ms, p95_at_most_ms, answers, is_noisy, .. } = self;
        let beside = if *is_noisy { " beside other programs" } else { "" };
        let decides = *p95_ms <= limit_ms && *p95_at_most_ms > limit_ms;
        let perhaps = match decides || *p95_at_most_ms > p95_ms * TOLD {
            true => format!(", which may come to {p95_at_most_ms:.1},"),
            false => String::new(),
        };
        format!("{name} took {p95_ms:.1} ms at p95{perhaps} for {answers} pictures of service{beside}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pick_is_judged_once_after_twenty_seconds_without_its_first_one() {
        let mut soak = SoakTest::new(100.0);
        let mut told = Vec::new();
        for tenth in 0..400 {
            let now_s = 100.0 + f64::from(tenth) / 10.0;
            let total_ms = if tenth < 10 { 500.0 } else { 20.0 };
            told.extend(
                soak.answered(now_s, total_ms, || None).map(|soaked| (now_s, soaked.answers, soaked.p95_ms.round())),
            );
        }
        assert_eq!(told, [(120.0, 191, 20.0)]);
    }

    #[test]
    fn few_answers_are_waited_for() {
        let mut soak = SoakTest::new(0.0);
        let judged = (0..80).step_by(2).find(|second| soak.answered(f64::from(*second), 900.0, || None).is_some());
        assert_eq!(judged, Some(40), "one every two seconds, and the first does not count");
    }

    /// What is said of twenty seconds of 30 answers each, of which the n-th took `ms`, where 23 ms are the limit.
    fn said(ms: impl Fn(u32) -> f64) -> String {
        let mut soak = SoakTest::new(0.0);
        let mut answers = (0..).map(|n| soak.answered(f64::from(n) / 30.0, ms(n), || None));
        let soaked = answers.find_map(|soaked| soaked).unwrap();
        soaked.in_words("lite2@260", 23.0)
    }

    #[test]
    fn where_moments_differ_the_next_ones_may_be_slower_still() {
        let scattered = |n: u32| 20.0 + f64::from(n * 7919 % 100) / 100.0;
        assert_eq!(said(scattered), "lite2@260 took 20.9 ms at p95 for 571 pictures of service");
        let wandering = |n: u32| scattered(n) + if (n / 90).is_multiple_of(3) { 2.0 } else { 0.0 };
        assert_eq!(
            said(wandering),
            "lite2@260 took 22.9 ms at p95, which may come to 23.6, for 571 pictures of service"
        );
    }
}
