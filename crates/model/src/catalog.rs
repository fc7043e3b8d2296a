//! The models that can be chosen: networks at a side, with their contract, cost and accuracy.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::efficientnet::Scaled;
use phicam_platform::config_file::{StrictError, did_you_mean};

mod input_spec;
mod schema;
#[cfg(test)]
mod tests;
pub mod user_models;
mod variant;
mod verified_file;
pub use input_spec::{Colour, Crop, Filter, InputSpec, Layout};
use schema::CatalogFile;
pub use schema::{NetworkEntry, VariantEntry};
pub use variant::{MOST_MILLION_MACS, SIDES};
pub use verified_file::sha256;
use verified_file::{read_checked, read_checked_with};

/// Folder below the state folder for networks that the user added, with a catalog.toml of its own.
pub const ADDED: &str = "models";

/// A catalog, or something it names, that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error(transparent)]
    File(#[from] StrictError),
    #[error("{}: {message}", path.display())]
    Inconsistent { path: PathBuf, message: String },
    #[error("no model `{name}` in the catalog; there are {known}{hint}")]
    Unknown { name: String, hint: String, known: String },
    #[error("{} cannot be read: {cause}; `phicam models verify` checks all of them", path.display())]
    Missing { path: PathBuf, cause: std::io::Error },
    #[error("{} cannot be written: {cause}; is there space left, and may this user write there?", path.display())]
    Unwritable { path: PathBuf, cause: std::io::Error },
    #[error(
        "{}: SHA-256 is {found}, the catalog says {expected}: the file is damaged or another one; \
         fetch it again (models/imagenet/build.py makes the shipped ones, `phicam models add --replace` others)", path.display()
    )]
    WrongHash { path: PathBuf, found: String, expected: String },
}

/// Weights of one network, good for any side.
#[derive(Clone, Debug)]
pub struct Network {
    /// As variants call it: `lite0`.
    pub name: String,
    /// The ONNX file.
    pub file: PathBuf,
    /// Of the ONNX file, in hexadecimal.
    pub sha256: String,
    /// One label a line; the line's number, from 0, is the class.
    pub labels: PathBuf,
    /// Of the label file, in hexadecimal.
    pub labels_sha256: String,
    /// Which blocks it is made of; nothing where it is no EfficientNet.
    pub scaled: Option<Scaled>,
    /// Weights and biases with batch norm folded, in millions.
    pub million_parameters: f64,
    /// SPDX name of the weights' licence.
    pub licence: String,
    /// Where the weights come from.
    pub source: String,
}

impl Network {
    /// The ONNX file's bytes, once their hash is what the catalog says.
    pub fn read(&self) -> Result<Cow<'static, [u8]>, CatalogError> {
        read_checked(&self.file, &self.sha256)
    }

    /// What `read` makes of the ONNX file, whose length it is told, once the hash of all of it is what the catalog says.
    pub fn read_with<T>(&self, read: impl FnOnce(&mut dyn Read, u64) -> T) -> Result<T, CatalogError> {
        read_checked_with(&self.file, &self.sha256, read)
    }

    /// What tells the ONNX file from a later one at its place, without reading it; nothing where there is none.
    pub fn fingerprint(&self) -> Option<String> {
        if self.file.starts_with(phicam_platform::bundled_models::FOLDER) {
            return Some("built in".into());
        }
        std::fs::metadata(&self.file).ok().map(|there| phicam_platform::paths::fingerprint(&there))
    }

    /// The label file's bytes, once their hash is what the catalog says.
    pub fn read_labels(&self) -> Result<Cow<'static, [u8]>, CatalogError> {
        read_checked(&self.labels, &self.labels_sha256)
    }
}

/// Something that can be chosen: a network at a side.
#[derive(Clone, Debug)]
pub struct Variant {
    /// `network@side`.
    pub name: String,
    /// Its weights.
    pub network: Arc<Network>,
    /// What its pictures must be made like.
    pub input: Arc<InputSpec>,
    /// Pixels along each side of the model's square input.
    pub side: u32,
    /// Steps of compound scaling from the base network, by d·w²·r²; negative below it. Not known outside the family.
    pub phi: Option<f64>,
    /// Multiply-accumulates of one picture, in millions.
    pub million_macs: f64,
    /// Accuracy, on the ImageNet validation set where the source says nothing else; nothing where nobody measured it.
    pub top1_percent: Option<f64>,
    /// Who published that accuracy, or how it was found.
    pub top1_source: String,
    /// By the user, beyond what is shipped.
    pub added: bool,
}

/// Every variant, in the order of the file.
#[derive(Debug)]
pub struct Catalog {
    pub variants: Vec<Variant>,
}

impl Catalog {
    /// Reads `catalog.toml` in `folder` and checks that it agrees with itself. Model files are not opened.
    pub fn read(folder: &Path) -> Result<Catalog, CatalogError> {
        let path = folder.join("catalog.toml");
        Self::assemble(phicam_platform::config_file::read(&path)?, folder)
            .map_err(|message| CatalogError::Inconsistent { path, message })
    }

    /// The same with what was added to it (see [`ADDED`]) in the state folder `state`; nothing is there at first.
    pub fn with_added(mut self, state: &Path) -> Result<Catalog, CatalogError> {
        let folder = state.join(ADDED);
        // Only what is not there is passed over in silence, not what may not be read.
        if matches!(folder.join("catalog.toml").try_exists(), Ok(false)) {
            return Ok(self);
        }
        let added = Catalog::read(&folder)?;
        for variant in added.variants {
            if self.variants.iter().any(|other| other.network.name == variant.network.name && !other.added) {
                let message = format!("`{}` is a shipped network as well; remove it there", variant.network.name);
                return Err(CatalogError::Inconsistent { path: folder.join("catalog.toml"), message });
            }
            self.variants.push(Variant { added: true, ..variant });
        }
        Ok(self)
    }

    fn assemble(file: CatalogFile, folder: &Path) -> Result<Catalog, String> {
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
                format!("`{name}` names network `{}`, which has no table{hint}", entry.network)
            })?;
            let input = inputs.get(&entry.input).ok_or_else(|| {
                let hint = did_you_mean(&entry.input, inputs.keys().map(String::as_str));
                format!("`{name}` names input `{}`, which has no table{hint}", entry.input)
            })?;
            if variants.iter().any(|other| other.name == *name) {
                return Err(format!("`{name}` is there twice"));
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
                added: false,
            };
            variant.check().map_err(|message| format!("`{}`: {message}", variant.name))?;
            variants.push(variant);
        }
        if variants.is_empty() {
            return Err("has no [[variant]]; at least one is needed".into());
        }
        Ok(Catalog { variants })
    }

    /// The variant of that very name (`lite0@192`).
    pub fn variant(&self, name: &str) -> Result<&Variant, CatalogError> {
        self.variants.iter().find(|variant| variant.name == name).ok_or_else(|| self.unknown(name))
    }

    /// What can be compared by accuracy: all with the first variant's labels whose accuracy is known; and the rest.
    pub fn comparable(&self) -> (Vec<&Variant>, Vec<&Variant>) {
        let labels = self.variants.first().map(|variant| &variant.network.labels_sha256);
        let comparable =
            |variant: &&Variant| variant.top1_percent.is_some() && Some(&variant.network.labels_sha256) == labels;
        self.variants.iter().partition(comparable)
    }

    /// What a name admits: one variant (`lite0@192`), or a network at all its sides (`lite0`).
    pub fn named(&self, name: &str) -> Result<Vec<&Variant>, CatalogError> {
        let admits = |variant: &&Variant| variant.name == name || variant.network.name == name;
        let found: Vec<_> = self.variants.iter().filter(admits).collect();
        if found.is_empty() { Err(self.unknown(name)) } else { Ok(found) }
    }

    fn unknown(&self, name: &str) -> CatalogError {
        let names = || self.variants.iter().map(|variant| variant.name.as_str());
        let known = names().collect::<Vec<_>>().join(", ");
        CatalogError::Unknown { name: name.into(), hint: did_you_mean(name, names()), known }
    }
}

fn assemble_network(name: &str, entry: NetworkEntry, folder: &Path) -> Result<Network, String> {
    let inside = |relative: &Path| {
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        match plain {
            true => Ok(folder.join(relative)),
            false => Err(format!("network `{name}` names {}, which lies outside this folder", relative.display())),
        }
    };
    let scaled = match (entry.family, entry.width, entry.depth) {
        (Some(family), Some(width), Some(depth)) => Some(Scaled { family, width, depth }),
        (None, None, None) => None,
        _ => return Err(format!("network `{name}`: family, width and depth go together; give all three or none")),
    };
    for (what, scale) in [("depth", entry.depth), ("width", entry.width)] {
        if let Some(scale) = scale.filter(|scale| !(0.1..=20.0).contains(scale)) {
            return Err(format!("network `{name}`: {what} is {scale}, expected 0.1 to 20"));
        }
    }
    Ok(Network {
        name: name.into(),
        file: inside(&entry.file)?,
        sha256: entry.sha256,
        labels: inside(&entry.labels)?,
        labels_sha256: entry.labels_sha256,
        scaled,
        million_parameters: entry.million_parameters,
        licence: entry.licence,
        source: entry.source,
    })
}
