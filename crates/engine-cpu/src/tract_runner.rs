//! A graph that tract runs, with what the kernels run of it as operators.

use std::sync::Arc;

use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::prelude::*;

/// See the module.
pub struct GraphRun {
    state: TypedSimpleState,
    executor: Executor,
    input: Arc<Tensor>,
    output: Option<TValue>,
}

impl GraphRun {
    /// `model` with pictures of `shape`, on `threads` threads of tract's own.
    pub fn new(model: TypedModel, shape: &[usize], threads: usize) -> TractResult<GraphRun> {
        let plan = TypedSimplePlan::new(model)?;
        let input = Arc::new(Tensor::zero::<f32>(shape)?);
        let executor = if threads > 1 { Executor::multithread(threads) } else { Executor::SingleThread };
        Ok(GraphRun { state: plan.spawn()?, executor, input, output: None })
    }

    pub fn input(&mut self) -> &mut [f32] {
        // Between runs tract keeps no lease on the input; if it ever did, a copy would be right too, only slower.
        let tensor = Arc::make_mut(&mut self.input);
        let view = tensor.to_plain_array_view_mut::<f32>().ok();
        view.and_then(|view| view.into_slice()).expect("`new` made the input as plain f32, and nothing replaces it")
    }

    pub fn infer(&mut self) -> TractResult<&[f32]> {
        let GraphRun { state, executor, input, output } = self;
        let inputs = tvec![input.clone().into_tvalue()];
        let mut outputs = multithread_tract_scope(executor.clone(), || state.run(inputs))?;
        let scores = output.insert(outputs.remove(0));
        scores.try_as_plain_ram().and_then(|scores| scores.as_slice())
    }
}
