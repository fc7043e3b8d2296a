//! What the user adds to the catalog, in a catalog of its own in the state folder.

use std::path::{Path, PathBuf};

use super::file::{CatalogFile, ChoiceEntry, NetworkEntry};
use super::{ADDED, Catalog, CatalogError, Contract, Crop, Filter, Layout};
use crate::places::replace_file;

/// A network that is to be added, with its choices.
#[derive(Clone, Debug)]
pub struct Addition {
    pub name: String,
    /// Paths in it are names of files in [`folder`].
    pub network: NetworkEntry,
    /// What its pictures must be made like: its name, and itself.
    pub input: (String, Contract),
    pub choices: Vec<ChoiceEntry>,
}

/// Where added networks are kept.
pub fn folder(state: &Path) -> PathBuf {
    state.join(ADDED)
}

/// A name for a contract that tells what is in it: `imagenet-0.875-bicubic`.
pub fn input_name(normalisation: &str, contract: &Contract) -> String {
    let crop = match contract.crop {
        Crop::Border(border) => format!("side{border}"),
        Crop::Share(share) => share.to_string(),
    };
    let filter = match contract.filter {
        Filter::Bilinear => "bilinear",
        Filter::Bicubic => "bicubic",
    };
    let mut name = format!("{normalisation}-{crop}-{filter}");
    if contract.layout == Layout::Nhwc {
        name.push_str("-nhwc");
    }
    if contract.colour == super::Colour::Bgr {
        name.push_str("-bgr");
    }
    name
}

/// Adds it, in place of what was added under its name before. Its files are there already.
pub fn add(state: &Path, addition: Addition) -> Result<(), CatalogError> {
    change(state, |catalog| {
        take_out(catalog, &addition.name);
        catalog.input.insert(addition.input.0, addition.input.1);
        catalog.network.insert(addition.name, addition.network);
        catalog.choice.extend(addition.choices);
    })
}

/// Takes a network and its choices out, and gives the names of its files; nothing where there is none of that name.
pub fn remove(state: &Path, name: &str) -> Result<Option<Vec<PathBuf>>, CatalogError> {
    let mut removed = None;
    change(state, |catalog| removed = take_out(catalog, name))?;
    Ok(removed.map(|network| vec![network.file, network.labels]))
}

fn take_out(catalog: &mut CatalogFile, name: &str) -> Option<NetworkEntry> {
    catalog.choice.retain(|choice| choice.network != name);
    let used = |input: &String| catalog.choice.iter().any(|choice| choice.input == *input);
    let inputs: Vec<String> = catalog.input.keys().filter(|input| !used(input)).cloned().collect();
    catalog.input.retain(|input, _| !inputs.contains(input));
    catalog.network.remove(name)
}

/// Reads, changes, checks and replaces the catalog of what was added.
fn change(state: &Path, change: impl FnOnce(&mut CatalogFile)) -> Result<(), CatalogError> {
    let folder = folder(state);
    let path = folder.join("catalog.toml");
    let mut catalog: CatalogFile = match path.exists() {
        true => crate::strict::read(&path)?,
        false => CatalogFile::default(),
    };
    change(&mut catalog);
    let unwritable = |cause: std::io::Error| CatalogError::Unwritable { path: path.clone(), cause };
    if catalog.choice.is_empty() {
        return if path.exists() { std::fs::remove_file(&path).map_err(unwritable) } else { Ok(()) };
    }
    let text = toml::to_string_pretty(&catalog).map_err(|error| unwritable(std::io::Error::other(error)))?;
    let whole =
        format!("# Written by `phicam models add`; `phicam models remove` takes a network out again.\n\n{text}");
    Catalog::assemble(catalog, &folder)
        .map_err(|message| CatalogError::Inconsistent { path: path.clone(), message })?;
    std::fs::create_dir_all(&folder).and_then(|()| replace_file(&path, whole.as_bytes())).map_err(unwritable)
}

/// Sets the accuracy of an added choice.
pub fn set_accuracy(state: &Path, choice: &str, top1_percent: f64, source: &str) -> Result<(), CatalogError> {
    change(state, |catalog| {
        for entry in catalog.choice.iter_mut().filter(|entry| entry.name == choice) {
            entry.top1_percent = Some((top1_percent * 100.0).round() / 100.0);
            entry.top1_source = source.into();
        }
    })
}
