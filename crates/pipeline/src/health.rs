//! Health: the file that the running pipeline writes every second, and its evaluation.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

use phicam_camera::CameraCounts;
use phicam_platform::paths;
use phicam_platform::paths::ReadError;

/// Name of the health file in the runtime folder.
const FILE: &str = "health.json";
/// Largest health file: an estimate, more than 30 times the usual length of 1 to 2 KB.
const MAX_BYTES: u64 = 64 << 10;
/// Default limit for the age of the last answer, in seconds: an estimate, many times the slowest model on a slow board.
pub const DEFAULT_MAX_ANSWER_AGE_S: f64 = 30.0;
/// Age of the health file, in seconds, above which the pipeline hangs. It is written every second; ten times that is
/// for busy boards.
const MAX_FILE_AGE_S: f64 = 10.0;

/// Content of the health file.
///
/// Times are seconds since boot, with suspend included (CLOCK_BOOTTIME), so that setting the clock changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Version of the program.
    pub version: String,
    /// Path of the running program.
    pub executable: PathBuf,
    pub pid: u32,
    /// Identity of this boot, from which all times count.
    pub boot_id: String,
    #[serde(serialize_with = "rounded")]
    pub started_s: f64,
    #[serde(serialize_with = "rounded")]
    pub written_s: f64,
    /// Time of the last frame.
    #[serde(serialize_with = "rounded_option")]
    pub last_frame_s: Option<f64>,
    /// Time of the last answer.
    #[serde(serialize_with = "rounded_option")]
    pub last_answer_s: Option<f64>,
    pub frames: u64,
    pub answers: u64,
    /// Answers in the last ten seconds.
    pub answers_in_10_s: u64,
    pub dropped: u64,
    /// Frames that could not be read or preprocessed.
    pub bad_pictures: u64,
    /// Updates that a display refused.
    #[serde(rename = "not_shown")]
    pub display_errors: u64,
    /// Number of times that the camera was lost.
    pub camera_lost: u64,
    /// The camera's own counters of frames that are not in `frames`.
    #[serde(rename = "by_camera", alias = "camera_stats")]
    pub camera_stats: CameraCounts,
    /// Description of the camera; `None` while it is lost.
    pub camera: Option<String>,
    pub displays: Vec<String>,
    /// Active model variant.
    pub model: Option<String>,
    pub phi: Option<f64>,
    /// Messages of the current faults.
    pub faults: Vec<String>,
}

/// Rounds seconds to milliseconds.
fn rounded_s(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

fn rounded<S: Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(rounded_s(*seconds))
}

fn rounded_option<S: Serializer>(seconds: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    seconds.map(rounded_s).serialize(serializer)
}

/// Result of `phicam health`.
#[derive(Debug, Serialize)]
pub struct HealthReport {
    pub healthy: bool,
    /// Reasons for not being healthy; empty if healthy.
    pub reasons: Vec<String>,
    #[serde(flatten)]
    pub health: Option<Health>,
}

impl Health {
    /// Replaces the health file in the runtime folder.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        paths::atomic_write(&folder.join(FILE), &serde_json::to_vec_pretty(self)?)
    }
}

/// Source of time and process state: the operating system, or a test.
pub trait ProcessProbe {
    /// Returns the seconds since boot, with suspend included.
    fn now_s(&self) -> f64;
    fn boot_id(&self) -> String;
    /// Returns whether the process `pid` runs the file `executable`.
    fn runs(&self, pid: u32, executable: &Path) -> bool;
}

/// Evaluates the health file in `folder`. The pipeline is healthy if its last answer is at most `max_answer_age_s` old.
pub fn evaluate(folder: &Path, max_answer_age_s: f64, probe: &dyn ProcessProbe) -> HealthReport {
    let unhealthy = |reason: String| HealthReport { healthy: false, reasons: vec![reason], health: None };
    let path = folder.join(FILE);
    let health: Health = match paths::read_regular(&path, MAX_BYTES) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(health) => health,
            Err(error) => {
                return unhealthy(format!("{} is not a health file of this version: {error}", path.display()));
            }
        },
        Err(ReadError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {
            return unhealthy(format!(
                "no pipeline has run: {} does not exist; start phicam, or set PHICAM_RUNTIME to its runtime folder",
                path.display()
            ));
        }
        Err(error) => return unhealthy(error.to_string()),
    };
    let mut reasons = Vec::new();
    let now_s = probe.now_s();
    if health.boot_id != probe.boot_id() || !probe.runs(health.pid, &health.executable) {
        reasons.push(format!("process {} ({}) is not running", health.pid, health.executable.display()));
    } else if now_s - health.written_s > MAX_FILE_AGE_S {
        reasons.push(format!("the pipeline hangs: its health file is {:.0} s old", now_s - health.written_s));
    } else {
        match health.last_answer_s {
            None => reasons.push("no frame has been classified yet".into()),
            Some(last_s) if now_s - last_s > max_answer_age_s => {
                let age_s = now_s - last_s;
                reasons.push(format!("the last answer is {age_s:.0} s old; the limit is {max_answer_age_s:.0} s"));
            }
            Some(_) => {}
        }
        if !reasons.is_empty() {
            reasons.extend(health.faults.iter().cloned());
        }
    }
    HealthReport { healthy: reasons.is_empty(), reasons, health: Some(health) }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct FakeSystem {
        now_s: f64,
        boot: &'static str,
        alive: bool,
    }

    impl ProcessProbe for FakeSystem {
        fn now_s(&self) -> f64 {
            self.now_s
        }

        fn boot_id(&self) -> String {
            self.boot.into()
        }

        fn runs(&self, pid: u32, _: &Path) -> bool {
            self.alive && pid == 7
        }
    }

    fn health() -> Health {
        Health {
            version: "1".into(),
            executable: "/opt/phicam/phicam".into(),
            pid: 7,
            boot_id: "a".into(),
            started_s: 10.0,
            written_s: 100.0,
            last_frame_s: Some(99.9),
            last_answer_s: Some(99.0),
            frames: 9,
            answers: 4,
            answers_in_10_s: 4,
            dropped: 5,
            bad_pictures: 0,
            display_errors: 0,
            camera_lost: 0,
            camera_stats: CameraCounts::default(),
            camera: Some("pattern".into()),
            displays: vec!["none".into()],
            model: Some("lite0@96".into()),
            phi: Some(-2.6),
            faults: Vec::new(),
        }
    }

    fn report(health: &Health, system: &FakeSystem) -> HealthReport {
        let folder = tempfile::tempdir().unwrap();
        health.write(folder.path()).unwrap();
        let report = evaluate(folder.path(), 30.0, system);
        assert_eq!(report.health.as_ref(), Some(health));
        assert_eq!(report.healthy, report.reasons.is_empty());
        report
    }

    const NOW: FakeSystem = FakeSystem { now_s: 101.0, boot: "a", alive: true };

    #[test]
    fn classifying_pipeline_is_healthy() {
        assert!(report(&health(), &NOW).healthy);
        let faulty = Health { faults: vec!["no screen".into()], ..health() };
        assert!(report(&faulty, &NOW).healthy, "it classifies without a screen");
    }

    #[test]
    fn report_names_the_reason() {
        let reasons = |health: Health, system: FakeSystem| report(&health, &system).reasons.join("; ");
        let never = Health { last_answer_s: None, faults: vec!["no camera".into()], ..health() };
        assert_eq!(reasons(never, NOW), "no frame has been classified yet; no camera");
        let old = Health { last_answer_s: Some(60.0), ..health() };
        assert_eq!(reasons(old, NOW), "the last answer is 41 s old; the limit is 30 s");
        assert_eq!(
            reasons(health(), FakeSystem { now_s: 130.0, ..NOW }),
            "the pipeline hangs: its health file is 30 s old"
        );
        let gone = "process 7 (/opt/phicam/phicam) is not running";
        assert_eq!(reasons(health(), FakeSystem { alive: false, ..NOW }), gone);
        assert_eq!(reasons(health(), FakeSystem { boot: "b", ..NOW }), gone, "after a reboot");
    }

    #[test]
    fn times_are_written_in_milliseconds() {
        let health = Health { written_s: 100.123_456_7, last_answer_s: Some(99.999_96), ..health() };
        let written = serde_json::to_value(&health).unwrap();
        assert_eq!((&written["written_s"], &written["last_answer_s"]), (&100.123.into(), &100.0.into()));
    }

    #[test]
    fn missing_or_truncated_file_is_unhealthy() {
        let folder = tempfile::tempdir().unwrap();
        let reasons = |text: Option<&[u8]>| {
            if let Some(text) = text {
                std::fs::write(folder.path().join(FILE), text).unwrap();
            }
            let report = evaluate(folder.path(), 30.0, &NOW);
            assert!(!report.healthy);
            assert!(report.health.is_none());
            report.reasons.join("; ")
        };
        assert!(reasons(None).starts_with("no pipeline has run"));
        let whole = serde_json::to_vec(&health()).unwrap();
        for cut in 0..whole.len() {
            assert!(reasons(Some(&whole[..cut])).contains("is not a health file"), "cut to {cut} bytes");
        }
        assert!(reasons(Some(&vec![b' '; 100_000])).contains("the limit is 65536"));
    }
}
