//! Import of other libraries' weights: detects network and library by names and shapes, and folds batch norm.

use crate::efficientnet::{Layer, Network, Padding, RELEASED, ReleasedNetwork};
use phicam_checkpoint::{Weights, WeightsError};

mod key_mapping;
use key_mapping::layer_keys;
pub use key_mapping::{KeyMapping, KeyScheme, expected_tensors};

/// Weights cannot be used: they fit no EfficientNet, or their values are invalid.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(
        "no tensors of an EfficientNet: none of {} is in the file; use a state dict of timm's, torchvision's or \
         efficientnet_pytorch's B0 to B7 or Lite0 to Lite4",
        stem_keys()
    )]
    UnknownKeys,
    #[error(
        "the tensors are named as in {scheme}, but their shapes fit none of B0 to B7 and Lite0 to \
         Lite4: {nearest} is nearest, {fault}"
    )]
    Shapes { scheme: KeyScheme, nearest: &'static str, fault: String },
    #[error("tensor {name} has values that are not finite, or a negative variance: the file is damaged; copy it again")]
    NotFinite { name: String },
    #[error(
        "the padding is ambiguous: timm's tf_efficientnet_* and efficientnet_* have equal tensors but pad and \
         normalise differently, and no published weights have this name; add --padding same \
         (tf_efficientnet_*) or --padding symmetric"
    )]
    AmbiguousPadding,
}

fn stem_keys() -> String {
    KeyScheme::ALL.map(|scheme| scheme.stem_key()).join(", ")
}

/// Detected library and network of a weights file.
#[derive(Clone, Copy, Debug)]
pub struct DetectedSource {
    pub scheme: KeyScheme,
    pub released: &'static ReleasedNetwork,
    /// The released network with the file's number of classes.
    pub network: Network,
}

/// Conventions of the library that trained the weights, which the tensors do not show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceConventions {
    pub padding: Padding,
    /// ε of a batch norm, added to the variance.
    pub epsilon: f64,
}

/// ε of TensorFlow and of models ported from it.
pub const TENSORFLOW_EPSILON: f64 = 1e-3;
/// Default ε of PyTorch.
pub const PYTORCH_EPSILON: f64 = 1e-5;

impl SourceConventions {
    const TENSORFLOW: SourceConventions = SourceConventions { padding: Padding::Same, epsilon: TENSORFLOW_EPSILON };
    const PYTORCH: SourceConventions = SourceConventions { padding: Padding::Symmetric, epsilon: PYTORCH_EPSILON };
}

impl DetectedSource {
    /// Returns the conventions of the file, by its key scheme. For timm, `padding` or the model's `name` decides.
    ///
    /// torchvision's B5 to B7 have TensorFlow's ε and PyTorch's padding. Returns an error if neither `padding` nor
    /// `name` decides for timm.
    pub fn conventions(&self, name: &str, padding: Option<Padding>) -> Result<SourceConventions, ImportError> {
        let conventions = match self.scheme {
            KeyScheme::EfficientnetPytorch => SourceConventions::TENSORFLOW,
            KeyScheme::Torchvision if ["b5", "b6", "b7"].contains(&self.released.name) => {
                SourceConventions { epsilon: TENSORFLOW_EPSILON, ..SourceConventions::PYTORCH }
            }
            KeyScheme::Torchvision => SourceConventions::PYTORCH,
            KeyScheme::Timm => match padding {
                Some(Padding::Same) => SourceConventions::TENSORFLOW,
                Some(Padding::Symmetric) => SourceConventions::PYTORCH,
                None if name.starts_with("tf_efficientnet_") => SourceConventions::TENSORFLOW,
                None if name.starts_with("efficientnet_") => SourceConventions::PYTORCH,
                None => return Err(ImportError::AmbiguousPadding),
            },
        };
        Ok(SourceConventions { padding: padding.unwrap_or(conventions.padding), ..conventions })
    }
}

/// Detects the library and the network of `weights` by the names and shapes of the tensors.
pub fn detect_source(weights: &Weights) -> Result<DetectedSource, ImportError> {
    let has_stem = |scheme: &KeyScheme| weights.shape(scheme.stem_key()).is_some();
    let scheme = KeyScheme::ALL.into_iter().find(has_stem).ok_or(ImportError::UnknownKeys)?;
    let classifier = weights.shape(&format!("{}.weight", scheme.classifier_key()));
    let classes = classifier.and_then(|shape| shape.first()).copied().unwrap_or(0);
    let mut nearest: Option<(usize, &'static str, String)> = None;
    for released in &RELEASED {
        let network = Network { classes, ..released.network() };
        let (faults, first_fault) = count_faults(weights, scheme, &network);
        let Some(first_fault) = first_fault else { return Ok(DetectedSource { scheme, released, network }) };
        if nearest.as_ref().is_none_or(|(fewest, ..)| faults < *fewest) {
            nearest = Some((faults, released.name, first_fault));
        }
    }
    let (_, nearest, fault) = nearest.unwrap_or((0, "b0", String::new()));
    Err(ImportError::Shapes { scheme, nearest, fault })
}

/// Returns the number of tensors that are missing, unexpected or of another shape, and a description of the first.
fn count_faults(weights: &Weights, scheme: KeyScheme, network: &Network) -> (usize, Option<String>) {
    let mut faults = Vec::new();
    let mut expected = std::collections::BTreeSet::new();
    for (name, shape) in expected_tensors(scheme, network) {
        match weights.shape(&name) {
            None => faults.push(format!("{name}, {shape:?}, is missing")),
            Some(other) if other != shape => faults.push(format!("{name} has shape {other:?}, expected {shape:?}")),
            Some(_) => {}
        }
        expected.insert(name);
    }
    let is_unexpected = |name: &&str| !name.ends_with("num_batches_tracked") && !expected.contains(*name);
    faults.extend(weights.names().filter(is_unexpected).map(|name| format!("{name} is unexpected")));
    let first = faults.first().cloned();
    (faults.len(), first)
}

/// Folds the batch norms of a state dict into its convolutions, layer by layer.
pub struct BatchNormFolding<'a> {
    weights: &'a Weights,
    conventions: SourceConventions,
    keys: std::collections::HashMap<String, KeyMapping>,
}

impl<'a> BatchNormFolding<'a> {
    pub fn new(weights: &'a Weights, source: &DetectedSource, conventions: SourceConventions) -> BatchNormFolding<'a> {
        let keys = layer_keys(source.scheme, &source.network).into_iter();
        BatchNormFolding { weights, conventions, keys: keys.map(|(layer, keys)| (layer.name, keys)).collect() }
    }

    /// Returns the weights and biases of a layer of [`crate::efficientnet::Network::layers`].
    ///
    /// The weights are weight · γ/√(σ² + ε), the biases β − μ · γ/√(σ² + ε), computed in double precision. Returns an
    /// error if a result is not finite.
    pub fn fold_layer(&self, layer: &Layer) -> Result<(Vec<f32>, Vec<f32>), ImportError> {
        let keys = self.keys.get(&layer.name).ok_or(ImportError::UnknownKeys)?;
        let mut weight = self.weights.values(&keys.weight())?;
        let KeyMapping::Normalised { norm, .. } = keys else {
            let KeyMapping::Biased { layer } = keys else { return Err(ImportError::UnknownKeys) };
            let bias = self.weights.values(&format!("{layer}.bias"))?;
            return check_finite(keys, weight, bias);
        };
        let norm_values = |key: &str| self.weights.values(&format!("{norm}.{key}"));
        let gamma = norm_values("weight")?;
        let beta = norm_values("bias")?;
        let mean = norm_values("running_mean")?;
        let variance = norm_values("running_var")?;
        let mut bias = Vec::with_capacity(gamma.len());
        let kernel = weight.len() / layer.out_channels.max(1);
        for (channel, kernel) in weight.chunks_exact_mut(kernel.max(1)).enumerate() {
            let of_channel = |values: &[f32]| values.get(channel).copied().map_or(f64::NAN, f64::from);
            let gain = of_channel(&gamma) / (of_channel(&variance) + self.conventions.epsilon).sqrt();
            kernel.iter_mut().for_each(|value| *value = (f64::from(*value) * gain) as f32);
            bias.push((of_channel(&beta) - of_channel(&mean) * gain) as f32);
        }
        check_finite(keys, weight, bias)
    }
}

fn check_finite(keys: &KeyMapping, weight: Vec<f32>, bias: Vec<f32>) -> Result<(Vec<f32>, Vec<f32>), ImportError> {
    if weight.iter().chain(&bias).all(|value| value.is_finite()) {
        Ok((weight, bias))
    } else {
        Err(ImportError::NotFinite { name: keys.weight() })
    }
}
