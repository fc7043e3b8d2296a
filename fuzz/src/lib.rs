//! What the fuzz targets share: the readers (by path, so that no engine is built with them), files to begin with, and what
//! must hold of any.

pub mod check;
#[path = "../../tests/weights/made.rs"]
pub mod made;
#[path = "../../src"]
pub mod readers {
    pub mod weights;
}
