//! Finds, checks and loads ONNX Runtime's library, once in a process.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use log::debug;
use ort::environment::Environment;
use ort::logging::LogLevel;
use parking_lot::Mutex;

use crate::elf;
use crate::elf::ElfDefect;
use crate::error::{LIBRARY_FILE, LIBRARY_VARIABLE, LibraryError};
use crate::version::{checked_version, minor_version};
use phicam_engine::EngineKind;

/// The library of this process. It stays loaded: its threads cannot be stopped.
pub struct LoadedLibrary {
    pub path: PathBuf,
    /// Version, such as `1.23.2`.
    pub version: String,
    pub environment: Environment,
}

impl LoadedLibrary {
    /// Returns the second number of the version: 23 of `1.23.2`.
    pub fn minor_version(&self) -> u32 {
        minor_version(&self.version)
    }
}

/// The file that the board file names.
static BOARD_LIBRARY: OnceLock<PathBuf> = OnceLock::new();

/// Sets the library file that the board file names; only the first call of a process counts.
pub fn set_library(path: &Path) {
    let _ = BOARD_LIBRARY.set(path.into()); // a process has one board
}

/// Returns the library file, checked but not loaded.
///
/// The first of: the value of `ORT_DYLIB_PATH`, the file that the board file names, the newest file in the first search
/// folder that has one.
pub fn find_library() -> Result<PathBuf, LibraryError> {
    let variable = std::env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = variable {
        return check(&path, LIBRARY_VARIABLE);
    }
    match BOARD_LIBRARY.get() {
        Some(path) => check(path, "the board file"),
        None => find_in(&search_patterns()).and_then(|path| check(&path, "the system")),
    }
}

/// Returns glob patterns of the folders that packages install the library to, the most deliberate installation first.
fn search_patterns() -> Vec<String> {
    let mut patterns: Vec<String> =
        ["/opt/onnxruntime/lib", "/opt/onnxruntime/onnxruntime/capi"].map(String::from).into();
    // pip's folders: of the user, of the administrator, of the system.
    let home = std::env::var("HOME").ok().filter(|home| home.starts_with('/'));
    patterns.extend(home.map(|home| format!("{home}/.local/lib/python3*/site-packages/onnxruntime/capi")));
    patterns.extend(["/usr/local/lib", "/usr/lib"].map(|lib| format!("{lib}/python3*/dist-packages/onnxruntime/capi")));
    let arch = std::env::consts::ARCH;
    patterns.extend([format!("/usr/lib/{arch}-linux-gnu"), "/usr/local/lib".into(), "/usr/lib".into()]);
    patterns
}

/// Returns the file with the highest version in the first folder that has one.
fn find_in(patterns: &[String]) -> Result<PathBuf, LibraryError> {
    for pattern in patterns {
        let files = glob::glob(&format!("{pattern}/{LIBRARY_FILE}*")).into_iter().flatten().flatten();
        let version_numbers = |path: &PathBuf| -> Vec<u32> {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.trim_start_matches(LIBRARY_FILE).split('.').filter_map(|number| number.parse().ok()).collect()
        };
        if let Some(newest) = files.max_by_key(version_numbers) {
            return Ok(newest);
        }
    }
    Err(LibraryError::Missing { searched: patterns.join(", ") })
}

/// Checks the file without loading it; returns its canonical path.
fn check(path: &Path, named_by: &'static str) -> Result<PathBuf, LibraryError> {
    let unreadable = |cause: String| LibraryError::Unreadable { path: path.into(), named_by, cause };
    let file = path.canonicalize().map_err(|error| unreadable(error.to_string()))?;
    if !file.is_file() {
        return Err(unreadable("not a regular file".into()));
    }
    match elf::check(&file).map_err(|error| unreadable(error.to_string()))? {
        Ok(()) => {}
        Err(ElfDefect::NotSharedLibrary) => return Err(LibraryError::NotSharedLibrary { path: file }),
        Err(ElfDefect::WrongArchitecture { found }) => {
            return Err(LibraryError::WrongArchitecture { path: file, found });
        }
        Err(ElfDefect::Truncated { bytes, expected }) => {
            return Err(LibraryError::Truncated { path: file, bytes, expected });
        }
    }
    // The library's code has all rights of this program, so nobody else may be able to replace it.
    for path in [file.as_path(), file.parent().unwrap_or(&file)] {
        if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o002 != 0) {
            let remedy = format!("chmod o-w {}", path.display());
            return Err(LibraryError::WorldWritable { path: path.into(), remedy });
        }
    }
    Ok(file)
}

/// Returns the GPU engines of a build: those with a `libonnxruntime_providers_ENGINE.so` beside the library.
pub fn gpu_engines_in(library: &Path) -> Vec<EngineKind> {
    let has_provider = |name: &str| library.with_file_name(format!("libonnxruntime_providers_{name}.so")).is_file();
    let engines = [(EngineKind::TensorRt, "tensorrt"), (EngineKind::Cuda, "cuda")];
    engines.into_iter().filter(|(_, name)| has_provider(name)).map(|(engine, _)| engine).collect()
}

/// Returns the library of this process, loaded on the first call; fails if a later call finds another file.
pub fn load_once() -> Result<&'static LoadedLibrary, LibraryError> {
    static LOADED: OnceLock<LoadedLibrary> = OnceLock::new();
    static LOADING: Mutex<()> = Mutex::new(());
    let path = find_library()?;
    let _guard = LOADING.lock();
    match LOADED.get() {
        Some(loaded) if loaded.path == path => Ok(loaded),
        Some(loaded) => Err(LibraryError::AlreadyLoaded { loaded: loaded.path.clone(), path }),
        None => {
            let loaded = load(path)?;
            Ok(LOADED.get_or_init(|| loaded))
        }
    }
}

fn load(path: PathBuf) -> Result<LoadedLibrary, LibraryError> {
    let version = checked_version(&path)?;
    debug!("{} is ONNX Runtime {version}", path.display());
    let load_failed = |cause: String| LibraryError::LoadFailed { path: path.clone(), cause };
    let builder = ort::init_from(&path).map_err(|error| load_failed(error.to_string()))?;
    let environment = builder.with_name("phicam").with_telemetry(false).with_logger(Arc::new(log_message)).build();
    let environment = environment.map_err(|error| load_failed(error.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    Ok(LoadedLibrary { path, version, environment })
}

/// Logs a message of ONNX Runtime at debug level: failures are also returned as errors.
fn log_message(_: LogLevel, _category: &str, _id: &str, _location: &str, message: &str) {
    debug!("ONNX Runtime: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_library_in_the_first_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let pattern = |name: &str| folder.path().join(name).display().to_string();
        for file in
            ["b/libonnxruntime.so.1.9.1", "b/libonnxruntime.so.1.23.2", "b/libonnxruntime.so", "c/libonnxruntime.so"]
        {
            std::fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(file), b"").unwrap();
        }
        let found = find_in(&[pattern("a"), pattern("[b]"), pattern("c")]).unwrap();
        assert_eq!(found, folder.path().join("b/libonnxruntime.so.1.23.2"));
        let missing = find_in(&[pattern("a")]).unwrap_err().to_string();
        assert!(missing.contains(&pattern("a")), "{missing}");
        assert!(missing.contains("phicam doctor"), "{missing}");
    }

    #[test]
    fn gpu_engines_follow_from_provider_files() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so.1.18.1");
        assert_eq!(gpu_engines_in(&library), []);
        std::fs::write(folder.path().join("libonnxruntime_providers_cuda.so"), b"").unwrap();
        assert_eq!(gpu_engines_in(&library), [EngineKind::Cuda]);
        std::fs::write(folder.path().join("libonnxruntime_providers_tensorrt.so"), b"").unwrap();
        assert_eq!(gpu_engines_in(&library), [EngineKind::TensorRt, EngineKind::Cuda]);
    }
}
