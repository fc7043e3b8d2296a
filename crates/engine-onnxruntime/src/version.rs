//! Queries the version and the API of an ONNX Runtime library before the crate `ort` uses the library.
#![allow(unsafe_code)] // calls two functions of the library

use std::error::Error;
use std::ffi::CStr;
use std::path::Path;

use libloading::Library;
use ort::sys::OrtApiBase;

use crate::error::{LibraryError, MIN_MINOR_VERSION};

/// Returns the library's version, such as `1.23.2`, after checking that it has the required API.
///
/// `ort` itself ends the program if the API is missing.
pub fn checked_version(path: &Path) -> Result<String, LibraryError> {
    // SAFETY: loading runs the library's initialisers. `library::check` has verified that the file is complete, is for
    // this machine, and is writable only by its owner and the administrator. The user named or installed it to be run.
    let library = unsafe { Library::new(path) };
    let library = library.map_err(|error| LibraryError::LoadFailed { path: path.into(), cause: root_cause(&error) })?;
    // SAFETY: the function has this type in every version of onnxruntime_c_api.h.
    let base = unsafe { library.get::<unsafe extern "C" fn() -> *const OrtApiBase>(b"OrtGetApiBase") };
    let Ok(base) = base else { return Err(LibraryError::NotOnnxRuntime { path: path.into() }) };
    // SAFETY: the function takes no arguments. It returns null or a table that lives as long as the library.
    let base = unsafe { base().as_ref() };
    let Some(base) = base else { return Err(LibraryError::NotOnnxRuntime { path: path.into() }) };
    // SAFETY: the function returns a text that ends in 0 and lives as long as the library.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned();
    if minor_version(&version) < MIN_MINOR_VERSION && version.starts_with("1.") {
        return Err(LibraryError::TooOld { path: path.into(), version });
    }
    // SAFETY: the function takes a number and returns a table or null.
    if unsafe { (base.GetApi)(MIN_MINOR_VERSION) }.is_null() {
        return Err(LibraryError::ApiMissing { path: path.into(), version });
    }
    // `ort` loads the library again. Some builds do not survive being unloaded in between.
    std::mem::forget(library);
    Ok(version)
}

/// Returns the second number of a version such as `1.23.2`; 0 if there is none.
pub fn minor_version(version: &str) -> u32 {
    version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0)
}

/// Returns the innermost source of an error: the message of the dynamic loader.
fn root_cause(mut error: &dyn Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
