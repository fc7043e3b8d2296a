//! Read-only queries on a typed graph, for pattern matching.

use std::sync::Arc;

use phicam_kernels::WeightFormat;
use tract_onnx::prelude::tract_itertools::Itertools;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::source::TypedSource;

use crate::detached_weights::{DetachedInitializers, RawInitializer};

/// A typed graph with concrete shapes and folded constants, and its detached initializers.
#[derive(Clone, Copy)]
pub struct GraphView<'a> {
    pub model: &'a TypedModel,
    pub detached: &'a DetachedInitializers,
}

impl<'a> GraphView<'a> {
    pub fn node(self, id: usize) -> &'a TypedNode {
        &self.model.nodes()[id]
    }

    /// Returns the consumers of node `id`'s output, each once; none if the node is an output of the graph or has
    /// several.
    pub fn consumers(self, id: usize) -> Vec<&'a TypedNode> {
        let node = self.node(id);
        if node.outputs.len() != 1 || self.model.outputs.iter().any(|output| output.node == id) {
            return Vec::new();
        }
        node.outputs[0].successors.iter().map(|consumer| self.node(consumer.node)).unique_by(|node| node.id).collect()
    }

    /// Returns the only consumer of node `id`, skipping identity nodes; `None` if there are several.
    pub fn consumer(self, id: usize) -> Option<&'a TypedNode> {
        match self.consumers(id)[..] {
            [consumer] if consumer.op_is::<Identity>() => self.consumer(consumer.id),
            [consumer] => Some(consumer),
            _ => None,
        }
    }

    /// Returns height, width and channels of an f32 value in NCHW with batch size 1; `None` for any other value.
    pub fn image_dims(self, outlet: OutletId) -> Option<[usize; 3]> {
        let fact = self.model.outlet_fact(outlet).ok()?;
        match fact.shape.as_concrete()? {
            &[1, channels, height, width] if fact.datum_type == DatumType::F32 => Some([height, width, channels]),
            _ => None,
        }
    }

    /// Returns a constant as f32, also behind a cast that tract left unfolded for its size.
    pub fn constant(self, outlet: OutletId) -> Option<Tensor> {
        let node = self.node(outlet.node);
        let outlet = if node.op_is::<Cast>() { node.inputs[0] } else { outlet };
        let tensor = self.model.outlet_fact(outlet).ok()?.konst.clone()?;
        Some(tensor.cast_to::<f32>().ok()?.into_owned())
    }

    /// Returns a constant in its stored precision, detached or in the graph.
    pub fn weights(self, outlet: OutletId) -> Option<RawInitializer> {
        let node = self.node(outlet.node);
        if node.op_is::<TypedSource>() {
            return self.detached.get(&node.name).cloned();
        }
        let tensor = self.constant(outlet)?;
        let bytes = values(&tensor).iter().flat_map(|value| value.to_le_bytes()).collect();
        Some(RawInitializer { dims: tensor.shape().to_vec(), precision: WeightFormat::F32, bytes: Arc::new(bytes) })
    }

    /// Returns the constant that the binary `node` combines with the output of node `other`.
    pub fn constant_operand(self, node: &TypedNode, other: usize) -> Option<Tensor> {
        match node.inputs[..] {
            [a, b] if a.node == other && b.node != other => self.constant(b),
            [a, b] if b.node == other && a.node != other => self.constant(a),
            _ => None,
        }
    }

    /// Returns the constant operand of `node` beside node `other` if it is a single number.
    pub fn scalar_operand(self, node: &TypedNode, other: usize) -> Option<f32> {
        let tensor = self.constant_operand(node, other).filter(|tensor| tensor.len() == 1)?;
        values(&tensor).first().copied()
    }

    /// Returns the constant operand of `node` beside node `other` if it has one value per channel or one for all;
    /// `channels` values.
    pub fn channel_operand(self, node: &TypedNode, other: usize, channels: usize) -> Option<Vec<f32>> {
        let tensor = self.constant_operand(node, other)?;
        let is_per_channel = match tensor.shape() {
            [1, count, 1, 1] | [count, 1, 1] => *count == channels,
            _ => false,
        };
        broadcast(&tensor, channels).filter(|_| is_per_channel || tensor.len() == 1)
    }
}

/// Returns whether `node` is the binary operator `B`.
pub fn is_binary<B: BinMiniOp>(node: &TypedNode) -> bool {
    node.op_as::<TypedBinOp>().is_some_and(|binary| binary.0.is::<B>())
}

/// Returns whether `node` is the element-wise operator `E`.
pub fn is_unary<E: ElementWiseMiniOp>(node: &TypedNode) -> bool {
    node.op_as::<ElementWiseOp>().is_some_and(|unary| unary.0.is::<E>())
}

/// Returns `count` values of a tensor that has `count` values or one; `None` for any other number.
pub fn broadcast(tensor: &Tensor, count: usize) -> Option<Vec<f32>> {
    let values = values(tensor);
    match values[..] {
        [value] => Some(vec![value; count]),
        _ => Some(values).filter(|values| values.len() == count),
    }
}

/// Returns the values of an f32 tensor; none if tract does not hold it as plain memory.
pub fn values(tensor: &Tensor) -> Vec<f32> {
    let plain = tensor.try_as_plain_ram().ok();
    plain.and_then(|plain| plain.as_slice::<f32>().ok().map(<[f32]>::to_vec)).unwrap_or_default()
}
