//! `phicam models add`: weights that others trained, as choices.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use log::info;

use super::evaluate;
use super::file::ModelFile;
use crate::catalog::added::{self, Addition};
use crate::catalog::{Catalog, Choice, ChoiceEntry, Colour, Contract, Crop, Filter, NetworkEntry, sha256};
use crate::cli::{AddArgs, Normalisation};
use crate::efficientnet::Storage;
use crate::labels::Labels;
use crate::measure::measure;
use crate::published::{self, Published};
use crate::scaling::Scale;
use crate::{machine, places};

/// The border that the family's own crop leaves: side/(side+32).
const BORDER: u32 = 32;

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
    let choices = plan.carry_out(&file, &state)?;
    drop(file); // as large as the weights
    let smallest = choices.first().context("no side to add it at")?;
    info!("timing {}, in a process of its own", smallest.name);
    let proof = measure(smallest, &shipped, machine::cores(), &AtomicBool::new(false));
    let proof = match proof {
        Ok(proof) => proof,
        Err(error) => {
            remove_from(&state, &name)?;
            bail!("it was not added, as it cannot be run: {error}");
        }
    };
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
        smallest.name,
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
    for file in files.iter().map(|file| added::folder(state).join(file)).filter(|file| file.exists()) {
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

/// Everything that is needed to add a file, known before anything is written.
struct Plan {
    name: String,
    habits: Option<crate::import::Habits>,
    storage: Storage,
    labels: Vec<u8>,
    input: (String, Contract),
    /// Side, accuracy where it is known, and who says so.
    sides: Vec<(u32, Option<f64>, String)>,
    licence: String,
    source: String,
}

impl Plan {
    fn new(
        args: &AddArgs,
        name: &str,
        file: &ModelFile,
        published: Vec<Published>,
        shipped: &Path,
    ) -> anyhow::Result<Plan> {
        let row = published.first();
        let habits = match file {
            ModelFile::Weights { recognised, .. } => {
                let known = row.map_or(name.to_string(), |row| row.model.clone());
                Some(recognised.habits(&known, args.padding)?)
            }
            ModelFile::Onnx { .. } if args.padding.is_some() => {
                bail!("--padding is for weights; an ONNX file says itself how it pads")
            }
            ModelFile::Onnx { .. } => None,
        };
        let licence = args.licence.clone().or(row.map(|row| row.licence.clone())).unwrap_or("unknown".into());
        Ok(Plan {
            name: name.into(),
            habits,
            storage: if args.full_precision { Storage::Single } else { Storage::Half },
            labels: labels(args, file.classes(), row, shipped)?,
            input: input(args, file, row)?,
            sides: sides(args, file, &published)?,
            licence,
            source: format!("file {}", args.file.file_name().unwrap_or_default().to_string_lossy()),
        })
    }

    /// Writes the files and the catalog's entries; gives the new choices, smallest side first.
    fn carry_out(&self, file: &ModelFile, state: &Path) -> anyhow::Result<Vec<Choice>> {
        let folder = added::folder(state);
        let (onnx, labels) = (format!("{}.onnx", self.name), format!("{}.labels.txt", self.name));
        let largest = self.sides.last().map_or(224, |side| side.0);
        file.write(&folder.join(&onnx), largest, self.habits, self.storage)?;
        let hash = |path: &Path| -> anyhow::Result<String> {
            Ok(sha256(&std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?))
        };
        let labels_path = folder.join(&labels);
        places::replace_file(&labels_path, &self.labels)
            .with_context(|| format!("{} cannot be written", labels_path.display()))?;
        let scaled = file.scaled();
        let network = NetworkEntry {
            sha256: hash(&folder.join(&onnx))?,
            labels_sha256: sha256(&self.labels),
            file: onnx.into(),
            labels: labels.into(),
            family: scaled.map(|scaled| scaled.0),
            width: scaled.map(|scaled| scaled.1),
            depth: scaled.map(|scaled| scaled.2),
            million_parameters: file.million_parameters(),
            licence: self.licence.clone(),
            source: self.source.clone(),
        };
        let choices = self.sides.iter().map(|(side, top1_percent, top1_source)| {
            let phi = scaled.map(|(_, width, depth)| Scale { width, depth, side: *side }.phi());
            Ok(ChoiceEntry {
                name: format!("{}@{side}", self.name),
                network: self.name.clone(),
                input: self.input.0.clone(),
                side: *side,
                phi: phi.map(|phi| (phi * 100.0).round() / 100.0),
                million_macs: (file.million_macs(*side)? * 10.0).round().max(1.0) / 10.0,
                top1_percent: *top1_percent,
                top1_source: top1_source.clone(),
            })
        });
        let choices = choices.collect::<anyhow::Result<Vec<_>>>()?;
        added::add(state, Addition { name: self.name.clone(), network, input: self.input.clone(), choices })?;
        let added = Catalog::read(&folder)?;
        Ok(added.choices.into_iter().filter(|choice| choice.network.name == self.name).collect())
    }
}

fn labels(args: &AddArgs, classes: usize, row: Option<&Published>, shipped: &Path) -> anyhow::Result<Vec<u8>> {
    let imagenet = shipped.join("imagenet/labels.txt");
    let path = match &args.labels {
        Some(path) if path.as_os_str() == "imagenet" => imagenet,
        Some(path) => path.clone(),
        None if row.is_some() => imagenet,
        None => bail!(
            "what its {classes} classes are called is not known: --labels FILE names a file with one label a line, \
             in the model's order, and --labels imagenet stands for ImageNet's 1,000"
        ),
    };
    let bytes = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    Labels::parse(&bytes, &path)?.for_classes(classes, "this model", &path)?;
    Ok(bytes)
}

fn input(args: &AddArgs, file: &ModelFile, row: Option<&Published>) -> anyhow::Result<(String, Contract)> {
    let known = row.and_then(|row| <Normalisation as clap::ValueEnum>::from_str(&row.input, false).ok());
    let Some(normalisation) = args.input.or(known) else {
        bail!(
            "what it wants done to a pixel's levels is not known, and a wrong guess would cost accuracy in silence: say it \
             with --input imagenet (most of PyTorch's), tf (−1 to 1), lite (Google's Lite), unit (0 to 1) or raw (0 to 255)"
        );
    };
    let crop = match (args.crop, row) {
        (Some(share), _) => Crop::Share(share),
        (None, Some(row)) => Crop::Share(row.crop),
        (None, None) => Crop::Border(BORDER),
    };
    let published = |row: &Published| if row.filter == "bilinear" { Filter::Bilinear } else { Filter::Bicubic };
    let (mean, scale) = normalisation.mean_and_scale();
    let contract = Contract {
        colour: if args.bgr { Colour::Bgr } else { Colour::Rgb },
        layout: file.layout(),
        crop,
        filter: args.filter.or(row.map(published)).unwrap_or(Filter::Bicubic),
        mean,
        scale,
    };
    Ok((added::input_name(&normalisation.name(), &contract), contract))
}

fn sides(args: &AddArgs, file: &ModelFile, published: &[Published]) -> anyhow::Result<Vec<(u32, Option<f64>, String)>> {
    let mut wanted = args.side.clone();
    if wanted.is_empty() {
        wanted = published.iter().map(|row| row.side).collect();
    }
    if wanted.is_empty() {
        let side =
            file.side().context("it takes any side, and does not tell which it was trained for: say --side N")?;
        wanted = vec![side];
    }
    wanted.sort_unstable();
    wanted.dedup();
    Ok(wanted
        .into_iter()
        .map(|side| match (args.top1, published.iter().find(|row| row.side == side)) {
            (Some(top1), _) => (side, Some(top1), "as said when it was added".into()),
            (None, Some(row)) => {
                let squashed = if row.crop_mode == "squash" { ", of pictures squashed, not cropped" } else { "" };
                (side, Some(row.top1_percent), format!("published: {}, {side} px{squashed}", row.model))
            }
            (None, None) => (side, None, "not known".into()),
        })
        .collect())
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
