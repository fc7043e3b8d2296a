//! Latency histogram of a stage, and the standard error of its 95th percentile.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Upper bound of the histogram in microseconds: one minute; longer latencies are recorded as one minute.
const MAX_US: u64 = 60_000_000;

/// Latency histogram of one stage. Recording does not allocate.
pub struct Stage {
    name: &'static str,
    microseconds: Histogram<u64>,
}

/// Latency percentiles in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub min: f64,
}

impl Stage {
    /// Returns an empty histogram; `name` is its heading in tables.
    pub fn new(name: &'static str) -> Stage {
        // Three significant digits keep percentiles within 0.1 %.
        let microseconds = Histogram::new_with_bounds(1, MAX_US, 3).expect("bounds and digits are in range");
        Stage { name, microseconds }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Records a latency in milliseconds; more than a minute counts as a minute.
    pub fn record_ms(&mut self, ms: f64) {
        self.microseconds.saturating_record((ms * 1e3).round().max(0.0) as u64);
    }

    /// Records a latency; more than a minute counts as a minute.
    pub fn record(&mut self, time: Duration) {
        self.record_ms(time.as_secs_f64() * 1e3);
    }

    /// Returns the number of recorded latencies.
    pub fn count(&self) -> u64 {
        self.microseconds.len()
    }

    /// Returns `None` if nothing was recorded.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let quantile_ms = |share: f64| self.microseconds.value_at_quantile(share) as f64 / 1e3;
        let min = self.microseconds.min() as f64 / 1e3;
        (self.count() > 0).then(|| Percentiles {
            p50: quantile_ms(0.5),
            p95: quantile_ms(0.95),
            p99: quantile_ms(0.99),
            min,
        })
    }
}

/// Consecutive blocks for the standard error: eight give seven degrees of freedom and need only 160 latencies.
const BLOCKS: usize = 8;
/// Smallest block that has a 95th percentile below its maximum: 19 of 20.
const MIN_BLOCK: usize = 20;

/// Returns the standard error of the 95th percentile of `times_ms`, as a share of it.
///
/// Batch means: `times_ms`, in order of measurement, is cut into eight blocks, and the error is that of the mean of
/// their percentiles. Neighbouring latencies are correlated, so n of them are worth fewer than n independent samples.
/// Returns `None` for fewer than 160 latencies.
pub fn p95_error(times_ms: &[f32]) -> Option<f64> {
    let length = times_ms.len() / BLOCKS;
    if length < MIN_BLOCK {
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
    fn percentiles_are_within_0_1_percent() {
        let mut stage = Stage::new("infer");
        assert!(stage.percentiles().is_none());
        (1..=1000).for_each(|n| stage.record_ms(f64::from(n) / 10.0));
        let found = stage.percentiles().unwrap();
        for (found, expected) in [(found.p50, 50.0), (found.p95, 95.0), (found.p99, 99.0), (found.min, 0.1)] {
            assert!((found - expected).abs() <= expected * 1e-3 + 1e-3, "{found} for {expected}");
        }
    }

    #[test]
    fn correlated_latencies_have_a_larger_error() {
        // The same 600 latencies with 5 % of scatter in two orders: shuffled, and sorted as on a machine that slows
        // down.
        let time = |n: u32| 10.0 + (n * 7919 % 600) as f32 / 600.0 * 1.7;
        let mut times: Vec<f32> = (0..600).map(time).collect();
        let scattered = p95_error(&times).unwrap();
        times.sort_by(f32::total_cmp);
        let drifting = p95_error(&times).unwrap();
        assert!(scattered < 0.01, "{scattered}");
        assert!((0.015..0.03).contains(&drifting), "{drifting}");
        assert_eq!(p95_error(&times[..159]), None, "too few");
        assert_eq!(p95_error(&[5.0; 160]), Some(0.0));
    }
}
