//! Asks a library of ONNX Runtime for its version and whether it has the interface that is used, before it is used.
#![allow(unsafe_code)] // two functions of another's library

use std::error::Error;
use std::ffi::CStr;
use std::path::Path;

use libloading::Library;
use ort::sys::OrtApiBase;

use super::library::{LEAST_MINOR, LibraryError, minor};

/// Its version, once it is known to have the interface that is asked for: the crate `ort` ends the program where it lacks it.
pub fn version(path: &Path) -> Result<String, LibraryError> {
    // SAFETY: opening runs what the library does at its start. The file is a whole one for this machine, nobody but its
    // owner and the administrator can have written it, and it is what the user named or installed to be run.
    let library = unsafe { Library::new(path) };
    let library = library.map_err(|error| LibraryError::Unopened { path: path.into(), cause: innermost(&error) })?;
    // SAFETY: this is the type of that function in every version of onnxruntime_c_api.h.
    let base = unsafe { library.get::<unsafe extern "C" fn() -> *const OrtApiBase>(b"OrtGetApiBase") };
    let Ok(base) = base else { return Err(LibraryError::OtherLibrary { path: path.into() }) };
    // SAFETY: it takes nothing, and gives a table that lives as long as the library, or nothing.
    let base = unsafe { base().as_ref() };
    let Some(base) = base else { return Err(LibraryError::OtherLibrary { path: path.into() }) };
    // SAFETY: the function gives a text that ends in 0 and lives as long as the library.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned();
    if minor(&version) < LEAST_MINOR && version.starts_with("1.") {
        return Err(LibraryError::TooOld { path: path.into(), version });
    }
    // SAFETY: it takes a number, and gives a table or nothing.
    if unsafe { (base.GetApi)(LEAST_MINOR) }.is_null() {
        return Err(LibraryError::NoInterface { path: path.into(), version });
    }
    // It is opened again below, and must not be unloaded meanwhile: some builds do not bear that.
    std::mem::forget(library);
    Ok(version)
}

/// The last of the reasons: the loader's own words.
fn innermost(mut error: &dyn Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
