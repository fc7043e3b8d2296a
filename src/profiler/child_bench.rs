//! How long variants take on this machine: measured in a process of their own, and remembered.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::commands::old_keys;
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_model::catalog::Variant;
use phicam_policy::measurement::{MeasureError, Measurement};
use phicam_policy::sampling::SamplingPlan;

pub use crate::profiler::measurement_store::MeasurementStore;

/// A variant that is not done by then hangs: the slowest board needs a few minutes for the largest one.
const LIMIT: Duration = Duration::from_secs(900);
/// How a process ends whose engine cannot be used on this machine at all.
pub const NO_ENGINE: i32 = 5;
/// How often a measurement is asked whether it is done.
const POLL: Duration = Duration::from_millis(20);

/// Times `variant` in a child process (this program's own `bench`), so that its memory is its own, and a model that dies
/// does not take the line with it. `stop` ends it early, with [`MeasureError::NotYet`].
pub fn measure(
    variant: &Variant,
    models: &Path,
    config: ExecutionConfig,
    sampling: SamplingPlan,
    stop: &AtomicBool,
) -> Result<Measurement, MeasureError> {
    timed(variant, models, config, sampling, &[], stop, &mut |_| {})
}

/// The same with no more than one frame every `frame_ms`, as a line in service has it.
pub fn measure_at_rate(
    variant: &Variant,
    models: &Path,
    config: ExecutionConfig,
    sampling: SamplingPlan,
    frame_ms: Option<f64>,
    stop: &AtomicBool,
) -> Result<Measurement, MeasureError> {
    let pace: Vec<String> = frame_ms.map(|ms| format!("--pace-ms={ms}")).into_iter().collect();
    timed(variant, models, config, sampling, &pace, stop, &mut |_| {})
}

/// As [`measure`], and `watch` hears again and again for how long it has run.
pub fn measure_watched(
    variant: &Variant,
    models: &Path,
    config: ExecutionConfig,
    sampling: SamplingPlan,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(Duration),
) -> Result<Measurement, MeasureError> {
    timed(variant, models, config, sampling, &[], stop, watch)
}

fn timed(
    variant: &Variant,
    models: &Path,
    config: ExecutionConfig,
    sampling: SamplingPlan,
    more: &[String],
    stop: &AtomicBool,
    watch: &mut dyn FnMut(Duration),
) -> Result<Measurement, MeasureError> {
    let failed = |cause: String| MeasureError::Failed { variant: variant.name.clone(), cause, lasting: true };
    let io_failed = |error: std::io::Error| MeasureError::Failed {
        variant: variant.name.clone(),
        cause: error.to_string(),
        lasting: false,
    };
    let program = std::env::current_exe().map_err(io_failed)?;
    let mut command = Command::new(program);
    if let Some(folder) = variant.own_folder() {
        command.current_dir(folder); // so that the file can be named, whatever its folder is called
    }
    // The same library, whichever board file named it.
    let library = (config.engine != EngineKind::Tract).then(phicam_engine_onnxruntime::find).and_then(Result::ok);
    let library = library.map(|library| (phicam_engine_onnxruntime::VARIABLE, library));
    let mut child = command
        .args(["bench", "--json", "--engine", config.engine.as_str(), "--precision", config.precision.as_str()])
        .args(["--threads", &config.threads.to_string(), "--frames", &sampling.frames.to_string()])
        .args(["--least-ms", &sampling.min_ms.to_string()])
        .args(sampling.max_ms.is_finite().then(|| format!("--most-ms={}", sampling.max_ms)))
        .args(more)
        .args(variant.as_arguments())
        .arg("--models")
        .arg(models)
        .env("RUST_LOG", "error")
        .env_remove("RUST_BACKTRACE")
        .envs(library)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(io_failed)?;
    // What it prints fits into the pipes, so it can be waited for first and read afterwards.
    let started = Instant::now();
    while child.try_wait().map_err(io_failed)?.is_none() {
        let (stopped, late) = (stop.load(Ordering::Relaxed), started.elapsed() > LIMIT);
        if stopped || late {
            let _ = child.kill(); // it may have ended this very moment
            let _ = child.wait();
            return Err(match stopped {
                true => MeasureError::NotYet(variant.name.clone()),
                false => failed(format!("it did not end within {} s", LIMIT.as_secs())),
            });
        }
        watch(started.elapsed());
        std::thread::sleep(POLL);
    }
    let said = child.wait_with_output().map_err(io_failed)?;
    if stop.load(Ordering::Relaxed) {
        return Err(MeasureError::NotYet(variant.name.clone())); // Ctrl-C reaches the child as well
    }
    if !said.status.success() {
        let stderr = String::from_utf8_lossy(&said.stderr);
        let last = own_words(&stderr);
        if let (Some(NO_ENGINE), Some(last)) = (said.status.code(), last) {
            let prefix = format!("{} cannot be used: ", config.engine);
            return Err(MeasureError::NoEngine {
                engine: config.engine,
                cause: last.trim_start_matches(&*prefix).into(),
            });
        }
        // Another engine's library that crashes does so with every model; killed (9), it may have been for its memory.
        if let Some(signal) = said.status.signal().filter(|signal| *signal != 9 && config.engine != EngineKind::Tract) {
            let cause = format!("it ended its process with signal {signal}; install another build of its library");
            return Err(MeasureError::NoEngine { engine: config.engine, cause });
        }
        return Err(failed(match (said.status.code(), last) {
            (Some(1), Some(last)) => last.into(), // an error like any other
            (_, last) => format!("{}: {}", said.status, last.unwrap_or("it said nothing")),
        }));
    }
    let parsed = serde_json::from_slice(&said.stdout).and_then(|mut object| {
        old_keys::remove(&mut object);
        serde_json::from_value(object)
    });
    let measured: Measurement = parsed.map_err(|error| failed(format!("its answer is not understood: {error}")))?;
    Ok(Measurement { requested_frames: sampling.frames, ..measured })
}

/// Why this program ended, of all that stood on its standard error: its own words, else what was said first, as by a library
/// that took it along.
pub fn own_words(stderr: &str) -> Option<&str> {
    let by_arguments = stderr.lines().find_map(|line| line.strip_prefix("error: "));
    let own = || stderr.lines().rev().find_map(|line| line.strip_prefix("phicam: "));
    by_arguments.or_else(own).or_else(|| stderr.lines().map(str::trim).find(|line| !line.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_it_ended_is_told_in_its_own_words_or_else_by_what_was_said_first() {
        assert_eq!(own_words("a\nphicam: cuda cannot be used: b\nlibrary: bye\n"), Some("cuda cannot be used: b"));
        assert_eq!(own_words("error: no such option\n\nUsage: more\n"), Some("no such option"));
        assert_eq!(own_words("\nlibrary: no GPU\nnote: more\n"), Some("library: no GPU"));
        assert_eq!(own_words(""), None);
    }
}
