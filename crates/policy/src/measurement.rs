//! One benchmark result, and the reasons for which there is none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sampling::is_noisy;
use phicam_engine::latency::Percentiles;
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_model::catalog::Variant;

/// What `phicam bench` found of one variant. It is also the object that `bench --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    pub model: String,
    /// Steps of compound scaling, where it is an EfficientNet.
    pub phi: Option<f64>,
    /// What ran it, and how: `engine`, `precision` and `threads`.
    #[serde(flatten)]
    pub config: ExecutionConfig,
    /// What runs the network's operators, in words.
    #[serde(default, alias = "engine_detail")]
    pub engine_description: String,
    /// Frames that the percentiles come from.
    pub frames: u64,
    /// Frames that were asked for: fewer were timed where it took too long. 0 where nobody asked, as `bench` by itself.
    #[serde(default, alias = "asked_frames", skip_serializing_if = "is_zero")]
    pub requested_frames: u64,
    /// Frames that other programs kept waiting for a core, for a twentieth of their time or more.
    #[serde(default)]
    pub preempted_frames: u64,
    /// The engine alone.
    pub infer_ms: Percentiles,
    /// From a decoded 640×480 frame to its guesses: mailbox, preprocess, engine, top-k.
    pub total_ms: Percentiles,
    /// Reading, checking and optimising the model.
    pub load_ms: f64,
    /// The first inference, which also fills the caches.
    pub first_ms: f64,
    /// Peak resident memory of a process with this variant alone.
    #[serde(alias = "rss_mib")]
    pub peak_rss_mib: f64,
    /// The other stages, by name.
    pub stages_ms: BTreeMap<String, Percentiles>,
}

fn is_zero(frames: &u64) -> bool {
    *frames == 0
}

impl Measurement {
    /// Returns a measurement of `frames` frames with `total_ms` in every stage, for simulations. Nothing else is known of it.
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

    /// Whether other programs show in the 95th percentile.
    pub fn is_noisy(&self) -> bool {
        is_noisy(self.preempted_frames, self.frames)
    }
}

/// A variant that could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error("{variant} was not measured: {cause}")]
    Failed {
        variant: String,
        cause: String,
        /// Whether the same program would fail with the same file again: not where not even a process could be started.
        lasting: bool,
    },
    /// The engine cannot be used on this machine, whatever the variant.
    #[error("{engine} cannot be used: {cause}")]
    NoEngine { engine: EngineKind, cause: String },
    #[error("{0} has not been measured on this machine yet")]
    NotYet(String),
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A measurement with a median of `ms`.
    pub fn measurement(variant: &Variant, ms: f64, peak_rss_mib: f64) -> Measurement {
        let percentiles = Percentiles { p50: ms, p95: ms * 1.1, p99: ms * 1.2, min: ms * 0.9 };
        let engine_description = "all by tract".into();
        let assumed = Measurement::assumed(variant, ExecutionConfig::tract(2), 100, percentiles);
        Measurement { engine_description, load_ms: 100.0, peak_rss_mib, ..assumed }
    }
}
