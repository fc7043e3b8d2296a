//! Tensors made from their names alone, as tests/reference/seeded.py makes them.

use std::collections::HashMap;

use phicam_model::efficientnet::{Network, SeededWeights};
use phicam_model::import::{KeyScheme, expected_tensors};
use safetensors::tensor::{Dtype, TensorView};

/// Shapes and values by name.
pub type Tensors = HashMap<String, (Vec<usize>, Vec<f32>)>;

/// The values of tests/reference/seeded.py, by the same rules.
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

/// A whole state dict.
pub fn state_dict(naming: KeyScheme, network: &Network) -> Tensors {
    let shapes: HashMap<String, Vec<usize>> = expected_tensors(naming, network).into_iter().collect();
    let of = |(name, shape): (&String, &Vec<usize>)| {
        let prefix = name.rsplit_once('.').unwrap().0;
        let normalised = shapes.contains_key(&format!("{prefix}.running_var"));
        (name.clone(), (shape.clone(), seeded(name, shape, normalised)))
    };
    shapes.iter().map(of).collect()
}

/// The state dict as a file of safetensors.
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
