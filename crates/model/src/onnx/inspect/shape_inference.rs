//! Shape inference for an input of a given side, with the multiply-accumulates of convolutions and matrix products.

use std::collections::HashMap;

use tract_onnx::pb::NodeProto;

use super::validated_graph::Graph;
use super::{InspectError, constant_folding};
use crate::catalog::{Layout, MAX_MILLION_MACS};

mod operators;
use operators::{Shape, pooled};

/// Properties of a layer that identify its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    pub out_channels: usize,
    /// Input channels of one group.
    pub in_channels: usize,
    pub kernel: usize,
    pub stride: usize,
    pub groups: usize,
    /// Whether it is a convolution; otherwise it is a matrix product.
    pub is_convolution: bool,
}

/// Result of shape inference.
#[derive(Debug)]
pub struct ShapeInference {
    /// In the order of the file.
    pub layers: Vec<LayerShape>,
    pub macs: u64,
    pub classes: usize,
}

/// Maximum elements of a value inside the network: 1 GiB in single precision.
const MAX_ELEMENTS: u64 = 1 << 28;

/// Infers the shapes of `graph` for an input of `side` pixels.
///
/// Returns an error if a shape, an operator or the number of classes is not supported.
pub fn infer(graph: &Graph, layout: Layout, side: u32) -> Result<ShapeInference, InspectError> {
    constant_folding::check(graph)?;
    let side = side as usize;
    let input = match layout {
        Layout::Nchw => vec![1, 3, side, side],
        Layout::Nhwc => vec![1, side, side, 3],
    };
    let mut inference = Inference { graph, shapes: HashMap::new(), layers: Vec::new(), macs: 0 };
    inference.shapes.insert(graph.input.name.as_str(), input);
    for node in &graph.nodes {
        let shape = inference.infer_node(node)?;
        if let (Some(shape), [output, ..]) = (shape, &node.output[..]) {
            let elements = shape.iter().try_fold(1u64, |all, &size| all.checked_mul(size as u64));
            if elements.is_none_or(|elements| elements > MAX_ELEMENTS) {
                let fault = format!("node `{}` has an output of {shape:?}, more than {MAX_ELEMENTS} values", node.name);
                return Err(InspectError::Uncountable(fault));
            }
            inference.shapes.insert(output, shape);
        }
    }
    let classes = match inference.shapes.get(graph.output.as_str()).map(Vec::as_slice) {
        Some([1, classes]) => *classes,
        Some(other) => {
            let fault = format!("its output is {other:?}, expected 1 × classes: is it a classifier?");
            return Err(InspectError::Input(fault));
        }
        None => {
            let fault = "the shape of its output is unknown; simplify the model with onnxsim";
            return Err(InspectError::Input(fault.into()));
        }
    };
    if !(2..=100_000).contains(&classes) {
        return Err(InspectError::Input(format!("it has {classes} classes, expected 2 to 100000")));
    }
    let million_macs = inference.macs as f64 / 1e6;
    if million_macs >= MAX_MILLION_MACS {
        let fault = format!("{million_macs:.0} million per inference, expected less than {MAX_MILLION_MACS}");
        return Err(InspectError::Uncountable(fault));
    }
    Ok(ShapeInference { layers: inference.layers, macs: inference.macs, classes })
}

struct Inference<'a> {
    graph: &'a Graph,
    shapes: HashMap<&'a str, Shape>,
    layers: Vec<LayerShape>,
    macs: u64,
}

impl Inference<'_> {
    /// Returns the shape of a node's input, or `None` if it is absent or unknown.
    fn shape(&self, node: &NodeProto, input: usize) -> Option<Shape> {
        let name = node.input.get(input)?.as_str();
        self.shapes.get(name).cloned().or_else(|| self.graph.constants.get(name).map(|constant| constant.shape.clone()))
    }

    /// Returns a constant integer input, such as a shape, axes or pads.
    fn integers(&self, node: &NodeProto, input: usize) -> Option<Vec<i64>> {
        self.graph.constants.get(node.input.get(input)?)?.integers.clone()
    }

    /// Returns the shape of constant weights, also behind casts and quantisation.
    fn weights(&self, node: &NodeProto, input: usize) -> Option<Shape> {
        let mut name = node.input.get(input)?;
        for _ in 0..4 {
            if let Some(constant) = self.graph.constants.get(name) {
                return Some(constant.shape.clone());
            }
            let is_producer = |other: &&NodeProto| other.output.first() == Some(name);
            let producer = self.graph.nodes.iter().find(is_producer)?;
            match producer.op_type.as_str() {
                "Cast" | "Identity" | "DequantizeLinear" | "QuantizeLinear" => name = producer.input.first()?,
                _ => return None,
            }
        }
        None
    }

    fn uncountable(node: &NodeProto, fault: &str) -> InspectError {
        InspectError::Uncountable(format!("node `{}` ({}) {fault}", node.name, node.op_type))
    }

    fn add_macs(&mut self, macs: Option<u64>, node: &NodeProto) -> Result<(), InspectError> {
        let sum = macs.and_then(|macs| self.macs.checked_add(macs));
        self.macs = sum.ok_or_else(|| Self::uncountable(node, "overflows the 64-bit count"))?;
        Ok(())
    }

    /// Returns the shape of a node's output, or `None` if only constants are its input or the shape is unknown.
    fn infer_node(&mut self, node: &NodeProto) -> Result<Option<Shape>, InspectError> {
        match node.op_type.as_str() {
            "Conv" | "ConvInteger" | "QLinearConv" => self.convolution(node).map(Some),
            "Gemm" | "MatMul" | "MatMulInteger" | "QLinearMatMul" => self.product(node),
            op => {
                let shapes: Vec<Option<Shape>> = (0..node.input.len()).map(|input| self.shape(node, input)).collect();
                let depends_on_image = node.input.iter().any(|name| self.shapes.contains_key(name.as_str()));
                if !depends_on_image && op != "DequantizeLinear" {
                    return Ok(None);
                }
                let integers = |input: usize| self.integers(node, input);
                operators::shape(op, node, &shapes, &integers).map_err(|fault| Self::uncountable(node, &fault))
            }
        }
    }

    fn convolution(&mut self, node: &NodeProto) -> Result<Shape, InspectError> {
        let weights_input = if node.op_type == "QLinearConv" { 3 } else { 1 };
        let weights =
            self.weights(node, weights_input).ok_or_else(|| Self::uncountable(node, "has no constant weights"))?;
        let input = self.shape(node, 0).ok_or_else(|| Self::uncountable(node, "has an input of unknown shape"))?;
        let groups = operators::int(node, "group").unwrap_or(1);
        let ([1, channels, height, width], [out, in_group, rows, columns], 1..) = (&input[..], &weights[..], groups)
        else {
            let fault = format!("has an input of {input:?}, weights of {weights:?} and {groups} groups");
            return Err(Self::uncountable(node, &fault));
        };
        let groups = groups as usize;
        if in_group.checked_mul(groups) != Some(*channels) || out % groups != 0 || in_group * out == 0 {
            let fault = format!("has an input of {input:?}, weights of {weights:?} and {groups} groups");
            return Err(Self::uncountable(node, &fault));
        }
        let output =
            pooled(node, [*height, *width], [*rows, *columns]).map_err(|fault| Self::uncountable(node, &fault))?;
        let stride = operators::ints(node, "strides").and_then(|strides| strides.first().copied()).unwrap_or(1);
        let sizes = [*out, *in_group, *rows, *columns, output[0], output[1]];
        self.add_macs(sizes.iter().try_fold(1u64, |all, &size| all.checked_mul(size as u64)), node)?;
        self.layers.push(LayerShape {
            out_channels: *out,
            in_channels: *in_group,
            kernel: if rows == columns { *rows } else { 0 },
            stride: usize::try_from(stride).unwrap_or(0),
            groups,
            is_convolution: true,
        });
        Ok(vec![1, *out, output[0], output[1]])
    }

    fn product(&mut self, node: &NodeProto) -> Result<Option<Shape>, InspectError> {
        let weights_input = if node.op_type == "QLinearMatMul" { 3 } else { 1 };
        let Some(weights) = self.weights(node, weights_input).filter(|weights| weights.len() == 2) else {
            // A product of two computed values, as in attention.
            let (Some(a), Some(b)) = (self.shape(node, 0), self.shape(node, weights_input)) else { return Ok(None) };
            let (Some(&last), true) = (b.last(), a.len() == b.len() && a.len() >= 2) else {
                return Err(Self::uncountable(node, &format!("multiplies {a:?} by {b:?}")));
            };
            self.add_macs(a.iter().try_fold(last as u64, |all, &size| all.checked_mul(size as u64)), node)?;
            let mut shape = a;
            shape.pop();
            shape.push(last);
            return Ok(Some(shape));
        };
        let transposed = operators::int(node, "transB") == Some(1);
        let (from, to) = if transposed { (weights[1], weights[0]) } else { (weights[0], weights[1]) };
        // After a reshape of unknown shape, one row is assumed: that of the single image.
        let mut shape = self.shape(node, 0).unwrap_or_else(|| vec![1, from]);
        if shape.pop() != Some(from) {
            let fault = format!("has weights of {weights:?} that do not fit its input");
            return Err(Self::uncountable(node, &fault));
        }
        self.add_macs(shape.iter().try_fold((from * to) as u64, |all, &size| all.checked_mul(size as u64)), node)?;
        let layer =
            LayerShape { out_channels: to, in_channels: from, kernel: 1, stride: 1, groups: 1, is_convolution: false };
        self.layers.push(layer);
        shape.push(to);
        Ok(Some(shape))
    }
}
