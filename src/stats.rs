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
}
