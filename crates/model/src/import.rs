//! Weights of other libraries in our networks: told apart by names and shapes, batch norm folded.

use crate::efficientnet::{Layer, Network, Padding, RELEASED, Released};
use phicam_checkpoint::{Weights, WeightsError};

mod key_mapping;
use key_mapping::names;
pub use key_mapping::{Names, Naming, tensors};

/// Weights that are not those of an EfficientNet of ours, or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(
        "no EfficientNet's tensors: none of {} is there; expected the state dict of timm's, torchvision's or \
         efficientnet_pytorch's B0 to B7 or Lite0 to Lite4",
        first_names()
    )]
    Names,
    #[error(
        "the tensors are named as {naming}'s, but fit none of B0 to B7 and Lite0 to Lite4; {nearest} comes nearest: {what}"
    )]
    Shapes { naming: Naming, nearest: &'static str, what: String },
    #[error("tensor {name} has values that are not finite, or a variance below 0: the file is damaged")]
    NotFinite { name: String },
    #[error(
        "timm's tf_efficientnet_* and efficientnet_* have the same tensors, but pad and normalise differently, and no \
         published weights are known by its name: say --padding same (tf_efficientnet_*) or --padding symmetric"
    )]
    WhichPadding,
}

fn first_names() -> String {
    Naming::ALL.map(|naming| naming.stem()).join(", ")
}

/// What a file of weights is.
#[derive(Clone, Copy, Debug)]
pub struct Recognised {
    pub naming: Naming,
    pub released: &'static Released,
    /// With the file's own number of classes.
    pub network: Network,
}

/// How the library that trained the weights computes, beyond what the tensors tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Habits {
    pub padding: Padding,
    /// Added to the variance in a batch norm.
    pub epsilon: f64,
}

/// TensorFlow's ε, and that of what was ported from it.
pub const TENSORFLOW_EPSILON: f64 = 1e-3;
/// PyTorch's default.
pub const PYTORCH_EPSILON: f64 = 1e-5;

impl Habits {
    const TENSORFLOW: Habits = Habits { padding: Padding::Same, epsilon: TENSORFLOW_EPSILON };
    const PYTORCH: Habits = Habits { padding: Padding::Symmetric, epsilon: PYTORCH_EPSILON };
}

impl Recognised {
    /// Which habits go with the file: by its naming, and for timm by `padding` or the `name` of the model.
    ///
    /// torchvision's B5 to B7 have TensorFlow's ε with PyTorch's padding.
    pub fn habits(&self, name: &str, padding: Option<Padding>) -> Result<Habits, ImportError> {
        let known = match self.naming {
            Naming::EfficientnetPytorch => Habits::TENSORFLOW,
            Naming::Torchvision if ["b5", "b6", "b7"].contains(&self.released.name) => {
                Habits { epsilon: TENSORFLOW_EPSILON, ..Habits::PYTORCH }
            }
            Naming::Torchvision => Habits::PYTORCH,
            Naming::Timm => match padding {
                Some(Padding::Same) => Habits::TENSORFLOW,
                Some(Padding::Symmetric) => Habits::PYTORCH,
                None if name.starts_with("tf_efficientnet_") => Habits::TENSORFLOW,
                None if name.starts_with("efficientnet_") => Habits::PYTORCH,
                None => return Err(ImportError::WhichPadding),
            },
        };
        Ok(Habits { padding: padding.unwrap_or(known.padding), ..known })
    }
}

/// Finds out which network `weights` are of.
pub fn recognise(weights: &Weights) -> Result<Recognised, ImportError> {
    let named = |naming: &Naming| weights.shape(naming.stem()).is_some();
    let naming = Naming::ALL.into_iter().find(named).ok_or(ImportError::Names)?;
    let classifier = weights.shape(&format!("{}.weight", naming.classifier()));
    let classes = classifier.and_then(|shape| shape.first()).copied().unwrap_or(0);
    let mut nearest: Option<(usize, &'static str, String)> = None;
    for released in &RELEASED {
        let network = Network { classes, ..released.network() };
        let (faults, first) = faults(weights, naming, &network);
        let Some(first) = first else { return Ok(Recognised { naming, released, network }) };
        if nearest.as_ref().is_none_or(|(fewest, ..)| faults < *fewest) {
            nearest = Some((faults, released.name, first));
        }
    }
    let (_, nearest, what) = nearest.unwrap_or((0, "b0", String::new()));
    Err(ImportError::Shapes { naming, nearest, what })
}

/// How many tensors are missing, of another shape, or have no place in `network`; and the first of them in words.
fn faults(weights: &Weights, naming: Naming, network: &Network) -> (usize, Option<String>) {
    let mut found = Vec::new();
    let mut expected = std::collections::BTreeSet::new();
    for (name, shape) in tensors(naming, network) {
        match weights.shape(&name) {
            None => found.push(format!("it lacks {name}, {shape:?}")),
            Some(other) if other != shape => found.push(format!("{name} is {other:?}, expected {shape:?}")),
            Some(_) => {}
        }
        expected.insert(name);
    }
    let left_over = |name: &&str| !name.ends_with("num_batches_tracked") && !expected.contains(*name);
    found.extend(weights.names().filter(left_over).map(|name| format!("{name} has no place in it")));
    let first = found.first().cloned();
    (found.len(), first)
}

/// Gives each layer's weights and biases with batch norm folded in, in the order that [`crate::efficientnet::write_onnx`]
/// asks for them.
pub struct Folding<'a> {
    weights: &'a Weights,
    habits: Habits,
    names: std::collections::HashMap<String, Names>,
}

impl<'a> Folding<'a> {
    pub fn new(weights: &'a Weights, recognised: &Recognised, habits: Habits) -> Folding<'a> {
        let names = names(recognised.naming, &recognised.network);
        Folding { weights, habits, names: names.into_iter().map(|(name, names, _)| (name, names)).collect() }
    }

    /// In double precision: weight · γ/√(σ² + ε), and β − μ · γ/√(σ² + ε).
    pub fn layer(&self, layer: &Layer) -> Result<(Vec<f32>, Vec<f32>), ImportError> {
        let names = self.names.get(&layer.name).ok_or(ImportError::Names)?;
        let mut weight = self.weights.values(&names.weight())?;
        let Names::Normalised { norm, .. } = names else {
            let Names::Biased { layer } = names else { return Err(ImportError::Names) };
            let bias = self.weights.values(&format!("{layer}.bias"))?;
            return self.finite(names, weight, bias);
        };
        let of = |what: &str| self.weights.values(&format!("{norm}.{what}"));
        let (gamma, beta, mean, variance) = (of("weight")?, of("bias")?, of("running_mean")?, of("running_var")?);
        let mut bias = Vec::with_capacity(gamma.len());
        let kernel = weight.len() / layer.out_channels.max(1);
        for (channel, kernel) in weight.chunks_exact_mut(kernel.max(1)).enumerate() {
            let of = |values: &[f32]| values.get(channel).copied().map_or(f64::NAN, f64::from);
            let gain = of(&gamma) / (of(&variance) + self.habits.epsilon).sqrt();
            kernel.iter_mut().for_each(|value| *value = (f64::from(*value) * gain) as f32);
            bias.push((of(&beta) - of(&mean) * gain) as f32);
        }
        self.finite(names, weight, bias)
    }

    fn finite(&self, names: &Names, weight: Vec<f32>, bias: Vec<f32>) -> Result<(Vec<f32>, Vec<f32>), ImportError> {
        match weight.iter().chain(&bias).all(|value| value.is_finite()) {
            true => Ok((weight, bias)),
            false => Err(ImportError::NotFinite { name: names.weight() }),
        }
    }
}
