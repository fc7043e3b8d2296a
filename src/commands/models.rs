//! `phicam models`: what there is to choose from, and whether its files are whole.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::{exit, known, write_json};

use crate::cli::{ModelsArgs, ModelsCommand};
use phicam_engine::Way;
use phicam_model::catalog::{Catalog, Choice};
use phicam_pipeline::classify;
use phicam_pipeline::classify::postprocess;
use phicam_platform::{paths, system};

mod add;
mod evaluate;
mod import_plan;
pub mod model_file;

pub fn models(args: ModelsArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match args.command {
        ModelsCommand::List { folder, json } => list(&read(folder.models.as_deref())?, json, out),
        ModelsCommand::Verify { folder } => verify(folder.models.as_deref(), out),
        ModelsCommand::Add(args) => add::add(*args, out),
        ModelsCommand::Remove { name } => add::remove(&name, out),
        ModelsCommand::Evaluate { dir, choice, json } => evaluate::evaluate(&dir, &choice, json, out),
    }
}

/// What is shipped and what was added; damage to either is an error.
pub fn read(folder: Option<&Path>) -> anyhow::Result<Catalog> {
    let catalog = Catalog::read(&paths::models(folder)?)?;
    Ok(match paths::kept_state() {
        Some(state) => catalog.with_added(&state)?,
        None => catalog,
    })
}

fn list(catalog: &Catalog, as_json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let wide = catalog.choices.iter().map(|choice| choice.name.len()).max().unwrap_or(0).max(12);
    if !as_json {
        writeln!(out, "{:<wide$}     φ   M MACs   M parameters   top-1 %   licence      accuracy from", "choice")?;
    }
    for choice in &catalog.choices {
        let (network, source) = (&choice.network, &choice.top1_source);
        if as_json {
            write_json(
                out,
                &json!({
                    "choice": choice.name,
                    "file": network.file,
                    "side": choice.side,
                    "phi": choice.phi,
                    "million_macs": choice.million_macs,
                    "million_parameters": network.million_parameters,
                    "top1_percent": choice.top1_percent,
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
            "{:<wide$} {:>5}   {:>6.1}   {:>12.2}   {:>7}   {:<10}   {source}",
            choice.name,
            known(choice.phi, 2),
            choice.million_macs,
            network.million_parameters,
            known(choice.top1_percent, 2),
            network.licence,
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with `choice`; nothing where it loads as the catalog says.
pub fn fault(choice: &Choice) -> Option<String> {
    let settings = classify::Settings {
        view: Default::default(),
        guess: postprocess::Settings::default(),
        way: Way::tract(system::cores()),
        keeps_packed: false,
    };
    crate::engines::open_classifier(choice, &settings).err().map(|error| error.to_string())
}

fn verify(folder: Option<&Path>, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut failed = 0;
    let catalog = match read(folder) {
        Ok(catalog) => catalog,
        Err(error) => {
            let shipped = Catalog::read(&paths::models(folder)?)?; // or that is the error
            failed += 1;
            writeln!(out, "what was added cannot be read, move its catalog aside or mend it: {error}")?;
            shipped
        }
    };
    for choice in &catalog.choices {
        match fault(choice) {
            None => writeln!(out, "{:<12} good", choice.name)?,
            Some(fault) => {
                failed += 1;
                writeln!(out, "{:<12} {fault}", choice.name)?;
            }
        }
    }
    Ok(if failed > 0 { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
}
