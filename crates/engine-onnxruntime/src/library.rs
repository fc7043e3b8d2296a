//! Where ONNX Runtime's library is, what is wrong with it, and the one that this process has open.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use log::debug;
use ort::environment::Environment;
use ort::logging::LogLevel;

use super::elf;
use super::elf::Flaw;
use super::version::version;
use phicam_engine::{EngineError, EngineKind};

/// The oldest ONNX Runtime whose interface is asked for: 1.17 (JetPack 5's builds are 1.17 and 1.18).
pub const LEAST_MINOR: u32 = ort::MINOR_VERSION;
/// The variable that names the file, as all programs with ONNX Runtime have it.
pub const VARIABLE: &str = "ORT_DYLIB_PATH";
/// How the file is called, before its version.
const FILE: &str = "libonnxruntime.so";

/// A library that cannot be used, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LibraryError {
    #[error(
        "no {FILE} was found in {looked}; `phicam doctor` says how to install ONNX Runtime on this board, {VARIABLE} \
         names a file that is elsewhere"
    )]
    Missing { looked: String },
    #[error("{} of {named_by} cannot be read: {cause}; name {FILE} itself, or take the setting out", path.display())]
    Unreadable { path: PathBuf, named_by: &'static str, cause: String },
    #[error(
        "{} is no shared library of 64 bits; take {FILE} out of a package of ONNX Runtime, in onnxruntime/capi",
        path.display()
    )]
    NoLibrary { path: PathBuf },
    #[error(
        "{} is for {found}, this machine is {}; install the package for this one",
        path.display(), std::env::consts::ARCH
    )]
    OtherMachine { path: PathBuf, found: String },
    #[error(
        "{} is cut short: {bytes} bytes of {told}; install the package again, is the disk full?", path.display()
    )]
    Truncated { path: PathBuf, bytes: u64, told: u64 },
    #[error("{} can be changed by any user: {remedy}", path.display())]
    Writable { path: PathBuf, remedy: String },
    #[error("{} cannot be opened: {cause}; install what it names, or a build for this system", path.display())]
    Unopened { path: PathBuf, cause: String },
    #[error("{} is another library: it lacks OrtGetApiBase; name {FILE} of ONNX Runtime", path.display())]
    OtherLibrary { path: PathBuf },
    #[error(
        "{} is ONNX Runtime {version}, 1.{LEAST_MINOR} is the oldest that will do; install a newer one (JetPack 4 has \
         none: its boards run on the processor)", path.display()
    )]
    TooOld { path: PathBuf, version: String },
    #[error("{} is ONNX Runtime {version}, which lacks interface {LEAST_MINOR}; install another build", path.display())]
    NoInterface { path: PathBuf, version: String },
    #[error("{} is open in this program already, so {} cannot be; start it again", open.display(), path.display())]
    Second { open: PathBuf, path: PathBuf },
}

impl From<LibraryError> for EngineError {
    fn from(error: LibraryError) -> EngineError {
        EngineError::Library(Box::new(error))
    }
}

/// The library that this process has open. It stays open: what it started cannot be ended.
pub struct Loaded {
    pub path: PathBuf,
    /// Such as `1.23.2`.
    pub version: String,
    pub environment: Environment,
}

impl Loaded {
    /// The second number of its version.
    pub fn minor(&self) -> u32 {
        minor(&self.version)
    }
}

pub fn minor(version: &str) -> u32 {
    version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0)
}

/// The file that a board file names.
static OF_BOARD: OnceLock<PathBuf> = OnceLock::new();

/// Where a board file says that the library is; the first one counts.
pub fn set_library(path: &Path) {
    let _ = OF_BOARD.set(path.into()); // a process has one board
}

/// The library's file: what `ORT_DYLIB_PATH` names, else the board file, else the newest in the well-known places.
pub fn find() -> Result<PathBuf, LibraryError> {
    let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = variable {
        return check(&path, VARIABLE);
    }
    match OF_BOARD.get() {
        Some(path) => check(path, "the board file"),
        None => find_in(&places()).and_then(|path| check(&path, "the system")),
    }
}

/// Folders in which packages put it, patterns of them, the most deliberate first.
fn places() -> Vec<String> {
    let mut places: Vec<String> =
        ["/opt/onnxruntime/lib", "/opt/onnxruntime/onnxruntime/capi"].map(String::from).into();
    // pip's folders of the user, of the administrator and of the system.
    let home = std::env::var("HOME").ok().filter(|home| home.starts_with('/'));
    places.extend(home.map(|home| format!("{home}/.local/lib/python3*/site-packages/onnxruntime/capi")));
    places.extend(["/usr/local/lib", "/usr/lib"].map(|lib| format!("{lib}/python3*/dist-packages/onnxruntime/capi")));
    let arch = std::env::consts::ARCH;
    places.extend([format!("/usr/lib/{arch}-linux-gnu"), "/usr/local/lib".into(), "/usr/lib".into()]);
    places
}

fn find_in(places: &[String]) -> Result<PathBuf, LibraryError> {
    for place in places {
        let found = glob::glob(&format!("{place}/{FILE}*")).into_iter().flatten().flatten();
        let numbers = |path: &PathBuf| -> Vec<u32> {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.trim_start_matches(FILE).split('.').filter_map(|number| number.parse().ok()).collect()
        };
        if let Some(newest) = found.max_by_key(numbers) {
            return Ok(newest);
        }
    }
    Err(LibraryError::Missing { looked: places.join(", ") })
}

/// What can be told without opening it.
fn check(path: &Path, named_by: &'static str) -> Result<PathBuf, LibraryError> {
    let unreadable = |cause: String| LibraryError::Unreadable { path: path.into(), named_by, cause };
    let file = path.canonicalize().map_err(|error| unreadable(error.to_string()))?;
    if !file.is_file() {
        return Err(unreadable("it is no file".into()));
    }
    match elf::check(&file).map_err(|error| unreadable(error.to_string()))? {
        Ok(()) => {}
        Err(Flaw::NoLibrary) => return Err(LibraryError::NoLibrary { path: file }),
        Err(Flaw::OtherMachine { found }) => return Err(LibraryError::OtherMachine { path: file, found }),
        Err(Flaw::Truncated { bytes, told }) => return Err(LibraryError::Truncated { path: file, bytes, told }),
    }
    // It runs with all that this program may do.
    for place in [file.as_path(), file.parent().unwrap_or(&file)] {
        if std::fs::metadata(place).is_ok_and(|there| there.permissions().mode() & 0o002 != 0) {
            let remedy = format!("chmod o-w {}", place.display());
            return Err(LibraryError::Writable { path: place.into(), remedy });
        }
    }
    Ok(file)
}

/// The GPU engines whose parts lie beside the library: a build without them cannot give them.
pub fn offered(library: &Path) -> Vec<EngineKind> {
    let part = |name: &str| library.with_file_name(format!("libonnxruntime_providers_{name}.so")).is_file();
    let parts = [(EngineKind::TensorRt, "tensorrt"), (EngineKind::Cuda, "cuda")];
    parts.into_iter().filter(|(_, file)| part(file)).map(|(name, _)| name).collect()
}

/// Opens the library, once in a process.
pub fn open() -> Result<&'static Loaded, LibraryError> {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    static OPENING: Mutex<()> = Mutex::new(());
    let path = find()?;
    let _opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner); // it guards nothing that could be half done
    match LOADED.get() {
        Some(loaded) if loaded.path == path => Ok(loaded),
        Some(loaded) => Err(LibraryError::Second { open: loaded.path.clone(), path }),
        None => {
            let loaded = load(path)?;
            Ok(LOADED.get_or_init(|| loaded))
        }
    }
}

fn load(path: PathBuf) -> Result<Loaded, LibraryError> {
    let version = version(&path)?;
    debug!("{} is ONNX Runtime {version}", path.display());
    let unopened = |cause: String| LibraryError::Unopened { path: path.clone(), cause };
    let builder = ort::init_from(&path).map_err(|error| unopened(error.to_string()))?;
    let environment = builder.with_name("phicam").with_telemetry(false).with_logger(Arc::new(tell)).build();
    let environment = environment.map_err(|error| unopened(error.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    Ok(Loaded { path, version, environment })
}

/// What it has to say, for those who ask: what matters comes as an error as well.
fn tell(_: LogLevel, _category: &str, _id: &str, _place: &str, message: &str) {
    debug!("ONNX Runtime: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_in_the_first_place_that_has_one_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name).display().to_string();
        for file in
            ["b/libonnxruntime.so.1.9.1", "b/libonnxruntime.so.1.23.2", "b/libonnxruntime.so", "c/libonnxruntime.so"]
        {
            std::fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(file), b"").unwrap();
        }
        let found = find_in(&[place("a"), place("[b]"), place("c")]).unwrap();
        assert_eq!(found, folder.path().join("b/libonnxruntime.so.1.23.2"));
        let missing = find_in(&[place("a")]).unwrap_err().to_string();
        assert!(missing.contains(&place("a")) && missing.contains("phicam doctor"), "{missing}");
    }

    #[test]
    fn gpu_engines_are_offered_where_their_parts_lie_beside_the_library() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so.1.18.1");
        assert_eq!(offered(&library), []);
        std::fs::write(folder.path().join("libonnxruntime_providers_cuda.so"), b"").unwrap();
        assert_eq!(offered(&library), [EngineKind::Cuda]);
        std::fs::write(folder.path().join("libonnxruntime_providers_tensorrt.so"), b"").unwrap();
        assert_eq!(offered(&library), [EngineKind::TensorRt, EngineKind::Cuda]);
    }
}
