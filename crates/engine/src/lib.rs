//! Common base of all inference engines: trait, execution config, errors, output check, latency histogram.

use phicam_model::catalog::CatalogError;

mod execution_config;
pub mod latency;
pub mod output_check;
pub use execution_config::{EngineKind, ExecutionConfig, Precision};

/// Failure to load or run a model.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    File(#[from] CatalogError),
    /// The shared library of an engine is missing or unusable.
    #[error(transparent)]
    Library(Box<dyn std::error::Error + Send + Sync>),
    #[error("{engine} cannot be used: {cause}; {remedy}")]
    Unusable { engine: EngineKind, cause: String, remedy: &'static str },
    #[error("{model} cannot be loaded: {cause}; `phicam models verify` checks every file")]
    Load { model: String, cause: String },
    #[error(
        "{model} {what} {found}, expected {expected}: the file does not match its catalog entry; \
         see models/catalog.toml"
    )]
    Shape { model: String, what: &'static str, found: String, expected: String },
    #[error("inference failed for {model}: {cause}")]
    Run { model: String, cause: String },
    #[error("{engine} cannot run in {precision}: it supports {known}; {remedy}")]
    Precision { engine: EngineKind, precision: Precision, known: String, remedy: String },
    #[error("PHICAM_KERNELS is `{value}`, expected none or a kernel that this CPU supports: {known}")]
    Kernels { value: String, known: String },
    #[error("{variable} is `{value}`, expected {expected}")]
    Fusion { variable: &'static str, value: String, expected: &'static str },
}

/// Backend that runs one variant, one frame at a time. The tests implement it as well, to be slow or to fail on
/// purpose.
pub trait Engine: Send {
    /// Returns the backend, precision and thread count in use.
    fn config(&self) -> ExecutionConfig;
    /// Describes the software that runs the network's operators, for people.
    fn description(&self) -> String;
    /// Returns the number of scores, one for each class.
    fn classes(&self) -> usize;
    /// Returns the input to fill: 3 × side × side values in the layout of the variant's input spec.
    fn input(&mut self) -> &mut [f32];
    /// Runs inference on [`Engine::input`]. Returns one score for each class, before softmax.
    fn infer(&mut self) -> Result<&[f32], EngineError>;
}
