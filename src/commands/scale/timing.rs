//! Timing of a network with random weights on this machine, in this process.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::NetworkAtSize;
use super::export_onnx::{check_size, onnx_form};
use phicam_engine::Engine;
use phicam_engine::latency::Stage;
use phicam_engine_cpu::Tract;
use phicam_model::catalog::Layout;
use phicam_model::efficientnet::write_seeded;
use phicam_platform::system;

/// Inferences that are not counted, until caches and clocks settle.
const WARM_UP: u32 = 2;
/// The fewest inferences that have a median worth printing.
const MIN_RUNS: u64 = 5;
/// An estimate: long enough to average over scheduling, short enough for five networks in a row.
const MIN_DURATION: Duration = Duration::from_millis(1000);
/// Copies of the weights while a network loads, an estimate: the ONNX file, the parsed tensors, the packed weights.
const LOADING_COPIES: f64 = 3.0;

/// Returns the engine's median time of one inference, in ms.
pub fn median_ms(name: &str, sized_network: &NetworkAtSize, threads: usize) -> anyhow::Result<f64> {
    check_size(sized_network).with_context(|| format!("cannot time {name}"))?;
    let required_mib = LOADING_COPIES * 4.0 * sized_network.cost.folded_parameters as f64 / (1 << 20) as f64;
    if let Some((_, free_mib)) = system::memory_mib().filter(|(_, free)| *free < required_mib) {
        bail!(
            "cannot time {name}: loading it takes {required_mib:.0} MiB, {free_mib:.0} MiB are free; choose fewer MACs"
        );
    }
    let mut onnx = Vec::new();
    write_seeded(&sized_network.network, onnx_form(sized_network), 0, &mut onnx)?;
    let mut engine = Tract::load(name, &onnx, sized_network.side, Layout::Nchw, threads)?;
    drop(onnx); // the engine has its own copy
    engine.input().iter_mut().zip(0u32..).for_each(|(value, index)| *value = (index % 255) as f32 / 127.5 - 1.0);
    for _ in 0..WARM_UP {
        engine.infer()?;
    }
    let mut stage = Stage::new("infer");
    let started = Instant::now();
    while stage.count() < MIN_RUNS || started.elapsed() < MIN_DURATION {
        let start = Instant::now();
        engine.infer()?;
        stage.record(start.elapsed());
    }
    Ok(stage.percentiles().context("no inference was timed")?.p50)
}
