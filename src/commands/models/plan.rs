//! What adding a model takes: everything is known, or asked for, before anything is written.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use log::info;

use super::file::ModelFile;
use crate::catalog::added::{self, Addition};
use crate::catalog::{Catalog, Choice, ChoiceEntry, Colour, Contract, Crop, Filter, NetworkEntry, sha256};
use crate::cli::{AddArgs, Normalisation};
use crate::efficientnet::Storage;
use crate::labels::Labels;
use crate::measure::{Measurement, measure};
use crate::published::Published;
use crate::scaling::Scale;
use crate::{machine, places};

/// The border that the family's own crop leaves: side/(side+32).
const BORDER: u32 = 32;

/// Everything that is needed to add a file, known before anything is written.
pub struct Plan {
    name: String,
    habits: Option<crate::import::Habits>,
    storage: Storage,
    /// One label a line.
    pub labels: Vec<u8>,
    input: (String, Contract),
    /// Side, accuracy where it is known, and who says so.
    sides: Vec<(u32, Option<f64>, String)>,
    licence: String,
    source: String,
}

impl Plan {
    pub fn new(
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

    /// Writes it to `candidate` and runs it there, at its smallest side, in a process of its own: only what runs is
    /// added, and what it is to replace stays until then.
    pub fn prove(&self, file: &ModelFile, candidate: &Path, shipped: &Path) -> anyhow::Result<Measurement> {
        let largest = self.sides.last().map_or(224, |side| side.0);
        let smallest = self.sides.first().map_or(224, |side| side.0);
        file.write(candidate, largest, self.habits, self.storage)?;
        let macs = file.million_macs(smallest)?;
        let choice = Choice::of_file(candidate, &[], smallest, file.layout(), file.scaled(), macs);
        info!("timing it at {smallest} pixels, in a process of its own");
        let proof = measure(&choice, shipped, machine::cores(), &AtomicBool::new(false));
        proof.map_err(|error| anyhow::anyhow!("it was not added, as it cannot be run: {error}"))
    }

    /// Gives the file its name, and enters it into the catalog; gives the new choices, smallest side first.
    pub fn enter(&self, file: &ModelFile, candidate: &Path, state: &Path) -> anyhow::Result<Vec<Choice>> {
        let folder = added::folder(state);
        let (onnx, labels) = (format!("{}.onnx", self.name), format!("{}.labels.txt", self.name));
        let onnx_path = folder.join(&onnx);
        std::fs::rename(candidate, &onnx_path).with_context(|| format!("{} cannot be written", onnx_path.display()))?;
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
