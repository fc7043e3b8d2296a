//! The catalog as it is written in `models/catalog.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::Contract;
use crate::efficientnet::Family;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogFile {
    #[serde(default)]
    pub input: BTreeMap<String, Contract>,
    #[serde(default)]
    pub network: BTreeMap<String, NetworkEntry>,
    #[serde(default)]
    pub choice: Vec<ChoiceEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkEntry {
    pub file: PathBuf,
    pub sha256: String,
    pub labels: PathBuf,
    pub labels_sha256: String,

    pub family: Family,
    pub width: f64,
    pub depth: f64,
    pub million_parameters: f64,
    pub licence: String,
    pub source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChoiceEntry {
    pub name: String,
    pub network: String,
    pub input: String,
    pub side: u32,
    pub phi: f64,
    pub million_macs: f64,
    pub top1_percent: f64,
    pub top1_source: String,
}
