//! Folders of models, samples, state and runtime data; atomic writes and bounded reads.

use std::env;
use std::path::{Path, PathBuf};

use crate::bundled_models;

/// A folder that was not found in any place.
#[derive(Debug, thiserror::Error)]
#[error("no folder {name} with {required_file} in {}; {remedy}", join(searched))]
pub struct NotFound {
    name: &'static str,
    required_file: &'static str,
    searched: Vec<PathBuf>,
    remedy: &'static str,
}

fn join(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Returns the folder of models: `requested`, else `PHICAM_MODELS`, else the first default folder that has a catalog.
///
/// Without such a folder it is [`bundled_models::FOLDER`] if models are bundled.
pub fn models_dir(requested: Option<&Path>) -> Result<PathBuf, NotFound> {
    let requested = requested.map(Path::to_path_buf).or_else(|| folder_variable("PHICAM_MODELS"));
    let remedy = "name it with --models DIR or PHICAM_MODELS";
    if requested.as_deref() == Some(Path::new(bundled_models::FOLDER)) && bundled_models::is_available() {
        return Ok(bundled_models::FOLDER.into()); // the program passes this path to its child processes
    }
    match find("models", "catalog.toml", requested.clone(), remedy) {
        Err(_) if requested.is_none() && bundled_models::is_available() => Ok(bundled_models::FOLDER.into()),
        result => result,
    }
}

/// Returns the folder of sample photographs.
pub fn samples_dir() -> Result<PathBuf, NotFound> {
    find("samples", "expected.toml", None, "name a folder of images with --camera files:DIR")
}

/// Returns the first folder that contains `required_file`: searches `requested` alone, or the default folders.
fn find(
    name: &'static str,
    required_file: &'static str,
    requested: Option<PathBuf>,
    remedy: &'static str,
) -> Result<PathBuf, NotFound> {
    let searched = match requested {
        Some(requested) => vec![requested],
        None => default_folders(name),
    };
    match searched.iter().find(|folder| folder.join(required_file).is_file()) {
        Some(folder) => Ok(folder.canonicalize().unwrap_or(folder.clone())), // no ../.. in messages
        None => Err(NotFound { name, required_file, searched, remedy }),
    }
}

/// Returns the default folders: beside the program, its `share`, its source tree, `/usr/share`, the current folder.
fn default_folders(name: &str) -> Vec<PathBuf> {
    let program = env::current_exe().and_then(|program| program.canonicalize()).unwrap_or_default();
    let beside = program.parent().unwrap_or(Path::new(""));
    vec![
        beside.join(name),
        beside.join("../share/phicam").join(name),
        beside.join("../..").join(name),    // from target/<profile>/
        beside.join("../../..").join(name), // from target/<triple>/<profile>/
        Path::new("/usr/share/phicam").join(name),
        PathBuf::from(name),
    ]
}

/// Returns the folder in an environment variable; `None` if it is empty or not set.
fn folder_variable(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Returns the state folder: `PHICAM_STATE`, else systemd's, else XDG's, else a temporary folder.
pub fn state_dir() -> PathBuf {
    persistent_state_dir().unwrap_or_else(|| env::temp_dir().join("phicam"))
}

/// Returns the state folder; `None` if only a temporary one is available.
///
/// Any user may have written the files of a temporary folder, so no model may be read from there.
pub fn persistent_state_dir() -> Option<PathBuf> {
    let named = ["PHICAM_STATE", "STATE_DIRECTORY"].into_iter().find_map(folder_variable);
    let xdg = || folder_variable("XDG_STATE_HOME").map(|home| home.join("phicam"));
    let home = || folder_variable("HOME").map(|home| home.join(".local/state/phicam"));
    named.or_else(xdg).or_else(home)
}

/// Folder of the service's health report. It is in memory: the report is written every second.
const SERVICE_RUNTIME: &str = "/run/phicam";

/// Returns the folder for the health report of a running program: `PHICAM_RUNTIME`, else systemd's, else XDG's, else the
/// service's for root, who has no XDG folder. Returns `None` for others without one, such as in cron.
pub fn runtime_dir() -> Option<PathBuf> {
    let named = ["PHICAM_RUNTIME", "RUNTIME_DIRECTORY"].into_iter().find_map(folder_variable);
    let of_user = || folder_variable("XDG_RUNTIME_DIR").map(|folder| folder.join("phicam"));
    let of_root = || rustix::process::geteuid().is_root().then(|| PathBuf::from(SERVICE_RUNTIME));
    named.or_else(of_user).or_else(of_root)
}

/// Returns the folder to read a health report from: like [`runtime_dir`], with the service's folder before XDG's.
pub fn runtime_dir_for_reading() -> PathBuf {
    let service = PathBuf::from(SERVICE_RUNTIME);
    let named = ["PHICAM_RUNTIME", "RUNTIME_DIRECTORY"].into_iter().find_map(folder_variable);
    let of_service = || service.is_dir().then(|| service.clone());
    named.or_else(of_service).or_else(runtime_dir).unwrap_or(service)
}

/// Writes the output of `write` to `path` atomically: a power cut leaves the complete old or the complete new file.
pub fn atomic_write_with<T, E: From<std::io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut dyn std::io::Write) -> Result<T, E>,
) -> Result<T, E> {
    let target = resolve_target(path)?;
    let path = target.as_path();
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let new_path = path.with_file_name(name);
    let written = (|| {
        let mut file = std::io::BufWriter::new(std::fs::File::create(&new_path)?);
        let written = write(&mut file)?;
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_data()?;
        std::fs::rename(&new_path, path)?;
        Ok(written)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&new_path); // the first error is returned
    }
    written
}

/// Follows links to the file to replace. A device, a pipe or a folder must not be replaced and is an error.
fn resolve_target(path: &Path) -> std::io::Result<PathBuf> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => path.canonicalize(),
        Ok(_) => Err(std::io::Error::other("not a regular file but a folder, a device or a pipe; name a file")),
        Err(_) => Ok(path.into()), // a new file, or writing it will return the error
    }
}

/// Returns length and modification time of a file as text, to detect that it was replaced.
pub fn fingerprint(file: &std::fs::Metadata) -> String {
    let modified = file.modified().ok().and_then(|time| time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok());
    // Part of stored cache keys: another format would invalidate them.
    format!("{} bytes of {}", file.len(), modified.unwrap_or_default().as_nanos())
}

/// Error of [`read_regular`].
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read {}: {cause}", path.display())]
    Io { path: PathBuf, cause: std::io::Error },
    #[error("{} is not a regular file but a folder, a device or a pipe; name a file", path.display())]
    NotRegular { path: PathBuf },
    #[error("{} has {bytes} bytes, the limit is {limit}", path.display())]
    TooLarge { path: PathBuf, bytes: u64, limit: u64 },
}

/// Reads a regular file of at most `limit` bytes; fails at once for a pipe instead of waiting for it.
pub fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    use std::io::Read;
    let io = |cause| ReadError::Io { path: path.into(), cause };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(ReadError::NotRegular { path: path.into() });
    }
    if metadata.len() > limit {
        return Err(ReadError::TooLarge { path: path.into(), bytes: metadata.len(), limit });
    }
    let mut bytes = Vec::new();
    // Reserved in advance, so that too little memory is an error and does not end the program.
    let reserved = usize::try_from(metadata.len()).ok().filter(|&length| bytes.try_reserve_exact(length).is_ok());
    reserved.ok_or(io(std::io::ErrorKind::OutOfMemory.into()))?;
    std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(io)?;
    Ok(bytes)
}

/// Writes `bytes` to `path` atomically: a power cut leaves the complete old or the complete new file.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    atomic_write_with(path, |file| file.write_all(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atomic_write_replaces_the_file_and_leaves_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        atomic_write(&path, b"old").unwrap();
        atomic_write(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.onnx");
        atomic_write(&path, b"old").unwrap();
        let failed: std::io::Result<()> = atomic_write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(std::io::Error::other("no weights"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no weights");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn special_and_oversized_files_are_refused_unread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::File::create(&path).unwrap().set_len(1 << 32).unwrap();
        let mut message = String::new();
        let memory = allocation_counter::measure(|| message = read_regular(&path, 1 << 20).unwrap_err().to_string());
        assert!(message.contains("4294967296 bytes, the limit is 1048576"), "{message}");
        assert!(memory.bytes_max < 10_000, "{memory:?}");
        for path in [folder.path(), Path::new("/dev/zero")] {
            assert!(matches!(read_regular(path, 9), Err(ReadError::NotRegular { .. })), "{}", path.display());
        }
        assert!(matches!(read_regular(&folder.path().join("gone"), 9), Err(ReadError::Io { .. })));
        assert!(atomic_write(folder.path(), b"x").is_err());
    }

    #[test]
    fn missing_models_folder_error_names_folder_and_flag() {
        let error = models_dir(Some(Path::new("/nowhere"))).unwrap_err().to_string();
        assert!(error.contains("/nowhere"), "{error}");
        assert!(error.contains("--models"), "{error}");
    }
}
