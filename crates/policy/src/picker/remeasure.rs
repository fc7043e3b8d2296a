//! Sampling plans, and which measurements are inconclusive: near a limit, outliers, or taken on a noisy machine.

use super::latency_model::{ComputeCost, LatencyModel};
use crate::measurement::Measurement;
use crate::sampling::SamplingPlan;

/// First sample of a candidate. It shows whether the candidate is far from a limit.
pub const QUICK_SAMPLE: SamplingPlan = SamplingPlan { frames: 16, min_ms: 250.0, max_ms: 4000.0 };
/// Sample on a machine with unstable latency: long enough to include its fluctuations, which last up to seconds.
const LONG_SAMPLE: SamplingPlan = SamplingPlan { frames: 300, min_ms: 2500.0, max_ms: 4000.0 };
/// Frames after which a measurement counts as conclusive, however close to a limit: p95 is then known to 0.4 % (at 5 %
/// of scatter).
pub const MAX_FRAMES: u64 = 600;
/// Longest refined measurement, in milliseconds. Estimate.
const MAX_SAMPLE_MS: f64 = 8000.0;
/// Shortest refined measurement, in milliseconds: four times a quick sample.
const MIN_REFINED_MS: f64 = 4.0 * QUICK_SAMPLE.min_ms;
/// Frames for the comparison of two tied candidates. More are not worth the time, because either is a good pick.
const MAX_TIE_FRAMES: u64 = 64;

/// Standard errors by which a measurement must be away from a limit: 99.7 % confidence for a normal distribution.
const CONFIDENCE_SIGMAS: f64 = 3.0;
/// Standard error of the 95th percentile of n frames, in units of σ / √n: √(0.95 · 0.05) / φ(1.645), normal logarithms.
const P95_ERROR: f64 = 2.11;
/// 95th percentile of the normal distribution, in units of σ above the median.
const P95_SIGMAS: f64 = 1.645;
/// Bounds of the standard deviation of log latency. Estimates: no machine scatters less than 2 %, and an apparent
/// scatter above 50 % is a disturbance.
const MIN_LOG_STD: f64 = 0.02;
const MAX_LOG_STD: f64 = 0.5;

/// Ratio of a quick sample to the latency model's prediction above which it counts as an outlier. Estimate: the model's
/// own error inside the family is 2 to 11 %.
const OUTLIER_RATIO: f64 = 1.25;
/// Tolerance for a p95 ratio to differ from the usual one of its execution config, as a factor. Estimate.
const P95_RATIO_TOLERANCE: f64 = 1.02;
/// Ratio of p95 to median above which the machine counts as noisy: cores are shared with virtual machines or programs.
/// A steady machine has 1.09 at 5 % of scatter.
const NOISY_P95_RATIO: f64 = 1.25;
/// Largest noise ratio that is considered. Estimate: a larger one has another cause.
const MAX_NOISE_RATIO: f64 = 2.0;

/// Returns the standard deviation of log latency, from the ratio of p95 to the median.
fn log_std(measurement: &Measurement) -> f64 {
    let p95_ratio = measurement.total_ms.p95 / measurement.total_ms.p50;
    (p95_ratio.ln() / P95_SIGMAS).clamp(MIN_LOG_STD, MAX_LOG_STD)
}

/// Returns the factor above 1 by which the true 95th percentile may differ from the measured one, either way.
fn confidence_factor(measurement: &Measurement) -> f64 {
    (CONFIDENCE_SIGMAS * P95_ERROR * log_std(measurement) / (measurement.frames.max(1) as f64).sqrt()).exp()
}

/// Returns the sampling that separates a value from a limit `ratio` times as large. Returns `None` if the measurement
/// already has [`MAX_FRAMES`].
fn refine(measurement: &Measurement, ratio: f64) -> Option<SamplingPlan> {
    let requested = measurement.requested_frames.max(measurement.frames);
    if requested >= MAX_FRAMES {
        return None;
    }
    let needed = (CONFIDENCE_SIGMAS * P95_ERROR * log_std(measurement) / ratio.ln().abs().max(1e-3)).powi(2);
    let frames = (needed.min(MAX_FRAMES as f64) as u64).max(4 * requested).min(MAX_FRAMES);
    Some(SamplingPlan { frames, min_ms: MIN_REFINED_MS, max_ms: MAX_SAMPLE_MS })
}

/// Returns a sampling that repeats a full measurement once, because another program may have caused its tail. Returns
/// `None` if that was done.
fn resample(measurement: &Measurement) -> Option<SamplingPlan> {
    let sampling = SamplingPlan { frames: MAX_FRAMES + 1, min_ms: MIN_REFINED_MS, max_ms: 2.0 * MAX_SAMPLE_MS };
    (measurement.requested_frames <= MAX_FRAMES).then_some(sampling)
}

/// Returns how much latency fluctuates within a measurement, as a factor; 1 on a steady machine.
pub fn noise_ratio<'a>(measurements: impl Iterator<Item = &'a Measurement>) -> f64 {
    let p95_ratios = measurements.map(|measurement| measurement.total_ms.p95 / measurement.total_ms.p50);
    let max = p95_ratios.fold(1.0, f64::max);
    if max > NOISY_P95_RATIO { max.min(MAX_NOISE_RATIO) } else { 1.0 }
}

/// Inconclusive-measurement test for one candidate: its measurement, and what the other measurements predict.
pub struct Recheck<'a> {
    pub measurement: &'a Measurement,
    pub cost: &'a ComputeCost,
    /// Latency model of the candidate's execution config.
    pub latency_model: Option<&'a LatencyModel>,
    /// Fluctuation of latency on this machine, see [`noise_ratio`].
    pub noise_ratio: f64,
}

impl Recheck<'_> {
    fn is_noisy(&self) -> bool {
        self.noise_ratio > 1.0
    }

    fn has_long_sample(&self) -> bool {
        self.measurement.requested_frames >= LONG_SAMPLE.frames
    }

    /// Returns the lowest plausible p95 of a candidate that was measured as too slow, in ms.
    ///
    /// It is the lowest of the confidence bound, the model's prediction if the measurement is an outlier, and the
    /// median with the usual p95 ratio: another program may have caused the tail.
    pub fn min_p95_ms(&self) -> f64 {
        let measured_ms = self.measurement.total_ms.p95;
        let outlier_ratio = if self.is_noisy() { 1.0 } else { OUTLIER_RATIO };
        let predicted_ms = self
            .latency_model
            .map(|model| model.p95_ms(self.cost))
            .filter(|predicted_ms| measured_ms > predicted_ms * outlier_ratio)
            .filter(|_| self.measurement.requested_frames <= QUICK_SAMPLE.frames);
        let usual_tail_ms =
            self.latency_model.map(|model| self.measurement.total_ms.p50 * model.p95_ratio * P95_RATIO_TOLERANCE);
        let confidence_bound_ms = measured_ms / confidence_factor(self.measurement);
        [predicted_ms, usual_tail_ms].into_iter().flatten().fold(confidence_bound_ms, f64::min)
    }

    /// Returns the sampling that confirms that a candidate is too slow, which needs `limit_share` of the limit.
    pub fn slow_sampling(&self, limit_share: f64) -> Option<SamplingPlan> {
        let refined = refine(self.measurement, limit_share).or_else(|| resample(self.measurement))?;
        Some(if self.is_noisy() { LONG_SAMPLE.max(refined) } else { refined })
    }

    /// Returns the sampling that confirms that the pick fits, which needs `limit_share` of the limit.
    pub fn pick_sampling(&self, limit_share: f64) -> Option<SamplingPlan> {
        if self.is_noisy() && limit_share * self.noise_ratio > 1.0 && !self.has_long_sample() {
            return Some(LONG_SAMPLE);
        }
        refine(self.measurement, limit_share).filter(|_| limit_share * confidence_factor(self.measurement) > 1.0)
    }

    /// Returns the sampling for two tied candidates of which one has the lower median and the other the lower p95. Returns
    /// `None` if this one has as many frames already.
    pub fn contradiction_sampling(&self) -> Option<SamplingPlan> {
        (!self.has_long_sample()).then_some(LONG_SAMPLE)
    }

    /// Returns the sampling that decides whether a tied candidate is cheaper than the pick.
    ///
    /// `ratio_to_pick` is the ratio of their p95 latencies. A candidate with `fewer_macs` that seems slower is an
    /// outlier or was disturbed.
    pub fn tie_sampling(&self, ratio_to_pick: f64, fewer_macs: bool) -> Option<SamplingPlan> {
        let predicted_ms = self.latency_model.map(|model| model.p50_ms(self.cost));
        let exceeds = |predicted_ms: f64| self.measurement.total_ms.p50 > predicted_ms * OUTLIER_RATIO;
        let is_outlier = fewer_macs && predicted_ms.is_some_and(exceeds);
        if is_outlier && self.is_noisy() && !self.has_long_sample() {
            return Some(LONG_SAMPLE);
        }
        let may_be_cheaper = ratio_to_pick / confidence_factor(self.measurement) < 1.0;
        if self.measurement.requested_frames >= MAX_TIE_FRAMES || !(is_outlier || may_be_cheaper) {
            return None;
        }
        let refined = refine(self.measurement, ratio_to_pick)?;
        Some(SamplingPlan { frames: refined.frames.min(MAX_TIE_FRAMES), ..refined })
    }
}
