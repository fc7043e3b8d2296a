//! Validated ONNX graph: each value is computed once, before its use, and each constant matches its shape.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dimension;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, ValueInfoProto, type_proto};

use super::InspectError;
use crate::catalog::{Layout, SIDES};

/// Constant without its values, except for a few integers (shapes, axes, pads).
#[derive(Clone, Debug)]
pub struct Constant {
    pub shape: Vec<usize>,
    pub integers: Option<Vec<i64>>,
    data_type: i32,
}

/// Maximum number of integers to keep of a constant (estimate: a shape has at most 8).
const MAX_KEPT_INTEGERS: usize = 64;

impl Constant {
    pub fn elements(&self) -> usize {
        self.shape.iter().product() // cannot overflow: checked by `read_constant`
    }
}

/// The graph without the values of its weights.
#[derive(Clone, Debug)]
pub struct Graph {
    pub nodes: Vec<NodeProto>,
    pub constants: HashMap<String, Constant>,
    pub input: ValueInfoProto,
    pub output: String,
}

fn fault(item: &'static str, name: &str, fault: impl Into<String>) -> InspectError {
    InspectError::Graph { item, name: name.chars().take(80).collect(), fault: fault.into() }
}

impl Graph {
    pub fn read(proto: GraphProto) -> Result<Graph, InspectError> {
        let mut constants = HashMap::new();
        for tensor in &proto.initializer {
            if constants.insert(tensor.name.clone(), read_constant(tensor)?).is_some() {
                return Err(fault("constant", &tensor.name, "is defined twice"));
            }
        }
        let mut nodes = Vec::with_capacity(proto.node.len());
        for mut node in proto.node {
            if node.op_type == "Constant" {
                let value = node.attribute.iter().find_map(|attribute| attribute.t.as_ref());
                if let (Some(tensor), [output]) = (value, &node.output[..]) {
                    constants.insert(output.clone(), read_constant(tensor)?);
                    continue;
                }
            }
            // Drops tensors in attributes: shape inference needs only the numbers.
            node.attribute.iter_mut().for_each(|attribute| attribute.t = None);
            nodes.push(node);
        }
        let mut inputs = proto.input.into_iter().filter(|input| !constants.contains_key(&input.name));
        let (Some(input), None) = (inputs.next(), inputs.next()) else {
            return Err(InspectError::Input("it needs exactly one input, an image".into()));
        };
        let mut outputs = proto.output.into_iter();
        let (Some(output), None) = (outputs.next(), outputs.next()) else {
            return Err(InspectError::Input("it needs exactly one output, the scores".into()));
        };
        let graph = Graph { nodes, constants, input, output: output.name };
        graph.check_order()?;
        Ok(graph)
    }

    /// Checks that each value is computed before its use, as ONNX requires. This excludes cycles.
    fn check_order(&self) -> Result<(), InspectError> {
        let mut defined: HashSet<&str> = self.constants.keys().map(String::as_str).collect();
        defined.insert(&self.input.name);
        for node in &self.nodes {
            if !["", "ai.onnx"].contains(&node.domain.as_str()) {
                let domain =
                    format!("belongs to the domain `{}`, not to ONNX; export it with plain operators", node.domain);
                return Err(fault("operator", &node.op_type, domain));
            }
            if let Some(missing) = node.input.iter().find(|name| !name.is_empty() && !defined.contains(name.as_str())) {
                let missing: String = missing.chars().take(80).collect();
                let cause = format!("uses `{missing}` before its definition: a cycle, or nodes out of order");
                return Err(fault("node", &node.name, cause));
            }
            for output in node.output.iter().filter(|output| !output.is_empty()) {
                if !defined.insert(output) {
                    return Err(fault("value", output, "is defined twice"));
                }
            }
        }
        if !defined.contains(self.output.as_str()) {
            return Err(fault("output", &self.output, "is not computed by any node"));
        }
        Ok(())
    }

    /// Returns the axis order of the input, and its side in pixels if that is fixed.
    pub fn input_layout(&self) -> Result<(Layout, Option<u32>), InspectError> {
        let Some(type_proto::Value::TensorType(tensor)) = self.input.r#type.as_ref().and_then(|t| t.value.as_ref())
        else {
            return Err(InspectError::Input("its input has no type; export it with shapes".into()));
        };
        if tensor.elem_type != DataType::Float as i32 {
            let fault = format!("its input has ONNX type {}, expected single precision (type 1)", tensor.elem_type);
            return Err(InspectError::Input(fault));
        }
        let dimensions = tensor.shape.iter().flat_map(|shape| &shape.dim).map(|dimension| match dimension.value {
            Some(Dimension::DimValue(size)) if size > 0 => Some(size as u64),
            _ => None, // dynamic
        });
        let dimensions: Vec<Option<u64>> = dimensions.collect();
        let (layout, rows, columns) = match dimensions[..] {
            [None | Some(1), Some(3), rows, columns] => (Layout::Nchw, rows, columns),
            [None | Some(1), rows, columns, Some(3)] => (Layout::Nhwc, rows, columns),
            _ => {
                let size_text = |size: &Option<u64>| size.map_or("any".into(), |size| size.to_string());
                let shape = dimensions.iter().map(size_text).collect::<Vec<_>>().join(" × ");
                let expected = "expected 1 × 3 × side × side or 1 × side × side × 3";
                return Err(InspectError::Input(format!("its input is {shape}, {expected}")));
            }
        };
        match (rows, columns) {
            (None, None) => Ok((layout, None)),
            (Some(rows), Some(columns)) if rows == columns && u32::try_from(rows).is_ok_and(|r| SIDES.contains(&r)) => {
                Ok((layout, u32::try_from(rows).ok()))
            }
            _ => {
                let side = |size: Option<u64>| size.map_or("any".into(), |size| size.to_string());
                let range = format!("expected a square of {} to {} pixels", SIDES.start(), SIDES.end());
                Err(InspectError::Input(format!("its input is {} × {} pixels, {range}", side(rows), side(columns))))
            }
        }
    }

    /// Returns the trained constants: those that are not integers and have more than one element.
    fn trained(&self) -> impl Iterator<Item = &Constant> {
        self.constants.values().filter(|constant| constant.integers.is_none() && constant.elements() > 1)
    }

    /// Returns the number of trained values.
    pub fn parameters(&self) -> usize {
        self.trained().map(Constant::elements).sum()
    }

    /// Returns the number format of the largest weights.
    pub fn precision(&self) -> &'static str {
        let largest = self.trained().max_by_key(|constant| constant.elements());
        match largest.map_or(0, |constant| constant.data_type) {
            t if t == DataType::Float16 as i32 => "f16",
            t if [DataType::Int8 as i32, DataType::Uint8 as i32].contains(&t) => "int8",
            _ => "f32",
        }
    }
}

/// Reads a constant, and checks that its data match its shape.
fn read_constant(tensor: &TensorProto) -> Result<Constant, InspectError> {
    let fault = |cause: String| fault("constant", &tensor.name, cause);
    if tensor.dims.len() > 8 {
        return Err(fault(format!("has {} dimensions, the limit is 8", tensor.dims.len())));
    }
    let shape: Result<Vec<usize>, _> = tensor.dims.iter().map(|&size| usize::try_from(size)).collect();
    let shape = shape.map_err(|_| fault(format!("has the shape {:?}", tensor.dims)))?;
    let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let too_many = || fault(format!("has the shape {shape:?}, more elements than the file has bytes"));
    let elements = elements.filter(|&elements| elements < 1 << 31).ok_or_else(too_many)?;
    let kind = DataType::try_from(tensor.data_type).unwrap_or(DataType::Undefined);
    let (width, typed) = match kind {
        DataType::Float => (4, tensor.float_data.len()),
        DataType::Double => (8, tensor.double_data.len()),
        DataType::Int64 => (8, tensor.int64_data.len()),
        DataType::Int32 => (4, tensor.int32_data.len()),
        DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16 => (2, tensor.int32_data.len()),
        DataType::Int8 | DataType::Uint8 | DataType::Bool => (1, tensor.int32_data.len()),
        _ => return Err(fault(format!("has the unsupported ONNX type {}", tensor.data_type))),
    };
    let stored = if tensor.raw_data.is_empty() { typed } else { tensor.raw_data.len() / width };
    let is_whole = tensor.raw_data.len().is_multiple_of(width);
    if stored != elements || !is_whole {
        let bytes = tensor.raw_data.len();
        return Err(fault(format!("has the shape {shape:?}, but {stored} values ({bytes} bytes)")));
    }
    let integers = match kind {
        DataType::Int64 | DataType::Int32 if elements <= MAX_KEPT_INTEGERS => Some(read_integers(tensor, width)),
        DataType::Int64 => Some(Vec::new()), // too many for a shape, and not weights
        _ => None,
    };
    Ok(Constant { shape, integers, data_type: tensor.data_type })
}

fn read_integers(tensor: &TensorProto, width: usize) -> Vec<i64> {
    let to_integer = |bytes: &[u8]| match *bytes {
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    };
    if !tensor.raw_data.is_empty() {
        return tensor.raw_data.chunks_exact(width).map(to_integer).collect();
    }
    let narrow = tensor.int32_data.iter().map(|&value| i64::from(value));
    tensor.int64_data.iter().copied().chain(narrow).collect()
}
