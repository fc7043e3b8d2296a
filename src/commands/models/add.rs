//! `phicam models add`: weights that others trained, as choices.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::evaluate;
use super::file::ModelFile;
use super::plan::Plan;
use crate::catalog::added;
use crate::catalog::{Catalog, Choice};
use crate::cli::AddArgs;
use crate::labels::Labels;
use crate::published::{self, Published};
use crate::{machine, places};

pub fn add(args: AddArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let shipped = places::models(args.folder.models.as_deref())?;
    let state = places::state();
    let folder = added::folder(&state);
    let name = name(&args)?;
    let catalog = Catalog::read(&shipped)?;
    if catalog.choices.iter().any(|choice| choice.network.name == name) {
        bail!("`{name}` is a shipped network; give another name with --name");
    }
    let catalog = catalog.with_added(&state)?;
    if !args.replace && catalog.choices.iter().any(|choice| choice.network.name == name) {
        bail!("`{name}` was added before; --replace puts this one in its place, --name gives it another name");
    }
    let file = ModelFile::open(&args.file)?;
    writeln!(out, "{}: {}", args.file.display(), file.in_words())?;
    let published = published_as(&args, &file);
    match published.first() {
        Some(row) => writeln!(out, "published as {}", row.model)?,
        None => writeln!(out, "no published weights are known by that name")?,
    }
    let plan = Plan::new(&args, &name, &file, published, &shipped)?;
    if let Some(dir) = &args.r#try {
        let labels = Labels::parse(&plan.labels, dir)?;
        evaluate::folders(dir, &labels)?; // a wrong folder is told before anything is written
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let candidate = folder.join(format!(".{name}.new.onnx"));
    let done =
        plan.prove(&file, &candidate, &shipped).and_then(|proof| Ok((proof, plan.enter(&file, &candidate, &state)?)));
    if candidate.exists() {
        let _ = std::fs::remove_file(&candidate); // what went wrong before is the error to tell
    }
    let (proof, choices) = done?;
    drop(file); // as large as the weights
    for choice in &choices {
        let accuracy = match choice.top1_percent {
            Some(top1) => format!("top-1 {top1:.2} % ({})", choice.top1_source),
            None => "accuracy not known: --top1 or --try DIR tells it; until then only --model runs it".into(),
        };
        writeln!(
            out,
            "added {} ({}, {:.1} M MACs): {accuracy}",
            choice.name,
            choice.phi_in_words(),
            choice.million_macs
        )?;
    }
    writeln!(
        out,
        "{} takes {:.1} ms at p95 on this machine, {:.0} MiB; {}",
        choices.first().map_or("it", |smallest| &smallest.name),
        proof.total_ms.p95,
        proof.rss_mib,
        folder.display()
    )?;
    if let Some(dir) = &args.r#try {
        try_it(&state, &choices, dir, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `phicam models remove`
pub fn remove(name: &str, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match remove_from(&places::state(), name)? {
        true => writeln!(out, "{name} was taken out")?,
        false => bail!("no network `{name}` was added; `phicam models list` shows all, and shipped ones stay"),
    }
    Ok(ExitCode::SUCCESS)
}

fn remove_from(state: &Path, name: &str) -> anyhow::Result<bool> {
    let Some(files) = added::remove(state, name)? else { return Ok(false) };
    // By name alone: whatever a catalog that was tampered with says, nothing outside the folder is removed.
    let inside = |file: &PathBuf| Some(added::folder(state).join(file.file_name()?)).filter(|file| file.exists());
    for file in files.iter().filter_map(inside) {
        std::fs::remove_file(&file).with_context(|| format!("{} cannot be removed", file.display()))?;
    }
    Ok(true)
}

/// What the user said, else the file's name; with characters that need no quotes anywhere.
fn name(args: &AddArgs) -> anyhow::Result<String> {
    let name = args.name.clone().unwrap_or_else(|| published::stem(&args.file));
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name.starts_with('.') {
        bail!("`{name}` cannot be its name: 1 to 64 of a–z, 0–9, `.`, `_` and `-`; give one with --name");
    }
    Ok(name)
}

/// The rows of the table of published weights for this file, by the name that the user gave or by its path.
fn published_as(args: &AddArgs, file: &ModelFile) -> Vec<Published> {
    let Some((network, torchvision)) = file.released() else { return Vec::new() };
    if file.classes() != crate::efficientnet::IMAGENET_CLASSES {
        return Vec::new(); // trained further, for something else
    }
    let path = args.name.as_ref().map_or(args.file.clone(), PathBuf::from);
    published::of_file(&path, network, torchvision)
}

/// Tells the accuracy on the user's photographs; where none was known, it becomes the choice's.
fn try_it(state: &Path, choices: &[Choice], dir: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    for choice in choices {
        let score = evaluate::score(choice, dir, machine::cores())?;
        writeln!(out, "{} on {}: {}", choice.name, dir.display(), evaluate::in_words(&score))?;
        if choice.top1_percent.is_none() {
            let source = format!("measured on {} photographs of the user's", score.pictures);
            added::set_accuracy(state, &choice.name, score.top1_percent(), &source)?;
        }
    }
    Ok(())
}
