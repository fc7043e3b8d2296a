//! tract operator that runs a fused chain of steps with the kernels.

use std::sync::Arc;

use phicam_kernels::{Program, State};
use tract_onnx::tract_core::internal::*;

/// A fused chain as one operator of a tract graph.
#[derive(Clone)]
pub struct FusedOp {
    program: Arc<Program>,
    /// Shape of the output tensor.
    output_shape: TVec<usize>,
    /// Number of steps, for debug output.
    steps: usize,
}

impl FusedOp {
    pub fn new(program: Program, output_shape: &[usize], steps: usize) -> FusedOp {
        FusedOp { program: Arc::new(program), output_shape: output_shape.into(), steps }
    }

    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }
}

impl std::fmt::Debug for FusedOp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} steps on {:?}", self.steps, self.program.kernels())
    }
}

// tract compares operators when it rewrites graphs. Equal programs are shared, so weights need no comparison.
impl PartialEq for FusedOp {
    fn eq(&self, other: &FusedOp) -> bool {
        Arc::ptr_eq(&self.program, &other.program)
    }
}

impl Eq for FusedOp {}

impl Op for FusedOp {
    fn name(&self) -> StaticName {
        "Fused".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{self:?}")])
    }

    fn validation(&self) -> Validation {
        Validation::Rounding
    }

    op_as_typed_op!();
}

impl EvalOp for FusedOp {
    not_out_of_plan!(); // the operator needs the state below

    fn state(&self, _: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(FusedState { state: self.program.new_state(), output: None, program: self.program.clone() })))
    }
}

impl TypedOp for FusedOp {
    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![f32::fact(&self.output_shape)])
    }

    as_op!();
}

/// Memory and threads of a fused chain between inferences, and the output tensor of the last one.
struct FusedState {
    program: Arc<Program>,
    state: State,
    output: Option<Arc<Tensor>>,
}

impl std::fmt::Debug for FusedState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FusedState")
    }
}

impl Clone for FusedState {
    fn clone(&self) -> FusedState {
        FusedState { program: self.program.clone(), state: self.program.new_state(), output: None }
    }
}

impl OpState for FusedState {
    fn eval(&mut self, _: &EvalContext, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let fused_op =
            op.downcast_ref::<FusedOp>().context("the state of a fused operator was given another operator")?;
        let input = inputs[0].try_as_plain_ram()?;
        // Reuses the last output tensor unless tract still holds a reference to it.
        if self.output.as_mut().and_then(Arc::get_mut).is_none() {
            self.output = Some(Arc::new(Tensor::zero::<f32>(&fused_op.output_shape)?));
        }
        let output = self.output.as_mut().and_then(Arc::get_mut).context("no exclusive access to the output tensor")?;
        let mut plain = output.try_as_plain_ram_mut()?;
        self.program.run(&mut self.state, input.as_slice::<f32>()?, plain.as_slice_mut::<f32>()?);
        let output = self.output.clone().context("no output tensor")?;
        Ok(tvec![TValue::from_const(output)])
    }

    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        Ok(())
    }
}
