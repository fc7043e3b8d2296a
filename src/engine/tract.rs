//! The CPU engine: tract's optimised graph.

use std::sync::Arc;

use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use super::logits::before_softmax;
use super::widen::widen;
use super::{Engine, EngineError};
use crate::catalog::Layout;

/// One network at one side, optimised for this machine, with its input and its state.
pub struct Tract {
    model: String,
    classes: usize,
    state: TypedSimpleState,
    executor: Executor,
    input: Arc<Tensor>,
    output: Option<TValue>,
}

impl Tract {
    /// Loads the ONNX model in `onnx` for square pictures of `side` pixels, to run on `threads` threads.
    ///
    /// `model` is its name for messages. One input (1 × 3 × side × side, or as `layout` says) and one output (1 × classes) are expected.
    pub fn load(model: &str, onnx: &[u8], side: u32, layout: Layout, threads: usize) -> Result<Tract, EngineError> {
        let failed = |cause: TractError| EngineError::Load { model: model.into(), cause: format!("{cause:#}") };
        let side = side as usize;
        let shape = match layout {
            Layout::Nchw => [1, 3, side, side],
            Layout::Nhwc => [1, side, side, 3],
        };
        let optimised = optimise(onnx, &shape).map_err(failed)?;
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
        let executor = if threads > 1 { Executor::multithread(threads) } else { Executor::SingleThread };
        let state = plan.spawn().map_err(failed)?;
        Ok(Tract { model: model.into(), classes, state, executor, input, output: None })
    }
}

fn optimise(onnx: &[u8], shape: &[usize]) -> TractResult<TypedModel> {
    let framework = tract_onnx::onnx();
    let mut proto: ModelProto = framework.proto_model_for_read(&mut &onnx[..])?;
    if let Some(graph) = &mut proto.graph {
        widen(graph);
        before_softmax(graph);
    }
    let parsed = framework.parse(&proto, None)?;
    drop(proto); // as large as the weights
    let typed = parsed.model.with_input_fact(0, f32::fact(shape).into())?.into_typed()?;
    typed.into_optimized()
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
