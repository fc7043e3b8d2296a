//! Published networks beyond the catalog, measured with random weights before anyone downloads real ones.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use log::info;
use serde_json::{Value, json};

use crate::json_numbers::rounded;
use crate::profiler::BenchRequest;
use crate::session::Session;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::{Layout, Variant};
use phicam_model::efficientnet::{ExportOptions, Family, Padding, RELEASED, Storage, write_seeded};
use phicam_model::published_accuracy;
use phicam_model::published_accuracy::PublishedWeights;
use phicam_platform::paths;
use phicam_policy::measurement::{MeasureError, Measurement};
use phicam_policy::picker::reason::Finding;
use phicam_policy::picker::{Verdict, judge, required_mib, required_ms};
use phicam_policy::sampling::SamplingPlan;

/// Seed of the random weights; latency does not depend on it.
const SEED: u64 = 1;

/// Published network that is not in the catalog, at the resolution of its most accurate weights.
pub struct Beyond {
    /// The variant that it would be, with random weights.
    pub variant: Variant,
    pub family: Family,
    /// The most accurate published weights of that network.
    pub published: PublishedWeights,
    pub measurement: Option<Measurement>,
    /// `None` if it was not measured, because a smaller one of its family does not fit.
    pub fits: Option<Result<(), String>>,
}

/// Returns all of them by MACs, with their cached measurements in `config`.
pub fn beyond(session: &Session, config: ExecutionConfig) -> Vec<Beyond> {
    let mut all: Vec<Beyond> = RELEASED
        .iter()
        .filter(|released| !session.catalog_networks.contains(&released.scaled()))
        .filter_map(|released| {
            let published = published_accuracy::most_accurate(released.name)?;
            let side = published.side;
            let scaled = Some(released.scaled());
            let file = folder().join(format!("{}.onnx", released.name));
            let macs = released.network().cost(side).million_macs();
            let mut variant = Variant::from_file(&file, &[], side, Layout::Nchw, scaled, macs);
            // A seed determines the weights, so that the name replaces a hash, and a cached measurement needs no file.
            Arc::make_mut(&mut variant.network).sha256 = format!("seed {SEED} {}", released.name);
            variant.top1_percent = Some(published.top1_percent);
            variant.top1_source = format!("published: {}", published.model);
            let measurement = session.store.get(&variant, config).cloned();
            let fits = verdict(&variant, measurement.as_ref(), session);
            Some(Beyond { variant, family: released.family, published, measurement, fits })
        })
        .collect();
    all.sort_by(|a, b| a.variant.million_macs.total_cmp(&b.variant.million_macs));
    all
}

/// Returns the folder for the networks under test, one for each process.
fn folder() -> PathBuf {
    paths::state_dir().join(format!("tmp-what-if.{}", std::process::id()))
}

/// Returns whether the variant fits the budget, `None` if it was not measured.
fn verdict(variant: &Variant, measurement: Option<&Measurement>, session: &Session) -> Option<Result<(), String>> {
    let budget = &session.budget;
    let million_macs = variant.million_macs;
    if let Some(limit_million_macs) = budget.million_macs.filter(|limit| million_macs > *limit) {
        return Some(Err(Finding::TooManyMacs { million_macs, limit_million_macs }.to_string()));
    }
    let (limit_ms, limit_mib) = (budget.frame_ms.unwrap_or_default(), budget.memory_mib.unwrap_or_default());
    measurement.map(|measurement| match judge(measurement, budget) {
        Verdict::TooSlow { p95_ms } => Err(Finding::TooSlow { required_ms: required_ms(p95_ms), limit_ms }.to_string()),
        Verdict::TooMuchMemory { .. } => {
            Err(Finding::TooMuchMemory { required_mib: required_mib(measurement), limit_mib }.to_string())
        }
        _ => Ok(()),
    })
}

/// Measures them in `config`, smallest first, each family until one does not fit.
pub fn time(session: &mut Session, config: ExecutionConfig) -> anyhow::Result<Vec<Beyond>> {
    let mut all = beyond(session, config);
    let timed =
        [Family::Lite, Family::B].into_iter().try_for_each(|family| time_family(&mut all, family, session, config));
    if folder().exists() {
        std::fs::remove_dir_all(folder()).with_context(|| format!("{} cannot be removed", folder().display()))?;
    }
    timed.map(|()| all)
}

fn time_family(
    all: &mut [Beyond],
    family: Family,
    session: &mut Session,
    config: ExecutionConfig,
) -> anyhow::Result<()> {
    let mut fitting = true;
    for one in all.iter_mut().filter(|one| one.family == family) {
        if one.fits.is_none() && fitting {
            info!("measuring {} with random weights ({config})", one.variant.name);
            write(one)?;
            let request = BenchRequest {
                variant: &one.variant,
                models: &session.models,
                config,
                sampling: SamplingPlan::DEFAULT,
                interval_ms: None,
            };
            let measured = request.run(&AtomicBool::new(false));
            std::fs::remove_file(&one.variant.network.file)
                .with_context(|| format!("{} cannot be removed", one.variant.network.file.display()))?;
            match measured {
                Ok(measurement) => {
                    session.store.put(&one.variant, measurement.clone());
                    one.fits = verdict(&one.variant, Some(&measurement), session);
                    one.measurement = Some(measurement);
                }
                Err(MeasureError::Failed { cause, .. }) => one.fits = Some(Err(format!("failed: {cause}"))),
                Err(error) => return Err(error.into()),
            }
        }
        fitting &= matches!(one.fits, Some(Ok(())));
    }
    Ok(())
}

/// Writes random weights in the format in which `models add` would store real ones.
fn write(one: &Beyond) -> anyhow::Result<()> {
    let network = one.variant.network.scaled.context("a released network without its scale")?.network();
    let path: &Path = &one.variant.network.file;
    std::fs::create_dir_all(folder()).with_context(|| format!("{} cannot be made", folder().display()))?;
    let form = ExportOptions { side: one.variant.side, padding: Padding::Same, storage: Storage::Half };
    let written = paths::atomic_write_with(path, |out| write_seeded(&network, form, SEED, out));
    written.with_context(|| format!("{} cannot be written", path.display())).map(drop)
}

/// Returns the most accurate one that fits, if it is more accurate than `top1_percent`.
pub fn best(all: &[Beyond], top1_percent: Option<f64>) -> Option<&Beyond> {
    let better =
        |one: &&Beyond| matches!(one.fits, Some(Ok(()))) && one.published.top1_percent > top1_percent.unwrap_or(0.0);
    all.iter().filter(better).max_by(|a, b| a.published.top1_percent.total_cmp(&b.published.top1_percent))
}

/// Returns `b3@300 would fit (84.1 %, 96.2 ms at p95): phicam models add tf_efficientnet_b3.ns_jft_in1k.safetensors`.
pub fn advice(one: &Beyond) -> String {
    let ms = one.measurement.as_ref().map_or(f64::NAN, |measurement| measurement.total_ms.p95);
    let (name, top1, model) = (&one.variant.name, one.published.top1_percent, &one.published.model);
    let from = match model.strip_prefix("torchvision_") {
        Some(_) => format!("torchvision's {}.pth", one.published.checkpoint),
        None => format!("{model}.safetensors (Hugging Face, timm/{model})"),
    };
    format!("{name} would fit ({top1:.1} %, {ms:.1} ms at p95): phicam models add {from}")
}

pub fn table(all: &[Beyond], out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "\nbeyond the catalog, with random weights (top-1 as published for trained ones)")?;
    writeln!(out, "network         φ   M MACs   top-1 %   p50 ms   p95 ms   MiB")?;
    for one in all {
        let measured = |value: fn(&Measurement) -> f64, digits: usize| {
            one.measurement.as_ref().map_or("–".into(), |m| format!("{:.digits$}", value(m)))
        };
        let fits = match &one.fits {
            Some(Ok(())) => "fits",
            Some(Err(why)) => why,
            None => "not measured: a smaller one does not fit",
        };
        writeln!(
            out,
            "{:<12} {:>4.2}   {:>6.0}   {:>7.2}   {:>6}   {:>6}   {:>3}   {fits}",
            one.variant.name,
            one.variant.phi.unwrap_or_default(),
            one.variant.million_macs,
            one.published.top1_percent,
            measured(|m| m.total_ms.p50, 1),
            measured(|m| m.total_ms.p95, 1),
            measured(|m| m.peak_rss_mib, 0),
        )?;
    }
    Ok(())
}

/// Returns the object for `pick --json`.
pub fn as_json(one: &Beyond) -> Value {
    json!({
        "network": one.variant.name,
        "phi": one.variant.phi.map(|phi| rounded(phi, 2)),
        "million_macs": rounded(one.variant.million_macs, 1),
        "top1_percent": one.published.top1_percent,
        "weights": one.published.model,
        "total_ms": one.measurement.as_ref().map(|m| m.total_ms),
        "peak_rss_mib": one.measurement.as_ref().map(|m| m.peak_rss_mib),
        "fits": one.fits.as_ref().map(Result::is_ok),
    })
}
