//! Time as a line over work: t = a + b·MACs, fitted to what was measured.

use crate::catalog::Choice;
use crate::measure::Measurement;

/// p95 milliseconds of a frame as a line over million multiply-accumulates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// What even a network without work would take.
    pub fixed_ms: f64,
    pub ms_per_million_macs: f64,
}

impl Line {
    /// Least squares through all that was measured; through the origin where there is only one. Nothing without any.
    ///
    /// Proportional prediction errs by up to 85 % inside this family, an affine fit by 2–11 % (EfficientNet-Lite's
    /// published latencies on a Pixel 4).
    pub fn through<'a>(measured: impl Iterator<Item = (&'a Choice, &'a Measurement)>) -> Option<Line> {
        let points: Vec<(f64, f64)> = measured.map(|(choice, m)| (choice.million_macs, m.total_ms.p95)).collect();
        let n = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (macs, ms) = (mean(|p| p.0), mean(|p| p.1));
        let spread: f64 = points.iter().map(|p| (p.0 - macs).powi(2)).sum();
        let together: f64 = points.iter().map(|p| (p.0 - macs) * (p.1 - ms)).sum();
        match points.len() {
            0 => None,
            _ if spread > 0.0 && together > 0.0 => {
                let slope = together / spread;
                Some(Line { fixed_ms: ms - slope * macs, ms_per_million_macs: slope })
            }
            _ => Some(Line { fixed_ms: 0.0, ms_per_million_macs: ms / macs }),
        }
    }

    /// The work that takes `ms`.
    pub fn million_macs_in(&self, ms: f64) -> f64 {
        ((ms - self.fixed_ms) / self.ms_per_million_macs).max(0.0)
    }
}
