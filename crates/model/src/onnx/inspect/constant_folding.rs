//! Arithmetic on constants inside a graph: an engine does it once, at load, and it must not be made to fill the memory.

use std::collections::HashMap;

use super::InspectError;
use super::validated_graph::Graph;

/// Elements that a value computed from constants may have beyond the constants themselves.
const MOST_ELEMENTS: usize = 1 << 20;

/// These give as many elements as go in.
const KEEP: [&str; 9] = [
    "Cast",
    "Identity",
    "Transpose",
    "Reshape",
    "Unsqueeze",
    "Squeeze",
    "Flatten",
    "DequantizeLinear",
    "QuantizeLinear",
];
/// These a classifier of pictures does without; each can make much of little.
const REFUSED: [&str; 16] = [
    "ConstantOfShape",
    "Expand",
    "Tile",
    "Range",
    "EyeLike",
    "OneHot",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "Upsample",
    "Loop",
    "Scan",
    "If",
    "SequenceMap",
];

/// Refuses graphs whose constants would grow: an outer product of two small ones can be larger than any memory.
pub fn check(graph: &Graph) -> Result<(), InspectError> {
    let mut elements: HashMap<&str, usize> =
        graph.constants.iter().map(|(name, constant)| (name.as_str(), constant.elements())).collect();
    for node in &graph.nodes {
        let refused = |fault: String| InspectError::Graph {
            what: "operator",
            name: node.op_type.chars().take(80).collect(),
            fault,
        };
        if REFUSED.contains(&node.op_type.as_str()) {
            return Err(refused("is not supported: simplify the model (onnxsim does)".into()));
        }
        let inputs: Vec<Option<usize>> = node
            .input
            .iter()
            .filter(|name| !name.is_empty())
            .map(|name| elements.get(name.as_str()).copied())
            .collect();
        let most = match node.op_type.as_str() {
            // Of a picture's values too: a shape has few numbers.
            "Shape" | "Size" => Some(8),
            _ if inputs.iter().any(Option::is_none) => None,
            op if KEEP.contains(&op) => inputs.iter().flatten().max().copied(),
            "Concat" => Some(inputs.iter().flatten().fold(0usize, |all, &one| all.saturating_add(one))),
            _ => Some(inputs.iter().flatten().fold(1usize, |all, &one| all.saturating_mul(one.max(1)))),
        };
        let Some(most) = most else { continue };
        let largest = inputs.iter().flatten().max().copied().unwrap_or(0);
        if most > largest.max(MOST_ELEMENTS) {
            let from = "computes more than a million numbers from constants";
            return Err(refused(format!("{from} (node `{}`): simplify the model (onnxsim does)", node.name)));
        }
        elements.extend(node.output.iter().map(|output| (output.as_str(), most)));
    }
    Ok(())
}
