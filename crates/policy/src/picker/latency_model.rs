//! Time as a law of work, t = a + b·work, fitted to what was measured of one way to run variants.

use crate::measurement::Measurement;
use phicam_model::catalog::Variant;

/// What a variant asks of whatever runs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComputeCost {
    /// Multiply-accumulates of one picture.
    pub million_macs: f64,
    /// Values that its layers give, where the network is known: they have to pass through memory, and tell time better
    /// than multiply-accumulates where that is what binds (Dollár et al., arXiv 2103.06877).
    pub million_activations: Option<f64>,
}

impl ComputeCost {
    /// Counted layer by layer.
    pub fn of(variant: &Variant) -> ComputeCost {
        let estimate = variant.network.scaled.map(|scaled| scaled.network().cost(variant.side));
        ComputeCost {
            million_macs: variant.million_macs,
            million_activations: estimate.map(|estimate| estimate.million_activations()),
        }
    }
}

/// Median milliseconds of a frame as a line over work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencyModel {
    /// What even a network without work would take.
    pub fixed_ms: f64,
    /// Milliseconds for each million multiply-accumulates.
    pub ms_per_million_macs: f64,
    /// Milliseconds for each million activations; 0 where they explain nothing more.
    pub ms_per_million_activations: f64,
    /// The 95th percentile as a multiple of the median: the middle one of what was measured.
    pub p95_ratio: f64,
    /// How far the measured medians are from the line: mean of |ln(measured / line)|. Two points are on it always.
    pub residual: f64,
}

/// Shares of the time, at the mean of what was measured, that activations are tried for. The first is preferred.
const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// Below this many points only multiply-accumulates are tried: everything explains two.
const LEAST_FOR_ACTIVATIONS: usize = 3;
/// Activations must leave less than this share of the residual to be believed.
const BETTER: f64 = 0.7;
/// Up to this many points every pair of them makes a line to try; beyond, pairs that lie far apart do.
const ALL_PAIRS: usize = 12;

impl LatencyModel {
    /// The line with the least mean |ln(measured / line)| among those through two of the points: so a size or two that
    /// are off, as on some accelerators, do not bend it. Through the origin where there is only one. Nothing without any.
    ///
    /// Proportional prediction errs by up to 85 % inside this family, an affine fit by 2–11 % (EfficientNet-Lite's
    /// published latencies on a Pixel 4).
    pub fn through<'a>(measured: impl Iterator<Item = (ComputeCost, &'a Measurement)>) -> Option<LatencyModel> {
        let points: Vec<(ComputeCost, &Measurement)> = measured.collect();
        let p95_ratio = middle(points.iter().map(|(_, m)| m.total_ms.p95 / m.total_ms.p50).collect())?;
        let mean_macs = points.iter().map(|(work, _)| work.million_macs).sum::<f64>() / points.len() as f64;
        let activations: Option<Vec<f64>> = points.iter().map(|(work, _)| work.million_activations).collect();
        let mean_activations = activations.map(|all| all.iter().sum::<f64>() / all.len() as f64);
        let mut best: Option<LatencyModel> = None;
        for share in SHARES {
            if share > 0.0 && (points.len() < LEAST_FOR_ACTIVATIONS || mean_activations.is_none()) {
                break;
            }
            let per_macs = (1.0 - share) / mean_macs;
            let per_activations = mean_activations.map_or(0.0, |mean| share / mean);
            let at = |work: &ComputeCost| {
                work.million_macs * per_macs + work.million_activations.unwrap_or_default() * per_activations
            };
            let line = Line::through(points.iter().map(|(work, m)| (at(work), m.total_ms.p50)).collect());
            if best.is_none_or(|best| line.residual < best.residual * BETTER) {
                best = Some(LatencyModel {
                    fixed_ms: line.fixed,
                    ms_per_million_macs: line.slope * per_macs,
                    ms_per_million_activations: line.slope * per_activations,
                    p95_ratio,
                    residual: line.residual,
                });
            }
        }
        best
    }

    /// The median for such work, in milliseconds.
    pub fn p50_ms(&self, work: &ComputeCost) -> f64 {
        let activations = work.million_activations.unwrap_or_default();
        self.fixed_ms + self.ms_per_million_macs * work.million_macs + self.ms_per_million_activations * activations
    }

    /// The 95th percentile for such work, in milliseconds.
    pub fn p95_ms(&self, work: &ComputeCost) -> f64 {
        self.p50_ms(work) * self.p95_ratio
    }

    /// The multiply-accumulates, in millions, whose 95th percentile is `ms`, of networks with as many activations for
    /// each as `like` has.
    pub fn million_macs_in(&self, ms: f64, like: &ComputeCost) -> f64 {
        let activations = like.million_activations.unwrap_or_default() / like.million_macs;
        let each = self.ms_per_million_macs + self.ms_per_million_activations * activations;
        ((ms / self.p95_ratio - self.fixed_ms) / each).max(0.0)
    }
}

fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// y over x, both positive.
struct Line {
    fixed: f64,
    slope: f64,
    residual: f64,
}

impl Line {
    fn through(mut points: Vec<(f64, f64)>) -> Line {
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let n = points.len();
        let mut best: Option<Line> = None;
        let mut consider = |fixed: f64, slope: f64| {
            // A line that goes down, or below nothing at the least work, is no law of time.
            if slope <= 0.0 || !slope.is_finite() || fixed + slope * points[0].0 <= 0.0 {
                return;
            }
            let off = |&(x, y): &(f64, f64)| (y / (fixed + slope * x)).ln().abs();
            let residual = points.iter().map(off).sum::<f64>() / n as f64;
            if best.as_ref().is_none_or(|best| residual < best.residual - 1e-12) {
                best = Some(Line { fixed, slope, residual });
            }
        };
        for (at, &(x0, y0)) in points.iter().enumerate() {
            let others = if n <= ALL_PAIRS { &points[at + 1..] } else { points.get(at + n / 2..).unwrap_or_default() };
            for &(x1, y1) in others.iter().take(if n <= ALL_PAIRS { n } else { 2 }) {
                let slope = (y1 - y0) / (x1 - x0);
                consider(y0 - slope * x0, slope);
            }
        }
        for &(x, y) in &points {
            consider(0.0, y / x);
        }
        best.unwrap_or(Line { fixed: 0.0, slope: 1.0, residual: f64::INFINITY })
    }
}
