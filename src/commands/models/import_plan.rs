//! What adding a model takes: everything is known, or asked for, before anything is written.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use log::info;

use super::model_file::ModelFile;
use crate::cli::{AddArgs, Normalisation};
use crate::profiler::BenchRequest;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::user_models;
use phicam_model::catalog::user_models::{Addition, Lock};
use phicam_model::catalog::{Catalog, Colour, Crop, Filter, InputSpec, NetworkEntry, Variant, VariantEntry, sha256};
use phicam_model::efficientnet::{Padding, Scaled, Storage};
use phicam_model::import::Habits;
use phicam_model::labels::Labels;
use phicam_model::published_accuracy::Published;
use phicam_platform::{paths, system};
use phicam_policy::measurement::{MeasureError, Measurement};
use phicam_policy::sampling::SamplingPlan;

/// The border that the family's own crop leaves: side/(side+32).
const BORDER: u32 = 32;

/// Labels may take this much: a hundred thousand long ones.
const MAX_LABEL_BYTES: u64 = 16 << 20;

/// Everything that is needed to add a file, known before anything is written.
pub struct Plan {
    name: String,
    habits: Option<Habits>,
    storage: Storage,
    /// One label a line.
    pub labels: Vec<u8>,
    /// Smallest first.
    sides: Vec<Side>,
    licence: String,
    source: String,
}

/// One side that it is to be added at.
struct Side {
    side: u32,
    million_macs: f64,
    /// What its pictures must be made like: a name for it, and itself.
    input: (String, InputSpec),
    /// Where it is known.
    top1_percent: Option<f64>,
    top1_source: String,
}

impl Plan {
    pub fn new(
        args: &AddArgs,
        name: &str,
        file: &ModelFile,
        published: &[Published],
        shipped: &Path,
    ) -> anyhow::Result<Plan> {
        let row = published.first();
        // All three before the first error: what is missing is asked for at once.
        let habits = habits(args, file, row);
        let labels = labels(args, file.classes(), row, shipped);
        let sides = sides(args, file, published);
        let faults = [habits.as_ref().err(), labels.as_ref().err(), sides.as_ref().err()];
        let faults: Vec<String> = faults.into_iter().flatten().map(|fault| format!("{fault:#}")).collect();
        if faults.len() > 1 {
            bail!("{} things are wrong or not known:\n  {}", faults.len(), faults.join("\n  "));
        }
        let licence = args.licence.clone().or(row.map(|row| row.licence.clone())).unwrap_or("unknown".into());
        Ok(Plan {
            name: name.into(),
            habits: habits?,
            storage: if args.full_precision { Storage::Single } else { Storage::Half },
            labels: labels?,
            sides: sides?,
            licence,
            source: format!("file {}", args.file.file_name().unwrap_or_default().to_string_lossy()),
        })
    }

    /// Writes it to `candidate` and runs it there, at its largest side, in a process of its own: only what runs is
    /// added, and what it is to replace stays until then.
    pub fn prove(&self, file: &ModelFile, candidate: &Path, shipped: &Path) -> anyhow::Result<Measurement> {
        let Side { side, million_macs, .. } = self.sides.last().context("no side to add it at")?;
        file.write(candidate, *side, self.habits, self.storage)?;
        let variant = Variant::of_file(candidate, &[], *side, file.layout(), file.scaled(), *million_macs);
        info!("timing it at {side} pixels, in a process of its own");
        let request = BenchRequest {
            variant: &variant,
            models: shipped,
            config: ExecutionConfig::tract(system::cores()),
            sampling: SamplingPlan::USUAL,
            interval_ms: None,
        };
        let proof = request.run(&AtomicBool::new(false));
        let refused = |cause| format!("{} was not added, as it cannot be run at {side} pixels: {cause}", self.name);
        proof.map_err(|error| match error {
            MeasureError::Failed { cause, .. } => anyhow::anyhow!(refused(cause)),
            other => anyhow::anyhow!(refused(other.to_string())),
        })
    }

    /// Enters it into the catalog, with files whose names tell what is in them: until the catalog is replaced, nothing
    /// that is in use has changed. Gives the new variants, smallest side first.
    pub fn enter(&self, file: &ModelFile, candidate: &Path, lock: &Lock) -> anyhow::Result<Vec<Variant>> {
        let bytes = std::fs::read(candidate).with_context(|| format!("{} cannot be read", candidate.display()))?;
        let (hash, labels_hash) = (sha256(&bytes), sha256(&self.labels));
        drop(bytes);
        let named = |hash: &str, extension: &str| format!("{}.{}.{extension}", self.name, &hash[..8]);
        let (onnx, labels) = (named(&hash, "onnx"), named(&labels_hash, "labels.txt"));
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
        lock.add(Addition { name: self.name.clone(), network, inputs, variants })?;
        let added = Catalog::read(lock.folder())?;
        Ok(added.variants.into_iter().filter(|variant| variant.network.name == self.name).collect())
    }
}

impl Side {
    fn new(side: u32, args: &AddArgs, file: &ModelFile, published: &[Published]) -> anyhow::Result<Side> {
        let row = published.iter().find(|row| row.side == side);
        let input = input(args, file, row.or(published.first()))?;
        let (top1_percent, top1_source) = match (args.top1, row) {
            (Some(top1), _) => (Some(top1), "as said when it was added".into()),
            (None, Some(row)) if told_otherwise(args, row) => {
                (None, format!("not known: {} was published with another input than was said", row.model))
            }
            (None, Some(row)) => {
                let squashed = if row.crop_mode == "squash" { ", of pictures squashed, not cropped" } else { "" };
                (Some(row.top1_percent), format!("published: {}, {side} px{squashed}", row.model))
            }
            (None, None) => (None, "not known".into()),
        };
        let million_macs = (file.million_macs(side)? * 10.0).round().max(1.0) / 10.0;
        Ok(Side { side, million_macs, input, top1_percent, top1_source })
    }

    fn entry(&self, network: &str, scaled: Option<Scaled>) -> VariantEntry {
        let phi = scaled.map(|scaled| scaled.at(self.side).phi());
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

/// How the weights' library computes. A name alone proves nothing (`efficientnet_birds` may have been trained from a
/// tf_efficientnet), a published one does.
fn habits(args: &AddArgs, file: &ModelFile, row: Option<&Published>) -> anyhow::Result<Option<Habits>> {
    match file {
        ModelFile::Weights { recognised, .. } => {
            Ok(Some(recognised.habits(row.map_or("", |row| row.model.as_str()), args.padding)?))
        }
        ModelFile::Onnx { .. } if args.padding.is_some() => {
            bail!("--padding is for weights; an ONNX file says itself how it pads")
        }
        ModelFile::Onnx { .. } => Ok(None),
    }
}

/// Whether a flag says something else than what the weights were published with.
fn told_otherwise(args: &AddArgs, row: &Published) -> bool {
    let padding = match args.padding {
        Some(Padding::Same) => row.padding != "same",
        Some(Padding::Symmetric) => row.padding != "symmetric",
        None => false,
    };
    let input = args.input.is_some_and(|input| input.name() != row.input);
    let crop = args.crop.is_some_and(|crop| (crop - row.crop).abs() > 1e-6);
    padding || input || crop || args.bgr || args.filter.is_some_and(|filter| filter != published_filter(row))
}

fn published_filter(row: &Published) -> Filter {
    if row.filter == "bilinear" { Filter::Bilinear } else { Filter::Bicubic }
}

fn labels(args: &AddArgs, classes: usize, row: Option<&Published>, shipped: &Path) -> anyhow::Result<Vec<u8>> {
    let imagenet = shipped.join("imagenet/labels.txt");
    let path = match &args.labels {
        Some(path) if path.as_os_str() == "imagenet" => imagenet,
        Some(path) => path.clone(),
        None if row.is_some() => imagenet,
        None => bail!(
            "what its {classes} classes are called is not known: --labels FILE names a file with one label a line, in the \
             model's order; --labels imagenet stands for ImageNet's 1,000"
        ),
    };
    let bytes = paths::read_regular(&path, MAX_LABEL_BYTES)?;
    Labels::parse(&bytes, &path)?.for_classes(classes, "this model", &path)?;
    Ok(bytes)
}

fn input(args: &AddArgs, file: &ModelFile, row: Option<&Published>) -> anyhow::Result<(String, InputSpec)> {
    let known = row.and_then(|row| <Normalisation as clap::ValueEnum>::from_str(&row.input, false).ok());
    let Some(normalisation) = args.input.or(known) else {
        bail!(
            "what it wants done to a pixel's levels is not known: say it with --input imagenet (most of PyTorch's), tf (−1 \
             to 1), lite (Google's Lite), unit (0 to 1) or raw (0 to 255)"
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

/// The sides that the user said, else the published ones, else the one that the file tells; smallest first.
fn sides(args: &AddArgs, file: &ModelFile, published: &[Published]) -> anyhow::Result<Vec<Side>> {
    let mut wanted = args.side.clone();
    if wanted.is_empty() {
        wanted = published.iter().map(|row| row.side).collect();
    }
    if wanted.is_empty() {
        wanted = vec![file.checked_side(None)?];
    }
    wanted.sort_unstable();
    wanted.dedup();
    if args.top1.is_some() && wanted.len() > 1 {
        bail!("--top1 is the accuracy at one side, and it is to be added at {wanted:?}: add it at one, with --side");
    }
    wanted.into_iter().map(|side| Side::new(side, args, file, published)).collect()
}
