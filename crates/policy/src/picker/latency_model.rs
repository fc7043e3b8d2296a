//! Latency model of one execution config: t = a + b·cost, fitted to its measurements.

use crate::measurement::Measurement;
use phicam_model::catalog::Variant;

/// Compute cost of one inference: the input of the latency model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComputeCost {
    /// Multiply-accumulates in millions.
    pub million_macs: f64,
    /// Output values of all layers in millions; `None` if the layers of the network are unknown. They predict latency
    /// better than MACs if memory bandwidth is the bottleneck (Dollár et al., arXiv 2103.06877).
    pub million_activations: Option<f64>,
}

impl ComputeCost {
    /// Counts the cost of a variant layer by layer.
    pub fn from_variant(variant: &Variant) -> ComputeCost {
        let estimate = variant.network.scaled.map(|scaled| scaled.network().cost(variant.side));
        ComputeCost {
            million_macs: variant.million_macs,
            million_activations: estimate.map(|estimate| estimate.million_activations()),
        }
    }
}

/// Median latency as an affine function of compute cost, with the p95 ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencyModel {
    /// Latency at a cost of zero.
    pub fixed_ms: f64,
    pub ms_per_million_macs: f64,
    /// 0 if activations do not explain the measurements better than MACs alone.
    pub ms_per_million_activations: f64,
    /// p95 divided by the median: the median ratio of the measurements.
    pub p95_ratio: f64,
    /// Mean of |ln(measured / predicted)| over the measured medians; 0 for two measurements.
    pub residual: f64,
}

/// Shares of the variable latency, at the mean cost, that the fit assigns to activations. The first is preferred.
const ACTIVATION_SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// Measurements below which the fit uses MACs alone: a line through two points has no residual to compare.
const MIN_FOR_ACTIVATIONS: usize = 3;
/// Ratio of residuals below which a larger share of activations is preferred. Estimate.
const ACTIVATION_RESIDUAL_RATIO: f64 = 0.7;
/// Points up to which the fit tries the line through every pair; with more, it tries pairs half of the points apart.
const MAX_FOR_ALL_PAIRS: usize = 12;

impl LatencyModel {
    /// Fits the line with the least mean |ln(measured / predicted)| among the lines through two measurements.
    ///
    /// So one or two outliers, as on some accelerators, do not bend the line. A single measurement gives a line through
    /// the origin. Returns `None` without measurements.
    ///
    /// A proportional model errs by up to 85 % inside this family, an affine fit by 2 to 11 % (published latencies of
    /// EfficientNet-Lite on a Pixel 4).
    pub fn fit<'a>(measured: impl Iterator<Item = (ComputeCost, &'a Measurement)>) -> Option<LatencyModel> {
        let points: Vec<(ComputeCost, &Measurement)> = measured.collect();
        let p95_ratio = upper_median(points.iter().map(|(_, m)| m.total_ms.p95 / m.total_ms.p50).collect())?;
        let mean_macs = points.iter().map(|(cost, _)| cost.million_macs).sum::<f64>() / points.len() as f64;
        let activations: Option<Vec<f64>> = points.iter().map(|(cost, _)| cost.million_activations).collect();
        let mean_activations = activations.map(|all| all.iter().sum::<f64>() / all.len() as f64);
        let mut best: Option<LatencyModel> = None;
        for share in ACTIVATION_SHARES {
            if share > 0.0 && (points.len() < MIN_FOR_ACTIVATIONS || mean_activations.is_none()) {
                break;
            }
            let per_macs = (1.0 - share) / mean_macs;
            let per_activations = mean_activations.map_or(0.0, |mean| share / mean);
            let relative_cost = |cost: &ComputeCost| {
                cost.million_macs * per_macs + cost.million_activations.unwrap_or_default() * per_activations
            };
            let line = Line::fit(points.iter().map(|(cost, m)| (relative_cost(cost), m.total_ms.p50)).collect());
            if best.is_none_or(|best| line.residual < best.residual * ACTIVATION_RESIDUAL_RATIO) {
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

    /// Returns the predicted median in ms.
    pub fn p50_ms(&self, cost: &ComputeCost) -> f64 {
        let activations = cost.million_activations.unwrap_or_default();
        self.fixed_ms + self.ms_per_million_macs * cost.million_macs + self.ms_per_million_activations * activations
    }

    /// Returns the predicted 95th percentile in ms.
    pub fn p95_ms(&self, cost: &ComputeCost) -> f64 {
        self.p50_ms(cost) * self.p95_ratio
    }

    /// Returns the MACs, in millions, whose predicted p95 is `p95_ms`, with activations in proportion as in
    /// `reference`.
    pub fn million_macs_within(&self, p95_ms: f64, reference: &ComputeCost) -> f64 {
        let activations_per_macs = reference.million_activations.unwrap_or_default() / reference.million_macs;
        let slope = self.ms_per_million_macs + self.ms_per_million_activations * activations_per_macs;
        ((p95_ms / self.p95_ratio - self.fixed_ms) / slope).max(0.0)
    }
}

fn upper_median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Line y = fixed + slope · x through positive points.
struct Line {
    fixed: f64,
    slope: f64,
    residual: f64,
}

impl Line {
    fn fit(mut points: Vec<(f64, f64)>) -> Line {
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let n = points.len();
        let mut best: Option<Line> = None;
        let mut consider = |fixed: f64, slope: f64| {
            // Latency neither falls with cost nor is negative at the lowest cost.
            if slope <= 0.0 || !slope.is_finite() || fixed + slope * points[0].0 <= 0.0 {
                return;
            }
            let deviation = |&(x, y): &(f64, f64)| (y / (fixed + slope * x)).ln().abs();
            let residual = points.iter().map(deviation).sum::<f64>() / n as f64;
            if best.as_ref().is_none_or(|best| residual < best.residual - 1e-12) {
                best = Some(Line { fixed, slope, residual });
            }
        };
        for (index, &(x0, y0)) in points.iter().enumerate() {
            let others = if n <= MAX_FOR_ALL_PAIRS {
                &points[index + 1..]
            } else {
                points.get(index + n / 2..).unwrap_or_default()
            };
            for &(x1, y1) in others.iter().take(if n <= MAX_FOR_ALL_PAIRS { n } else { 2 }) {
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
