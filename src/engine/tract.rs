//! The CPU engine: tract's optimised graph.

use std::sync::Arc;

use log::Level;
use phicam_kernels::Kernels;
use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

mod find;
mod fuse;
mod fused;
mod graph;

use self::fuse::{Report, fuse};
use super::logits::before_softmax;
use super::widen::widen;
use super::{Engine, EngineError};
use crate::catalog::Layout;

/// How a network is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Threads that one picture may use.
    pub threads: usize,
    /// What runs the blocks; where there is nothing, tract does.
    pub kernels: Option<&'static Kernels>,
}

/// One network at one side, optimised for this machine, with its input and its state.
pub struct Tract {
    model: String,
    classes: usize,
    state: TypedSimpleState,
    executor: Executor,
    report: Report,
    input: Arc<Tensor>,
    output: Option<TValue>,
}

impl Tract {
    /// Loads the ONNX model in `onnx` for square pictures of `side` pixels, to run on `threads` threads, by the kernels that
    /// the environment's PHICAM_KERNELS names or else the quickest.
    pub fn load(model: &str, onnx: &[u8], side: u32, layout: Layout, threads: usize) -> Result<Tract, EngineError> {
        let kernels = kernels(std::env::var("PHICAM_KERNELS").ok())?;
        Tract::load_with(model, onnx, side, layout, Settings { threads, kernels })
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
        let failed = |cause: TractError| EngineError::Load { model: model.into(), cause: format!("{cause:#}") };
        let side = side as usize;
        let shape = match layout {
            Layout::Nchw => [1, 3, side, side],
            Layout::Nhwc => [1, side, side, 3],
        };
        let (optimised, report) = optimise(onnx, &shape, settings).map_err(failed)?;
        // A network of the family is fused completely; anything else is worth knowing.
        let level = if report.left.is_empty() || settings.kernels.is_none() { Level::Debug } else { Level::Info };
        log::log!(level, "{model}: {report}");
        let refused = |what, found: String, expected: &str| {
            Err(EngineError::Shape { model: model.into(), what, found, expected: expected.into() })
        };
        if optimised.inputs.len() != 1 || optimised.outputs.len() != 1 {
            let found = format!("{} inputs and {} outputs", optimised.inputs.len(), optimised.outputs.len());
            return refused("has", found, "one of each");
        }
        let fact = optimised.output_fact(0).map_err(failed)?;
        let classes = match (fact.datum_type, fact.shape.as_concrete()) {
            (DatumType::F32, Some(&[1, classes])) => classes,
            _ => return refused("gives", format!("{fact:?}"), "1 × classes, f32"),
        };
        let plan = TypedSimplePlan::new(optimised).map_err(failed)?;
        let input = Arc::new(Tensor::zero::<f32>(&shape).map_err(failed)?);
        // tract's own threads are for what it runs itself.
        let executor = match settings.threads {
            threads @ 2.. if !report.left.is_empty() => Executor::multithread(threads),
            _ => Executor::SingleThread,
        };
        let state = plan.spawn().map_err(failed)?;
        Ok(Tract { model: model.into(), classes, state, executor, report, input, output: None })
    }
}

/// The kernels that `wish`, the setting PHICAM_KERNELS, names: this CPU's quickest where it is not set, nothing for `none`.
fn kernels(wish: Option<String>) -> Result<Option<&'static Kernels>, EngineError> {
    match wish.as_deref() {
        None | Some("") => Ok(Some(Kernels::best())),
        Some("none") => Ok(None),
        Some(name) => Kernels::named(name).map(Some).ok_or_else(|| {
            let known: Vec<&str> = Kernels::all().map(|kernels| kernels.name).collect();
            EngineError::Kernels { value: name.into(), known: known.join(", ") }
        }),
    }
}

fn optimise(onnx: &[u8], shape: &[usize], settings: Settings) -> TractResult<(TypedModel, Report)> {
    let framework = tract_onnx::onnx();
    let mut proto: ModelProto = framework.proto_model_for_read(&mut &onnx[..])?;
    if let Some(graph) = &mut proto.graph {
        widen(graph);
        before_softmax(graph);
    }
    let parsed = framework.parse(&proto, None)?;
    drop(proto); // as large as the weights
    let mut typed = parsed.model.with_input_fact(0, f32::fact(shape).into())?.into_typed()?;
    let report = fuse(&mut typed, settings)?;
    Ok((typed.into_optimized()?, report))
}

impl Tract {
    /// What became of the network's operators, in words.
    pub fn report(&self) -> String {
        self.report.to_string()
    }
}

impl Engine for Tract {
    fn name(&self) -> &'static str {
        super::TRACT
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn input(&mut self) -> &mut [f32] {
        // Between runs tract keeps no lease on the input; if it ever did, a copy would be right too, only slower.
        let tensor = Arc::make_mut(&mut self.input);
        let view = tensor.to_plain_array_view_mut::<f32>().ok();
        view.and_then(|view| view.into_slice()).expect("`load` made the input as plain f32, and nothing replaces it")
    }

    fn infer(&mut self) -> Result<&[f32], EngineError> {
        let Tract { state, executor, input, output, .. } = self;
        let inputs = tvec![input.clone().into_tvalue()];
        let run = multithread_tract_scope(executor.clone(), || state.run(inputs));
        let failed = |cause: TractError| EngineError::Run { model: self.model.clone(), cause: format!("{cause:#}") };
        let mut outputs = run.map_err(failed)?;
        let scores = output.insert(outputs.remove(0));
        scores.try_as_plain_ram().and_then(|scores| scores.as_slice()).map_err(failed)
    }
}

#[cfg(test)]
mod tests;
