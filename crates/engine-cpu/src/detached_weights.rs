//! Detaches ONNX initializers (weight tensors) from a graph before tract reads it.
//!
//! tract would copy each tensor several times, and widen f16 to f32. Detached tensors are packed directly from the
//! bytes of the file, or returned to the graph as constants.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use phicam_kernels::{WeightFormat, Weights};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto};
use tract_onnx::prelude::tract_data::prelude::f16;
use tract_onnx::prelude::{Tensor, TractResult};

/// Shape, precision and little-endian bytes of an initializer, as in the model file.
#[derive(Clone, Debug)]
pub struct RawInitializer {
    pub dims: Vec<usize>,
    pub precision: WeightFormat,
    pub bytes: Arc<Vec<u8>>,
}

impl RawInitializer {
    /// Returns the tensor as weights of a convolution; arguments and `None` as for [`Weights::new`].
    pub fn to_weights(&self, lengths: [usize; 3], strides: [usize; 3]) -> Option<Weights> {
        Weights::new(self.bytes.clone(), self.precision, lengths, strides)
    }

    /// Returns the tensor as f32, for tract.
    pub fn to_tensor(&self) -> TractResult<Tensor> {
        let values: Vec<f32> = match self.precision {
            WeightFormat::F32 => self.bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            WeightFormat::F16 => f16_to_f32(&self.bytes).collect(),
        };
        Tensor::from_shape(&self.dims, &values)
    }
}

/// Detached initializers by the name of their placeholder, a graph input. The value is `None` once it was released.
#[derive(Debug, Default)]
pub struct DetachedInitializers(HashMap<String, Option<RawInitializer>>);

/// Smallest number of values of an f32 tensor to detach; an estimate: copies of smaller tensors cost tract little time.
const MIN_DETACHED_VALUES: usize = 1024;

impl DetachedInitializers {
    /// Detaches the weights of convolutions and matrix products, and puts placeholder inputs in their place.
    ///
    /// Other f16 constants with a cast to f32 are widened here. tract leaves large casts unfolded and would run them
    /// for every frame.
    pub fn detach(graph: &mut GraphProto) -> DetachedInitializers {
        let consumers = Consumers::from_graph(graph);
        let mut detached = DetachedInitializers::default();
        let mut remaining = Vec::new();
        let mut removed_casts = BTreeSet::new();
        for mut tensor in std::mem::take(&mut graph.initializer) {
            let is_half = tensor.data_type == DataType::Float16 as i32;
            let cast = if is_half { consumers.only_cast(&tensor.name) } else { None };
            let name = cast.unwrap_or(&tensor.name).to_string();
            let count = complete_count(&tensor).filter(|_| is_half == cast.is_some());
            let is_free = graph.input.iter().all(|input| input.name != name);
            let Some(count) = count.filter(|count| is_free && (is_half || *count >= MIN_DETACHED_VALUES)) else {
                remaining.push(tensor);
                continue;
            };
            if consumers.are_weights(&name) {
                graph.input.push(f32_value_info(&name, &tensor.dims));
                let dims = tensor.dims.iter().map(|&length| length as usize).collect();
                let precision = if is_half { WeightFormat::F16 } else { WeightFormat::F32 };
                let initializer = RawInitializer { dims, precision, bytes: Arc::new(tensor.raw_data) };
                detached.0.insert(name.clone(), Some(initializer));
            } else {
                if is_half {
                    let mut f32_bytes = Vec::with_capacity(count * 4);
                    f16_to_f32(&tensor.raw_data).for_each(|value| f32_bytes.extend(value.to_le_bytes()));
                    tensor.raw_data = f32_bytes;
                    tensor.data_type = DataType::Float as i32;
                }
                remaining.push(TensorProto { name: name.clone(), ..tensor });
            }
            if is_half {
                removed_casts.insert(name);
            }
        }
        graph.initializer = remaining;
        graph
            .node
            .retain(|node| !(node.op_type == "Cast" && node.output.iter().any(|name| removed_casts.contains(name))));
        detached
    }

    /// Returns the initializer behind the placeholder `name`; `None` if there is none or it was released.
    pub fn get(&self, name: &str) -> Option<&RawInitializer> {
        self.0.get(name)?.as_ref()
    }

    /// Returns whether the graph input `name` is a placeholder, also of a released initializer.
    pub fn is_placeholder(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Releases the initializers whose bytes are shared with fused steps, so that packing can free them.
    pub fn release_shared(&mut self) {
        for initializer in self.0.values_mut() {
            initializer.take_if(|initializer| Arc::strong_count(&initializer.bytes) > 1);
        }
    }
}

fn f16_to_f32(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32())
}

/// Returns the number of values of an f16 or f32 tensor; `None` if its raw bytes are missing or of another length.
fn complete_count(tensor: &TensorProto) -> Option<usize> {
    let width = match DataType::try_from(tensor.data_type).ok()? {
        DataType::Float16 => 2,
        DataType::Float => 4,
        _ => return None,
    };
    let lengths = tensor.dims.iter().map(|&length| usize::try_from(length).ok());
    let count = lengths.reduce(|a, b| a?.checked_mul(b?)).flatten()?;
    (count.checked_mul(width)? == tensor.raw_data.len() && count > 0).then_some(count)
}

fn f32_value_info(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |&length: &i64| Dimension { value: Some(dimension::Value::DimValue(length)), ..Dimension::default() };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let r#type = Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() });
    ValueInfoProto { name: name.into(), r#type, ..ValueInfoProto::default() }
}

/// Consumers of each value of a graph, by the value's name.
struct Consumers(BTreeMap<String, Vec<Consumer>>);

enum Consumer {
    /// A convolution or matrix product that reads the value as its weights.
    Weights,
    /// A cast to f32, with the name of its output.
    Cast(String),
    Other,
}

impl Consumers {
    fn from_graph(graph: &GraphProto) -> Consumers {
        let mut consumers: BTreeMap<String, Vec<Consumer>> = BTreeMap::new();
        for node in &graph.node {
            for (index, name) in node.input.iter().enumerate() {
                consumers.entry(name.clone()).or_default().push(Consumer::from_node(node, index));
            }
        }
        for output in &graph.output {
            consumers.entry(output.name.clone()).or_default().push(Consumer::Other);
        }
        Consumers(consumers)
    }

    /// Returns the output of the cast to f32 that is the only consumer of `name`; `None` for other consumers.
    fn only_cast(&self, name: &str) -> Option<&str> {
        match &self.0.get(name)?[..] {
            [Consumer::Cast(output)] => Some(output),
            _ => None,
        }
    }

    fn are_weights(&self, name: &str) -> bool {
        matches!(self.0.get(name).map(Vec::as_slice), Some([Consumer::Weights]))
    }
}

impl Consumer {
    /// Classifies `node` as consumer of its input number `index`.
    fn from_node(node: &NodeProto, index: usize) -> Consumer {
        let casts_to_f32 = |node: &NodeProto| {
            node.attribute.iter().any(|to| to.name == "to" && to.i == i64::from(DataType::Float as i32))
        };
        match (&*node.op_type, &node.output[..]) {
            ("Conv" | "Gemm" | "MatMul", _) if index == 1 => Consumer::Weights,
            ("Cast", [output]) if casts_to_f32(node) => Consumer::Cast(output.clone()),
            _ => Consumer::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::AttributeProto;

    fn node(op_type: &str, inputs: &[&str], output: &str) -> NodeProto {
        let attribute = match op_type {
            "Cast" => vec![AttributeProto { name: "to".into(), i: DataType::Float as i64, ..Default::default() }],
            _ => Vec::new(),
        };
        let input = inputs.iter().map(|name| name.to_string()).collect();
        NodeProto { op_type: op_type.into(), input, output: vec![output.into()], attribute, ..NodeProto::default() }
    }

    /// A tensor of 40 × 30 × 1 × 1 values, each 1.5, in f16 or f32.
    fn constant(name: &str, precision: WeightFormat) -> TensorProto {
        let (value, data_type) = match precision {
            WeightFormat::F16 => (f16::from_f32(1.5).to_le_bytes().to_vec(), DataType::Float16),
            WeightFormat::F32 => (1.5f32.to_le_bytes().to_vec(), DataType::Float),
        };
        TensorProto {
            name: name.into(),
            dims: vec![40, 30, 1, 1],
            data_type: data_type as i32,
            raw_data: value.repeat(1200),
            ..TensorProto::default()
        }
    }

    /// Names of inputs, names of initializers and operators of a graph.
    fn names(graph: &GraphProto) -> [Vec<&str>; 3] {
        let inputs = graph.input.iter().map(|input| &*input.name).collect();
        let constants = graph.initializer.iter().map(|tensor| &*tensor.name).collect();
        [inputs, constants, graph.node.iter().map(|node| &*node.op_type).collect()]
    }

    #[test]
    fn weights_of_both_precisions_leave_a_placeholder() {
        let mut graph = GraphProto {
            node: vec![node("Cast", &["a"], "wide"), node("Conv", &["x", "wide"], "y"), node("Conv", &["y", "b"], "z")],
            initializer: vec![constant("a", WeightFormat::F16), constant("b", WeightFormat::F32)],
            ..GraphProto::default()
        };
        let mut detached = DetachedInitializers::detach(&mut graph);
        assert_eq!(names(&graph), [vec!["wide", "b"], vec![], vec!["Conv", "Conv"]]);
        for name in ["wide", "b"] {
            let initializer = detached.get(name).unwrap();
            assert_eq!(initializer.dims, [40, 30, 1, 1]);
            let expected = Tensor::from_shape(&[40, 30, 1, 1], &[1.5f32; 1200]).unwrap();
            assert_eq!(initializer.to_tensor().unwrap(), expected);
        }
        let weights = detached.get("wide").unwrap().to_weights([1, 30, 40], [1, 1, 30]).unwrap();
        detached.release_shared();
        assert!(detached.get("wide").is_none());
        assert!(detached.is_placeholder("wide"));
        assert!(detached.get("b").is_some());
        assert_eq!(weights.value(1199), 1.5);
    }

    #[test]
    fn shared_incomplete_and_input_tensors_stay() {
        let mut short = constant("short", WeightFormat::F32);
        short.raw_data.pop();
        let mut graph = GraphProto {
            node: vec![
                node("Conv", &["x", "shared"], "y"),
                node("Add", &["y", "shared"], "z"),
                node("Conv", &["z", "short"], "last"),
                node("Cast", &["half"], "wide"),
                node("Conv", &["last", "wide"], "a"),
                node("Mul", &["a", "wide"], "b"),
                node("Gemm", &["b", "given"], "scores"),
            ],
            initializer: vec![
                constant("shared", WeightFormat::F32),
                short,
                constant("half", WeightFormat::F16),
                constant("given", WeightFormat::F32),
            ],
            input: vec![f32_value_info("given", &[40, 30, 1, 1])],
            ..GraphProto::default()
        };
        let detached = DetachedInitializers::detach(&mut graph);
        for name in ["shared", "short", "half", "wide", "given"] {
            assert!(!detached.is_placeholder(name), "{name}");
        }
        let [inputs, constants, operators] = names(&graph);
        assert_eq!((inputs, constants), (vec!["given"], vec!["shared", "short", "wide", "given"]));
        assert_eq!(operators, ["Conv", "Add", "Conv", "Conv", "Mul", "Gemm"]);
        let wide = &graph.initializer[2];
        assert_eq!((wide.data_type, wide.raw_data.len()), (DataType::Float as i32, 4800));
    }
}
