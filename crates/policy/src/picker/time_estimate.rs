//! Time estimate: what a pick or a profile costs in measuring time.

use super::{PickRequest, StoredResult, pick};
use crate::measurement::Measurement;
use crate::sampling::SamplingPlan;
use phicam_engine::ExecutionConfig;
use phicam_engine::latency::Percentiles;
use phicam_model::catalog::Variant;

/// Expected number and duration of measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimeEstimate {
    pub measurements: usize,
    pub seconds: f64,
}

impl TimeEstimate {
    /// Adds a measurement with a latency of `frame_ms`, after `load_ms` of loading the model.
    pub fn add(&mut self, sampling: SamplingPlan, frame_ms: f64, load_ms: f64) {
        let frames = SamplingPlan::WARM_UP_FRAMES + sampling.expected_frames(frame_ms);
        self.measurements += 1;
        self.seconds += (load_ms + frames as f64 * frame_ms) / 1e3;
    }
}

/// Ratio of p95 to the median before any measurement: e^(1.645 · 0.05), for 5 % of scatter.
pub(super) const ASSUMED_P95_RATIO: f64 = 1.086;
/// Share of the first measured latency that does not depend on the MACs. Estimate, before a latency model exists.
pub(super) const ASSUMED_FIXED_SHARE: f64 = 0.5;

/// Returns the latency of `other` in ms, estimated from one measured latency of `measured`.
///
/// Half of the latency is taken as fixed, the other half as proportional to MACs.
pub fn scaled_latency_ms(measured_ms: f64, measured: &Variant, other: &Variant) -> f64 {
    let macs_ratio = other.million_macs / measured.million_macs;
    measured_ms * (ASSUMED_FIXED_SHARE + (1.0 - ASSUMED_FIXED_SHARE) * macs_ratio)
}

/// Returns the time that [`pick`] would take beyond the `stored` results: the search runs against assumed latencies.
///
/// `assumed_ms` returns the assumed median of a candidate; `load_ms` is the time to load a model.
pub fn estimate_time<S, T>(request: PickRequest, stored: S, assumed_ms: T, load_ms: f64) -> TimeEstimate
where
    S: Fn(&Variant, ExecutionConfig) -> Option<StoredResult>,
    T: Fn(&Variant, ExecutionConfig) -> f64,
{
    let mut estimate = TimeEstimate::default();
    // Only the measurements count here, not the pick.
    let _ = pick(request, stored, |variant, config, sampling| {
        let p50 = assumed_ms(variant, config);
        estimate.add(sampling, p50, load_ms);
        let p95 = p50 * ASSUMED_P95_RATIO;
        let total_ms = Percentiles { p50, p95, p99: p95, min: p50 };
        let assumed = Measurement::assumed(variant, config, sampling.expected_frames(p50), total_ms);
        Ok(Measurement { load_ms, requested_frames: sampling.frames, ..assumed })
    });
    estimate
}
