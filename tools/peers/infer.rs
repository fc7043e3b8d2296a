//! Times what the line runs on one ONNX file: `MODEL.onnx SIDE INPUT.f32 SCORES.f32 THREADS SECONDS`, one line of JSON.
//! `just bench-peers` compares it with other engines; PHICAM_KERNELS names the kernels, PHICAM_ENGINE another engine.

use std::error::Error;
use std::time::Instant;

use phicam::engines::open_bytes;
use phicam_engine::{EngineError, EngineKind, ExecutionConfig};
use phicam_model::catalog::{Layout, Variant};

#[path = "timed.rs"]
mod timed;
use timed::{Job, Loaded, ms, rss_mib};

fn main() -> Result<(), Box<dyn Error>> {
    let job = Job::of_arguments()?;
    let base_rss_mib = rss_mib("VmRSS")?;
    let start = Instant::now();
    let onnx = std::fs::read(&job.model)?;
    let variant = Variant::from_file(&job.model, &[], job.side as u32, Layout::Nchw, None, 0.0);
    let mut config = ExecutionConfig::tract(job.threads);
    if let Ok(name) = std::env::var("PHICAM_ENGINE") {
        config.engine =
            EngineKind::ALL.into_iter().find(|known| known.as_str() == name).ok_or("no such PHICAM_ENGINE")?;
    }
    let mut engine = open_bytes(&variant, &onnx, config)?;
    drop(onnx);
    let (load_ms, detail) = (ms(start.elapsed()), engine.description());
    let loaded = Loaded { version: env!("CARGO_PKG_VERSION").into(), detail, load_ms, base_rss_mib };
    engine.input().copy_from_slice(&job.input);
    job.run(loaded, |scores| -> Result<(), EngineError> {
        let given = engine.infer()?;
        scores.clear();
        scores.extend_from_slice(given);
        Ok(())
    })
}
