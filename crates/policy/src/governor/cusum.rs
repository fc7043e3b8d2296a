//! One-sided CUSUM test: are latencies over budget? (log-likelihood ratio, floored at 0)

/// Weights and thresholds of one test.
pub struct CusumRule {
    /// `(ratio, weight)`, descending: a latency above `ratio` times the limit adds the weight of its first match.
    pub over_weights: &'static [(f64, f64)],
    /// Subtracted for a latency within the limit.
    pub within_weight: f64,
    /// Sum at which the test may trigger.
    pub threshold: f64,
    /// Seconds since the sum left 0, and share of the latencies over the limit since then.
    pub min_seconds: f64,
    pub min_over_share: f64,
    /// Earlier trigger at a high frame rate; `None` if the rule has none.
    pub fast_path: Option<FastPath>,
}

/// Earlier trigger of a [`CusumRule`], for more samples and a larger share of them over the limit.
pub struct FastPath {
    pub min_samples: usize,
    pub min_seconds: f64,
    pub min_over_share: f64,
}

/// Lower threshold and duration of a [`CusumRule`] when the cause of a slowdown is known.
#[derive(Clone, Copy)]
pub struct LowThreshold {
    pub threshold: f64,
    pub min_seconds: f64,
}

/// Cumulative sum of one rule.
#[derive(Clone, Copy, Default)]
pub struct Cusum {
    sum: f64,
    excursion: Option<Excursion>,
}

/// Samples since the sum left 0.
#[derive(Clone, Copy)]
struct Excursion {
    start_s: f64,
    samples: usize,
    over: usize,
}

/// Cap of the sum as a multiple of the threshold, so that a recovery is noticed soon. Estimate.
const MAX_SUM_RATIO: f64 = 1.25;

impl Cusum {
    /// Adds a latency of `limit_ratio` times the limit.
    pub fn update(&mut self, rule: &CusumRule, now_s: f64, limit_ratio: f64) {
        let over_weight = rule.over_weights.iter().find(|(ratio, _)| limit_ratio > *ratio).map(|(_, weight)| *weight);
        let change = over_weight.unwrap_or(-rule.within_weight);
        self.sum = (self.sum + change).clamp(0.0, rule.threshold * MAX_SUM_RATIO);
        if self.sum == 0.0 {
            self.excursion = None;
            return;
        }
        let excursion = self.excursion.get_or_insert(Excursion { start_s: now_s, samples: 0, over: 0 });
        excursion.samples += 1;
        excursion.over += usize::from(over_weight.is_some());
    }

    /// Returns whether the test triggers, by the rule's threshold or by `low_threshold` if that is given.
    pub fn has_triggered(&self, rule: &CusumRule, now_s: f64, low_threshold: Option<LowThreshold>) -> bool {
        let LowThreshold { threshold, min_seconds } =
            low_threshold.unwrap_or(LowThreshold { threshold: rule.threshold, min_seconds: rule.min_seconds });
        let Some(excursion) = self.excursion.filter(|_| self.sum >= threshold) else { return false };
        let seconds = now_s - excursion.start_s;
        let over_share = excursion.over as f64 / excursion.samples as f64;
        let is_fast = rule.fast_path.as_ref().is_some_and(|fast| {
            seconds >= fast.min_seconds && over_share >= fast.min_over_share && excursion.samples >= fast.min_samples
        });
        is_fast || (seconds >= min_seconds && over_share >= rule.min_over_share)
    }

    /// Returns the number of samples since the sum left 0; `None` if it is 0.
    pub fn samples(&self) -> Option<usize> {
        self.excursion.map(|excursion| excursion.samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: CusumRule = CusumRule {
        over_weights: &[(2.0, 4.0), (1.0, 2.0)],
        within_weight: 1.0,
        threshold: 8.0,
        min_seconds: 1.0,
        min_over_share: 0.5,
        fast_path: Some(FastPath { min_samples: 6, min_seconds: 0.5, min_over_share: 0.9 }),
    };

    #[test]
    fn cusum_needs_threshold_and_duration() {
        let mut cusum = Cusum::default();
        (0..4).for_each(|n| cusum.update(&RULE, f64::from(n) / 10.0, 1.5));
        assert!(!cusum.has_triggered(&RULE, 0.4, None), "the threshold is reached, but too soon");
        assert!(cusum.has_triggered(&RULE, 1.0, None));
        assert!(cusum.has_triggered(&RULE, 0.4, Some(LowThreshold { threshold: 4.0, min_seconds: 0.1 })));
        assert_eq!(cusum.samples(), Some(4));
    }

    #[test]
    fn larger_overrun_weighs_more_and_samples_within_subtract() {
        let mut cusum = Cusum::default();
        (0..2).for_each(|n| cusum.update(&RULE, f64::from(n), 3.0));
        assert!(cusum.has_triggered(&RULE, 1.0, None));
        (2..4).for_each(|n| cusum.update(&RULE, f64::from(n), 0.5));
        assert!(!cusum.has_triggered(&RULE, 9.0, None), "6 of 8");
        (4..12).for_each(|n| cusum.update(&RULE, f64::from(n), 0.5));
        assert_eq!(cusum.samples(), None);
    }

    #[test]
    fn fast_path_triggers_earlier_with_many_samples() {
        let mut cusum = Cusum::default();
        (0..5).for_each(|n| cusum.update(&RULE, f64::from(n) / 12.0, 1.5));
        assert!(!cusum.has_triggered(&RULE, 0.5, None), "five of six samples");
        cusum.update(&RULE, 0.45, 1.5);
        assert!(!cusum.has_triggered(&RULE, 0.45, None), "too soon");
        assert!(cusum.has_triggered(&RULE, 0.5, None));
    }

    #[test]
    fn cusum_is_capped() {
        let mut cusum = Cusum::default();
        (0..1000).for_each(|n| cusum.update(&RULE, f64::from(n), 3.0));
        (0..3).for_each(|n| cusum.update(&RULE, 1000.0 + f64::from(n), 0.5));
        assert!(!cusum.has_triggered(&RULE, 1003.0, None));
    }
}
