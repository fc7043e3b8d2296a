//! Inspection of ONNX files: network, multiply-accumulates, parameters and input.
//!
//! The file is treated as hostile: none of it is run, and its memory is bounded before it is decoded.

use prost::Message;
use tract_onnx::pb::ModelProto;

use crate::catalog::Layout;
use crate::efficientnet::ScaledNetwork;
use crate::efficientnet::compound_scaling::BASE_SIDE;

mod architecture;
mod constant_folding;
mod decoded_size;
mod shape_inference;
#[cfg(test)]
mod tests;
mod validated_graph;
pub use decoded_size::SLACK_BYTES;
use decoded_size::decoded_size_bound;
use validated_graph::Graph;

/// Maximum file size in bytes: 1 GiB, four times EfficientNet-B7 in single precision.
pub const MAX_BYTES: u64 = 1 << 30;
/// A file is not a usable ONNX classifier.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("the file ends inside a field: it is truncated, or not an ONNX file; copy it again")]
    Truncated,
    #[error("not an ONNX file, or damaged: {0}")]
    Damaged(String),
    #[error("unsupported contents: {0}")]
    Unsupported(&'static str),
    #[error(
        "too many small parts: decoding would take more than {limit_mib} MiB, the file's size and {} MiB; \
         simplify the model with onnxsim", SLACK_BYTES >> 20
    )]
    TooManyParts { limit_mib: u64 },
    #[error("the file is too large: {bytes} bytes exceed the limit of {MAX_BYTES}")]
    TooLarge { bytes: u64 },
    #[error("{item} `{name}` {fault}")]
    Graph { item: &'static str, name: String, fault: String },
    #[error("{0}")]
    Input(String),
    #[error("cannot count the multiply-accumulates: {0}")]
    Uncountable(String),
}

/// Properties of a model, read from its file.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Family, width and depth; `None` if it is not an EfficientNet.
    pub scaled: Option<ScaledNetwork>,
    pub layout: Layout,
    /// Fixed input side in pixels; `None` if the input is dynamic.
    pub fixed_side: Option<u32>,
    /// Intended input side in pixels, from the file's metadata.
    pub metadata_side: Option<u32>,
    pub classes: usize,
    /// Number of trained values in millions, with batch norm as in the file.
    pub million_parameters: f64,
    /// Number format of the weights: `f32`, `f16` or `int8`.
    pub precision: &'static str,
    graph: Graph,
}

impl ModelInfo {
    /// Reads an ONNX file without running any of it.
    ///
    /// Returns an error if it is damaged, too large, or not a classifier of images.
    pub fn from_onnx(onnx: &[u8]) -> Result<ModelInfo, InspectError> {
        let bytes = onnx.len() as u64;
        if bytes > MAX_BYTES {
            return Err(InspectError::TooLarge { bytes });
        }
        decoded_size_bound(onnx)?;
        let model = ModelProto::decode(onnx).map_err(|error| InspectError::Damaged(error.to_string()))?;
        let side_property = model.metadata_props.iter().find(|entry| entry.key == "side");
        let metadata_side = side_property.and_then(|entry| entry.value.parse().ok());
        let proto = model.graph.ok_or(InspectError::Damaged("it has no graph".into()))?;
        let graph = Graph::read(proto)?;
        let (layout, fixed_side) = graph.input_layout()?;
        // Layers and classes do not depend on the side.
        let side = fixed_side.or(metadata_side).unwrap_or(BASE_SIDE);
        let inferred = shape_inference::infer(&graph, layout, side)?;
        Ok(ModelInfo {
            scaled: architecture::identify(&inferred.layers, inferred.classes),
            layout,
            fixed_side,
            metadata_side,
            classes: inferred.classes,
            million_parameters: graph.parameters() as f64 / 1e6,
            precision: graph.precision(),
            graph,
        })
    }

    /// Returns the million multiply-accumulates of one inference at `side` pixels.
    ///
    /// Returns an error if the input is fixed to another side, or if an operator is unknown.
    pub fn million_macs(&self, side: u32) -> Result<f64, InspectError> {
        if let Some(fixed) = self.fixed_side.filter(|&fixed| fixed != side) {
            return Err(InspectError::Input(format!(
                "its input is fixed to {fixed} pixels, not {side}; use --side {fixed}"
            )));
        }
        Ok(shape_inference::infer(&self.graph, self.layout, side)?.macs as f64 / 1e6)
    }
}
