//! How long each stage took: percentiles without keeping every time.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest time that is told apart, in microseconds: a minute.
const LONGEST_US: u64 = 60_000_000;

/// Times of one stage. Recording allocates nothing.
pub struct Stage {
    name: &'static str,
    microseconds: Histogram<u64>,
}

/// What a stage's times come to, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// What 95 of 100 frames stay below.
    pub p95: f64,
    /// What 99 of 100 frames stay below.
    pub p99: f64,
    /// The quickest.
    pub min: f64,
}

impl Stage {
    /// An empty one; `name` is for tables.
    pub fn new(name: &'static str) -> Stage {
        // Three digits, so that percentiles are right within 0.1 %.
        let microseconds = Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds and digits are in range");
        Stage { name, microseconds }
    }

    /// For tables.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Times over a minute count as a minute.
    pub fn record_ms(&mut self, ms: f64) {
        self.microseconds.saturating_record((ms * 1e3).round().max(0.0) as u64);
    }

    /// The same for a span of time.
    pub fn record(&mut self, time: Duration) {
        self.record_ms(time.as_secs_f64() * 1e3);
    }

    /// How many times were recorded.
    pub fn count(&self) -> u64 {
        self.microseconds.len()
    }

    /// Nothing where nothing was recorded.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let at = |share: f64| self.microseconds.value_at_quantile(share) as f64 / 1e3;
        let min = self.microseconds.min() as f64 / 1e3;
        (self.count() > 0).then(|| Percentiles { p50: at(0.5), p95: at(0.95), p99: at(0.99), min })
    }
}

/// Blocks that times are cut into, and the least of each that has a 95th percentile.
const BLOCKS: usize = 8;
const LEAST_OF_BLOCK: usize = 20;

/// Standard error of the 95th percentile of `times_ms`, in the order in which they were taken, as a share of it. It is that of
/// the mean of eight blocks' percentiles: neighbours may be alike, so that n of them tell less than n. Nothing where
/// they are too few.
pub fn p95_error(times_ms: &[f32]) -> Option<f64> {
    let length = times_ms.len() / BLOCKS;
    if length < LEAST_OF_BLOCK {
        return None;
    }
    let p95_ms = |block: &[f32]| {
        let mut sorted = block.to_vec();
        sorted.sort_by(f32::total_cmp);
        f64::from(sorted[(length * 95).div_ceil(100) - 1])
    };
    let blocks: Vec<f64> = times_ms.chunks_exact(length).take(BLOCKS).map(p95_ms).collect();
    let mean = blocks.iter().sum::<f64>() / BLOCKS as f64;
    let squares: f64 = blocks.iter().map(|block| (block - mean).powi(2)).sum();
    (mean > 0.0).then(|| (squares / (BLOCKS * (BLOCKS - 1)) as f64).sqrt() / mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut stage = Stage::new("infer");
        assert!(stage.percentiles().is_none());
        (1..=1000).for_each(|n| stage.record_ms(f64::from(n) / 10.0));
        let found = stage.percentiles().unwrap();
        for (found, expected) in [(found.p50, 50.0), (found.p95, 95.0), (found.p99, 99.0), (found.min, 0.1)] {
            assert!((found - expected).abs() <= expected * 1e-3 + 1e-3, "{found} for {expected}");
        }
    }

    #[test]
    fn times_that_wander_tell_less_than_as_many_that_scatter() {
        // 5 % of scatter, the same 600 times in two orders: one after the other, and sorted, as where a machine slows down.
        let time = |n: u32| 10.0 + (n * 7919 % 600) as f32 / 600.0 * 1.7;
        let mut times: Vec<f32> = (0..600).map(time).collect();
        let scattered = p95_error(&times).unwrap();
        times.sort_by(f32::total_cmp);
        let wandering = p95_error(&times).unwrap();
        assert!(scattered < 0.01 && (0.015..0.03).contains(&wandering), "{scattered} {wandering}");
        assert_eq!(p95_error(&times[..159]), None, "too few");
        assert_eq!(p95_error(&[5.0; 160]), Some(0.0));
    }
}
