//! Errors of finding and loading ONNX Runtime's library, and the API version that the library must have.

use std::path::PathBuf;

use phicam_engine::EngineError;

/// Least minor version of ONNX Runtime 1.x: 17. JetPack 5 has builds of 1.17 and 1.18.
pub const MIN_MINOR_VERSION: u32 = ort::MINOR_VERSION;
/// Environment variable that names the library file, as in other programs that load ONNX Runtime.
pub const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";
/// Name of the library file, without its version.
pub(crate) const LIBRARY_FILE: &str = "libonnxruntime.so";

/// A missing or unusable ONNX Runtime library; each message ends in a remedy.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LibraryError {
    #[error(
        "ONNX Runtime not found: no {LIBRARY_FILE} in {searched}; `phicam doctor` says how to install it on this \
         board, {LIBRARY_VARIABLE} names a file elsewhere"
    )]
    Missing { searched: String },
    #[error(
        "cannot read {}, named by {named_by}: {cause}; name {LIBRARY_FILE} itself, or remove the setting",
        path.display()
    )]
    Unreadable { path: PathBuf, named_by: &'static str, cause: String },
    #[error(
        "{} is not a 64-bit shared library; take {LIBRARY_FILE} from a package of ONNX Runtime (onnxruntime/capi)",
        path.display()
    )]
    NotSharedLibrary { path: PathBuf },
    #[error(
        "{} is for {found}, this machine is {}; install the package for this machine",
        path.display(), std::env::consts::ARCH
    )]
    WrongArchitecture { path: PathBuf, found: String },
    #[error(
        "{} is truncated: {bytes} of {expected} bytes; install the package again, and check that the disk is not full",
        path.display()
    )]
    Truncated { path: PathBuf, bytes: u64, expected: u64 },
    #[error("{} is writable by every user, but its code would run with Phicam's rights; {remedy}", path.display())]
    WorldWritable { path: PathBuf, remedy: String },
    #[error("cannot load {}: {cause}; install the missing library, or a build for this system", path.display())]
    LoadFailed { path: PathBuf, cause: String },
    #[error("{} is another library: it lacks OrtGetApiBase; name {LIBRARY_FILE} of ONNX Runtime", path.display())]
    NotOnnxRuntime { path: PathBuf },
    #[error(
        "{} is ONNX Runtime {version}, Phicam needs 1.{MIN_MINOR_VERSION} or later; install a newer version (JetPack 4 \
         has none: its boards use the CPU engine)", path.display()
    )]
    TooOld { path: PathBuf, version: String },
    #[error(
        "{} is ONNX Runtime {version} without API version {MIN_MINOR_VERSION}; install another build",
        path.display()
    )]
    ApiMissing { path: PathBuf, version: String },
    #[error(
        "cannot load {}: this process has loaded {} already; restart the program",
        path.display(), loaded.display()
    )]
    AlreadyLoaded { loaded: PathBuf, path: PathBuf },
}

impl From<LibraryError> for EngineError {
    fn from(error: LibraryError) -> EngineError {
        EngineError::Library(Box::new(error))
    }
}
