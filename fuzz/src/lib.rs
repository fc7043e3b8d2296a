//! Shared parts of the fuzz targets: builders of valid files, and the invariants of every reader.

#[path = "../../crates/checkpoint/tests/weights/builders.rs"]
pub mod builders;
pub mod check;
