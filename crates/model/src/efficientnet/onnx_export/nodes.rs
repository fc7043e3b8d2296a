//! Builders for parts of an ONNX graph: values, tensors and attributes.

use half::f16;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{
    AttributeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, tensor_shape_proto, type_proto,
};

use super::Storage;

/// Returns an f32 value. A dimension is `Ok(size)`, or `Err(name)` if it is dynamic.
pub fn value(name: &str, dimensions: &[Result<usize, &str>]) -> ValueInfoProto {
    use tensor_shape_proto::Dimension;
    use tensor_shape_proto::dimension::Value;
    let dimension = |size: &Result<usize, &str>| Dimension {
        denotation: String::new(),
        value: Some(match size {
            Ok(size) => Value::DimValue(*size as i64),
            Err(name) => Value::DimParam((*name).into()),
        }),
    };
    let shape = TensorShapeProto { dim: dimensions.iter().map(dimension).collect() };
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape: Some(shape) };
    let kind = TypeProto { denotation: String::new(), value: Some(type_proto::Value::TensorType(tensor)) };
    ValueInfoProto { name: name.into(), r#type: Some(kind), doc_string: String::new() }
}

/// Returns an initializer.
pub fn tensor(name: &str, shape: &[usize], values: &[f32], storage: Storage) -> TensorProto {
    let (data_type, raw_data) = match storage {
        Storage::Single => (DataType::Float, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Storage::Half => {
            (DataType::Float16, values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect())
        }
    };
    TensorProto {
        name: name.into(),
        dims: shape.iter().map(|&size| size as i64).collect(),
        data_type: data_type as i32,
        raw_data,
        ..TensorProto::default()
    }
}

pub fn int(name: &str, value: usize) -> AttributeProto {
    let i = value as i64;
    AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i, ..AttributeProto::default() }
}

pub fn ints(name: &str, values: &[usize]) -> AttributeProto {
    let ints = values.iter().map(|&value| value as i64).collect();
    AttributeProto { name: name.into(), r#type: AttributeType::Ints as i32, ints, ..AttributeProto::default() }
}

pub fn text(name: &str, value: &str) -> AttributeProto {
    let s = value.as_bytes().to_vec();
    AttributeProto { name: name.into(), r#type: AttributeType::String as i32, s, ..AttributeProto::default() }
}
