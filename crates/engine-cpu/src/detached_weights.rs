//! Weights taken out of a graph before tract reads it: it would copy them several times, and widen half precision. They
//! are packed from where they lie, or given back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use phicam_kernels::{Precision, Weights};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto};
use tract_onnx::prelude::tract_data::prelude::f16;
use tract_onnx::prelude::{Tensor, TractResult};

/// A constant as it lies in a model's file.
#[derive(Clone, Debug)]
pub struct Stored {
    pub dims: Vec<usize>,
    pub precision: Precision,
    pub bytes: Arc<Vec<u8>>,
}

impl Stored {
    /// A convolution's weights of it, see [`Weights::new`].
    pub fn weights(&self, lengths: [usize; 3], strides: [usize; 3]) -> Option<Weights> {
        Weights::new(self.bytes.clone(), self.precision, lengths, strides)
    }

    /// In single precision, for tract.
    pub fn tensor(&self) -> TractResult<Tensor> {
        let values: Vec<f32> = match self.precision {
            Precision::Single => self.bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            Precision::Half => widened(&self.bytes).collect(),
        };
        Tensor::from_shape(&self.dims, &values)
    }
}

/// What was taken, by the name of the input that stands for it in the graph.
#[derive(Debug, Default)]
pub struct Aside(HashMap<String, Option<Stored>>);

/// Constants with fewer values may stay: tract is quick with them.
const FEW: usize = 1024;

impl Aside {
    /// Takes the weights of convolutions and matrix products, and puts inputs in their place. Other constants in half
    /// precision that are cast to single are widened: tract would leave large casts to be run at every picture.
    pub fn take(graph: &mut GraphProto) -> Aside {
        let readers = Readers::of(graph);
        let (mut aside, mut kept, mut cast_away) = (Aside::default(), Vec::new(), BTreeSet::new());
        for mut tensor in std::mem::take(&mut graph.initializer) {
            let half = tensor.data_type == DataType::Float16 as i32;
            let cast = if half { readers.cast(&tensor.name) } else { None };
            let name = cast.unwrap_or(&tensor.name).to_string();
            let count = whole(&tensor).filter(|_| half == cast.is_some());
            let is_free = graph.input.iter().all(|input| input.name != name);
            let Some(count) = count.filter(|count| is_free && (half || *count >= FEW)) else {
                kept.push(tensor);
                continue;
            };
            if readers.are_weights(&name) {
                graph.input.push(value(&name, &tensor.dims));
                let dims = tensor.dims.iter().map(|&length| length as usize).collect();
                let precision = if half { Precision::Half } else { Precision::Single };
                let stored = Stored { dims, precision, bytes: Arc::new(tensor.raw_data) };
                aside.0.insert(name.clone(), Some(stored));
            } else {
                if half {
                    let mut wide = Vec::with_capacity(count * 4);
                    widened(&tensor.raw_data).for_each(|value| wide.extend(value.to_le_bytes()));
                    (tensor.raw_data, tensor.data_type) = (wide, DataType::Float as i32);
                }
                kept.push(TensorProto { name: name.clone(), ..tensor });
            }
            if half {
                cast_away.insert(name);
            }
        }
        graph.initializer = kept;
        graph.node.retain(|node| !(node.op_type == "Cast" && node.output.iter().any(|name| cast_away.contains(name))));
        aside
    }

    /// What the graph's input of that name stands for.
    pub fn get(&self, name: &str) -> Option<&Stored> {
        self.0.get(name)?.as_ref()
    }

    /// Whether the graph's input of that name stands for something taken, be it gone meanwhile or not.
    pub fn stands_in(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Leaves to others what they have copies of.
    pub fn let_go(&mut self) {
        for stored in self.0.values_mut() {
            stored.take_if(|stored| Arc::strong_count(&stored.bytes) > 1);
        }
    }
}

/// Half precision's values in single.
fn widened(halves: &[u8]) -> impl Iterator<Item = f32> {
    halves.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32())
}

/// How many values `tensor` has, where all are there, as bytes.
fn whole(tensor: &TensorProto) -> Option<usize> {
    let width = match DataType::try_from(tensor.data_type).ok()? {
        DataType::Float16 => 2,
        DataType::Float => 4,
        _ => return None,
    };
    let lengths = tensor.dims.iter().map(|&length| usize::try_from(length).ok());
    let count = lengths.reduce(|a, b| a?.checked_mul(b?)).flatten()?;
    (count.checked_mul(width)? == tensor.raw_data.len() && count > 0).then_some(count)
}

fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |&length: &i64| Dimension { value: Some(dimension::Value::DimValue(length)), ..Dimension::default() };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let r#type = Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() });
    ValueInfoProto { name: name.into(), r#type, ..ValueInfoProto::default() }
}

/// Who reads each value of a graph.
struct Readers(BTreeMap<String, Vec<Reader>>);

enum Reader {
    /// As the weights of a convolution or of a matrix product.
    Weights,
    /// A cast to single precision, and what it gives.
    Cast(String),
    Other,
}

impl Readers {
    fn of(graph: &GraphProto) -> Readers {
        let mut readers: BTreeMap<String, Vec<Reader>> = BTreeMap::new();
        for node in &graph.node {
            for (place, name) in node.input.iter().enumerate() {
                readers.entry(name.clone()).or_default().push(Reader::of(node, place));
            }
        }
        for output in &graph.output {
            readers.entry(output.name.clone()).or_default().push(Reader::Other);
        }
        Readers(readers)
    }

    /// What the cast gives that is the only one to read `name`.
    fn cast(&self, name: &str) -> Option<&str> {
        match &self.0.get(name)?[..] {
            [Reader::Cast(output)] => Some(output),
            _ => None,
        }
    }

    fn are_weights(&self, name: &str) -> bool {
        matches!(self.0.get(name).map(Vec::as_slice), Some([Reader::Weights]))
    }
}

impl Reader {
    fn of(node: &NodeProto, place: usize) -> Reader {
        let to_float = |node: &NodeProto| {
            node.attribute.iter().any(|to| to.name == "to" && to.i == i64::from(DataType::Float as i32))
        };
        match (&*node.op_type, &node.output[..]) {
            ("Conv" | "Gemm" | "MatMul", _) if place == 1 => Reader::Weights,
            ("Cast", [output]) if to_float(node) => Reader::Cast(output.clone()),
            _ => Reader::Other,
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
        let (op_type, input) = (op_type.into(), inputs.iter().map(|name| name.to_string()).collect());
        NodeProto { op_type, input, output: vec![output.into()], attribute, ..NodeProto::default() }
    }

    /// 40 × 30 × 1 × 1 values of 1.5, in half or single precision.
    fn constant(name: &str, precision: Precision) -> TensorProto {
        let (value, data_type) = match precision {
            Precision::Half => (f16::from_f32(1.5).to_le_bytes().to_vec(), DataType::Float16),
            Precision::Single => (1.5f32.to_le_bytes().to_vec(), DataType::Float),
        };
        let (data_type, dims) = (data_type as i32, vec![40, 30, 1, 1]);
        TensorProto { name: name.into(), dims, data_type, raw_data: value.repeat(1200), ..TensorProto::default() }
    }

    fn names(graph: &GraphProto) -> [Vec<&str>; 3] {
        let inputs = graph.input.iter().map(|input| &*input.name).collect();
        let constants = graph.initializer.iter().map(|tensor| &*tensor.name).collect();
        [inputs, constants, graph.node.iter().map(|node| &*node.op_type).collect()]
    }

    #[test]
    fn weights_are_taken_in_either_precision_and_an_input_stands_for_them() {
        let mut graph = GraphProto {
            node: vec![node("Cast", &["a"], "wide"), node("Conv", &["x", "wide"], "y"), node("Conv", &["y", "b"], "z")],
            initializer: vec![constant("a", Precision::Half), constant("b", Precision::Single)],
            ..GraphProto::default()
        };
        let mut aside = Aside::take(&mut graph);
        assert_eq!(names(&graph), [vec!["wide", "b"], vec![], vec!["Conv", "Conv"]]);
        for name in ["wide", "b"] {
            let stored = aside.get(name).unwrap();
            assert_eq!(stored.dims, [40, 30, 1, 1]);
            let expected = Tensor::from_shape(&[40, 30, 1, 1], &[1.5f32; 1200]).unwrap();
            assert_eq!(stored.tensor().unwrap(), expected);
        }
        let held = aside.get("wide").unwrap().weights([1, 30, 40], [1, 1, 30]).unwrap();
        aside.let_go();
        assert!(aside.get("wide").is_none() && aside.stands_in("wide") && aside.get("b").is_some());
        assert_eq!(held.at(1199), 1.5);
    }

    #[test]
    fn what_others_read_too_or_is_incomplete_stays() {
        let mut short = constant("short", Precision::Single);
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
                constant("shared", Precision::Single),
                short,
                constant("half", Precision::Half),
                constant("given", Precision::Single),
            ],
            input: vec![value("given", &[40, 30, 1, 1])],
            ..GraphProto::default()
        };
        let aside = Aside::take(&mut graph);
        assert!(["shared", "short", "half", "wide", "given"].iter().all(|name| !aside.stands_in(name)));
        let [inputs, constants, operators] = names(&graph);
        assert_eq!((inputs, constants), (vec!["given"], vec!["shared", "short", "wide", "given"]));
        assert_eq!(operators, ["Conv", "Add", "Conv", "Conv", "Mul", "Gemm"]);
        let wide = &graph.initializer[2];
        assert_eq!((wide.data_type, wide.raw_data.len()), (DataType::Float as i32, 4800));
    }
}
