//! Runs a completely fused network: kernels from input to scores, no graph, no allocation per frame.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use phicam_kernels::{Program, State};

use crate::packed_cache::PackedWeightsCache;

/// A kernel program with its state, its input and its scores.
pub struct KernelRunner {
    program: Arc<Program>,
    state: State,
    /// Input values to fill, planar (NCHW).
    pub input: Vec<f32>,
    scores: Vec<f32>,
    /// Cache that receives the program after the first inference.
    pending_cache: Option<PackedWeightsCache>,
    cache_writer: Option<JoinHandle<()>>,
}

impl KernelRunner {
    /// Allocates all memory that `program` needs to run.
    pub fn new(program: Arc<Program>) -> KernelRunner {
        let input = vec![0.0; program.input_shape().values()];
        let scores = vec![0.0; program.output_shape().values()];
        KernelRunner { state: program.new_state(), input, scores, program, pending_cache: None, cache_writer: None }
    }

    /// Writes the program to `cache` in a background thread after the first inference, whose scores do not wait for it.
    pub fn store_after_first_inference(&mut self, cache: PackedWeightsCache) {
        self.pending_cache = Some(cache);
    }

    /// Runs one inference and returns its scores, one for each class.
    pub fn infer(&mut self) -> &[f32] {
        self.program.run(&mut self.state, &self.input, &mut self.scores);
        if let Some(cache) = self.pending_cache.take() {
            let program = self.program.clone();
            self.cache_writer = Builder::new().name("pack-cache".into()).spawn(move || cache.write(&program)).ok();
        }
        &self.scores
    }
}

impl Drop for KernelRunner {
    fn drop(&mut self) {
        if let Some(writer) = self.cache_writer.take() {
            let _ = writer.join(); // the thread logged its errors itself
        }
    }
}
