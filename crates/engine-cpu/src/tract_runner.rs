//! Runs a graph with tract, for models that the kernels cannot run as a whole.

use std::sync::Arc;

use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::prelude::*;

/// tract's execution plan with its state, one input tensor and the output of the last inference.
pub struct TractRunner {
    state: TypedSimpleState,
    executor: Executor,
    input: Arc<Tensor>,
    output: Option<TValue>,
}

impl TractRunner {
    /// Plans `model` for one input of `shape`, on `threads` threads of tract's own pool.
    pub fn new(model: TypedModel, shape: &[usize], threads: usize) -> TractResult<TractRunner> {
        let plan = TypedSimplePlan::new(model)?;
        let input = Arc::new(Tensor::zero::<f32>(shape)?);
        let executor = if threads > 1 { Executor::multithread(threads) } else { Executor::SingleThread };
        Ok(TractRunner { state: plan.spawn()?, executor, input, output: None })
    }

    /// Returns the input values to fill, in the order of the model's layout.
    pub fn input(&mut self) -> &mut [f32] {
        // tract keeps no lease on the input between runs. If it did, `make_mut` would copy: correct, but slower.
        let tensor = Arc::make_mut(&mut self.input);
        let view = tensor.to_plain_array_view_mut::<f32>().ok();
        view.and_then(|view| view.into_slice()).expect("`new` made the input as plain f32, and nothing replaces it")
    }

    /// Runs one inference and returns its scores, one for each class.
    pub fn infer(&mut self) -> TractResult<&[f32]> {
        let TractRunner { state, executor, input, output } = self;
        let inputs = tvec![input.clone().into_tvalue()];
        let mut outputs = multithread_tract_scope(executor.clone(), || state.run(inputs))?;
        let scores = output.insert(outputs.remove(0));
        scores.try_as_plain_ram().and_then(|scores| scores.as_slice())
    }
}
