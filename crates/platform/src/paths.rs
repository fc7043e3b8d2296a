//! Where things are on this machine: models, sample photographs, and what the program remembers.

use std::env;
use std::path::{Path, PathBuf};

use crate::bundled_models;

/// A folder that was looked for and is nowhere.
#[derive(Debug, thiserror::Error)]
#[error("no folder {what} with {needs} found; looked in {}; {remedy}", list(tried))]
pub struct NotFound {
    what: &'static str,
    needs: &'static str,
    tried: Vec<PathBuf>,
    remedy: &'static str,
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The folder of models: what the user named, `PHICAM_MODELS`, or the first of the usual places.
pub fn models_dir(named: Option<&Path>) -> Result<PathBuf, NotFound> {
    let named = named.map(Path::to_path_buf).or_else(|| folder_of("PHICAM_MODELS"));
    let remedy = "name it with --models DIR or PHICAM_MODELS";
    if named.as_deref() == Some(Path::new(bundled_models::FOLDER)) && bundled_models::is_there() {
        return Ok(bundled_models::FOLDER.into()); // as the program names it to its own children
    }
    match find("models", "catalog.toml", named.clone(), remedy) {
        Err(_) if named.is_none() && bundled_models::is_there() => Ok(bundled_models::FOLDER.into()),
        found => found,
    }
}

/// The folder of sample photographs.
pub fn samples_dir() -> Result<PathBuf, NotFound> {
    find("samples", "expected.toml", None, "name pictures of your own with --camera files:DIR")
}

/// What the user named and nothing else, or the first usual place that holds `needs`.
fn find(
    what: &'static str,
    needs: &'static str,
    named: Option<PathBuf>,
    remedy: &'static str,
) -> Result<PathBuf, NotFound> {
    let tried = match named {
        Some(named) => vec![named],
        None => usual(what),
    };
    match tried.iter().find(|folder| folder.join(needs).is_file()) {
        Some(found) => Ok(found.canonicalize().unwrap_or(found.clone())), // without ../.. for the messages
        None => Err(NotFound { what, needs, tried, remedy }),
    }
}

/// Beside the program, its `share`, the source tree that it was built in, the system's, the current folder.
fn usual(what: &str) -> Vec<PathBuf> {
    let program = env::current_exe().and_then(|program| program.canonicalize()).unwrap_or_default();
    let beside = program.parent().unwrap_or(Path::new(""));
    let mut places = vec![beside.join(what), beside.join("../share/phicam").join(what)];
    // target/<profile>/phicam and target/<triple>/<profile>/phicam
    places.extend([beside.join("../..").join(what), beside.join("../../..").join(what)]);
    places.extend([Path::new("/usr/share/phicam").join(what), PathBuf::from(what)]);
    places
}

/// The folder in an environment variable; an empty one counts as not set.
fn folder_of(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where the program remembers (measurements, added models): `PHICAM_STATE`, systemd's state folder, or XDG's; without
/// any of them a temporary folder.
pub fn state_dir() -> PathBuf {
    persistent_state_dir().unwrap_or_else(|| env::temp_dir().join("phicam"))
}

/// The same, but no temporary folder: what lies there may be anybody's, and no model should be taken from it.
pub fn persistent_state_dir() -> Option<PathBuf> {
    let named = ["PHICAM_STATE", "STATE_DIRECTORY"].into_iter().find_map(folder_of);
    let xdg = || folder_of("XDG_STATE_HOME").map(|home| home.join("phicam"));
    let home = || folder_of("HOME").map(|home| home.join(".local/state/phicam"));
    named.or_else(xdg).or_else(home)
}

/// Where a running program says how it is: `PHICAM_RUNTIME`, systemd's runtime folder, or XDG's; nothing without them.
pub fn runtime_dir() -> Option<PathBuf> {
    let named = ["PHICAM_RUNTIME", "RUNTIME_DIRECTORY"].into_iter().find_map(folder_of);
    named.or_else(|| folder_of("XDG_RUNTIME_DIR").map(|folder| folder.join("phicam")))
}

/// Where to look for that: the same, but a service's folder before the user's own.
pub fn runtime_dir_for_reading() -> PathBuf {
    let service = PathBuf::from("/run/phicam");
    let named = ["PHICAM_RUNTIME", "RUNTIME_DIRECTORY"].into_iter().find_map(folder_of);
    let there = || service.is_dir().then(|| service.clone());
    named.or_else(there).or_else(runtime_dir).unwrap_or(service)
}

/// Writes what `write` gives to `path` so that a power cut leaves the old file or the new one, never half of one.
pub fn atomic_write_with<T, E: From<std::io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut dyn std::io::Write) -> Result<T, E>,
) -> Result<T, E> {
    let target = replaceable(path)?;
    let path = target.as_path();
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let written = (|| {
        let mut file = std::io::BufWriter::new(std::fs::File::create(&new)?);
        let written = write(&mut file)?;
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_data()?;
        std::fs::rename(&new, path)?;
        Ok(written)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&new); // the first error is the one to tell
    }
    written
}

/// What a link leads to, or `path` itself; an error where that is a device, a pipe or a folder, which must not be replaced.
fn replaceable(path: &Path) -> std::io::Result<PathBuf> {
    match std::fs::metadata(path) {
        Ok(there) if there.is_file() => path.canonicalize(),
        Ok(_) => Err(std::io::Error::other("it is no regular file but a folder, a device or a pipe; name a file")),
        Err(_) => Ok(path.into()), // not there yet, or the attempt to write tells what is wrong
    }
}

/// What tells a file from a later one at its place.
pub fn fingerprint(file: &std::fs::Metadata) -> String {
    let changed = file.modified().ok().and_then(|time| time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok());
    format!("{} bytes of {}", file.len(), changed.unwrap_or_default().as_nanos())
}

/// A file that could not be read whole.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{} cannot be read: {cause}", path.display())]
    Io { path: PathBuf, cause: std::io::Error },
    #[error("{} is no regular file but a folder, a device or a pipe; name a file", path.display())]
    NoFile { path: PathBuf },
    #[error("{} has {bytes} bytes, the limit is {limit}", path.display())]
    TooLarge { path: PathBuf, bytes: u64, limit: u64 },
}

/// Reads a regular file of at most `limit` bytes; does not wait for a pipe.
pub fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    use std::io::Read;
    let io = |cause| ReadError::Io { path: path.into(), cause };
    let there = std::fs::metadata(path).map_err(io)?;
    if !there.is_file() {
        return Err(ReadError::NoFile { path: path.into() });
    }
    if there.len() > limit {
        return Err(ReadError::TooLarge { path: path.into(), bytes: there.len(), limit });
    }
    let mut bytes = Vec::new();
    let room = usize::try_from(there.len()).ok().filter(|&room| bytes.try_reserve_exact(room).is_ok());
    room.ok_or(io(std::io::ErrorKind::OutOfMemory.into()))?; // an error, where allocating would end the program
    std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(io)?;
    Ok(bytes)
}

/// Writes `bytes` to `path` so that a power cut leaves the old file or the new one, never half of one.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    atomic_write_with(path, |file| file.write_all(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        atomic_write(&path, b"old").unwrap();
        atomic_write(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_stays_as_it_was_when_writing_the_new_one_fails() {
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
    fn what_is_no_regular_file_or_too_large_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::File::create(&path).unwrap().set_len(1 << 32).unwrap();
        let mut said = String::new();
        let memory = allocation_counter::measure(|| said = read_regular(&path, 1 << 20).unwrap_err().to_string());
        assert!(said.contains("4294967296 bytes, the limit is 1048576"), "{said}");
        assert!(memory.bytes_max < 10_000, "{memory:?}");
        for path in [folder.path(), Path::new("/dev/zero")] {
            assert!(matches!(read_regular(path, 9), Err(ReadError::NoFile { .. })), "{}", path.display());
        }
        assert!(matches!(read_regular(&folder.path().join("gone"), 9), Err(ReadError::Io { .. })));
        assert!(atomic_write(folder.path(), b"x").is_err());
    }

    #[test]
    fn a_named_folder_without_models_is_an_error_that_names_it() {
        let error = models_dir(Some(Path::new("/nowhere"))).unwrap_err().to_string();
        assert!(error.contains("/nowhere") && error.contains("--models"), "{error}");
    }
}
