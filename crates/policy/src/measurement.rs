//! Measurement of one variant in one execution config, and the errors instead of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sampling::is_noisy;
use phicam_engine::latency::Percentiles;
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_model::catalog::Variant;

/// Benchmark result of one variant. `phicam bench --json` prints it as an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    pub model: String,
    /// Compound coefficient; `None` if the network is no EfficientNet.
    pub phi: Option<f64>,
    /// Flattened into `engine`, `precision` and `threads`.
    #[serde(flatten)]
    pub config: ExecutionConfig,
    /// Software that runs the network's operators, for people.
    #[serde(default, alias = "engine_detail")]
    pub engine_description: String,
    /// Timed frames, without warm-up.
    pub frames: u64,
    /// Frames of the sampling plan; fewer were timed if the maximum duration ended it. 0 without a plan, as in `bench`.
    #[serde(default, alias = "asked_frames", skip_serializing_if = "is_zero")]
    pub requested_frames: u64,
    /// Frames that waited for a core for 1/20 of their latency or longer, because of other programs.
    #[serde(default)]
    pub preempted_frames: u64,
    /// Latency of the engine alone.
    pub infer_ms: Percentiles,
    /// Latency from a decoded 640×480 frame to its predictions: mailbox, preprocess, engine, top-k.
    pub total_ms: Percentiles,
    /// Time to read, check and optimise the model.
    pub load_ms: f64,
    /// Latency of the first inference, which also fills the caches.
    pub first_ms: f64,
    /// Peak resident memory of a process that runs only this variant.
    #[serde(alias = "rss_mib")]
    pub peak_rss_mib: f64,
    /// Latencies of the other stages, by name.
    pub stages_ms: BTreeMap<String, Percentiles>,
}

fn is_zero(frames: &u64) -> bool {
    *frames == 0
}

impl Measurement {
    /// Returns a measurement of `frames` frames with these latencies, for simulations. All other values are empty or 0.
    pub fn assumed(variant: &Variant, config: ExecutionConfig, frames: u64, total_ms: Percentiles) -> Measurement {
        Measurement {
            model: variant.name.clone(),
            phi: variant.phi,
            config,
            engine_description: String::new(),
            frames,
            requested_frames: frames,
            preempted_frames: 0,
            infer_ms: total_ms,
            total_ms,
            load_ms: 0.0,
            first_ms: total_ms.p50,
            peak_rss_mib: 0.0,
            stages_ms: BTreeMap::new(),
        }
    }

    /// Returns whether CPU contention affected the 95th percentile.
    pub fn is_noisy(&self) -> bool {
        is_noisy(self.preempted_frames, self.frames)
    }
}

/// Reason for which a variant has no measurement.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error("cannot measure {variant}: {cause}")]
    Failed {
        variant: String,
        cause: String,
        /// Whether this program would fail again with this file. `false` if, for example, no process could be started.
        is_permanent: bool,
    },
    /// The engine cannot be used on this machine with any variant.
    #[error("{engine} cannot be used: {cause}")]
    NoEngine { engine: EngineKind, cause: String },
    #[error("{0} has not been measured on this machine yet; run `phicam pick` or `phicam profile`")]
    NotYet(String),
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a measurement of 100 frames with a median of `ms` milliseconds.
    pub fn measurement(variant: &Variant, ms: f64, peak_rss_mib: f64) -> Measurement {
        let percentiles = Percentiles { p50: ms, p95: ms * 1.1, p99: ms * 1.2, min: ms * 0.9 };
        let engine_description = "tract, all operators".into();
        let assumed = Measurement::assumed(variant, ExecutionConfig::tract(2), 100, percentiles);
        Measurement { engine_description, load_ms: 100.0, peak_rss_mib, ..assumed }
    }
}
