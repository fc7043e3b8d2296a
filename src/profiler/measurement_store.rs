//! Cache of measurements, failures and picks of this machine, in the state folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use log::{debug, warn};
use serde::{Deserialize, Serialize};

use crate::old_keys;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_platform::paths::atomic_write;
use phicam_platform::system;
use phicam_policy::governor::soak_test::SoakResult;
use phicam_policy::measurement::Measurement;
use phicam_policy::picker::{Candidate, MAX_FRAMES};

/// Entry of the file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Measured {
        #[serde(flatten)]
        measurement: Measurement,
        /// Boot ID of the measurement; `None` once a noisy measurement was invalidated.
        #[serde(default)]
        boot: Option<String>,
    },
    Failed {
        failed: String,
        /// Fingerprint of the model file that failed.
        file: Option<String>,
    },
    Picked {
        picked: String,
        #[serde(flatten)]
        config: ExecutionConfig,
    },
}

/// Measurements, failures and picks by model hash, resolution, execution config, program version, machine and power state.
pub struct MeasurementStore {
    path: PathBuf,
    by_key: BTreeMap<String, Entry>,
}

impl MeasurementStore {
    /// Reads `measurements.json` in the folder `state`. A file that cannot be parsed is set aside with a warning.
    pub fn read(state: &Path) -> MeasurementStore {
        let path = state.join("measurements.json");
        let by_key = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                warn!("{} cannot be read: {error}; measuring again", path.display());
                BTreeMap::new()
            }
            Ok(bytes) => parse(&bytes).unwrap_or_else(|error| {
                let aside = path.with_extension("json.bad");
                let renamed = std::fs::rename(&path, &aside);
                let place = renamed.map_or("it stays there".into(), |()| format!("it is now {}", aside.display()));
                warn!("{} cannot be parsed: {error}; {place}, measuring again", path.display());
                BTreeMap::new()
            }),
        };
        MeasurementStore { path, by_key }
    }

    /// Returns the measurement of `variant` under the present conditions.
    pub fn get(&self, variant: &Variant, config: ExecutionConfig) -> Option<&Measurement> {
        match self.by_key.get(&key(variant, config)) {
            Some(Entry::Measured { measurement, .. }) => Some(measurement),
            _ => None,
        }
    }

    /// Returns whether the measurement of `variant` is noisy and of an earlier boot, or was invalidated: it should be repeated.
    pub fn is_stale(&self, variant: &Variant, config: ExecutionConfig) -> bool {
        let boot_now = system::boot_id();
        let is_earlier = |boot: &Option<String>| boot.as_ref() != Some(&boot_now);
        matches!(self.by_key.get(&key(variant, config)), Some(Entry::Measured { measurement, boot })
            if measurement.is_noisy() && is_earlier(boot))
    }

    /// Marks all noisy measurements as stale.
    pub fn invalidate_noisy(&mut self) {
        for entry in self.by_key.values_mut() {
            match entry {
                Entry::Measured { measurement, boot } if measurement.is_noisy() => *boot = None,
                _ => {}
            }
        }
    }

    /// Returns why `variant` failed under the present conditions, if its file is still the one that failed.
    pub fn failure(&self, variant: &Variant, config: ExecutionConfig) -> Option<&str> {
        match self.by_key.get(&key(variant, config)) {
            Some(Entry::Failed { failed, file }) if *file == variant.network.fingerprint() => Some(failed),
            _ => None,
        }
    }

    /// Stores a measurement. If the disk refuses it, a warning is logged, and this run knows it all the same.
    pub fn put(&mut self, variant: &Variant, measurement: Measurement) {
        let entry_key = key(variant, measurement.config);
        self.by_key.insert(entry_key, Entry::Measured { measurement, boot: Some(system::boot_id()) });
        self.write();
    }

    /// Stores a failure.
    pub fn put_failure(&mut self, variant: &Variant, config: ExecutionConfig, cause: &str) {
        let entry = Entry::Failed { failed: cause.into(), file: variant.network.fingerprint() };
        self.by_key.insert(key(variant, config), entry);
        self.write();
    }

    /// Returns the previous pick for a request under the present conditions.
    pub fn previous_pick(&self, request: &str) -> Option<(&str, ExecutionConfig)> {
        match self.by_key.get(&key_of_request(request)) {
            Some(Entry::Picked { picked, config }) => Some((picked, *config)),
            _ => None,
        }
    }

    /// Stores the pick for a request.
    pub fn put_pick(&mut self, request: &str, picked: &str, config: ExecutionConfig) {
        if self.previous_pick(request) != Some((picked, config)) {
            self.by_key.insert(key_of_request(request), Entry::Picked { picked: picked.into(), config });
            self.write();
        }
    }

    /// Replaces a pick that did not hold by `instead`, or removes it, for all requests.
    pub fn replace_pick(&mut self, name: &str, by: ExecutionConfig, instead: Option<(&str, ExecutionConfig)>) {
        let is_failed_pick =
            |entry: &Entry| matches!(entry, Entry::Picked { picked, config } if picked == name && *config == by);
        match instead {
            Some((name, config)) => {
                for entry in self.by_key.values_mut().filter(|entry| is_failed_pick(entry)) {
                    *entry = Entry::Picked { picked: name.into(), config };
                }
            }
            None => self.by_key.retain(|_, entry| !is_failed_pick(entry)),
        }
        self.write();
    }

    /// Stores the latency in service of a rung that failed its soak test, so that the next start does not pick it again, and
    /// `instead` as the pick. If other load may have been the cause, the measurement counts as noisy.
    pub fn put_soak(&mut self, rung: &Candidate, instead: &Candidate, soaked: &SoakResult, limit_ms: f64) {
        self.replace_pick(&rung.variant.name, rung.config, Some((&instead.variant.name, instead.config)));
        let Some(known) = &rung.measurement else {
            return debug!("{} was never benchmarked", rung.variant.name);
        };
        let requested_frames = MAX_FRAMES + 1; // as exact as can be, so that it is not refined near a limit
        let SoakResult { percentiles: total_ms, answers: frames, is_noisy, p95_ms, .. } = *soaked;
        let preempted_frames = if is_noisy || p95_ms <= limit_ms { frames } else { 0 };
        let found = Measurement { total_ms, frames, requested_frames, preempted_frames, ..known.clone() };
        self.put(&rung.variant, found);
    }

    /// Discards measurements and failures. Picks stay, for hysteresis after the next measurement.
    pub fn forget(&mut self) {
        self.by_key.retain(|_, entry| matches!(entry, Entry::Picked { .. }));
        self.write();
    }

    fn write(&self) {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        // With the old names as well: a release that is rolled back reads this file.
        let with_old_keys = serde_json::to_value(&self.by_key).map(|mut value| {
            old_keys::add(&mut value);
            value
        });
        let written = with_old_keys
            .and_then(|value| serde_json::to_vec_pretty(&value))
            .map_err(std::io::Error::other)
            .and_then(|bytes| std::fs::create_dir_all(folder).and_then(|()| atomic_write(&self.path, &bytes)));
        if let Err(error) = written {
            warn!(
                "{} cannot be written: {error}; the next start measures again, PHICAM_STATE names another folder",
                self.path.display()
            );
        }
    }
}

fn parse(bytes: &[u8]) -> serde_json::Result<BTreeMap<String, Entry>> {
    let mut value = serde_json::from_slice(bytes)?;
    old_keys::remove(&mut value);
    serde_json::from_value(value)
}

fn key(variant: &Variant, config: ExecutionConfig) -> String {
    let (hash, side) = (&variant.network.sha256, variant.side);
    format!("{hash}@{side} {config} ({}), {}", crate::engines::cache_fingerprint(config.engine), conditions())
}

fn key_of_request(request: &str) -> String {
    format!("{request}, {}", conditions())
}

fn conditions() -> String {
    format!("phicam {}, {}, {}", env!("CARGO_PKG_VERSION"), system::identity(), system::power_identity())
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_test_fixtures::measurement;
    use phicam_test_fixtures::variant;

    #[test]
    fn measurements_are_cached_until_discarded() {
        let state = tempfile::tempdir().unwrap();
        let variant = variant("lite0", 224, 385.0, 74.85);
        let mut store = MeasurementStore::read(state.path());
        store.put(&variant, measurement(&variant, 25.0, 70.0));
        let mut again = MeasurementStore::read(state.path());
        assert_eq!(again.get(&variant, ExecutionConfig::tract(2)), Some(&measurement(&variant, 25.0, 70.0)));
        assert_eq!(again.get(&variant, ExecutionConfig::tract(4)), None, "another thread count is another measurement");
        assert_eq!(
            again.get(&phicam_test_fixtures::variant("lite0", 192, 283.0, 71.4), ExecutionConfig::tract(2)),
            None
        );
        again.forget();
        assert_eq!(MeasurementStore::read(state.path()).get(&variant, ExecutionConfig::tract(2)), None);
    }

    #[test]
    fn picks_outlive_discarded_measurements() {
        let state = tempfile::tempdir().unwrap();
        let (lite0, config) = (variant("lite0", 224, 385.0, 74.85), ExecutionConfig::tract(2));
        let mut store = MeasurementStore::read(state.path());
        store.put(&lite0, measurement(&lite0, 25.0, 70.0));
        store.put_pick("66 ms", &lite0.name, config);
        store.forget();
        let mut again = MeasurementStore::read(state.path());
        assert_eq!(again.get(&lite0, config), None);
        assert_eq!(again.previous_pick("66 ms"), Some(("lite0@224", config)));
        assert_eq!(again.previous_pick("33 ms"), None, "another request");
        again.replace_pick(&lite0.name, ExecutionConfig::tract(1), None);
        assert!(again.previous_pick("66 ms").is_some(), "another config failed");
        again.replace_pick(&lite0.name, config, Some(("lite0@192", config)));
        assert_eq!(MeasurementStore::read(state.path()).previous_pick("66 ms"), Some(("lite0@192", config)));
        again.replace_pick("lite0@192", config, None);
        assert_eq!(MeasurementStore::read(state.path()).previous_pick("66 ms"), None);
    }

    #[test]
    fn noisy_measurements_are_stale_after_reboot() {
        let state = tempfile::tempdir().unwrap();
        let (quiet, noisy) = (variant("lite0", 224, 385.0, 74.85), variant("lite0", 192, 283.0, 71.4));
        let mut store = MeasurementStore::read(state.path());
        store.put(&quiet, measurement(&quiet, 25.0, 70.0));
        store.put(&noisy, Measurement { preempted_frames: 6, ..measurement(&noisy, 25.0, 70.0) });
        let config = ExecutionConfig::tract(2);
        let stale = |of: &MeasurementStore| [&quiet, &noisy].map(|variant| of.is_stale(variant, config));
        assert_eq!(stale(&MeasurementStore::read(state.path())), [false, false], "not within one boot");
        let path = state.path().join("measurements.json");
        let later = std::fs::read_to_string(&path).unwrap().replace(&system::boot_id(), "another");
        std::fs::write(&path, later).unwrap();
        assert_eq!(stale(&MeasurementStore::read(state.path())), [false, true]);
        assert!(MeasurementStore::read(state.path()).get(&noisy, config).is_some(), "it counts until it is repeated");
        store.invalidate_noisy();
        assert_eq!(stale(&store), [false, true]);
    }

    #[test]
    fn store_is_read_by_the_release_before_and_from_it() {
        let state = tempfile::tempdir().unwrap();
        let variant = variant("lite0", 224, 385.0, 74.85);
        MeasurementStore::read(state.path()).put(&variant, measurement(&variant, 25.0, 70.0));
        let path = state.path().join("measurements.json");
        let both: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let entry = both.as_object().unwrap().values().next().unwrap();
        assert_eq!(entry["rss_mib"], 70.0);
        assert_eq!(entry["peak_rss_mib"], 70.0);
        let text = serde_json::to_string(&both).unwrap();
        let old = text.replace("peak_rss_mib", "x").replace("requested_frames", "y").replace("engine_description", "z");
        std::fs::write(&path, old).unwrap();
        let config = ExecutionConfig::tract(2);
        assert_eq!(
            MeasurementStore::read(state.path()).get(&variant, config),
            Some(&measurement(&variant, 25.0, 70.0))
        );
    }

    #[test]
    fn damaged_store_is_set_aside() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("measurements.json"), b"{\"half").unwrap();
        let variant = variant("lite0", 224, 385.0, 74.85);
        assert_eq!(MeasurementStore::read(state.path()).get(&variant, ExecutionConfig::tract(2)), None);
        assert_eq!(std::fs::read(state.path().join("measurements.json.bad")).unwrap(), b"{\"half");
    }

    #[test]
    fn failure_counts_for_the_failed_file_only() {
        let state = tempfile::tempdir().unwrap();
        let mut variant = variant("lite0", 224, 385.0, 74.85);
        let file = state.path().join("lite0.onnx");
        std::fs::write(&file, "one").unwrap();
        std::sync::Arc::make_mut(&mut variant.network).file = file.clone();
        let config = ExecutionConfig::tract(2);
        MeasurementStore::read(state.path()).put_failure(&variant, config, "killed");
        let mut again = MeasurementStore::read(state.path());
        assert_eq!(again.get(&variant, config), None);
        assert_eq!(again.failure(&variant, config), Some("killed"));
        assert_eq!(again.failure(&variant, ExecutionConfig::tract(4)), None);
        std::fs::write(&file, "another").unwrap();
        assert_eq!(again.failure(&variant, config), None, "the file has been replaced");
        again.put(&variant, measurement(&variant, 25.0, 70.0));
        assert_eq!(again.get(&variant, config), Some(&measurement(&variant, 25.0, 70.0)));
    }
}
