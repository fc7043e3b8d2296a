//! What was measured, or failed, on this machine: kept in the state folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use log::{debug, warn};
use serde::{Deserialize, Serialize};

use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_platform::paths::atomic_write;
use phicam_platform::system;
use phicam_policy::governor::soak_test::SoakResult;
use phicam_policy::measurement::Measurement;
use phicam_policy::picker::{Candidate, MAX_FRAMES};

/// One entry of the file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Measured {
        #[serde(flatten)]
        measurement: Measurement,
        /// The start of the machine that it was measured in.
        #[serde(default)]
        boot: Option<String>,
    },
    Failed {
        failed: String,
        /// Tells the file that failed from one that has come to its place since.
        file: Option<String>,
    },
    Picked {
        picked: String,
        #[serde(flatten)]
        config: ExecutionConfig,
    },
}

/// What was found, and outlives the program, by model hash, side, engine, threads, program version and machine.
pub struct MeasurementStore {
    path: PathBuf,
    by_key: BTreeMap<String, Entry>,
}

impl MeasurementStore {
    /// What was remembered in the state folder; a file that cannot be understood is kept aside, announced.
    pub fn read(state: &Path) -> MeasurementStore {
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
        MeasurementStore { path, by_key }
    }

    /// What was measured of `variant` under the same circumstances.
    pub fn get(&self, variant: &Variant, config: ExecutionConfig) -> Option<&Measurement> {
        match self.by_key.get(&key(variant, config)) {
            Some(Entry::Measured { measurement, .. }) => Some(measurement),
            _ => None,
        }
    }

    /// Whether other programs disturbed when `variant` was measured, and the machine was started again since, or
    /// [`Remembered::doubt_disturbed`] was called: it is worth another look.
    pub fn is_doubtful(&self, variant: &Variant, config: ExecutionConfig) -> bool {
        let here = system::boot_id();
        let doubtful = |boot: &Option<String>| boot.as_ref() != Some(&here);
        matches!(self.by_key.get(&key(variant, config)), Some(Entry::Measured { measurement, boot })
            if measurement.is_noisy() && doubtful(boot))
    }

    /// From now on, whatever was measured while other programs disturbed is worth another look.
    pub fn doubt_disturbed(&mut self) {
        for entry in self.by_key.values_mut() {
            match entry {
                Entry::Measured { measurement, boot } if measurement.is_noisy() => *boot = None,
                _ => {}
            }
        }
    }

    /// Why `variant` could not be run under the same circumstances, with the very file that is there now.
    pub fn failure(&self, variant: &Variant, config: ExecutionConfig) -> Option<&str> {
        match self.by_key.get(&key(variant, config)) {
            Some(Entry::Failed { failed, file }) if *file == variant.network.fingerprint() => Some(failed),
            _ => None,
        }
    }

    /// Remembers it, on disk as well; a disk that does not take it is announced, for this run it is known all the same.
    pub fn put(&mut self, variant: &Variant, measurement: Measurement) {
        let entry_key = key(variant, measurement.config);
        self.by_key.insert(entry_key, Entry::Measured { measurement, boot: Some(system::boot_id()) });
        self.write();
    }

    /// Remembers in the same way that it could not be run.
    pub fn put_failure(&mut self, variant: &Variant, config: ExecutionConfig, cause: &str) {
        let entry = Entry::Failed { failed: cause.into(), file: variant.network.fingerprint() };
        self.by_key.insert(key(variant, config), entry);
        self.write();
    }

    /// What was picked when the same was asked under the same circumstances.
    pub fn picked(&self, question: &str) -> Option<(&str, ExecutionConfig)> {
        match self.by_key.get(&key_of_question(question)) {
            Some(Entry::Picked { picked, config }) => Some((picked, *config)),
            _ => None,
        }
    }

    /// Remembers that.
    pub fn put_picked(&mut self, question: &str, picked: &str, config: ExecutionConfig) {
        if self.picked(question) != Some((picked, config)) {
            self.by_key.insert(key_of_question(question), Entry::Picked { picked: picked.into(), config });
            self.write();
        }
    }

    /// It did not hold, whatever was asked: from now on `instead` was picked, or nothing.
    pub fn replace_picked(&mut self, name: &str, by: ExecutionConfig, instead: Option<(&str, ExecutionConfig)>) {
        let is = |entry: &Entry| matches!(entry, Entry::Picked { picked, config } if picked == name && *config == by);
        match instead {
            Some((name, config)) => {
                for entry in self.by_key.values_mut().filter(|entry| is(entry)) {
                    *entry = Entry::Picked { picked: name.into(), config };
                }
            }
            None => self.by_key.retain(|_, entry| !is(entry)),
        }
        self.write();
    }

    /// Remembers of a variant that did not hold what it takes in service, so that the next start does not pick it again, and that
    /// `instead` came in its place. Where it might have held it is worth another look after the next start of the machine.
    pub fn put_soak(&mut self, rung: &Candidate, instead: &Candidate, soaked: &SoakResult, limit_ms: f64) {
        self.replace_picked(&rung.variant.name, rung.config, Some((&instead.variant.name, instead.config)));
        let Some(known) = &rung.measurement else {
            return debug!("{} was never measured by itself", rung.variant.name);
        };
        let more = MAX_FRAMES + 1; // it is not measured again for being near a limit
        let SoakResult { percentiles: total_ms, answers: frames, is_noisy, p95_ms, .. } = *soaked;
        let preempted_frames = if is_noisy || p95_ms <= limit_ms { frames } else { 0 };
        let found = Measurement { total_ms, frames, requested_frames: more, preempted_frames, ..known.clone() };
        self.put(&rung.variant, found);
    }

    /// Forgets what was measured and what failed; what was picked is for what is measured next to confirm.
    pub fn forget(&mut self) {
        self.by_key.retain(|_, entry| matches!(entry, Entry::Picked { .. }));
        self.write();
    }

    fn write(&self) {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let written = serde_json::to_vec_pretty(&self.by_key)
            .map_err(std::io::Error::other)
            .and_then(|bytes| std::fs::create_dir_all(folder).and_then(|()| atomic_write(&self.path, &bytes)));
        if let Err(error) = written {
            warn!(
                "{} cannot be written ({error}): measured again at the next start; PHICAM_STATE names another folder",
                self.path.display()
            );
        }
    }
}

fn key(variant: &Variant, config: ExecutionConfig) -> String {
    let (hash, side) = (&variant.network.sha256, variant.side);
    format!("{hash}@{side} {config} ({}), {}", crate::engines::setting(config.engine), circumstances())
}

fn key_of_question(question: &str) -> String {
    format!("{question}, {}", circumstances())
}

fn circumstances() -> String {
    format!("phicam {}, {}, {}", env!("CARGO_PKG_VERSION"), system::identity(), system::power_identity())
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_test_fixtures::measurement;
    use phicam_test_fixtures::variant;

    #[test]
    fn measurements_are_remembered_until_they_are_forgotten() {
        let state = tempfile::tempdir().unwrap();
        let variant = variant("lite0", 224, 385.0, 74.85);
        let mut store = MeasurementStore::read(state.path());
        store.put(&variant, measurement(&variant, 25.0, 70.0));
        let mut again = MeasurementStore::read(state.path());
        assert_eq!(again.get(&variant, ExecutionConfig::tract(2)), Some(&measurement(&variant, 25.0, 70.0)));
        assert_eq!(
            again.get(&variant, ExecutionConfig::tract(4)),
            None,
            "another number of threads is another measurement"
        );
        assert_eq!(
            again.get(&phicam_test_fixtures::variant("lite0", 192, 283.0, 71.4), ExecutionConfig::tract(2)),
            None
        );
        again.forget();
        assert_eq!(MeasurementStore::read(state.path()).get(&variant, ExecutionConfig::tract(2)), None);
    }

    #[test]
    fn what_was_picked_outlives_what_was_measured_until_it_does_not_hold() {
        let state = tempfile::tempdir().unwrap();
        let (lite0, config) = (variant("lite0", 224, 385.0, 74.85), ExecutionConfig::tract(2));
        let mut store = MeasurementStore::read(state.path());
        store.put(&lite0, measurement(&lite0, 25.0, 70.0));
        store.put_picked("66 ms", &lite0.name, config);
        store.forget();
        let mut again = MeasurementStore::read(state.path());
        assert_eq!((again.get(&lite0, config), again.picked("66 ms")), (None, Some(("lite0@224", config))));
        assert_eq!(again.picked("33 ms"), None, "that was not asked");
        again.replace_picked(&lite0.name, ExecutionConfig::tract(1), None);
        assert!(again.picked("66 ms").is_some(), "it was another way that did not hold");
        again.replace_picked(&lite0.name, config, Some(("lite0@192", config)));
        assert_eq!(MeasurementStore::read(state.path()).picked("66 ms"), Some(("lite0@192", config)));
        again.replace_picked("lite0@192", config, None);
        assert_eq!(MeasurementStore::read(state.path()).picked("66 ms"), None);
    }

    #[test]
    fn what_was_measured_while_others_disturbed_is_worth_another_look_after_the_next_start_of_the_machine() {
        let state = tempfile::tempdir().unwrap();
        let (calm, disturbed) = (variant("lite0", 224, 385.0, 74.85), variant("lite0", 192, 283.0, 71.4));
        let mut store = MeasurementStore::read(state.path());
        store.put(&calm, measurement(&calm, 25.0, 70.0));
        store.put(&disturbed, Measurement { preempted_frames: 6, ..measurement(&disturbed, 25.0, 70.0) });
        let config = ExecutionConfig::tract(2);
        let doubtful = |of: &MeasurementStore| [&calm, &disturbed].map(|variant| of.is_doubtful(variant, config));
        assert_eq!(doubtful(&MeasurementStore::read(state.path())), [false, false], "not in the same one");
        let path = state.path().join("measurements.json");
        let later = std::fs::read_to_string(&path).unwrap().replace(&system::boot_id(), "another");
        std::fs::write(&path, later).unwrap();
        assert_eq!(doubtful(&MeasurementStore::read(state.path())), [false, true]);
        assert!(
            MeasurementStore::read(state.path()).get(&disturbed, config).is_some(),
            "until then it is all that is known"
        );
        store.doubt_disturbed();
        assert_eq!(doubtful(&store), [false, true]);
    }

    #[test]
    fn a_damaged_memory_is_kept_aside_and_measured_anew() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("measurements.json"), b"{\"half").unwrap();
        let variant = variant("lite0", 224, 385.0, 74.85);
        assert_eq!(MeasurementStore::read(state.path()).get(&variant, ExecutionConfig::tract(2)), None);
        assert_eq!(std::fs::read(state.path().join("measurements.json.bad")).unwrap(), b"{\"half");
    }

    #[test]
    fn a_failure_is_remembered_for_the_file_that_failed() {
        let state = tempfile::tempdir().unwrap();
        let mut variant = variant("lite0", 224, 385.0, 74.85);
        let file = state.path().join("lite0.onnx");
        std::fs::write(&file, "one").unwrap();
        std::sync::Arc::make_mut(&mut variant.network).file = file.clone();
        let config = ExecutionConfig::tract(2);
        MeasurementStore::read(state.path()).put_failure(&variant, config, "killed");
        let mut again = MeasurementStore::read(state.path());
        assert_eq!((again.get(&variant, config), again.failure(&variant, config)), (None, Some("killed")));
        assert_eq!(again.failure(&variant, ExecutionConfig::tract(4)), None);
        std::fs::write(&file, "another").unwrap();
        assert_eq!(again.failure(&variant, config), None, "the file has been replaced");
        again.put(&variant, measurement(&variant, 25.0, 70.0));
        assert_eq!(again.get(&variant, config), Some(&measurement(&variant, 25.0, 70.0)));
    }
}
