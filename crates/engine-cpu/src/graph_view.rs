//! What is asked of a graph when blocks are looked for in it.

use std::sync::Arc;

use phicam_kernels::Precision;
use tract_onnx::prelude::tract_itertools::Itertools;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::source::TypedSource;

use crate::detached_weights::{Aside, Stored};

/// A typed graph, its shapes known, constants folded; and the weights that are not in it.
#[derive(Clone, Copy)]
pub struct Graph<'a>(pub &'a TypedModel, pub &'a Aside);

impl<'a> Graph<'a> {
    pub fn node(self, id: usize) -> &'a TypedNode {
        &self.0.nodes()[id]
    }

    /// Who reads what node `id` gives, each once; nobody is said to where it is an output of the graph.
    pub fn readers(self, id: usize) -> Vec<&'a TypedNode> {
        let node = self.node(id);
        if node.outputs.len() != 1 || self.0.outputs.iter().any(|output| output.node == id) {
            return Vec::new();
        }
        node.outputs[0].successors.iter().map(|reader| self.node(reader.node)).unique_by(|node| node.id).collect()
    }

    /// The only reader of node `id`, past those that change nothing.
    pub fn reader(self, id: usize) -> Option<&'a TypedNode> {
        match self.readers(id)[..] {
            [reader] if reader.op_is::<Identity>() => self.reader(reader.id),
            [reader] => Some(reader),
            _ => None,
        }
    }

    /// Rows, columns, channels of what node `id` gives, where it is one picture, channel by channel.
    pub fn picture(self, outlet: OutletId) -> Option<[usize; 3]> {
        let fact = self.0.outlet_fact(outlet).ok()?;
        match fact.shape.as_concrete()? {
            &[1, channels, height, width] if fact.datum_type == DatumType::F32 => Some([height, width, channels]),
            _ => None,
        }
    }

    /// A constant as f32, also behind a cast that was too large to be folded.
    pub fn constant(self, outlet: OutletId) -> Option<Tensor> {
        let node = self.node(outlet.node);
        let outlet = if node.op_is::<Cast>() { node.inputs[0] } else { outlet };
        let tensor = self.0.outlet_fact(outlet).ok()?.konst.clone()?;
        Some(tensor.cast_to::<f32>().ok()?.into_owned())
    }

    /// A constant as it is stored, be it in the graph or aside.
    pub fn weights(self, outlet: OutletId) -> Option<Stored> {
        let node = self.node(outlet.node);
        if node.op_is::<TypedSource>() {
            return self.1.get(&node.name).cloned();
        }
        let tensor = self.constant(outlet)?;
        let bytes = values(&tensor).iter().flat_map(|value| value.to_le_bytes()).collect();
        Some(Stored { dims: tensor.shape().to_vec(), precision: Precision::Single, bytes: Arc::new(bytes) })
    }

    /// The constant that `node` joins with what node `other` gives.
    pub fn partner(self, node: &TypedNode, other: usize) -> Option<Tensor> {
        match node.inputs[..] {
            [a, b] if a.node == other && b.node != other => self.constant(b),
            [a, b] if b.node == other && a.node != other => self.constant(a),
            _ => None,
        }
    }

    /// The same, where it is one number.
    pub fn number(self, node: &TypedNode, other: usize) -> Option<f32> {
        let tensor = self.partner(node, other).filter(|tensor| tensor.len() == 1)?;
        values(&tensor).first().copied()
    }

    /// The same, where it is a number for each of `channels` channels of a picture, or one for all.
    pub fn numbers(self, node: &TypedNode, other: usize, channels: usize) -> Option<Vec<f32>> {
        let tensor = self.partner(node, other)?;
        let does = match tensor.shape() {
            [1, count, 1, 1] | [count, 1, 1] => *count == channels,
            _ => false,
        };
        spread(&tensor, channels).filter(|_| does || tensor.len() == 1)
    }
}

/// Whether `node` joins two inputs by `B`.
pub fn joins<B: BinMiniOp>(node: &TypedNode) -> bool {
    node.op_as::<TypedBinOp>().is_some_and(|join| join.0.is::<B>())
}

/// Whether `node` changes each value by `E`.
pub fn changes<E: ElementWiseMiniOp>(node: &TypedNode) -> bool {
    node.op_as::<ElementWiseOp>().is_some_and(|change| change.0.is::<E>())
}

/// `count` values, or one for all.
pub fn spread(tensor: &Tensor, count: usize) -> Option<Vec<f32>> {
    let values = values(tensor);
    match values[..] {
        [value] => Some(vec![value; count]),
        _ => Some(values).filter(|values| values.len() == count),
    }
}

/// The values of an f32 tensor.
pub fn values(tensor: &Tensor) -> Vec<f32> {
    let plain = tensor.try_as_plain_ram().ok();
    plain.and_then(|plain| plain.as_slice::<f32>().ok().map(<[f32]>::to_vec)).unwrap_or_default()
}
