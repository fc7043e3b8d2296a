//! The CPU engine: tract's typed graph, and kernels of our own for what they know of it: mostly all.

use std::path::Path;
use std::sync::Arc;

use log::Level;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

pub mod detached_weights;
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
pub use settings::{Settings, setting};

use crate::detached_weights::Aside;
use crate::fused_op::Fused;
use crate::fused_runner::Whole;
use crate::fusion_pass::{Report, fuse};
use crate::packed_cache::Kept;
use crate::tract_runner::GraphRun;
use phicam_engine::{Engine, EngineError, ExecutionConfig};
use phicam_model::catalog::{Layout, Variant};
use phicam_model::onnx::stream_reader::decode;
use phicam_model::onnx::strip_softmax::before_softmax;

/// One network at one side, made ready for this machine, with its input and its state.
pub struct Tract {
    model: String,
    classes: usize,
    threads: usize,
    report: Report,
    run: Run,
}

enum Run {
    Whole(Whole),
    Graph(GraphRun),
}

impl Tract {
    /// See [`phicam::engines::open`].
    pub fn open(variant: &Variant, state: Option<&Path>, threads: usize) -> Result<Tract, EngineError> {
        Tract::open_with(variant, state, Settings::of_environment(threads)?)
    }

    /// The same with other settings.
    pub fn open_with(variant: &Variant, state: Option<&Path>, settings: Settings) -> Result<Tract, EngineError> {
        let model = &variant.name;
        let kept = state.zip(settings.of_kernels()).and_then(|(state, settings)| Kept::of(variant, state, settings));
        if let Some(program) = kept.as_ref().and_then(Kept::read) {
            let kernels = settings.kernels.map(|kernels| kernels.name);
            let report = Report { chains: vec![program.steps()], left: Vec::new(), kernels };
            log::debug!("{model}: {report}, packed by an earlier start");
            let (classes, run) = (program.output().channels, Run::Whole(Whole::new(Arc::new(program))));
            return Ok(Tract { model: model.clone(), classes, threads: settings.threads, report, run });
        }
        let proto = variant.network.read_with(decode)?.map_err(|error| undecoded(model, &error))?;
        let mut tract = Tract::of(model, proto, variant.side, variant.input.layout, settings)?;
        if let (Run::Whole(whole), Some(kept)) = (&mut tract.run, kept) {
            whole.keep(kept);
        }
        Ok(tract)
    }

    /// Loads the ONNX model in `onnx` for square pictures of `side` pixels, to run on `threads` threads, as the environment's
    /// settings say.
    pub fn load(model: &str, onnx: &[u8], side: u32, layout: Layout, threads: usize) -> Result<Tract, EngineError> {
        Tract::load_with(model, onnx, side, layout, Settings::of_environment(threads)?)
    }

    /// The same with other settings.
    ///
    /// `model` is its name for messages. One input (1 × 3 × side × side, or as `layout` says) and one output (1 × classes) are expected.
    pub fn load_with(
        model: &str,
        onnx: &[u8],
        side: u32,
        layout: Layout,
        settings: Settings,
    ) -> Result<Tract, EngineError> {
        let proto = decode(&mut &*onnx, onnx.len() as u64).map_err(|error| undecoded(model, &error))?;
        Tract::of(model, proto, side, layout, settings)
    }

    fn of(model: &str, proto: ModelProto, side: u32, layout: Layout, settings: Settings) -> Result<Tract, EngineError> {
        let failed = |cause: TractError| EngineError::Load { model: model.into(), cause: format!("{cause:#}") };
        let side = side as usize;
        let shape = match layout {
            Layout::Nchw => [1, 3, side, side],
            Layout::Nhwc => [1, side, side, 3],
        };
        let (typed, report) = fused(proto, &shape, settings).map_err(failed)?;
        // A network of the family is fused completely; anything else is worth knowing.
        let level = if report.left.is_empty() || settings.kernels.is_none() { Level::Debug } else { Level::Info };
        log::log!(level, "{model}: {report}");
        let refused = |what, found: String, expected: &str| {
            Err(EngineError::Shape { model: model.into(), what, found, expected: expected.into() })
        };
        if typed.inputs.len() != 1 || typed.outputs.len() != 1 {
            let found = format!("{} inputs and {} outputs", typed.inputs.len(), typed.outputs.len());
            return refused("has", found, "one of each");
        }
        let fact = typed.output_fact(0).map_err(failed)?;
        let classes = match (fact.datum_type, fact.shape.as_concrete()) {
            (DatumType::F32, Some(&[1, classes])) => classes,
            _ => return refused("gives", format!("{fact:?}"), "1 × classes, f32"),
        };
        let last = typed.node(typed.outputs[0].node);
        let run = match last.op_as::<Fused>().filter(|_| last.inputs == typed.inputs) {
            Some(fused) => {
                let program = fused.program().clone();
                drop(typed); // before there is more
                Run::Whole(Whole::new(program))
            }
            None => {
                // tract's own threads are for what it runs itself.
                let threads = if report.left.is_empty() { 1 } else { settings.threads };
                let run = typed.into_optimized().and_then(|optimised| GraphRun::new(optimised, &shape, threads));
                Run::Graph(run.map_err(failed)?)
            }
        };
        Ok(Tract { model: model.into(), classes, threads: settings.threads, report, run })
    }
}

fn undecoded(model: &str, error: &std::io::Error) -> EngineError {
    EngineError::Load { model: model.into(), cause: error.to_string() }
}

/// The graph with types, and with the kernels in it.
fn fused(mut proto: ModelProto, shape: &[usize], settings: Settings) -> TractResult<(TypedModel, Report)> {
    let aside = proto.graph.as_mut().map(Aside::take).unwrap_or_default();
    proto.graph.as_mut().map(before_softmax);
    let parsed = tract_onnx::onnx().parse(&proto, None)?;
    drop(proto);
    let mut typed = parsed.model.with_input_fact(0, f32::fact(shape).into())?.into_typed()?;
    let report = fuse(&mut typed, aside, settings)?;
    Ok((typed, report))
}

impl Engine for Tract {
    fn config(&self) -> ExecutionConfig {
        ExecutionConfig::tract(self.threads)
    }

    fn detail(&self) -> String {
        self.report.to_string()
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn input(&mut self) -> &mut [f32] {
        match &mut self.run {
            Run::Whole(whole) => &mut whole.input,
            Run::Graph(graph) => graph.input(),
        }
    }

    fn infer(&mut self) -> Result<&[f32], EngineError> {
        match &mut self.run {
            Run::Whole(whole) => Ok(whole.infer()),
            Run::Graph(graph) => graph
                .infer()
                .map_err(|cause| EngineError::Run { model: self.model.clone(), cause: format!("{cause:#}") }),
        }
    }
}
