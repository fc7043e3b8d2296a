//! Shared by the fuzz targets: seed files, and the invariants of every reader.

pub mod check;
#[path = "../../crates/checkpoint/tests/weights/made.rs"]
pub mod made;
