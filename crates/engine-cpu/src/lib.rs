//! The CPU engine: tract reads an ONNX graph, and the fused kernels of `phicam-kernels` run the operators they support.

use std::path::Path;
use std::sync::Arc;

use log::Level;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

mod detached_weights;
mod fused_op;
mod fused_runner;
mod fusion_pass;
mod graph_view;
pub mod packed_cache;
mod pattern_match;
mod settings;
#[cfg(test)]
mod tests;
mod tract_runner;
pub use settings::{Settings, cache_fingerprint};

use crate::detached_weights::DetachedInitializers;
use crate::fused_op::FusedOp;
use crate::fused_runner::KernelRunner;
use crate::fusion_pass::{FusionReport, fuse};
use crate::packed_cache::PackedWeightsCache;
use crate::tract_runner::TractRunner;
use phicam_engine::{Engine, EngineError, ExecutionConfig};
use phicam_model::catalog::{Layout, Variant};
use phicam_model::onnx::stream_reader::decode;
use phicam_model::onnx::strip_softmax::strip_softmax;

/// CPU engine for one network at one resolution; owns the input buffer and all state of inference.
pub struct Tract {
    model: String,
    classes: usize,
    threads: usize,
    report: FusionReport,
    runner: Runner,
}

enum Runner {
    /// The kernels run the whole network.
    Kernels(KernelRunner),
    /// tract runs the graph, in which fused chains are operators.
    Tract(TractRunner),
}

impl Tract {
    /// Opens `variant` on `threads` threads with the settings of the environment.
    ///
    /// `state` is the state folder for packed weights; `None` disables that cache.
    pub fn open(variant: &Variant, state: Option<&Path>, threads: usize) -> Result<Tract, EngineError> {
        Tract::open_with(variant, state, Settings::from_env(threads)?)
    }

    /// Opens `variant` with explicit settings; `state` is the state folder for packed weights.
    pub fn open_with(variant: &Variant, state: Option<&Path>, settings: Settings) -> Result<Tract, EngineError> {
        let model = &variant.name;
        let cache = state
            .zip(settings.for_kernels())
            .and_then(|(state, settings)| PackedWeightsCache::new(variant, state, settings));
        if let Some(program) = cache.as_ref().and_then(PackedWeightsCache::read) {
            let kernels = settings.kernels.map(|kernels| kernels.name);
            let report = FusionReport { chains: vec![program.step_count()], unfused: Vec::new(), kernels };
            log::debug!("{model}: {report}, from the packed weights cache");
            let classes = program.output_shape().channels;
            let runner = Runner::Kernels(KernelRunner::new(Arc::new(program)));
            return Ok(Tract { model: model.clone(), classes, threads: settings.threads, report, runner });
        }
        let proto = variant.network.read_with(decode)?.map_err(|error| decode_error(model, &error))?;
        let mut tract = Tract::from_proto(model, proto, variant.side, variant.input.layout, settings)?;
        if let (Runner::Kernels(runner), Some(cache)) = (&mut tract.runner, cache) {
            runner.store_after_first_inference(cache);
        }
        Ok(tract)
    }

    /// Loads the ONNX bytes `onnx` at `side` × `side` pixels, on `threads` threads, with the settings of the
    /// environment.
    pub fn load(model: &str, onnx: &[u8], side: u32, layout: Layout, threads: usize) -> Result<Tract, EngineError> {
        Tract::load_with(model, onnx, side, layout, Settings::from_env(threads)?)
    }

    /// Loads the ONNX bytes `onnx` at `side` × `side` pixels with explicit settings.
    ///
    /// `model` names the model in messages. The model needs one input, 1 × 3 × side × side (or 1 × side × side × 3, as
    /// `layout` says), and one output, 1 × classes.
    pub fn load_with(
        model: &str,
        onnx: &[u8],
        side: u32,
        layout: Layout,
        settings: Settings,
    ) -> Result<Tract, EngineError> {
        let proto = decode(&mut &*onnx, onnx.len() as u64).map_err(|error| decode_error(model, &error))?;
        Tract::from_proto(model, proto, side, layout, settings)
    }

    fn from_proto(
        model: &str,
        proto: ModelProto,
        side: u32,
        layout: Layout,
        settings: Settings,
    ) -> Result<Tract, EngineError> {
        let load_error = |cause: TractError| EngineError::Load { model: model.into(), cause: format!("{cause:#}") };
        let side = side as usize;
        let shape = match layout {
            Layout::Nchw => [1, 3, side, side],
            Layout::Nhwc => [1, side, side, 3],
        };
        let (typed, report) = parse_and_fuse(proto, &shape, settings).map_err(load_error)?;
        // Networks of the EfficientNet family fuse completely. Another outcome costs speed, so it is logged at info
        // level.
        let level = if report.unfused.is_empty() || settings.kernels.is_none() { Level::Debug } else { Level::Info };
        log::log!(level, "{model}: {report}");
        let shape_error = |what, found: String, expected: &str| {
            Err(EngineError::Shape { model: model.into(), what, found, expected: expected.into() })
        };
        if typed.inputs.len() != 1 || typed.outputs.len() != 1 {
            let found = format!("{} inputs and {} outputs", typed.inputs.len(), typed.outputs.len());
            return shape_error("has", found, "one of each");
        }
        let fact = typed.output_fact(0).map_err(load_error)?;
        let classes = match (fact.datum_type, fact.shape.as_concrete()) {
            (DatumType::F32, Some(&[1, classes])) => classes,
            _ => return shape_error("gives", format!("{fact:?}"), "1 × classes, f32"),
        };
        let last = typed.node(typed.outputs[0].node);
        let runner = match last.op_as::<FusedOp>().filter(|_| last.inputs == typed.inputs) {
            Some(fused) => {
                let program = fused.program().clone();
                drop(typed); // frees the graph before the runner allocates its state
                Runner::Kernels(KernelRunner::new(program))
            }
            None => {
                // tract's thread pool serves only the operators that tract runs.
                let threads = if report.unfused.is_empty() { 1 } else { settings.threads };
                let optimised = typed.into_optimized().map_err(load_error)?;
                Runner::Tract(TractRunner::new(optimised, &shape, threads).map_err(load_error)?)
            }
        };
        Ok(Tract { model: model.into(), classes, threads: settings.threads, report, runner })
    }
}

fn decode_error(model: &str, error: &std::io::Error) -> EngineError {
    EngineError::Load { model: model.into(), cause: error.to_string() }
}

/// Returns the typed graph of `proto` with its chains fused, and the report on them.
fn parse_and_fuse(
    mut proto: ModelProto,
    shape: &[usize],
    settings: Settings,
) -> TractResult<(TypedModel, FusionReport)> {
    let detached = proto.graph.as_mut().map(DetachedInitializers::detach).unwrap_or_default();
    proto.graph.as_mut().map(strip_softmax);
    let parsed = tract_onnx::onnx().parse(&proto, None)?;
    drop(proto);
    let mut typed = parsed.model.with_input_fact(0, f32::fact(shape).into())?.into_typed()?;
    let report = fuse(&mut typed, detached, settings)?;
    Ok((typed, report))
}

impl Engine for Tract {
    fn config(&self) -> ExecutionConfig {
        ExecutionConfig::tract(self.threads)
    }

    fn description(&self) -> String {
        self.report.to_string()
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn input(&mut self) -> &mut [f32] {
        match &mut self.runner {
            Runner::Kernels(kernels) => &mut kernels.input,
            Runner::Tract(tract) => tract.input(),
        }
    }

    fn infer(&mut self) -> Result<&[f32], EngineError> {
        match &mut self.runner {
            Runner::Kernels(kernels) => Ok(kernels.infer()),
            Runner::Tract(tract) => tract
                .infer()
                .map_err(|cause| EngineError::Run { model: self.model.clone(), cause: format!("{cause:#}") }),
        }
    }
}
