//! The model as ONNX Runtime gets it: one picture of one size, scores before softmax.

use prost::Message;
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::type_proto::{Tensor, Value as TypeValue};
use tract_onnx::pb::{GraphProto, ModelProto, TensorShapeProto, TypeProto};

use phicam_model::catalog::Layout;
use phicam_model::onnx::strip_softmax::before_softmax;

/// A model for one size of pictures.
pub struct Model {
    pub bytes: Vec<u8>,
    /// The input that pictures go into, by name.
    pub input: String,
    /// Whether its weights or values are quantised (QuantizeLinear, DequantizeLinear).
    pub quantised: bool,
}

/// Single precision, of TensorProto.DataType.
const FLOAT: i32 = 1;

impl Model {
    /// Of `proto` for pictures of `side` pixels; the message says what is wrong with it.
    pub fn of(mut proto: ModelProto, side: u32, layout: Layout) -> Result<Model, String> {
        let graph = proto.graph.as_mut().ok_or("it has no graph")?;
        before_softmax(graph);
        let input = fix_input(graph, side, layout)?;
        let quantised = graph.node.iter().any(|node| matches!(&*node.op_type, "QuantizeLinear" | "DequantizeLinear"));
        Ok(Model { bytes: proto.encode_to_vec(), input, quantised })
    }
}

/// Gives the one input that is no constant the shape of one picture: an engine is built for a size.
fn fix_input(graph: &mut GraphProto, side: u32, layout: Layout) -> Result<String, String> {
    let GraphProto { input, initializer, .. } = graph;
    // Old files list their constants among the inputs.
    let mut inputs = input.iter_mut().filter(|input| !initializer.iter().any(|constant| constant.name == input.name));
    let (Some(picture), None) = (inputs.next(), inputs.next()) else {
        return Err("it has no input, or more than one; expected one for pictures".into());
    };
    let element = match picture.r#type.as_ref().and_then(|of| of.value.as_ref()) {
        Some(TypeValue::TensorType(tensor)) => tensor.elem_type,
        None => FLOAT,
    };
    if element != FLOAT {
        return Err(format!("its input is of type {element}, expected single precision (type 1)"));
    }
    let side = i64::from(side);
    let lengths = match layout {
        Layout::Nchw => [1, 3, side, side],
        Layout::Nhwc => [1, side, side, 3],
    };
    let dim = lengths.map(|length| Dimension { denotation: String::new(), value: Some(Value::DimValue(length)) });
    let tensor = Tensor { elem_type: FLOAT, shape: Some(TensorShapeProto { dim: dim.into() }) };
    picture.r#type = Some(TypeProto { denotation: String::new(), value: Some(TypeValue::TensorType(tensor)) });
    Ok(picture.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::{NodeProto, TensorProto, ValueInfoProto};

    fn proto(inputs: &[&str], constants: &[&str], ops: &[&str]) -> ModelProto {
        let value = |name: &&str| ValueInfoProto { name: name.to_string(), ..Default::default() };
        let constant = |name: &&str| TensorProto { name: name.to_string(), ..Default::default() };
        let node = |op: &&str| NodeProto { op_type: op.to_string(), ..Default::default() };
        let graph = GraphProto {
            input: inputs.iter().map(value).collect(),
            initializer: constants.iter().map(constant).collect(),
            node: ops.iter().map(node).collect(),
            ..Default::default()
        };
        ModelProto { graph: Some(graph), ..Default::default() }
    }

    #[test]
    fn the_pictures_input_is_given_its_size_and_constants_are_left() {
        let model = Model::of(proto(&["w", "x"], &["w"], &["Conv"]), 224, Layout::Nchw).unwrap();
        assert_eq!((model.input.as_str(), model.quantised), ("x", false));
        let graph = ModelProto::decode(&*model.bytes).unwrap().graph.unwrap();
        let lengths = |input: &ValueInfoProto| match input.r#type.as_ref()?.value.as_ref()? {
            TypeValue::TensorType(tensor) => {
                Some(tensor.shape.as_ref()?.dim.iter().map(|dim| dim.value.clone().unwrap()).collect::<Vec<_>>())
            }
        };
        assert_eq!(lengths(&graph.input[0]), None);
        assert_eq!(lengths(&graph.input[1]).unwrap(), [1, 3, 224, 224].map(Value::DimValue));
    }

    #[test]
    fn a_quantised_model_is_known_and_one_without_a_single_input_is_refused() {
        let quantised = Model::of(proto(&["x"], &[], &["QuantizeLinear", "Conv"]), 96, Layout::Nhwc).unwrap();
        assert!(quantised.quantised);
        for inputs in [&[][..], &["x", "y"]] {
            assert!(Model::of(proto(inputs, &[], &["Conv"]), 96, Layout::Nchw).is_err());
        }
        assert!(Model::of(ModelProto::default(), 96, Layout::Nchw).is_err());
    }
}
