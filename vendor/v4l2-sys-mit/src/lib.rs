//! Linux's V4L2 structures, for the crate `v4l`. The published crate of this name generates them in its build script,
//! for which every machine that builds would need libclang; these were generated once (`generate.sh`), and the
//! assertions in them check every size and offset when they are compiled.

#![allow(clippy::all)]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!("these are the structures of 64-bit little-endian Linux; generate.sh makes others");

mod bindings;
pub use bindings::*;
