//! Crash guard: disables an engine whose driver or library ended the process three times in a row.

use std::fs;
use std::path::{Path, PathBuf};

use log::{debug, warn};

use phicam_engine::EngineKind;
use phicam_platform::paths::atomic_write;

/// Crashes in a row that disable an engine. A single one may be a power cut, or a user who interrupted the build of a
/// TensorRT engine, which takes minutes.
const MAX_CRASHES: u32 = 3;

/// An attempt to use an engine, counted as a crash until [`CrashGuard::disarm`] is called.
///
/// The count is in `ENGINE.crash-count` of the state folder: `1 PATH VERSION`, with path and version of the library.
pub struct CrashGuard {
    path: PathBuf,
    former_path: PathBuf,
}

impl CrashGuard {
    /// Counts an attempt to use `engine` with `library` in the folder `state`.
    ///
    /// Fails if [`MAX_CRASHES`] attempts in a row with `library` ended the process. The count of another library is
    /// reset.
    pub fn arm(state: &Path, engine: EngineKind, library: &str) -> Result<CrashGuard, String> {
        let path = state.join(format!("{engine}.crash-count"));
        let former_path = state.join(format!("tries-of-{engine}"));
        migrate(&former_path, &path);
        let recorded = if path.exists() { &path } else { &former_path };
        let record = fs::read_to_string(recorded).unwrap_or_default();
        let previous = record.split_once(' ').filter(|(_, recorded_library)| *recorded_library == library);
        let count = previous.and_then(|(count, _)| count.parse::<u32>().ok()).unwrap_or(0);
        if count >= MAX_CRASHES {
            return Err(format!(
                "it ended the program {count} times in a row with this library, so it is disabled; install another \
                 library, or enable it again with `rm {}`",
                recorded.display()
            ));
        }
        let written =
            fs::create_dir_all(state).and_then(|()| atomic_write(&path, format!("{} {library}", count + 1).as_bytes()));
        if let Err(error) = written {
            debug!("cannot write {}: {error}; crashes of {engine} are not counted", path.display());
        }
        Ok(CrashGuard { path, former_path })
    }

    /// Resets the count: the engine returned a result or an error, and the process is alive.
    pub fn disarm(self) {
        for path in [&self.path, &self.former_path] {
            if let Err(error) = fs::remove_file(path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                warn!("cannot remove {}: {error}; remove it, or this engine will be disabled", path.display());
            }
        }
    }
}

/// Renames the count of earlier releases, unless there is one with the present name.
fn migrate(former_path: &Path, path: &Path) {
    if path.exists() || !former_path.exists() {
        return;
    }
    if let Err(error) = fs::rename(former_path, path) {
        debug!("cannot rename {} to {}: {error}", former_path.display(), path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_is_disabled_after_three_crashes_in_a_row() {
        let state = tempfile::tempdir().unwrap();
        let arm = |library| CrashGuard::arm(state.path(), EngineKind::Cuda, library);
        for _ in 0..MAX_CRASHES {
            drop(arm("library 1").unwrap()); // not disarmed, as by a process that ends
        }
        let error = arm("library 1").err().unwrap();
        assert!(error.contains("3 times"), "{error}");
        let file = state.path().join("cuda.crash-count");
        assert!(error.contains(&format!("rm {}", file.display())), "{error}");
        assert!(CrashGuard::arm(state.path(), EngineKind::TensorRt, "library 1").is_ok(), "engines count separately");
        arm("library 2").unwrap().disarm();
        for _ in 0..3 * MAX_CRASHES {
            arm("library 1").unwrap().disarm();
        }
    }

    #[test]
    fn count_of_earlier_releases_is_kept() {
        for (engine, former, present) in [
            (EngineKind::Cuda, "tries-of-cuda", "cuda.crash-count"),
            (EngineKind::TensorRt, "tries-of-tensorrt", "tensorrt.crash-count"),
        ] {
            let state = tempfile::tempdir().unwrap();
            let (former, present) = (state.path().join(former), state.path().join(present));
            fs::write(&former, "2 library 1").unwrap();
            let guard = CrashGuard::arm(state.path(), engine, "library 1").unwrap();
            assert_eq!(fs::read_to_string(&present).unwrap(), "3 library 1");
            assert!(!former.exists());
            drop(guard);
            assert!(CrashGuard::arm(state.path(), engine, "library 1").is_err());
        }
    }

    #[test]
    fn present_count_takes_precedence_over_the_former() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("tries-of-cuda"), "3 library 1").unwrap();
        fs::write(state.path().join("cuda.crash-count"), "1 library 1").unwrap();
        CrashGuard::arm(state.path(), EngineKind::Cuda, "library 1").unwrap().disarm();
        // Both are removed, so that the former count does not return later.
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
    }

    #[test]
    fn unwritable_state_folder_does_not_disable_the_engine() {
        CrashGuard::arm(Path::new("/proc/nowhere"), EngineKind::Cuda, "library 1").unwrap().disarm();
    }
}
