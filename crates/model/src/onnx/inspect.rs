//! What an ONNX file is, as far as the file tells: its network, work, parameters and input.
//!
//! The file is taken as hostile: nothing of it is run, and its memory is bounded before it is decoded.

use prost::Message;
use tract_onnx::pb::ModelProto;

use crate::catalog::Layout;
use crate::efficientnet::Scaled;
use crate::efficientnet::compound_scaling::BASE_SIDE;

mod architecture;
mod constant_folding;
mod decoded_size;
mod shape_inference;
#[cfg(test)]
mod tests;
mod validated_graph;
pub use decoded_size::SLACK_BYTES;
use decoded_size::decoded_bytes;
use validated_graph::Graph;

/// The largest file that is looked at, 1 GiB: B7 in single precision has a quarter of it.
pub const MAX_BYTES: u64 = 1 << 30;
/// A file that is no usable ONNX classifier.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("it ends in the middle of a field: it was not copied whole, or is no ONNX file")]
    CutShort,
    #[error("it is no ONNX file, or a damaged one: {0}")]
    Damaged(String),
    #[error("it has {0}")]
    Refused(&'static str),
    #[error(
        "decoded it would take more than {limit_mib} MiB, its size and {} more: it has too many small parts; simplify it \
         (onnxsim does), or it is damaged", SLACK_BYTES >> 20
    )]
    Swells { limit_mib: u64 },
    #[error("it has {bytes} bytes, more than the {MAX_BYTES} that a model may have")]
    TooLarge { bytes: u64 },
    #[error("{what} `{name}` {fault}")]
    Graph { what: &'static str, name: String, fault: String },
    #[error("{0}")]
    Input(String),
    #[error("its work cannot be counted: {0}")]
    Uncounted(String),
}

/// What a file tells of itself.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Nothing where it is none of the family.
    pub scaled: Option<Scaled>,
    pub layout: Layout,
    /// The side it is fixed to; nothing where it takes any.
    pub fixed_side: Option<u32>,
    /// The side that whoever wrote it made it for, as a remark in the file.
    pub remarked_side: Option<u32>,
    pub classes: usize,
    /// Values that were trained, batch norm as the file has it.
    pub million_parameters: f64,
    /// Of the weights: `f32`, `f16`, `int8`.
    pub precision: &'static str,
    graph: Graph,
}

impl Facts {
    /// Reads `onnx` without running any of it.
    pub fn of(onnx: &[u8]) -> Result<Facts, InspectError> {
        let bytes = onnx.len() as u64;
        if bytes > MAX_BYTES {
            return Err(InspectError::TooLarge { bytes });
        }
        decoded_bytes(onnx)?;
        let model = ModelProto::decode(onnx).map_err(|error| InspectError::Damaged(error.to_string()))?;
        let remark = model.metadata_props.iter().find(|entry| entry.key == "side");
        let remarked_side = remark.and_then(|entry| entry.value.parse().ok());
        let proto = model.graph.ok_or(InspectError::Damaged("there is no graph in it".into()))?;
        let graph = Graph::read(proto)?;
        let (layout, fixed_side) = graph.input_layout()?;
        // Layers and classes are the same at any side; work is asked for with the side that is meant.
        let side = fixed_side.or(remarked_side).unwrap_or(BASE_SIDE);
        let walked = shape_inference::walk(&graph, layout, side)?;
        Ok(Facts {
            scaled: architecture::recognise(&walked.layers, walked.classes),
            layout,
            fixed_side,
            remarked_side,
            classes: walked.classes,
            million_parameters: graph.parameters() as f64 / 1e6,
            precision: graph.precision(),
            graph,
        })
    }

    /// Multiply-accumulates, in millions, of one picture of `side` pixels.
    pub fn million_macs(&self, side: u32) -> Result<f64, InspectError> {
        if let Some(fixed) = self.fixed_side.filter(|&fixed| fixed != side) {
            return Err(InspectError::Input(format!("it takes pictures of {fixed} pixels alone, not of {side}")));
        }
        Ok(shape_inference::walk(&self.graph, self.layout, side)?.macs as f64 / 1e6)
    }
}
