//! Scores before softmax, also from models that end in one: the guesses' own softmax would flatten them.

use tract_onnx::pb::GraphProto;

/// Takes a `Softmax` that gives the model's only output off its end; says whether there was one.
pub fn before_softmax(graph: &mut GraphProto) -> bool {
    let [output] = &mut graph.output[..] else { return false };
    let ends = |node: &tract_onnx::pb::NodeProto| node.op_type == "Softmax" && node.output == [output.name.clone()];
    let Some(at) = graph.node.iter().position(ends) else { return false };
    let [scores] = &graph.node[at].input[..] else { return false };
    output.name = scores.clone();
    graph.node.remove(at);
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
    fn a_softmax_at_the_end_is_taken_off_and_nothing_else() {
        let mut with = graph("Softmax");
        assert!(before_softmax(&mut with));
        assert_eq!((with.node.len(), with.output[0].name.as_str()), (1, "scores"));
        let mut without = graph("Relu");
        assert!(!before_softmax(&mut without));
        assert_eq!(without, graph("Relu"));
    }
}
