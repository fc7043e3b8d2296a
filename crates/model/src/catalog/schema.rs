//! Schema of `catalog.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::InputSpec;
use crate::efficientnet::Family;

/// Contents of a catalog file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogFile {
    #[serde(default)]
    pub input: BTreeMap<String, InputSpec>,
    #[serde(default)]
    pub network: BTreeMap<String, NetworkEntry>,
    #[serde(default)]
    pub variant: Vec<VariantEntry>,
    /// Name of [`CatalogFile::variant`] before 0.2. Catalogs may have both.
    #[serde(default, skip_serializing)]
    choice: Vec<VariantEntry>,
}

/// Table `[network.NAME]`; paths are relative to the catalog's folder.
impl CatalogFile {
    /// Returns the catalog with the variants under their old name among the others.
    pub fn merged(mut self) -> CatalogFile {
        self.variant.append(&mut self.choice);
        self
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkEntry {
    pub file: PathBuf,
    pub sha256: String,
    pub labels: PathBuf,
    pub labels_sha256: String,

    /// Absent, with width and depth, if the network is not an EfficientNet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<f64>,
    pub million_parameters: f64,
    pub licence: String,
    pub source: String,
}

/// Table `[[variant]]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VariantEntry {
    pub name: String,
    pub network: String,
    pub input: String,
    pub side: u32,
    /// Absent if the network is not an EfficientNet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phi: Option<f64>,
    pub million_macs: f64,
    /// Absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top1_percent: Option<f64>,
    pub top1_source: String,
}
