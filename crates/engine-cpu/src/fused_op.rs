//! tract's operator for a chain of steps that the kernels run.

use std::sync::Arc;

use phicam_kernels::{Program, State};
use tract_onnx::tract_core::internal::*;

/// See the module.
#[derive(Clone)]
pub struct Fused {
    program: Arc<Program>,
    /// Of what it gives.
    shape: TVec<usize>,
    /// How many steps it has, for messages.
    steps: usize,
}

impl Fused {
    pub fn new(program: Program, shape: &[usize], steps: usize) -> Fused {
        Fused { program: Arc::new(program), shape: shape.into(), steps }
    }

    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }
}

impl std::fmt::Debug for Fused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} steps on {:?}", self.steps, self.program.kernels())
    }
}

// tract compares operators when it changes graphs: the weights need not be looked at.
impl PartialEq for Fused {
    fn eq(&self, other: &Fused) -> bool {
        Arc::ptr_eq(&self.program, &other.program)
    }
}

impl Eq for Fused {}

impl Op for Fused {
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

impl EvalOp for Fused {
    not_out_of_plan!(); // it has a state

    fn state(&self, _: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(Running { state: self.program.state(), output: None, program: self.program.clone() })))
    }
}

impl TypedOp for Fused {
    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![f32::fact(&self.shape)])
    }

    as_op!();
}

/// One run after another: memory and threads, and the last output.
struct Running {
    program: Arc<Program>,
    state: State,
    output: Option<Arc<Tensor>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Running")
    }
}

impl Clone for Running {
    fn clone(&self) -> Running {
        Running { program: self.program.clone(), state: self.program.state(), output: None }
    }
}

impl OpState for Running {
    fn eval(&mut self, _: &EvalContext, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let fused = op.downcast_ref::<Fused>().context("another operator's state")?;
        let input = inputs[0].try_as_plain_ram()?;
        // The last output again, unless somebody still holds it.
        if self.output.as_mut().and_then(Arc::get_mut).is_none() {
            self.output = Some(Arc::new(Tensor::zero::<f32>(&fused.shape)?));
        }
        let output = self.output.as_mut().and_then(Arc::get_mut).context("an output that nobody holds")?;
        let mut plain = output.try_as_plain_ram_mut()?;
        self.program.run(&mut self.state, input.as_slice::<f32>()?, plain.as_slice_mut::<f32>()?);
        let output = self.output.clone().context("an output")?;
        Ok(tvec![TValue::from_const(output)])
    }

    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        Ok(())
    }
}
