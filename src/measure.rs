//! How long choices take on this machine: measured in a process of their own, and remembered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::warn;
use serde::{Deserialize, Serialize};

use crate::catalog::Choice;
use crate::engine::{Name, Way, onnxruntime};
use crate::places::replace_file;
use crate::stats::Percentiles;

/// What `phicam bench` found of one choice. It is also the object that `bench --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    pub model: String,
    /// Steps of compound scaling, where it is an EfficientNet.
    pub phi: Option<f64>,
    /// What ran it, and how: `engine`, `precision` and `threads`.
    #[serde(flatten)]
    pub way: Way,
    /// What runs the network's operators, in words.
    #[serde(default)]
    pub engine_detail: String,
    /// Frames that the percentiles come from.
    pub frames: u64,
    /// The engine alone.
    pub infer_ms: Percentiles,
    /// From a decoded 640×480 frame to its guesses: mailbox, preprocess, engine, top-k.
    pub total_ms: Percentiles,
    /// Reading, checking and optimising the model.
    pub load_ms: f64,
    /// The first inference, which also fills the caches.
    pub first_ms: f64,
    /// Peak resident memory of a process with this choice alone.
    pub rss_mib: f64,
    /// The other stages, by name.
    pub stages_ms: BTreeMap<String, Percentiles>,
}

/// A choice that is not done by then hangs: the slowest board needs a few minutes for the largest one.
const LIMIT: Duration = Duration::from_secs(900);
/// How often a measurement is asked whether it is done.
const POLL: Duration = Duration::from_millis(20);

/// A choice that could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error("{choice} was not measured: {cause}")]
    Failed { choice: String, cause: String },
    #[error("{0} has not been measured on this machine yet")]
    NotYet(String),
}

/// Times `choice` in a child process (this program's own `bench`), so that its memory is its own, and a model that dies
/// does not take the line with it. `stop` ends it early, with [`MeasureError::NotYet`].
pub fn measure(choice: &Choice, models: &Path, way: Way, stop: &AtomicBool) -> Result<Measurement, MeasureError> {
    let failed = |cause: String| MeasureError::Failed { choice: choice.name.clone(), cause };
    let io_failed = |error: std::io::Error| failed(error.to_string());
    let program = std::env::current_exe().map_err(io_failed)?;
    let mut command = Command::new(program);
    if let Some(folder) = choice.own_folder() {
        command.current_dir(folder); // so that the file can be named, whatever its folder is called
    }
    // The same library, whichever board file named it.
    let library = (way.engine != Name::Tract).then(onnxruntime::find).and_then(Result::ok);
    let library = library.map(|library| (onnxruntime::VARIABLE, library));
    let mut child = command
        .args(["bench", "--json", "--engine", way.engine.as_str(), "--precision", way.precision.as_str()])
        .args(["--threads", &way.threads.to_string()])
        .args(choice.as_arguments())
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
                true => MeasureError::NotYet(choice.name.clone()),
                false => failed(format!("it did not end within {} s", LIMIT.as_secs())),
            });
        }
        std::thread::sleep(POLL);
    }
    let said = child.wait_with_output().map_err(io_failed)?;
    if stop.load(Ordering::Relaxed) {
        return Err(MeasureError::NotYet(choice.name.clone())); // Ctrl-C reaches the child as well
    }
    if !said.status.success() {
        let stderr = String::from_utf8_lossy(&said.stderr);
        let said_first = stderr.lines().find_map(|line| line.strip_prefix("error: "));
        let last = stderr.lines().last().map(|last| last.strip_prefix("phicam: ").unwrap_or(last));
        let last = said_first.or(last);
        return Err(failed(match (said.status.code(), last) {
            (Some(1), Some(last)) => last.into(), // an error like any other
            (_, last) => format!("{}: {}", said.status, last.unwrap_or("it said nothing")),
        }));
    }
    serde_json::from_slice(&said.stdout).map_err(|error| failed(format!("its answer is not understood: {error}")))
}

/// Measurements that outlive the program, by model hash, side, engine, threads, program version and machine.
pub struct Remembered {
    path: PathBuf,
    by_key: BTreeMap<String, Measurement>,
}

impl Remembered {
    /// What was remembered in the state folder; a file that cannot be understood is kept aside, announced.
    pub fn read(state: &Path) -> Remembered {
        let path = state.join("measurements.json");
        let by_key = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                warn!("{} cannot be read ({error}): measuring anew", path.display());
                BTreeMap::new()
            }
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                let aside = path.with_extension("json.bad");
                let kept = std::fs::rename(&path, &aside);
                let kept = kept.map_or("left there".into(), |()| format!("kept as {}", aside.display()));
                warn!("{} is not understood ({error}), {kept}: measuring anew", path.display());
                BTreeMap::new()
            }),
        };
        Remembered { path, by_key }
    }

    /// What was measured of `choice` under the same circumstances.
    pub fn get(&self, choice: &Choice, way: Way) -> Option<&Measurement> {
        self.by_key.get(&key(choice, way))
    }

    /// Remembers it, on disk as well; a disk that does not take it is announced, for this run it is known all the same.
    pub fn put(&mut self, choice: &Choice, measurement: Measurement) {
        self.by_key.insert(key(choice, measurement.way), measurement);
        self.write();
    }

    /// Forgets everything.
    pub fn forget(&mut self) {
        self.by_key.clear();
        self.write();
    }

    fn write(&self) {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let written = serde_json::to_vec_pretty(&self.by_key)
            .map_err(std::io::Error::other)
            .and_then(|bytes| std::fs::create_dir_all(folder).and_then(|()| replace_file(&self.path, &bytes)));
        if let Err(error) = written {
            warn!(
                "{} cannot be written ({error}): measured again at the next start; PHICAM_STATE names another folder",
                self.path.display()
            );
        }
    }
}

fn key(choice: &Choice, way: Way) -> String {
    let (hash, side, version) = (&choice.network.sha256, choice.side, env!("CARGO_PKG_VERSION"));
    let (setting, machine) = (crate::engine::setting(way.engine), crate::machine::identity());
    format!("{hash}@{side} {way} ({setting}), phicam {version}, {machine}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::pick::tests::choice;

    pub fn measurement(choice: &Choice, ms: f64, rss_mib: f64) -> Measurement {
        let percentiles = Percentiles { p50: ms, p95: ms * 1.1, p99: ms * 1.2, min: ms * 0.9 };
        Measurement {
            model: choice.name.clone(),
            phi: choice.phi,
            way: Way::tract(2),
            engine_detail: "all by tract".into(),
            frames: 100,
            infer_ms: percentiles,
            total_ms: percentiles,
            load_ms: 100.0,
            first_ms: ms,
            rss_mib,
            stages_ms: BTreeMap::new(),
        }
    }

    #[test]
    fn measurements_are_remembered_until_they_are_forgotten() {
        let state = tempfile::tempdir().unwrap();
        let choice = choice("lite0", 224, 385.0, 74.85);
        let mut remembered = Remembered::read(state.path());
        remembered.put(&choice, measurement(&choice, 25.0, 70.0));
        let mut again = Remembered::read(state.path());
        assert_eq!(again.get(&choice, Way::tract(2)), Some(&measurement(&choice, 25.0, 70.0)));
        assert_eq!(again.get(&choice, Way::tract(4)), None, "another number of threads is another measurement");
        assert_eq!(again.get(&crate::pick::tests::choice("lite0", 192, 283.0, 71.4), Way::tract(2)), None);
        again.forget();
        assert_eq!(Remembered::read(state.path()).get(&choice, Way::tract(2)), None);
    }

    #[test]
    fn a_damaged_memory_is_kept_aside_and_measured_anew() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("measurements.json"), b"{\"half").unwrap();
        let choice = choice("lite0", 224, 385.0, 74.85);
        assert_eq!(Remembered::read(state.path()).get(&choice, Way::tract(2)), None);
        assert_eq!(std::fs::read(state.path().join("measurements.json.bad")).unwrap(), b"{\"half");
    }
}
