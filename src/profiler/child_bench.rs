//! Benchmarks of a variant in a child process.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::old_keys;
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_model::catalog::Variant;
use phicam_policy::measurement::{MeasureError, Measurement};
use phicam_policy::sampling::SamplingPlan;

/// A benchmark that takes longer hangs: the slowest board needs a few minutes for the largest variant.
const LIMIT: Duration = Duration::from_secs(900);
/// Exit code of a process whose engine cannot be used on this machine.
pub const NO_ENGINE: i32 = 5;
/// Polling interval for the end of the child.
const POLL: Duration = Duration::from_millis(20);

/// Benchmark of one variant in a child process (`phicam bench --json`), so that its memory is its own, and a model that crashes
/// does not end the pipeline.
#[derive(Clone, Copy)]
pub struct BenchRequest<'a> {
    pub variant: &'a Variant,
    /// Folder of the catalog.
    pub models: &'a Path,
    pub config: ExecutionConfig,
    pub sampling: SamplingPlan,
    /// Minimum milliseconds from one frame to the next, as in service; `None` for no pause.
    pub interval_ms: Option<f64>,
}

impl BenchRequest<'_> {
    /// Runs the benchmark. `stop` ends it early, with [`MeasureError::NotYet`].
    pub fn run(&self, stop: &AtomicBool) -> Result<Measurement, MeasureError> {
        self.run_with_progress(stop, &mut |_| {})
    }

    /// Runs the benchmark and calls `progress` with the time so far, every 20 ms.
    pub fn run_with_progress(
        &self,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Duration),
    ) -> Result<Measurement, MeasureError> {
        let failed =
            |cause: String| MeasureError::Failed { variant: self.variant.name.clone(), cause, is_permanent: true };
        let io_failed = |error: std::io::Error| MeasureError::Failed {
            variant: self.variant.name.clone(),
            cause: error.to_string(),
            is_permanent: false,
        };
        let program = std::env::current_exe().map_err(io_failed)?;
        let mut command = Command::new(program);
        if let Some(folder) = self.variant.standalone_folder() {
            command.current_dir(folder); // a relative name works, whatever the folder is called
        }
        // The library that this process uses: a board file may have named it.
        let library = (self.config.engine != EngineKind::Tract)
            .then(phicam_engine_onnxruntime::find_library)
            .and_then(Result::ok);
        let library = library.map(|library| (phicam_engine_onnxruntime::LIBRARY_VARIABLE, library));
        let mut child = command
            .args([
                "bench",
                "--json",
                "--exact",
                "--engine",
                self.config.engine.as_str(),
                "--precision",
                self.config.precision.as_str(),
            ])
            .args(["--threads", &self.config.threads.to_string(), "--frames", &self.sampling.frames.to_string()])
            .args(["--min-time-ms", &self.sampling.min_ms.to_string()])
            .args(self.sampling.max_ms.is_finite().then(|| format!("--max-time-ms={}", self.sampling.max_ms)))
            .args(self.interval_ms.map(|ms| format!("--interval-ms={ms}")))
            .args(self.variant.as_arguments())
            .arg("--models")
            .arg(self.models)
            .env("RUST_LOG", "error")
            .env_remove("RUST_BACKTRACE")
            .envs(library)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io_failed)?;
        // The output fits into the pipes' buffers, so that it can be read after the end.
        let started = Instant::now();
        while child.try_wait().map_err(io_failed)?.is_none() {
            let stopped = stop.load(Ordering::Relaxed);
            if stopped || started.elapsed() > LIMIT {
                let _ = child.kill(); // it may have ended this very moment
                let _ = child.wait();
                return Err(if stopped {
                    MeasureError::NotYet(self.variant.name.clone())
                } else {
                    failed(format!("it did not end within {} s", LIMIT.as_secs()))
                });
            }
            progress(started.elapsed());
            std::thread::sleep(POLL);
        }
        let output = child.wait_with_output().map_err(io_failed)?;
        if stop.load(Ordering::Relaxed) {
            return Err(MeasureError::NotYet(self.variant.name.clone())); // Ctrl-C reaches the child as well
        }
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let message = error_from_stderr(&stderr);
            if let (Some(NO_ENGINE), Some(message)) = (output.status.code(), message) {
                let prefix = format!("{} cannot be used: ", self.config.engine);
                return Err(MeasureError::NoEngine {
                    engine: self.config.engine,
                    cause: message.trim_start_matches(&*prefix).into(),
                });
            }
            // A library that crashes does so with every model. Signal 9 may have been the out-of-memory killer.
            if let Some(signal) =
                output.status.signal().filter(|signal| *signal != 9 && self.config.engine != EngineKind::Tract)
            {
                let cause = format!("its library crashed with signal {signal}; install another build of it");
                return Err(MeasureError::NoEngine { engine: self.config.engine, cause });
            }
            return Err(failed(match (output.status.code(), message) {
                (Some(1), Some(message)) => message.into(), // the child's own error
                (_, message) => format!("{}: {}", output.status, message.unwrap_or("no message")),
            }));
        }
        let parsed = serde_json::from_slice(&output.stdout).and_then(|mut object| {
            old_keys::remove(&mut object);
            serde_json::from_value(object)
        });
        let measured: Measurement = parsed.map_err(|error| failed(format!("its JSON cannot be parsed: {error}")))?;
        Ok(Measurement { requested_frames: self.sampling.frames, ..measured })
    }
}

/// Returns the cause of an end from standard error: our own error line, otherwise the first line (a crashing library's).
pub fn error_from_stderr(stderr: &str) -> Option<&str> {
    let usage_error = stderr.lines().find_map(|line| line.strip_prefix("error: "));
    let own_error = || stderr.lines().rev().find_map(|line| line.strip_prefix("phicam: "));
    usage_error.or_else(own_error).or_else(|| stderr.lines().map(str::trim).find(|line| !line.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_error_line_precedes_library_output() {
        assert_eq!(
            error_from_stderr("a\nphicam: cuda cannot be used: b\nlibrary: bye\n"),
            Some("cuda cannot be used: b")
        );
        assert_eq!(error_from_stderr("error: no such option\n\nUsage: more\n"), Some("no such option"));
        assert_eq!(error_from_stderr("\nlibrary: no GPU\nnote: more\n"), Some("library: no GPU"));
        assert_eq!(error_from_stderr(""), None);
    }
}
