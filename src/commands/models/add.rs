//! `phicam models add` and `remove`: user models from weights and ONNX files.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::super::exit;
use super::evaluate;
use super::import_plan::ImportPlan;
use super::model_file::ModelFile;
use crate::cli::AddArgs;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::user_models::StateLock;
use phicam_model::catalog::{Catalog, Variant};
use phicam_model::labels::Labels;
use phicam_model::published_accuracy;
use phicam_model::published_accuracy::PublishedWeights;
use phicam_platform::{paths, system};

pub fn add(args: AddArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let shipped = paths::models_dir(args.folder.models.as_deref())?;
    let state = paths::persistent_state_dir().context(NO_STATE)?;
    let name = model_name(&args)?;
    check_name_is_free(&name, &args, &shipped, &state)?;
    let file = ModelFile::open(&args.file)?;
    writeln!(out, "{}: {}", args.file.display(), file.description())?;
    let published = published_rows(&args, &file);
    match published.first() {
        Some(row) => writeln!(out, "published as {}", row.model)?,
        None => writeln!(out, "no published weights have this name")?,
    }
    let plan = ImportPlan::new(&args, &name, &file, &published, &shipped)?;
    if let Some(dir) = &args.evaluate {
        let labels = Labels::parse(&plan.labels, dir)?;
        evaluate::pictures(dir, &labels)?; // a wrong folder is an error before anything is written
    }
    let lock = StateLock::acquire(&state)?;
    check_name_is_free(&name, &args, &shipped, &state)?; // another process may have added it since
    let candidate = lock.candidate_path(&name);
    let measured = plan.write_and_measure(&file, &candidate, &shipped);
    let installed = measured.and_then(|measurement| Ok((measurement, plan.install(&file, &candidate, &lock)?)));
    lock.remove_unlisted_files(); // files without an entry: a replaced model's, or the new one's after an error
    let (measurement, variants) = installed?;
    drop(file); // frees as much memory as the weights take
    for variant in &variants {
        let accuracy = match variant.top1_percent {
            Some(top1) => format!("top-1 {top1:.2} % ({})", variant.top1_source),
            None => format!(
                "accuracy {}; the picker leaves it out, --model runs it; state an accuracy with --top1 PERCENT",
                variant.top1_source
            ),
        };
        writeln!(
            out,
            "added {} ({}, {:.1} M MACs): {accuracy}",
            variant.name,
            variant.phi_display(),
            variant.million_macs
        )?;
    }
    writeln!(
        out,
        "{}: p95 latency {:.1} ms and peak memory {:.0} MiB on this machine; files are in {}",
        variants.last().map_or(name.as_str(), |largest| &largest.name),
        measurement.total_ms.p95,
        measurement.peak_rss_mib,
        lock.folder().display()
    )?;
    if let Some(dir) = &args.evaluate {
        return evaluate_variants(&lock, &variants, dir, out);
    }
    Ok(ExitCode::SUCCESS)
}

/// Error without a persistent state folder.
const NO_STATE: &str = "user models need a state folder, and there is none: name one with PHICAM_STATE, or set HOME";

/// Fails if a shipped network has the name, or a user model that is not to be replaced.
fn check_name_is_free(name: &str, args: &AddArgs, shipped: &Path, state: &Path) -> anyhow::Result<()> {
    let catalog = Catalog::read(shipped)?;
    if catalog.variants.iter().any(|variant| variant.network.name == name) {
        bail!("cannot add `{name}`: `{name}` is a shipped network; give another name with --name");
    }
    let catalog = catalog.with_user_models(state)?;
    if !args.replace && catalog.variants.iter().any(|variant| variant.network.name == name) {
        bail!(
            "cannot add `{name}`: a user model has this name; replace it with --replace, or give another name with --name"
        );
    }
    Ok(())
}

/// Runs `phicam models remove`.
pub fn remove(name: &str, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let state = paths::persistent_state_dir().context(NO_STATE)?;
    let lock = StateLock::acquire(&state)?;
    if !lock.remove(name)? {
        let network = name.split('@').next().unwrap_or(name);
        let hint = if network == name {
            String::new()
        } else {
            format!("; remove all resolutions together: `phicam models remove {network}`")
        };
        bail!("cannot remove `{name}`: no user model has this name; `phicam models list` shows all models{hint}");
    }
    lock.remove_unlisted_files();
    writeln!(out, "removed {name}")?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the name from `--name`, else the file's, if all its characters are safe in shells, TOML and file names.
fn model_name(args: &AddArgs) -> anyhow::Result<String> {
    let name = args.name.clone().unwrap_or_else(|| published_accuracy::stem(&args.file));
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let has_valid_start = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if name.len() > 64 || !name.chars().all(is_safe) || !has_valid_start || published_accuracy::is_file_name(&name) {
        bail!(
            "`{name}` is not a valid name: expected 1 to 64 letters, digits, `.`, `_` and `-`, first a letter or a digit, \
             without the extension of a file; give one with --name"
        );
    }
    Ok(name)
}

/// Returns the rows of the table of published weights for this file, found by `--name` or by its path.
fn published_rows(args: &AddArgs, file: &ModelFile) -> Vec<PublishedWeights> {
    let Some((network, torchvision)) = file.released() else { return Vec::new() };
    if file.classes() != phicam_model::efficientnet::IMAGENET_CLASSES {
        return Vec::new(); // fine-tuned for other classes
    }
    let by_name =
        args.name.as_ref().map(|name| published_accuracy::find_by_file_name(Path::new(name), network, torchvision));
    by_name
        .filter(|rows| !rows.is_empty())
        .unwrap_or_else(|| published_accuracy::find_by_file_name(&args.file, network, torchvision))
}

/// Evaluates the variants on the user's photographs.
///
/// The result is only a remark in the catalog: accuracies on different pictures cannot be compared.
fn evaluate_variants(
    lock: &StateLock,
    variants: &[Variant],
    dir: &Path,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for variant in variants {
        let settings = evaluate::settings(ExecutionConfig::tract(system::cores()));
        let mut classifier = crate::engines::open_classifier(variant, &settings)?;
        let score = evaluate::score(&mut classifier, dir)?;
        writeln!(out, "{} on {}: {}", variant.name, dir.display(), score)?;
        if variant.top1_percent.is_none() {
            let (top1, pictures) = (score.top1_percent(), score.pictures);
            lock.set_accuracy_source(
                &variant.name,
                &format!("unknown; {top1:.1} % of {pictures} of the user's photographs"),
            )?;
        }
        if score.unreadable > 0 {
            code = exit::SOME_FAILED.into();
        }
    }
    Ok(code)
}
