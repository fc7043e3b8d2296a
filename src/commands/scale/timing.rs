//! How long a network takes on this machine, with seeded weights, in this process.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::Sized;
use super::export_onnx::{check_size, form};
use phicam_engine::Engine;
use phicam_engine::latency::Stage;
use phicam_engine_cpu::Tract;
use phicam_model::catalog::Layout;
use phicam_model::efficientnet::write_seeded;
use phicam_platform::system;

/// Runs that are not counted: caches and clocks settle.
const WARM_UP: u32 = 2;
const LEAST_RUNS: u64 = 5;
const ENOUGH: Duration = Duration::from_millis(1000);

/// Milliseconds of the engine alone for one picture, the median.
pub fn median_ms(name: &str, sized: &Sized, threads: usize) -> anyhow::Result<f64> {
    check_size(sized).with_context(|| format!("{name} cannot be timed"))?;
    let required_mib = 3.0 * 4.0 * sized.cost.folded_parameters as f64 / (1 << 20) as f64;
    if let Some((_, free_mib)) = system::memory_mib().filter(|(_, free)| *free < required_mib) {
        bail!(
            "{name} cannot be timed: loading it takes {required_mib:.0} MiB, {free_mib:.0} are free; choose less work"
        );
    }
    let mut onnx = Vec::new();
    write_seeded(&sized.network, form(sized), 0, &mut onnx)?;
    let mut engine = Tract::load(name, &onnx, sized.side, Layout::Nchw, threads)?;
    drop(onnx); // the engine has its own copy
    engine.input().iter_mut().zip(0u32..).for_each(|(value, at)| *value = (at % 255) as f32 / 127.5 - 1.0);
    for _ in 0..WARM_UP {
        engine.infer()?;
    }
    let mut stage = Stage::new("infer");
    let started = Instant::now();
    while stage.count() < LEAST_RUNS || started.elapsed() < ENOUGH {
        let at = Instant::now();
        engine.infer()?;
        stage.record(at.elapsed());
    }
    Ok(stage.percentiles().context("no picture was timed")?.p50)
}
