//! rten on one ONNX file: `MODEL.onnx SIDE INPUT.f32 SCORES.f32 THREADS SECONDS`, one line of JSON.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use rten::{ModelOptions, RunOptions, ThreadPool, Value};
use rten_tensor::{NdTensorView, TensorView};

#[path = "../../timed.rs"]
mod timed;
use timed::{Job, Loaded, ms, rss_mib};

fn main() -> Result<(), Box<dyn Error>> {
    let job = Job::of_arguments()?;
    let base_rss_mib = rss_mib("VmRSS")?;
    let start = Instant::now();
    // Its default packs the weights anew at each picture.
    let model = ModelOptions::with_all_ops().prepack_weights(true).load_file(&job.model)?;
    let pool = Arc::new(ThreadPool::with_num_threads(job.threads));
    let mut options = RunOptions::default();
    options.thread_pool = Some(pool);
    let (version, detail) = ("0.27.0".into(), "weights packed at load".into());
    let loaded = Loaded { version, detail, load_ms: ms(start.elapsed()), base_rss_mib };
    let input: NdTensorView<f32, 4> = NdTensorView::from_data([1, 3, job.side, job.side], &job.input[..]);
    job.run(loaded, |scores| -> Result<(), Box<dyn Error>> {
        let output: Value = model.run_one(input.into(), Some(options.clone()))?;
        let output: TensorView<f32> = output.as_tensor_view().ok_or("the scores are no f32")?;
        scores.clear();
        scores.extend(output.iter());
        Ok(())
    })
}
