//! `phicam models`: lists, verifies, adds, removes and evaluates models.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::{exit, known, write_json};

use crate::cli::{ModelsArgs, ModelsCommand};
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::{Catalog, Variant};
use phicam_pipeline::classify;
use phicam_pipeline::classify::postprocess;
use phicam_platform::{paths, system};

mod add;
mod evaluate;
mod import_plan;
pub mod model_file;

pub fn models(args: ModelsArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match args.command {
        ModelsCommand::List { folder, json } => list(&read_catalog(folder.models.as_deref())?, json, out),
        ModelsCommand::Verify { folder } => verify(folder.models.as_deref(), out),
        ModelsCommand::Add(args) => add::add(*args, out),
        ModelsCommand::Remove { name } => add::remove(&name, out),
        ModelsCommand::Evaluate { dir, model_args, json } => evaluate::evaluate(&dir, &model_args, json, out),
    }
}

/// Returns the shipped catalog with the user models; damage to either is an error.
pub fn read_catalog(folder: Option<&Path>) -> anyhow::Result<Catalog> {
    let catalog = Catalog::read(&paths::models_dir(folder)?)?;
    Ok(match paths::persistent_state_dir() {
        Some(state) => catalog.with_user_models(&state)?,
        None => catalog,
    })
}

fn list(catalog: &Catalog, as_json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let width = catalog.variants.iter().map(|variant| variant.name.len()).max().unwrap_or(0).max(12);
    if !as_json {
        writeln!(out, "{:<width$}     φ   M MACs   M parameters   top-1 %   licence      accuracy from", "variant")?;
    }
    for variant in &catalog.variants {
        let (network, source) = (&variant.network, &variant.top1_source);
        if as_json {
            write_json(
                out,
                &json!({
                    "variant": variant.name,
                    "file": network.file,
                    "side": variant.side,
                    "phi": variant.phi,
                    "million_macs": variant.million_macs,
                    "million_parameters": network.million_parameters,
                    "top1_percent": variant.top1_percent,
                    "top1_source": source,
                    "licence": network.licence,
                    "source": network.source,
                    "sha256": network.sha256,
                }),
            )?;
            continue;
        }
        writeln!(
            out,
            "{:<width$} {:>5}   {:>6.1}   {:>12.2}   {:>7}   {:<10}   {source}",
            variant.name,
            known(variant.phi, 2),
            variant.million_macs,
            network.million_parameters,
            known(variant.top1_percent, 2),
            network.licence,
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the error of loading `variant`, or `None` if it loads and agrees with the catalog.
pub fn load_error(variant: &Variant) -> Option<String> {
    let settings = classify::Settings {
        view: Default::default(),
        prediction: postprocess::Settings::default(),
        config: ExecutionConfig::tract(system::cores()),
        cache_packed_weights: false,
    };
    crate::engines::open_classifier(variant, &settings).err().map(|error| error.to_string())
}

fn verify(folder: Option<&Path>, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut failed = 0;
    let catalog = match read_catalog(folder) {
        Ok(catalog) => catalog,
        Err(error) => {
            let shipped = Catalog::read(&paths::models_dir(folder)?)?; // returns the error if this is the damaged one
            failed += 1;
            writeln!(
                out,
                "cannot read the user models: {error}; repair their catalog, or move it away and add them again"
            )?;
            shipped
        }
    };
    for variant in &catalog.variants {
        match load_error(variant) {
            None => writeln!(out, "{:<12} good", variant.name)?,
            Some(error) => {
                failed += 1;
                writeln!(out, "{:<12} {error}", variant.name)?;
            }
        }
    }
    Ok(if failed > 0 { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
}
