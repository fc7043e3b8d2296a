//! Bound on constant folding: an engine computes constant expressions at load, and a hostile graph could fill the
//! memory.

use std::collections::HashMap;

use super::InspectError;
use super::validated_graph::Graph;

/// Maximum elements of a computed constant that is larger than its inputs (estimate: shapes and masks have fewer).
const MAX_ELEMENTS: usize = 1 << 20;

/// Operators whose output has as many elements as their input.
const SIZE_PRESERVING: [&str; 9] = [
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
/// Operators that an image classifier does not need, and that can produce large output from small input.
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

/// Returns an error if a constant expression could grow: an outer product of two small constants can exceed any memory.
pub fn check(graph: &Graph) -> Result<(), InspectError> {
    let mut elements: HashMap<&str, usize> =
        graph.constants.iter().map(|(name, constant)| (name.as_str(), constant.elements())).collect();
    for node in &graph.nodes {
        let refused = |fault: String| InspectError::Graph {
            item: "operator",
            name: node.op_type.chars().take(80).collect(),
            fault,
        };
        if REFUSED.contains(&node.op_type.as_str()) {
            return Err(refused("is not supported; simplify the model with onnxsim".into()));
        }
        let inputs: Vec<Option<usize>> = node
            .input
            .iter()
            .filter(|name| !name.is_empty())
            .map(|name| elements.get(name.as_str()).copied())
            .collect();
        let max_output = match node.op_type.as_str() {
            // Also of computed values: a shape has at most 8 numbers.
            "Shape" | "Size" => Some(8),
            _ if inputs.iter().any(Option::is_none) => None,
            op if SIZE_PRESERVING.contains(&op) => inputs.iter().flatten().max().copied(),
            "Concat" => Some(inputs.iter().flatten().fold(0usize, |sum, &elements| sum.saturating_add(elements))),
            _ => {
                Some(inputs.iter().flatten().fold(1usize, |product, &elements| product.saturating_mul(elements.max(1))))
            }
        };
        let Some(max_output) = max_output else { continue };
        let largest = inputs.iter().flatten().max().copied().unwrap_or(0);
        if max_output > largest.max(MAX_ELEMENTS) {
            let fault = "computes more than a million numbers from constants";
            return Err(refused(format!("{fault} (node `{}`); simplify the model with onnxsim", node.name)));
        }
        elements.extend(node.output.iter().map(|output| (output.as_str(), max_output)));
    }
    Ok(())
}
