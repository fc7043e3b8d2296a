//! `phicam models add`: weights that others trained, as variants.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::super::exit;
use super::evaluate;
use super::import_plan::Plan;
use super::model_file::ModelFile;
use crate::cli::AddArgs;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::user_models::Lock;
use phicam_model::catalog::{Catalog, Variant};
use phicam_model::labels::Labels;
use phicam_model::published_accuracy;
use phicam_model::published_accuracy::Published;
use phicam_platform::{paths, system};

pub fn add(args: AddArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let shipped = paths::models_dir(args.folder.models.as_deref())?;
    let state = paths::persistent_state_dir().context(NO_STATE)?;
    let name = name(&args)?;
    check_free(&name, &args, &shipped, &state)?;
    let file = ModelFile::open(&args.file)?;
    writeln!(out, "{}: {}", args.file.display(), file.in_words())?;
    let published = published_as(&args, &file);
    match published.first() {
        Some(row) => writeln!(out, "published as {}", row.model)?,
        None => writeln!(out, "no published weights are known by that name")?,
    }
    let plan = Plan::new(&args, &name, &file, &published, &shipped)?;
    if let Some(dir) = &args.r#try {
        let labels = Labels::parse(&plan.labels, dir)?;
        evaluate::pictures(dir, &labels)?; // a wrong folder is told before anything is written
    }
    let lock = Lock::take(&state)?;
    check_free(&name, &args, &shipped, &state)?; // another may have added it meanwhile
    let candidate = lock.candidate(&name);
    let proof = plan.prove(&file, &candidate, &shipped);
    let done = proof.and_then(|proof| Ok((proof, plan.enter(&file, &candidate, &lock)?)));
    lock.sweep(); // what no entry names: the old one's files, or this one's where it failed
    let (proof, variants) = done?;
    drop(file); // as large as the weights
    for variant in &variants {
        let accuracy = match variant.top1_percent {
            Some(top1) => format!("top-1 {top1:.2} % ({})", variant.top1_source),
            None => format!("accuracy {}; only --model runs it, --top1 PERCENT tells it", variant.top1_source),
        };
        writeln!(
            out,
            "added {} ({}, {:.1} M MACs): {accuracy}",
            variant.name,
            variant.phi_in_words(),
            variant.million_macs
        )?;
    }
    writeln!(
        out,
        "{} takes {:.1} ms at p95 on this machine, {:.0} MiB; {}",
        variants.last().map_or("it", |largest| &largest.name),
        proof.total_ms.p95,
        proof.peak_rss_mib,
        lock.folder().display()
    )?;
    if let Some(dir) = &args.r#try {
        return try_it(&lock, &variants, dir, out);
    }
    Ok(ExitCode::SUCCESS)
}

/// What is said where nothing can be kept.
const NO_STATE: &str = "there is no folder to keep it in: name one with PHICAM_STATE, or set HOME";

/// Whether the name may be taken.
fn check_free(name: &str, args: &AddArgs, shipped: &Path, state: &Path) -> anyhow::Result<()> {
    let catalog = Catalog::read(shipped)?;
    if catalog.variants.iter().any(|variant| variant.network.name == name) {
        bail!("`{name}` is a shipped network; give another name with --name");
    }
    let catalog = catalog.with_added(state)?;
    if !args.replace && catalog.variants.iter().any(|variant| variant.network.name == name) {
        bail!("`{name}` was added before; --replace puts this one in its place, --name gives it another name");
    }
    Ok(())
}

/// `phicam models remove`
pub fn remove(name: &str, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let state = paths::persistent_state_dir().context(NO_STATE)?;
    let lock = Lock::take(&state)?;
    if !lock.remove(name)? {
        let network = name.split('@').next().unwrap_or(name);
        let hint = if network == name { String::new() } else { format!("; all sides of `{network}` go together") };
        bail!("no network `{name}` was added; `phicam models list` shows all, and shipped ones stay{hint}");
    }
    lock.sweep();
    writeln!(out, "{name} was taken out")?;
    Ok(ExitCode::SUCCESS)
}

/// What the user said, else the file's name; with characters that need no quotes anywhere.
fn name(args: &AddArgs) -> anyhow::Result<String> {
    let name = args.name.clone().unwrap_or_else(|| published_accuracy::stem(&args.file));
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if name.len() > 64 || !name.chars().all(plain) || !starts || published_accuracy::is_file_name(&name) {
        bail!(
            "`{name}` cannot be its name: 1 to 64 letters, digits, `.`, `_` and `-`, beginning with one of the first \
             two and not ending as a file's; give one with --name"
        );
    }
    Ok(name)
}

/// The rows of the table of published weights for this file, by the name that the user gave or by its path.
fn published_as(args: &AddArgs, file: &ModelFile) -> Vec<Published> {
    let Some((network, torchvision)) = file.released() else { return Vec::new() };
    if file.classes() != phicam_model::efficientnet::IMAGENET_CLASSES {
        return Vec::new(); // trained further, for something else
    }
    let by_name = args.name.as_ref().map(|name| published_accuracy::of_file(Path::new(name), network, torchvision));
    by_name
        .filter(|rows| !rows.is_empty())
        .unwrap_or_else(|| published_accuracy::of_file(&args.file, network, torchvision))
}

/// Tells the accuracy on the user's photographs. It stays a remark: on other pictures than the others' it says nothing
/// about who is the better one.
fn try_it(lock: &Lock, variants: &[Variant], dir: &Path, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for variant in variants {
        let score = evaluate::score(variant, dir, ExecutionConfig::tract(system::cores()))?;
        writeln!(out, "{} on {}: {}", variant.name, dir.display(), evaluate::in_words(&score))?;
        if variant.top1_percent.is_none() {
            let (top1, pictures) = (score.top1_percent(), score.pictures);
            lock.remark(&variant.name, &format!("not known; {top1:.1} % of {pictures} photographs of the user's"))?;
        }
        if score.unreadable > 0 {
            code = exit::SOME_FAILED.into();
        }
    }
    Ok(code)
}
