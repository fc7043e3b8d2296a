//! Models that tests add, and the list of user models.

use phicam_model::efficientnet::{Network, ReleasedNetwork};
use phicam_model::import::KeyScheme;

use super::program::Program;
use super::random_models::{safetensors, state_dict};

/// Returns a state dict with seeded values as a safetensors file.
pub fn weights(naming: KeyScheme, name: &str, classes: usize) -> Vec<u8> {
    let network = Network { classes, ..ReleasedNetwork::by_name(name).unwrap().network() };
    safetensors(&state_dict(naming, &network))
}

pub fn seven_birds() -> String {
    ["wren", "robin", "great tit", "magpie", "heron", "swift", "owl"].join("\n")
}

/// Returns the user models that `models list --json` prints, with their properties.
pub fn added(program: &Program) -> Vec<serde_json::Value> {
    let shipped = |variant: &serde_json::Value| variant["source"].as_str().unwrap().starts_with("package ");
    program.run("models list --json").with(0).json().into_iter().filter(|variant| !shipped(variant)).collect()
}

pub fn files(program: &Program) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(program.path("state/user-models")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != ".lock").collect();
    names.sort();
    names
}
