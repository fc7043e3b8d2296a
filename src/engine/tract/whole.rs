//! A network that the kernels run from its input to its scores: no graph around it, and nothing allocated for a picture.

use std::sync::Arc;

use phicam_kernels::{Program, State};

/// See the module.
pub struct Whole {
    program: Arc<Program>,
    state: State,
    pub input: Vec<f32>,
    scores: Vec<f32>,
}

impl Whole {
    pub fn new(program: Arc<Program>) -> Whole {
        let (input, scores) = (vec![0.0; program.input().values()], vec![0.0; program.output().values()]);
        Whole { state: program.state(), input, scores, program }
    }

    pub fn infer(&mut self) -> &[f32] {
        self.program.run(&mut self.state, &self.input, &mut self.scores);
        &self.scores
    }
}
