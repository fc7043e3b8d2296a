//! What runs a model.

use std::path::Path;

use crate::catalog::{CatalogError, Choice};

pub mod agreement;
mod aside;
mod kept;
mod logits;
mod offer;
mod onnx;
pub mod onnxruntime;
mod tract;
mod way;
pub use kept::kept;
pub use offer::{Threads, ways};
pub use onnxruntime::{LibraryError, OnnxRuntime};
pub use tract::Tract;
pub use way::{Name, Precision, Way};

/// A model that could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    File(#[from] CatalogError),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("{engine} cannot be used: {cause}; {remedy}")]
    Unusable { engine: Name, cause: String, remedy: &'static str },
    #[error("{model} cannot be loaded: {cause}; `phicam models verify` checks every file")]
    Load { model: String, cause: String },
    #[error(
        "{model} {what} {found}, expected {expected}: it is another kind of model than the catalog says; \
         see models/catalog.toml"
    )]
    Shape { model: String, what: &'static str, found: String, expected: String },
    #[error("{model} failed on a picture: {cause}")]
    Run { model: String, cause: String },
    #[error("{engine} does not calculate in {precision}; expected {known}, or another --engine")]
    Precision { engine: Name, precision: Precision, known: String },
    #[error("PHICAM_KERNELS is `{value}`, expected one of this CPU's, {known}, or none")]
    Kernels { value: String, known: String },
    #[error("PHICAM_DEPTH_FIRST is `{value}`, expected yes or no")]
    DepthFirst { value: String },
}

/// Runs one choice, one picture at a time. The tests have a second implementation, to be slow and to fail on purpose.
pub trait Engine: Send {
    /// Which engine it is, in which numbers and on how many threads.
    fn way(&self) -> Way;
    /// What runs the network's operators, in words.
    fn detail(&self) -> String;
    /// How many scores it gives.
    fn classes(&self) -> usize;
    /// The input to fill: 3 × side × side values, in the order of the contract's layout.
    fn input(&mut self) -> &mut [f32];
    /// One score a class, before softmax, for what [`Engine::input`] was filled with.
    fn infer(&mut self) -> Result<&[f32], EngineError>;
}

/// Loads `choice` from its file, whose hash is checked, to run the `way` that is asked for. Below the folder `state`, where there
/// is one, what takes time to prepare is kept: the next start reads that.
pub fn open(choice: &Choice, way: Way, state: Option<&Path>) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match way.engine {
        Name::Tract => Box::new(Tract::open(choice, state, way.threads)?),
        Name::OnnxRuntime | Name::Cuda | Name::TensorRt => Box::new(OnnxRuntime::open(choice, way, state)?),
    })
}

/// What times of this engine depend on beside the way itself, in words: the environment, or the library that is found.
pub fn setting(engine: Name) -> String {
    match engine {
        Name::Tract => tract::setting(),
        Name::OnnxRuntime | Name::Cuda | Name::TensorRt => onnxruntime::setting(),
    }
}

/// Loads `choice` from the bytes of a file that nobody vouches for.
pub fn open_bytes(choice: &Choice, onnx: &[u8], way: Way) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match way.engine {
        Name::Tract => Box::new(Tract::load(&choice.name, onnx, choice.side, choice.input.layout, way.threads)?),
        Name::OnnxRuntime | Name::Cuda | Name::TensorRt => Box::new(OnnxRuntime::load(choice, onnx, way)?),
    })
}
