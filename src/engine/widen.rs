//! Half-precision weights to single precision at load, so that nothing is converted while a picture waits.

use std::collections::HashMap;

use tract_onnx::pb::{GraphProto, TensorProto, tensor_proto::DataType};
use tract_onnx::prelude::tract_data::prelude::f16;

/// Replaces each `Cast` of a stored half-precision tensor to float by the widened tensor.
///
/// tract folds such casts itself, but not over 4 MiB: the classifier's would run at every picture.
pub fn widen(graph: &mut GraphProto) {
    let halves: HashMap<String, usize> = (graph.initializer.iter().enumerate())
        .filter(|(_, tensor)| tensor.data_type == DataType::Float16 as i32 && !tensor.raw_data.is_empty())
        .map(|(index, tensor)| (tensor.name.clone(), index))
        .collect();
    let mut uses: HashMap<String, usize> = HashMap::new();
    for name in graph.node.iter().flat_map(|node| &node.input) {
        *uses.entry(name.clone()).or_default() += 1;
    }
    let initializers = &mut graph.initializer;
    graph.node.retain(|node| {
        let to_float = node.attribute.iter().any(|a| a.name == "to" && a.i == i64::from(DataType::Float as i32));
        let (true, true, [input], [output]) = (node.op_type == "Cast", to_float, &node.input[..], &node.output[..])
        else {
            return true;
        };
        match halves.get(input) {
            // Only this cast reads it: no one misses the narrow one.
            Some(&index) if uses[input] == 1 => {
                widen_tensor(&mut initializers[index], output);
                false
            }
            _ => true,
        }
    });
}

fn widen_tensor(tensor: &mut TensorProto, name: &str) {
    let half = |pair: &[u8]| f16::from_le_bytes([pair[0], pair[1]]).to_f32();
    tensor.raw_data = tensor.raw_data.chunks_exact(2).flat_map(|pair| half(pair).to_le_bytes()).collect();
    tensor.data_type = DataType::Float as i32;
    tensor.name = name.into();
}
