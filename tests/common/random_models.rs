//! Seeded tensors, computed from their names alone, equal to those of tests/reference/seeded.py.

use std::collections::HashMap;

use phicam_model::efficientnet::{Network, SeededWeights};
use phicam_model::import::{KeyScheme, expected_tensors};
use safetensors::tensor::{Dtype, TensorView};

/// Shapes and values of tensors, by name.
pub type Tensors = HashMap<String, (Vec<usize>, Vec<f32>)>;

/// Returns the values of a tensor by the rules of tests/reference/seeded.py; `normalised` marks a tensor of a batch
/// norm.
pub fn seeded(name: &str, shape: &[usize], normalised: bool) -> Vec<f32> {
    let numbers = SeededWeights { seed: 0 };
    let fan_in = shape[1.min(shape.len())..].iter().product::<usize>() as f64;
    let last = name.rsplit('.').next().unwrap();
    (0..shape.iter().product())
        .map(|index| {
            let u = numbers.unit(name, index);
            let signed = 2.0 * u - 1.0;
            let value = match (shape.len(), normalised, last) {
                (4, ..) if name == "input" => 4.0 * u - 2.0,
                (4, ..) => signed * (3.0 * 0.65 / fan_in).sqrt(),
                (2, ..) => signed * (3.0 * 9.0 / fan_in).sqrt(),
                (_, true, "weight") => 0.5 + u,
                (_, true, "bias" | "running_mean") => 0.4 * signed,
                (_, true, "running_var") => 0.02 + 1.5 * u,
                _ => 0.2 * signed,
            };
            value as f32
        })
        .collect()
}

/// Returns the complete state dict of a network, with seeded values.
pub fn state_dict(naming: KeyScheme, network: &Network) -> Tensors {
    let shapes: HashMap<String, Vec<usize>> = expected_tensors(naming, network).into_iter().collect();
    let of = |(name, shape): (&String, &Vec<usize>)| {
        let prefix = name.rsplit_once('.').unwrap().0;
        let normalised = shapes.contains_key(&format!("{prefix}.running_var"));
        (name.clone(), (shape.clone(), seeded(name, shape, normalised)))
    };
    shapes.iter().map(of).collect()
}

/// Returns the state dict as a safetensors file.
pub fn safetensors(tensors: &Tensors) -> Vec<u8> {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            (name.clone(), shape.clone(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
        })
        .collect();
    let views =
        bytes.iter().map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}
