//! Catalog of model variants: networks at an input resolution, with input spec, cost and accuracy.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::efficientnet::ScaledNetwork;
use phicam_platform::config_file::{StrictError, did_you_mean};

mod input_spec;
mod names;
mod schema;
#[cfg(test)]
mod tests;
pub mod user_models;
mod variant;
mod verified_file;
pub use input_spec::{Colour, Crop, Filter, InputSpec, Layout};
use schema::CatalogFile;
pub use schema::{NetworkEntry, VariantEntry};
pub use variant::{MAX_MILLION_MACS, SIDES};
pub use verified_file::sha256;
use verified_file::{read_verified, read_verified_with};

/// Subfolder of the state folder that holds the user models and their catalog.toml.
pub const USER_MODELS_FOLDER: &str = "user-models";

/// A catalog, or a file that it names, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error(transparent)]
    File(#[from] StrictError),
    #[error("{}: {message}", path.display())]
    Inconsistent { path: PathBuf, message: String },
    #[error("no model `{name}`: the catalog has {known}{hint}")]
    Unknown { name: String, hint: String, known: String },
    #[error("cannot read {}: {cause}; `phicam models verify` checks all model files", path.display())]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("cannot write {}: {cause}; check the free space and this user's write permission", path.display())]
    Unwritable { path: PathBuf, cause: std::io::Error },
    #[error(
        "{}: SHA-256 is {found}, the catalog has {expected}: the file is damaged or was replaced; \
         fetch it again (models/imagenet/build.py builds the shipped files, \
         `phicam models add --replace` replaces a user model)", path.display()
    )]
    WrongHash { path: PathBuf, found: String, expected: String },
}

/// An image classifier with its weights; one file serves every resolution that the network accepts.
#[derive(Clone, Debug)]
pub struct Network {
    /// Name in the catalog, such as `lite0`.
    pub name: String,
    /// Path of the ONNX file.
    pub file: PathBuf,
    /// SHA-256 of the ONNX file, in hexadecimal.
    pub sha256: String,
    /// Path of the label file: one label a line, and the line number, from 0, is the class index.
    pub labels: PathBuf,
    /// SHA-256 of the label file, in hexadecimal.
    pub labels_sha256: String,
    /// Family, width and depth; `None` if the network is not an EfficientNet.
    pub scaled: Option<ScaledNetwork>,
    /// Number of weights and biases in millions, with batch norm folded.
    pub million_parameters: f64,
    /// SPDX identifier of the weights' licence.
    pub licence: String,
    /// Origin of the weights.
    pub source: String,
}

impl Network {
    /// Returns the bytes of the ONNX file, or an error if their SHA-256 differs from the catalog's.
    pub fn read(&self) -> Result<Cow<'static, [u8]>, CatalogError> {
        read_verified(&self.file, &self.sha256)
    }

    /// Passes the ONNX file as a stream, with its length in bytes, to `read`, and returns the result.
    ///
    /// Returns an error if the SHA-256 of the whole file differs from the catalog's.
    pub fn read_with<T>(&self, read: impl FnOnce(&mut dyn Read, u64) -> T) -> Result<T, CatalogError> {
        read_verified_with(&self.file, &self.sha256, read)
    }

    /// Returns a fingerprint that changes when the ONNX file is replaced, without reading it; `None` if it is missing.
    pub fn fingerprint(&self) -> Option<String> {
        if self.file.starts_with(phicam_platform::bundled_models::FOLDER) {
            return Some("built in".into());
        }
        std::fs::metadata(&self.file).ok().map(|metadata| phicam_platform::paths::fingerprint(&metadata))
    }

    /// Returns the bytes of the label file, or an error if their SHA-256 differs from the catalog's.
    pub fn read_labels(&self) -> Result<Cow<'static, [u8]>, CatalogError> {
        read_verified(&self.labels, &self.labels_sha256)
    }
}

/// A network at one input resolution.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Name in the form `network@side`, such as `lite0@192`.
    pub name: String,
    pub network: Arc<Network>,
    /// Preprocessing that it requires.
    pub input: Arc<InputSpec>,
    /// Width and height of the square input, in pixels.
    pub side: u32,
    /// Compound coefficient: ln(d·w²·r²) / ln 1.92, negative below the base network; `None` outside the family.
    pub phi: Option<f64>,
    /// Multiply-accumulates of one inference, in millions.
    pub million_macs: f64,
    /// Top-1 accuracy in percent, on the ImageNet validation set unless the source names another; `None` if unknown.
    pub top1_percent: Option<f64>,
    /// Publication of that accuracy, or the method that measured or estimated it.
    pub top1_source: String,
    /// Whether it belongs to a user model instead of a shipped network.
    pub is_user_model: bool,
}

/// List of the variants to pick from.
#[derive(Debug)]
pub struct Catalog {
    /// In the order of the file; user models follow the shipped networks.
    pub variants: Vec<Variant>,
}

impl Catalog {
    /// Reads `catalog.toml` in `folder`, without opening model files. Returns an error if its entries are inconsistent.
    pub fn read(folder: &Path) -> Result<Catalog, CatalogError> {
        let path = folder.join("catalog.toml");
        Self::assemble(phicam_platform::config_file::read(&path)?, folder)
            .map_err(|message| CatalogError::Inconsistent { path, message })
    }

    /// Appends the user models of the state folder `state`, if there are any.
    ///
    /// Returns an error if their catalog is damaged, or if a user model has the name of a shipped network.
    pub fn with_user_models(mut self, state: &Path) -> Result<Catalog, CatalogError> {
        let folder = user_models::folder(state);
        // Only a missing catalog is ignored, not an unreadable one.
        if matches!(folder.join("catalog.toml").try_exists(), Ok(false)) {
            return Ok(self);
        }
        let user_models = Catalog::read(&folder)?;
        for variant in user_models.variants {
            if self.variants.iter().any(|other| other.network.name == variant.network.name && !other.is_user_model) {
                let message = format!("`{}` is also a shipped network; remove it from this file", variant.network.name);
                return Err(CatalogError::Inconsistent { path: folder.join("catalog.toml"), message });
            }
            self.variants.push(Variant { is_user_model: true, ..variant });
        }
        Ok(self)
    }

    fn assemble(file: CatalogFile, folder: &Path) -> Result<Catalog, String> {
        let file = file.merged();
        let inputs: BTreeMap<_, _> =
            file.input.into_iter().map(|(name, input_spec)| (name, Arc::new(input_spec))).collect();
        for (name, input_spec) in &inputs {
            input_spec.check().map_err(|message| format!("input `{name}`: {message}"))?;
        }
        let networks = file.network.into_iter().map(|(name, entry)| {
            let network = assemble_network(&name, entry, folder)?;
            Ok::<_, String>((name, Arc::new(network)))
        });
        let networks: BTreeMap<_, _> = networks.collect::<Result<_, _>>()?;
        let mut variants: Vec<Variant> = Vec::with_capacity(file.variant.len());
        for entry in file.variant {
            let name = &entry.name;
            let network = networks.get(&entry.network).ok_or_else(|| {
                let hint = did_you_mean(&entry.network, networks.keys().map(String::as_str));
                format!("variant `{name}`: network `{}` has no table{hint}", entry.network)
            })?;
            let input = inputs.get(&entry.input).ok_or_else(|| {
                let hint = did_you_mean(&entry.input, inputs.keys().map(String::as_str));
                format!("variant `{name}`: input `{}` has no table{hint}", entry.input)
            })?;
            if variants.iter().any(|other| other.name == *name) {
                return Err(format!("`{name}` is listed twice"));
            }
            let variant = Variant {
                name: entry.name,
                network: network.clone(),
                input: input.clone(),
                side: entry.side,
                phi: entry.phi,
                million_macs: entry.million_macs,
                top1_percent: entry.top1_percent,
                top1_source: entry.top1_source,
                is_user_model: false,
            };
            variant.check().map_err(|message| format!("`{}`: {message}", variant.name))?;
            variants.push(variant);
        }
        if variants.is_empty() {
            return Err("no [[variant]] table; add at least one".into());
        }
        Ok(Catalog { variants })
    }

    /// Returns the variant with exactly this name, such as `lite0@192`.
    pub fn variant(&self, name: &str) -> Result<&Variant, CatalogError> {
        self.variants.iter().find(|variant| variant.name == name).ok_or_else(|| self.unknown_model(name))
    }

    /// Splits the variants into those comparable by accuracy and the rest.
    ///
    /// A variant is comparable if its accuracy is known and its labels equal those of the first variant.
    pub fn comparable(&self) -> (Vec<&Variant>, Vec<&Variant>) {
        let labels = self.variants.first().map(|variant| &variant.network.labels_sha256);
        let is_comparable =
            |variant: &&Variant| variant.top1_percent.is_some() && Some(&variant.network.labels_sha256) == labels;
        self.variants.iter().partition(is_comparable)
    }
}

fn assemble_network(name: &str, entry: NetworkEntry, folder: &Path) -> Result<Network, String> {
    let inside_folder = |relative: &Path| {
        let is_inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if is_inside {
            Ok(folder.join(relative))
        } else {
            Err(format!("network `{name}`: {} is outside the catalog's folder", relative.display()))
        }
    };
    let scaled = match (entry.family, entry.width, entry.depth) {
        (Some(family), Some(width), Some(depth)) => Some(ScaledNetwork { family, width, depth }),
        (None, None, None) => None,
        _ => return Err(format!("network `{name}`: family, width and depth belong together; set all three or none")),
    };
    for (key, scale) in [("depth", entry.depth), ("width", entry.width)] {
        if let Some(scale) = scale.filter(|scale| !(0.1..=20.0).contains(scale)) {
            return Err(format!("network `{name}`: {key} is {scale}, expected 0.1 to 20"));
        }
    }
    Ok(Network {
        name: name.into(),
        file: inside_folder(&entry.file)?,
        sha256: entry.sha256,
        labels: inside_folder(&entry.labels)?,
        labels_sha256: entry.labels_sha256,
        scaled,
        million_parameters: entry.million_parameters,
        licence: entry.licence,
        source: entry.source,
    })
}
