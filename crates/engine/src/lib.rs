//! What runs a model.

use phicam_model::catalog::CatalogError;

mod execution_config;
pub mod latency;
pub mod output_check;
pub use execution_config::{EngineKind, ExecutionConfig, Precision};

/// A model that could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    File(#[from] CatalogError),
    /// The engine's own library is missing or unusable.
    #[error(transparent)]
    Library(Box<dyn std::error::Error + Send + Sync>),
    #[error("{engine} cannot be used: {cause}; {remedy}")]
    Unusable { engine: EngineKind, cause: String, remedy: &'static str },
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
    Precision { engine: EngineKind, precision: Precision, known: String },
    #[error("PHICAM_KERNELS is `{value}`, expected one of this CPU's, {known}, or none")]
    Kernels { value: String, known: String },
    #[error("{variable} is `{value}`, expected {expected}")]
    Fusion { variable: &'static str, value: String, expected: &'static str },
}

/// Runs one variant, one picture at a time. The tests have a second implementation, to be slow and to fail on purpose.
pub trait Engine: Send {
    /// Which engine it is, in which numbers and on how many threads.
    fn config(&self) -> ExecutionConfig;
    /// What runs the network's operators, in words.
    fn description(&self) -> String;
    /// How many scores it gives.
    fn classes(&self) -> usize;
    /// The input to fill: 3 × side × side values, in the order of the contract's layout.
    fn input(&mut self) -> &mut [f32];
    /// One score a class, before softmax, for what [`Engine::input`] was filled with.
    fn infer(&mut self) -> Result<&[f32], EngineError>;
}
