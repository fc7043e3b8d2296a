//! Fixtures for unit tests: model variants, a small catalog, measurements, picks. No production crate depends on it.

use std::sync::Arc;

use phicam_engine::ExecutionConfig;
use phicam_engine::latency::Percentiles;
use phicam_model::catalog::{Colour, Crop, Filter, InputSpec, Layout, Network, Variant};
use phicam_model::efficientnet::compound_scaling::phi_of_macs;
use phicam_model::efficientnet::{Family, ScaledNetwork};
use phicam_policy::budget::Budget;
use phicam_policy::measurement::Measurement;
use phicam_policy::picker::{Pick, PickError, PickRequest, pick};

/// Returns a variant named `network@side`.
pub fn variant(network: &str, side: u32, million_macs: f64, top1_percent: f64) -> Variant {
    let network = Network {
        name: network.into(),
        file: "m.onnx".into(),
        sha256: "00".into(),
        labels: "l.txt".into(),
        labels_sha256: "00".into(),
        scaled: Some(ScaledNetwork { family: Family::Lite, depth: 1.0, width: 1.0 }),
        million_parameters: 4.6,
        licence: "Apache-2.0".into(),
        source: "test".into(),
    };
    let input = InputSpec {
        colour: Colour::Rgb,
        layout: Layout::Nchw,
        crop: Crop::Border(32),
        filter: Filter::Bicubic,
        mean: [127.0; 3],
        scale: [128.0; 3],
    };
    Variant {
        name: format!("{}@{side}", network.name),
        network: Arc::new(network),
        input: Arc::new(input),
        side,
        phi: Some(phi_of_macs(million_macs)),
        million_macs,
        top1_percent: Some(top1_percent),
        top1_source: "test".into(),
        is_user_model: false,
    }
}

/// Returns six variants of three networks; lite1@240 dominates lite0@288.
pub fn catalog() -> Vec<Variant> {
    vec![
        variant("lite2", 260, 860.0, 77.47),
        variant("lite0", 96, 72.0, 37.5),
        variant("lite0", 224, 385.0, 74.85),
        variant("lite0", 288, 636.0, 75.9),
        variant("lite1", 240, 600.0, 76.67),
        variant("lite2", 320, 1175.0, 77.8),
    ]
}

/// Returns a measurement of 100 frames with a median of `ms` milliseconds.
pub fn measurement(variant: &Variant, ms: f64, peak_rss_mib: f64) -> Measurement {
    let percentiles = Percentiles { p50: ms, p95: ms * 1.1, p99: ms * 1.2, min: ms * 0.9 };
    let assumed = Measurement::assumed(variant, ExecutionConfig::tract(2), 100, percentiles);
    Measurement { load_ms: 100.0, peak_rss_mib, ..assumed }
}

/// Returns a budget with a latency limit of `frame_ms` milliseconds.
pub fn ms(frame_ms: f64) -> Budget {
    Budget { frame_ms: Some(frame_ms), ..Budget::default() }
}

/// Returns the pick from [`catalog`] on a machine whose median is 2 ms + 0.05 ms for each million MACs (p95: 10 %
/// more).
pub fn picked(budget: Budget) -> Result<Pick, PickError> {
    let catalog = catalog();
    let variants: Vec<&Variant> = catalog.iter().collect();
    let simulated =
        |variant: &Variant| measurement(variant, 2.0 + 0.05 * variant.million_macs, 50.0 + variant.million_macs / 20.0);
    let configs = [ExecutionConfig::tract(2)];
    let request = PickRequest::new(&variants, &configs, budget);
    pick(request, |_, _| None, |variant, _, _| Ok(simulated(variant)))
}
