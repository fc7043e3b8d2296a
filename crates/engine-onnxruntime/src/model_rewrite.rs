//! Rewrites an ONNX model for ONNX Runtime: batch size 1, one resolution, scores before softmax.

use prost::Message;
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::type_proto::{Tensor, Value as TypeValue};
use tract_onnx::pb::{GraphProto, ModelProto, TensorShapeProto, TypeProto};

use phicam_model::catalog::Layout;
use phicam_model::onnx::strip_softmax::strip_softmax;

/// An ONNX model with a fixed input shape.
pub struct RewrittenModel {
    /// The model, encoded.
    pub bytes: Vec<u8>,
    /// Name of the image input.
    pub input: String,
    /// Whether the graph contains QuantizeLinear or DequantizeLinear.
    pub quantised: bool,
}

/// FLOAT (f32) in ONNX's TensorProto.DataType.
const FLOAT: i32 = 1;

impl RewrittenModel {
    /// Fixes the input of `proto` to `side` × `side` pixels; the error states the defect of the model.
    pub fn new(mut proto: ModelProto, side: u32, layout: Layout) -> Result<RewrittenModel, String> {
        let graph = proto.graph.as_mut().ok_or("the file has no graph")?;
        strip_softmax(graph);
        let input = fix_input(graph, side, layout)?;
        let quantised = graph.node.iter().any(|node| matches!(&*node.op_type, "QuantizeLinear" | "DequantizeLinear"));
        Ok(RewrittenModel { bytes: proto.encode_to_vec(), input, quantised })
    }
}

/// Sets the shape of the image input, because GPU engines are built for one shape; returns the input's name.
fn fix_input(graph: &mut GraphProto, side: u32, layout: Layout) -> Result<String, String> {
    let GraphProto { input, initializer, .. } = graph;
    // Files before ONNX IR version 4 list their initializers among the inputs.
    let mut inputs = input.iter_mut().filter(|input| !initializer.iter().any(|constant| constant.name == input.name));
    let (Some(image), None) = (inputs.next(), inputs.next()) else {
        return Err("the model has no input or several, expected one image input".into());
    };
    let element = match image.r#type.as_ref().and_then(|r#type| r#type.value.as_ref()) {
        Some(TypeValue::TensorType(tensor)) => tensor.elem_type,
        None => FLOAT,
    };
    if element != FLOAT {
        return Err(format!("the input has ONNX data type {element}, expected {FLOAT} (f32)"));
    }
    let side = i64::from(side);
    let lengths = match layout {
        Layout::Nchw => [1, 3, side, side],
        Layout::Nhwc => [1, side, side, 3],
    };
    let dim = lengths.map(|length| Dimension { denotation: String::new(), value: Some(Value::DimValue(length)) });
    let tensor = Tensor { elem_type: FLOAT, shape: Some(TensorShapeProto { dim: dim.into() }) };
    image.r#type = Some(TypeProto { denotation: String::new(), value: Some(TypeValue::TensorType(tensor)) });
    Ok(image.name.clone())
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
    fn image_input_gets_a_fixed_shape_and_constants_stay() {
        let model = RewrittenModel::new(proto(&["w", "x"], &["w"], &["Conv"]), 224, Layout::Nchw).unwrap();
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
    fn quantisation_is_detected_and_extra_inputs_are_refused() {
        let quantised = RewrittenModel::new(proto(&["x"], &[], &["QuantizeLinear", "Conv"]), 96, Layout::Nhwc).unwrap();
        assert!(quantised.quantised);
        for inputs in [&[][..], &["x", "y"]] {
            assert!(RewrittenModel::new(proto(inputs, &[], &["Conv"]), 96, Layout::Nchw).is_err());
        }
        assert!(RewrittenModel::new(ModelProto::default(), 96, Layout::Nchw).is_err());
    }
}
