//! Whether a running line is healthy: what it writes into the runtime folder every second, and how others evaluate that.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use phicam_camera::CameraCounts;
use phicam_platform::paths;
use phicam_platform::paths::ReadError;

/// Name of the file in the runtime folder.
const FILE: &str = "health.json";
/// A file that is longer was not written by this program.
const MOST_BYTES: u64 = 64 << 10;
/// A line that runs well has answered a picture within so many seconds, where nobody names another limit.
pub const WITHIN_S: f64 = 30.0;
/// A line that has not written for so long hangs, in seconds: it writes every second, on boards that may be busy.
const SILENT_S: f64 = 10.0;

/// What a line says of itself. Times are seconds since the machine was started, sleep included, so that setting the
/// clock changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Of the program.
    pub version: String,
    /// The file that runs.
    pub executable: PathBuf,
    pub pid: u32,
    /// Tells this start of the machine from others: the numbers below count from it.
    pub boot_id: String,
    pub started_s: f64,
    pub written_s: f64,
    /// When the camera gave its last frame.
    pub last_frame_s: Option<f64>,
    /// When the model gave its last answer.
    pub last_answer_s: Option<f64>,
    pub frames: u64,
    pub answers: u64,
    /// Answers in the last ten seconds.
    pub answers_in_10_s: u64,
    pub dropped: u64,
    pub bad_pictures: u64,
    pub not_shown: u64,
    /// How often the camera was lost.
    pub camera_lost: u64,
    /// What became of frames before they were counted in `frames`.
    #[serde(alias = "by_camera")]
    pub camera_stats: CameraCounts,
    /// The camera in words; nothing while there is none.
    pub camera: Option<String>,
    pub displays: Vec<String>,
    /// The variant that answers.
    pub model: Option<String>,
    pub phi: Option<f64>,
    /// What is wrong just now.
    pub faults: Vec<String>,
}

/// What `phicam health` found.
#[derive(Debug, Serialize)]
pub struct HealthReport {
    pub healthy: bool,
    /// Why it is not well; nothing where it is.
    pub reasons: Vec<String>,
    #[serde(flatten)]
    pub health: Option<Health>,
}

impl Health {
    /// Writes it into `folder` for whoever asks.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        paths::atomic_write(&folder.join(FILE), &serde_json::to_vec_pretty(self)?)
    }
}

/// What the machine says of time and processes.
pub trait ProcessProbe {
    /// Seconds since the machine was started, sleep included.
    fn now_s(&self) -> f64;
    fn boot_id(&self) -> String;
    /// Whether a process of that number runs that file.
    fn runs(&self, pid: u32, executable: &Path) -> bool;
}

/// Judges the line that writes into `folder`: it is well if it answered a picture within the last `within_s` seconds.
pub fn evaluate(folder: &Path, within_s: f64, witness: &dyn ProcessProbe) -> HealthReport {
    let unhealthy = |reason: String| HealthReport { healthy: false, reasons: vec![reason], health: None };
    let path = folder.join(FILE);
    let health: Health = match paths::read_regular(&path, MOST_BYTES) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(health) => health,
            Err(error) => {
                return unhealthy(format!("{} is not what phicam of this version writes: {error}", path.display()));
            }
        },
        Err(ReadError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {
            return unhealthy(format!(
                "nothing has run yet: there is no {}; start it, or name its folder with PHICAM_RUNTIME",
                path.display()
            ));
        }
        Err(error) => return unhealthy(error.to_string()),
    };
    let mut reasons = Vec::new();
    let now_s = witness.now_s();
    if health.boot_id != witness.boot_id() || !witness.runs(health.pid, &health.executable) {
        reasons.push(format!("process {} ({}) does not run any more", health.pid, health.executable.display()));
    } else if now_s - health.written_s > SILENT_S {
        reasons.push(format!("it hangs: it has said nothing for {:.0} s", now_s - health.written_s));
    } else {
        match health.last_answer_s {
            None => reasons.push("it has not answered a picture yet".into()),
            Some(last_s) if now_s - last_s > within_s => {
                reasons.push(format!("its last answer is {:.0} s old, the limit is {within_s:.0} s", now_s - last_s));
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

    struct Machine {
        now_s: f64,
        boot: &'static str,
        alive: bool,
    }

    impl ProcessProbe for Machine {
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
            not_shown: 0,
            camera_lost: 0,
            camera_stats: CameraCounts::default(),
            camera: Some("pattern".into()),
            displays: vec!["none".into()],
            model: Some("lite0@96".into()),
            phi: Some(-2.6),
            faults: Vec::new(),
        }
    }

    fn judged(health: &Health, machine: &Machine) -> HealthReport {
        let folder = tempfile::tempdir().unwrap();
        health.write(folder.path()).unwrap();
        let judged = evaluate(folder.path(), 30.0, machine);
        assert_eq!(judged.health.as_ref(), Some(health));
        assert_eq!(judged.healthy, judged.reasons.is_empty());
        judged
    }

    const NOW: Machine = Machine { now_s: 101.0, boot: "a", alive: true };

    #[test]
    fn a_line_that_answers_is_well() {
        assert!(judged(&health(), &NOW).healthy);
        let faulty = Health { faults: vec!["no screen".into()], ..health() };
        assert!(judged(&faulty, &NOW).healthy, "it goes on classifying without a screen");
    }

    #[test]
    fn each_way_of_not_being_well_is_named() {
        let said = |health: Health, machine: Machine| judged(&health, &machine).reasons.join("; ");
        let never = Health { last_answer_s: None, faults: vec!["no camera".into()], ..health() };
        assert_eq!(said(never, NOW), "it has not answered a picture yet; no camera");
        let old = Health { last_answer_s: Some(60.0), ..health() };
        assert_eq!(said(old, NOW), "its last answer is 41 s old, the limit is 30 s");
        assert_eq!(said(health(), Machine { now_s: 130.0, ..NOW }), "it hangs: it has said nothing for 30 s");
        let gone = "process 7 (/opt/phicam/phicam) does not run any more";
        assert_eq!(said(health(), Machine { alive: false, ..NOW }), gone);
        assert_eq!(said(health(), Machine { boot: "b", ..NOW }), gone, "after the machine was started anew");
    }

    #[test]
    fn a_file_that_is_missing_cut_or_something_else_is_no_health() {
        let folder = tempfile::tempdir().unwrap();
        let why = |text: Option<&[u8]>| {
            if let Some(text) = text {
                std::fs::write(folder.path().join(FILE), text).unwrap();
            }
            let judged = evaluate(folder.path(), 30.0, &NOW);
            assert!(!judged.healthy && judged.health.is_none());
            judged.reasons.join("; ")
        };
        assert!(why(None).starts_with("nothing has run yet"));
        let whole = serde_json::to_vec(&health()).unwrap();
        for cut in 0..whole.len() {
            assert!(why(Some(&whole[..cut])).contains("is not what phicam"), "cut to {cut}");
        }
        assert!(why(Some(&vec![b' '; 100_000])).contains("the limit is 65536"));
    }
}
