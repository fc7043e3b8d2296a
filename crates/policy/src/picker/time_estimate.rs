//! What a pick will cost in time, before it is made: the plan is played against a law of time that is only supposed.

use super::{Known, pick};
use crate::budget::Budget;
use crate::measurement::Measurement;
use crate::sampling::SamplingPlan;
use phicam_engine::ExecutionConfig;
use phicam_engine::latency::Percentiles;
use phicam_model::catalog::Variant;

/// Measurements that are expected to be needed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimeEstimate {
    pub measurements: usize,
    pub seconds: f64,
}

impl TimeEstimate {
    /// Adds a measurement of frames of `ms` after a load of `load_ms`.
    pub fn add(&mut self, sampling: SamplingPlan, ms: f64, load_ms: f64) {
        let frames = SamplingPlan::WARM_UP + sampling.frames_at(ms);
        self.measurements += 1;
        self.seconds += (load_ms + frames as f64 * ms) / 1e3;
    }
}

/// Between median and 95th percentile, where nothing is known: 5 % of scatter.
const SUPPOSED_TAIL: f64 = 1.086;

/// What [`pick`] would take beyond what is known, if a frame took as long as `supposed` says, and a load `load_ms`.
pub fn estimate_time<K, T>(
    variants: &[&Variant],
    configs: &[ExecutionConfig],
    budget: Budget,
    known: K,
    supposed: T,
    load_ms: f64,
) -> TimeEstimate
where
    K: Fn(&Variant, ExecutionConfig) -> Option<Known>,
    T: Fn(&Variant, ExecutionConfig) -> f64,
{
    let mut estimate = TimeEstimate::default();
    // Whether something would be picked does not matter here.
    let _ = pick(variants, configs, budget, known, |variant, config, sampling| {
        let ms = supposed(variant, config);
        estimate.add(sampling, ms, load_ms);
        let total_ms = Percentiles { p50: ms, p95: ms * SUPPOSED_TAIL, p99: ms * SUPPOSED_TAIL, min: ms };
        Ok(Measurement {
            load_ms,
            requested_frames: sampling.frames,
            ..Measurement::assumed(variant, config, sampling.frames_at(ms), total_ms)
        })
    });
    estimate
}
