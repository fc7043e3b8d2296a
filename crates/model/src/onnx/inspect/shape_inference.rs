//! The shape of every value of a graph for a picture of a given side, and the work that its convolutions and matrix
//! products are.

use std::collections::HashMap;

use tract_onnx::pb::NodeProto;

use super::validated_graph::Graph;
use super::{InspectError, constant_folding};
use crate::catalog::{Layout, MOST_MILLION_MACS};

mod operators;
use operators::{Shape, pooled};

/// What of a layer tells which network it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    pub out_channels: usize,
    /// Of one group.
    pub in_channels: usize,
    pub kernel: usize,
    pub stride: usize,
    pub groups: usize,
    /// Else a matrix product.
    pub convolution: bool,
}

/// What a walk through the graph found.
#[derive(Debug)]
pub struct Walked {
    /// In the order of the file.
    pub layers: Vec<LayerShape>,
    pub macs: u64,
    pub classes: usize,
}

/// No value that is passed on inside a network may have more elements: 1 GiB in single precision.
const MOST_ELEMENTS: u64 = 1 << 28;

/// Goes through `graph` in its order, for a picture of `side` pixels.
pub fn walk(graph: &Graph, layout: Layout, side: u32) -> Result<Walked, InspectError> {
    constant_folding::check(graph)?;
    let side = side as usize;
    let input = match layout {
        Layout::Nchw => vec![1, 3, side, side],
        Layout::Nhwc => vec![1, side, side, 3],
    };
    let mut walk = Walk { graph, shapes: HashMap::new(), layers: Vec::new(), macs: 0 };
    walk.shapes.insert(graph.input.name.as_str(), input);
    for node in &graph.nodes {
        let shape = walk.node(node)?;
        if let (Some(shape), [output, ..]) = (shape, &node.output[..]) {
            let elements = shape.iter().try_fold(1u64, |all, &size| all.checked_mul(size as u64));
            if elements.is_none_or(|elements| elements > MOST_ELEMENTS) {
                let what = format!("node `{}` gives {shape:?}, more than {MOST_ELEMENTS} values", node.name);
                return Err(InspectError::Uncounted(what));
            }
            walk.shapes.insert(output, shape);
        }
    }
    let classes = match walk.shapes.get(graph.output.as_str()).map(Vec::as_slice) {
        Some([1, classes]) => *classes,
        Some(other) => {
            let fault = format!("its output is {other:?}, and 1 × classes is expected: is it a classifier?");
            return Err(InspectError::Input(fault));
        }
        None => {
            let fault = "the shape of its output cannot be told; simplify the model (onnxsim does)";
            return Err(InspectError::Input(fault.into()));
        }
    };
    if !(2..=100_000).contains(&classes) {
        return Err(InspectError::Input(format!("it has {classes} classes, expected 2 to 100000")));
    }
    let million_macs = walk.macs as f64 / 1e6;
    if million_macs >= MOST_MILLION_MACS {
        let what = format!(
            "it is {million_macs:.0} million multiply-accumulates a picture, less than {MOST_MILLION_MACS} are possible"
        );
        return Err(InspectError::Uncounted(what));
    }
    Ok(Walked { layers: walk.layers, macs: walk.macs, classes })
}

struct Walk<'a> {
    graph: &'a Graph,
    shapes: HashMap<&'a str, Shape>,
    layers: Vec<LayerShape>,
    macs: u64,
}

impl Walk<'_> {
    /// Shape of a node's input; nothing where there is none, or it cannot be told.
    fn shape(&self, node: &NodeProto, input: usize) -> Option<Shape> {
        let name = node.input.get(input)?.as_str();
        self.shapes.get(name).cloned().or_else(|| self.graph.constants.get(name).map(|constant| constant.shape.clone()))
    }

    /// A constant input of whole numbers: a shape, axes, pads.
    fn integers(&self, node: &NodeProto, input: usize) -> Option<Vec<i64>> {
        self.graph.constants.get(node.input.get(input)?)?.integers.clone()
    }

    /// A constant's shape, also behind a cast or as quantised: of weights.
    fn weights(&self, node: &NodeProto, input: usize) -> Option<Shape> {
        let mut name = node.input.get(input)?;
        for _ in 0..4 {
            if let Some(constant) = self.graph.constants.get(name) {
                return Some(constant.shape.clone());
            }
            let made = |other: &&NodeProto| other.output.first() == Some(name);
            let maker = self.graph.nodes.iter().find(made)?;
            match maker.op_type.as_str() {
                "Cast" | "Identity" | "DequantizeLinear" | "QuantizeLinear" => name = maker.input.first()?,
                _ => return None,
            }
        }
        None
    }

    fn uncounted(node: &NodeProto, what: &str) -> InspectError {
        InspectError::Uncounted(format!("node `{}` ({}) {what}", node.name, node.op_type))
    }

    fn spend(&mut self, macs: Option<u64>, node: &NodeProto) -> Result<(), InspectError> {
        let sum = macs.and_then(|macs| self.macs.checked_add(macs));
        self.macs = sum.ok_or_else(|| Self::uncounted(node, "needs more work than can be counted"))?;
        Ok(())
    }

    /// The shape of what `node` gives; nothing where only constants go in, or no rule is known.
    fn node(&mut self, node: &NodeProto) -> Result<Option<Shape>, InspectError> {
        match node.op_type.as_str() {
            "Conv" | "ConvInteger" | "QLinearConv" => self.convolution(node).map(Some),
            "Gemm" | "MatMul" | "MatMulInteger" | "QLinearMatMul" => self.product(node),
            op => {
                let shapes: Vec<Option<Shape>> = (0..node.input.len()).map(|input| self.shape(node, input)).collect();
                let from_picture = node.input.iter().any(|name| self.shapes.contains_key(name.as_str()));
                if !from_picture && op != "DequantizeLinear" {
                    return Ok(None);
                }
                let integers = |input: usize| self.integers(node, input);
                operators::shape(op, node, &shapes, &integers).map_err(|what| Self::uncounted(node, &what))
            }
        }
    }

    fn convolution(&mut self, node: &NodeProto) -> Result<Shape, InspectError> {
        let at = if node.op_type == "QLinearConv" { 3 } else { 1 };
        let weights = self.weights(node, at).ok_or_else(|| Self::uncounted(node, "has no constant weights"))?;
        let input = self.shape(node, 0).ok_or_else(|| Self::uncounted(node, "has an input of unknown shape"))?;
        let groups = operators::int(node, "group").unwrap_or(1);
        let ([1, channels, height, width], [out, inside, rows, columns], 1..) = (&input[..], &weights[..], groups)
        else {
            let what = format!("has an input of {input:?}, weights of {weights:?} and {groups} groups");
            return Err(Self::uncounted(node, &what));
        };
        let groups = groups as usize;
        if inside.checked_mul(groups) != Some(*channels) || out % groups != 0 || inside * out == 0 {
            let what = format!("has an input of {input:?}, weights of {weights:?} and {groups} groups");
            return Err(Self::uncounted(node, &what));
        }
        let square = pooled(node, [*height, *width], [*rows, *columns]).map_err(|what| Self::uncounted(node, &what))?;
        let stride = operators::ints(node, "strides").and_then(|strides| strides.first().copied()).unwrap_or(1);
        let sizes = [*out, *inside, *rows, *columns, square[0], square[1]];
        self.spend(sizes.iter().try_fold(1u64, |all, &size| all.checked_mul(size as u64)), node)?;
        self.layers.push(LayerShape {
            out_channels: *out,
            in_channels: *inside,
            kernel: if rows == columns { *rows } else { 0 },
            stride: usize::try_from(stride).unwrap_or(0),
            groups,
            convolution: true,
        });
        Ok(vec![1, *out, square[0], square[1]])
    }

    fn product(&mut self, node: &NodeProto) -> Result<Option<Shape>, InspectError> {
        let at = if node.op_type == "QLinearMatMul" { 3 } else { 1 };
        let Some(weights) = self.weights(node, at).filter(|weights| weights.len() == 2) else {
            // Two computed values, as in attention: the first's rows times the second's last axis.
            let (Some(a), Some(b)) = (self.shape(node, 0), self.shape(node, at)) else { return Ok(None) };
            let (Some(&last), true) = (b.last(), a.len() == b.len() && a.len() >= 2) else {
                return Err(Self::uncounted(node, &format!("multiplies {a:?} by {b:?}")));
            };
            self.spend(a.iter().try_fold(last as u64, |all, &size| all.checked_mul(size as u64)), node)?;
            let mut shape = a;
            shape.pop();
            shape.push(last);
            return Ok(Some(shape));
        };
        let transposed = operators::int(node, "transB") == Some(1);
        let (from, to) = if transposed { (weights[1], weights[0]) } else { (weights[0], weights[1]) };
        // Behind a reshape that could not be followed there is one row: the picture's.
        let mut shape = self.shape(node, 0).unwrap_or_else(|| vec![1, from]);
        if shape.pop() != Some(from) {
            let what = format!("has weights of {weights:?}, which do not fit its input");
            return Err(Self::uncounted(node, &what));
        }
        self.spend(shape.iter().try_fold((from * to) as u64, |all, &size| all.checked_mul(size as u64)), node)?;
        let layer =
            LayerShape { out_channels: to, in_channels: from, kernel: 1, stride: 1, groups: 1, convolution: false };
        self.layers.push(layer);
        shape.push(to);
        Ok(Some(shape))
    }
}
