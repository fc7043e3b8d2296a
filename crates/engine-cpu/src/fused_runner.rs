//! A network that the kernels run from its input to its scores: no graph around it, and nothing allocated for a picture.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use phicam_kernels::{Program, State};

use crate::packed_cache::Kept;

/// See the module.
pub struct Whole {
    program: Arc<Program>,
    state: State,
    pub input: Vec<f32>,
    scores: Vec<f32>,
    /// Where the program is to be kept.
    kept: Option<Kept>,
    keeping: Option<JoinHandle<()>>,
}

impl Whole {
    pub fn new(program: Arc<Program>) -> Whole {
        let (input, scores) = (vec![0.0; program.input().values()], vec![0.0; program.output().values()]);
        Whole { state: program.state(), input, scores, program, kept: None, keeping: None }
    }

    /// Keeps the program once the first picture has its scores, which need not wait for it.
    pub fn keep(&mut self, kept: Kept) {
        self.kept = Some(kept);
    }

    pub fn infer(&mut self) -> &[f32] {
        self.program.run(&mut self.state, &self.input, &mut self.scores);
        if let Some(kept) = self.kept.take() {
            let program = self.program.clone();
            self.keeping = Builder::new().name("keep".into()).spawn(move || kept.write(&program)).ok();
        }
        &self.scores
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(keeping) = self.keeping.take() {
            let _ = keeping.join(); // what went wrong there was said
        }
    }
}
