//! Plan of an import: collects and checks all settings of `phicam models add` before anything is written.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use log::info;

use super::model_file::ModelFile;
use crate::cli::{AddArgs, Normalisation};
use crate::profiler::BenchRequest;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::user_models;
use phicam_model::catalog::user_models::{StateLock, UserModel};
use phicam_model::catalog::{Catalog, Colour, Crop, Filter, InputSpec, NetworkEntry, Variant, VariantEntry, sha256};
use phicam_model::efficientnet::{Padding, ScaledNetwork, Storage};
use phicam_model::import::SourceConventions;
use phicam_model::labels::Labels;
use phicam_model::published_accuracy::PublishedWeights;
use phicam_platform::{paths, system};
use phicam_policy::measurement::{MeasureError, Measurement};
use phicam_policy::sampling::SamplingPlan;

/// Border of EfficientNet's own central crop in pixels: it keeps side/(side+32) of the picture.
const BORDER: u32 = 32;

/// Size limit of a labels file: room for 100,000 labels of 160 bytes.
const MAX_LABEL_BYTES: u64 = 16 << 20;

/// Settings of a user model.
pub struct ImportPlan {
    name: String,
    /// Conventions of the library that trained the weights; `None` for ONNX.
    habits: Option<SourceConventions>,
    storage: Storage,
    /// Labels file: one label in each line.
    pub labels: Vec<u8>,
    /// In ascending order.
    sides: Vec<SidePlan>,
    licence: String,
    source: String,
}

/// Settings of the model at one resolution.
struct SidePlan {
    side: u32,
    million_macs: f64,
    /// Name and input spec.
    input: (String, InputSpec),
    /// `None` if unknown.
    top1_percent: Option<f64>,
    top1_source: String,
}

impl ImportPlan {
    /// Collects the settings from the arguments, else from the published weights, else from the file.
    ///
    /// Reports all missing settings in one error.
    pub fn new(
        args: &AddArgs,
        name: &str,
        file: &ModelFile,
        published: &[PublishedWeights],
        shipped: &Path,
    ) -> anyhow::Result<ImportPlan> {
        let row = published.first();
        let habits = habits(args, file, row);
        let labels = labels(args, file.classes(), row, shipped);
        let sides = sides(args, file, published);
        let errors = [habits.as_ref().err(), labels.as_ref().err(), sides.as_ref().err()];
        let errors: Vec<String> = errors.into_iter().flatten().map(|error| format!("{error:#}")).collect();
        let file = args.file.display();
        match errors.as_slice() {
            [] => {}
            [error] => bail!("cannot add {file}: {error}"),
            several => {
                bail!("cannot add {file}: {} settings are missing or wrong:\n  {}", several.len(), several.join("\n  "))
            }
        }
        let licence = args.licence.clone().or(row.map(|row| row.licence.clone())).unwrap_or("unknown".into());
        Ok(ImportPlan {
            name: name.into(),
            habits: habits?,
            storage: if args.full_precision { Storage::Single } else { Storage::Half },
            labels: labels?,
            sides: sides?,
            licence,
            source: format!("file {}", args.file.file_name().unwrap_or_default().to_string_lossy()),
        })
    }

    /// Writes the model to `candidate` and measures it at its largest resolution, in a child process.
    ///
    /// Only a model that runs is added, and a model to be replaced stays until then.
    pub fn write_and_measure(&self, file: &ModelFile, candidate: &Path, shipped: &Path) -> anyhow::Result<Measurement> {
        let SidePlan { side, million_macs, .. } = self.sides.last().context("no resolution to add the model at")?;
        file.write(candidate, *side, self.habits, self.storage)?;
        let variant = Variant::from_file(candidate, &[], *side, file.layout(), file.scaled(), *million_macs);
        info!("measuring {} at {side} pixels, in a child process", self.name);
        let request = BenchRequest {
            variant: &variant,
            models: shipped,
            config: ExecutionConfig::tract(system::cores()),
            sampling: SamplingPlan::DEFAULT,
            interval_ms: None,
        };
        let message = |cause| format!("cannot add {}: it does not run at {side} pixels: {cause}", self.name);
        request.run(&AtomicBool::new(false)).map_err(|error| match error {
            MeasureError::Failed { cause, .. } => anyhow::anyhow!(message(cause)),
            other => anyhow::anyhow!(message(other.to_string())),
        })
    }

    /// Installs the files and enters the model into the catalog. Returns the new variants, smallest resolution first.
    ///
    /// The files are named by their hashes, so nothing that is in use changes until the catalog is replaced.
    pub fn install(&self, file: &ModelFile, candidate: &Path, lock: &StateLock) -> anyhow::Result<Vec<Variant>> {
        let bytes = std::fs::read(candidate).with_context(|| format!("{} cannot be read", candidate.display()))?;
        let (hash, labels_hash) = (sha256(&bytes), sha256(&self.labels));
        drop(bytes);
        let file_name = |hash: &str, extension: &str| format!("{}.{}.{extension}", self.name, &hash[..8]);
        let (onnx, labels) = (file_name(&hash, "onnx"), file_name(&labels_hash, "labels.txt"));
        let [onnx_path, labels_path] = [&onnx, &labels].map(|file| lock.folder().join(file));
        let scaled = file.scaled();
        let network = NetworkEntry {
            sha256: hash,
            labels_sha256: labels_hash,
            file: onnx.into(),
            labels: labels.into(),
            family: scaled.map(|scaled| scaled.family),
            width: scaled.map(|scaled| scaled.width),
            depth: scaled.map(|scaled| scaled.depth),
            million_parameters: file.million_parameters(),
            licence: self.licence.clone(),
            source: self.source.clone(),
        };
        std::fs::rename(candidate, &onnx_path).with_context(|| format!("{} cannot be written", onnx_path.display()))?;
        paths::atomic_write(&labels_path, &self.labels)
            .with_context(|| format!("{} cannot be written", labels_path.display()))?;
        let inputs = self.sides.iter().map(|side| side.input.clone()).collect();
        let variants = self.sides.iter().map(|side| side.entry(&self.name, scaled)).collect();
        lock.add(UserModel { name: self.name.clone(), network, inputs, variants })?;
        let added = Catalog::read(lock.folder())?;
        Ok(added.variants.into_iter().filter(|variant| variant.network.name == self.name).collect())
    }
}

impl SidePlan {
    fn new(side: u32, args: &AddArgs, file: &ModelFile, published: &[PublishedWeights]) -> anyhow::Result<SidePlan> {
        let row = published.iter().find(|row| row.side == side);
        let input = input(args, file, row.or(published.first()))?;
        let (top1_percent, top1_source) = match (args.top1, row) {
            (Some(top1), _) => (Some(top1), "stated with --top1".into()),
            (None, Some(row)) if differs_from_published(args, row) => {
                (None, format!("unknown: {} was published with another input", row.model))
            }
            (None, Some(row)) => {
                let squashed = if row.crop_mode == "squash" { ", with pictures squashed, not cropped" } else { "" };
                (Some(row.top1_percent), format!("published: {}, {side} px{squashed}", row.model))
            }
            (None, None) => (None, "unknown".into()),
        };
        let million_macs = (file.million_macs(side)? * 10.0).round().max(1.0) / 10.0;
        Ok(SidePlan { side, million_macs, input, top1_percent, top1_source })
    }

    fn entry(&self, network: &str, scaled: Option<ScaledNetwork>) -> VariantEntry {
        let phi = scaled.map(|scaled| scaled.at_side(self.side).phi());
        VariantEntry {
            name: format!("{network}@{}", self.side),
            network: network.into(),
            input: self.input.0.clone(),
            side: self.side,
            phi: phi.map(|phi| (phi * 100.0).round() / 100.0),
            million_macs: self.million_macs,
            top1_percent: self.top1_percent,
            top1_source: self.top1_source.clone(),
        }
    }
}

/// Returns the conventions of the library that trained the weights, or `None` for ONNX.
///
/// Only the name of published weights proves them: `efficientnet_birds` may descend from a tf_efficientnet.
fn habits(
    args: &AddArgs,
    file: &ModelFile,
    row: Option<&PublishedWeights>,
) -> anyhow::Result<Option<SourceConventions>> {
    match file {
        ModelFile::Weights { recognised, .. } => {
            Ok(Some(recognised.conventions(row.map_or("", |row| row.model.as_str()), args.padding)?))
        }
        ModelFile::Onnx { .. } if args.padding.is_some() => {
            bail!("--padding applies to weights only: an ONNX file states its own padding; leave --padding out")
        }
        ModelFile::Onnx { .. } => Ok(None),
    }
}

/// Returns whether a flag differs from the input that the weights were published with.
fn differs_from_published(args: &AddArgs, row: &PublishedWeights) -> bool {
    let padding = match args.padding {
        Some(Padding::Same) => row.padding != "same",
        Some(Padding::Symmetric) => row.padding != "symmetric",
        None => false,
    };
    let input = args.input.is_some_and(|input| input.name() != row.input);
    let crop = args.crop.is_some_and(|crop| (crop - row.crop).abs() > 1e-6);
    padding || input || crop || args.bgr || args.filter.is_some_and(|filter| filter != published_filter(row))
}

fn published_filter(row: &PublishedWeights) -> Filter {
    if row.filter == "bilinear" { Filter::Bilinear } else { Filter::Bicubic }
}

/// Returns the labels file from `--labels`, else ImageNet's for published weights.
fn labels(args: &AddArgs, classes: usize, row: Option<&PublishedWeights>, shipped: &Path) -> anyhow::Result<Vec<u8>> {
    let imagenet = shipped.join("imagenet/labels.txt");
    let path = match &args.labels {
        Some(path) if path.as_os_str() == "imagenet" => imagenet,
        Some(path) => path.clone(),
        None if row.is_some() => imagenet,
        None => bail!(
            "the names of its {classes} classes are unknown; add --labels FILE, with one label in each line, in the order \
             of the classes, or --labels imagenet for ImageNet's 1,000"
        ),
    };
    let bytes = paths::read_regular(&path, MAX_LABEL_BYTES)?;
    Labels::parse(&bytes, &path)?.for_classes(classes, "this model", &path)?;
    Ok(bytes)
}

/// Returns the input spec and its name, from the arguments, else as published.
fn input(args: &AddArgs, file: &ModelFile, row: Option<&PublishedWeights>) -> anyhow::Result<(String, InputSpec)> {
    let published = row.and_then(|row| <Normalisation as clap::ValueEnum>::from_str(&row.input, false).ok());
    let Some(normalisation) = args.input.or(published) else {
        bail!(
            "its normalisation of pixel levels is unknown; add --input imagenet (most of PyTorch's), tf (−1 to 1), lite \
             (Google's Lite), unit (0 to 1) or raw (0 to 255)"
        );
    };
    let crop = match (args.crop, row) {
        (Some(share), _) => Crop::Share(share),
        (None, Some(row)) => Crop::Share(row.crop),
        (None, None) => Crop::Border(BORDER),
    };
    let (mean, scale) = normalisation.mean_and_scale();
    let input_spec = InputSpec {
        colour: if args.bgr { Colour::Bgr } else { Colour::Rgb },
        layout: file.layout(),
        crop,
        filter: args.filter.or(row.map(published_filter)).unwrap_or(Filter::Bicubic),
        mean,
        scale,
    };
    Ok((user_models::input_name(&normalisation.name(), &input_spec), input_spec))
}

/// Returns the resolutions from `--side`, else the published ones, else the file's, in ascending order.
fn sides(args: &AddArgs, file: &ModelFile, published: &[PublishedWeights]) -> anyhow::Result<Vec<SidePlan>> {
    let mut sides = args.side.clone();
    if sides.is_empty() {
        sides = published.iter().map(|row| row.side).collect();
    }
    if sides.is_empty() {
        sides = vec![file.checked_side(None)?];
    }
    sides.sort_unstable();
    sides.dedup();
    if args.top1.is_some() && sides.len() > 1 {
        bail!("--top1 is the accuracy at one resolution, but there are several: {sides:?}; choose one with --side");
    }
    sides.into_iter().map(|side| SidePlan::new(side, args, file, published)).collect()
}
