//! Removal of a final softmax: postprocessing applies its own, and a second one would flatten the probabilities.

use tract_onnx::pb::GraphProto;

/// Removes a `Softmax` that produces the model's only output. Returns whether there was one.
pub fn strip_softmax(graph: &mut GraphProto) -> bool {
    let [output] = &mut graph.output[..] else { return false };
    let is_final_softmax =
        |node: &tract_onnx::pb::NodeProto| node.op_type == "Softmax" && node.output == [output.name.clone()];
    let Some(index) = graph.node.iter().position(is_final_softmax) else { return false };
    let [scores] = &graph.node[index].input[..] else { return false };
    output.name = scores.clone();
    graph.node.remove(index);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::{NodeProto, ValueInfoProto};

    fn graph(last: &str) -> GraphProto {
        let node = |op_type: &str, from: &str, to: &str| NodeProto {
            op_type: op_type.into(),
            input: vec![from.into()],
            output: vec![to.into()],
            ..NodeProto::default()
        };
        GraphProto {
            node: vec![node("Gemm", "x", "scores"), node(last, "scores", "out")],
            output: vec![ValueInfoProto { name: "out".into(), ..ValueInfoProto::default() }],
            ..GraphProto::default()
        }
    }

    #[test]
    fn only_a_final_softmax_is_removed() {
        let mut with = graph("Softmax");
        assert!(strip_softmax(&mut with));
        assert_eq!((with.node.len(), with.output[0].name.as_str()), (1, "scores"));
        let mut without = graph("Relu");
        assert!(!strip_softmax(&mut without));
        assert_eq!(without, graph("Relu"));
    }
}
