//! Variants for simulated devices: the shipped catalog, and the whole family at several resolutions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use phicam_model::catalog::{Catalog, Colour, Crop, Filter, InputSpec, Layout, Network, Variant};
use phicam_model::efficientnet::compound_scaling::phi_of_macs;
use phicam_model::efficientnet::{RELEASED, ScaledNetwork};

/// Reads the variants of `models/catalog.toml`.
pub fn shipped() -> anyhow::Result<Vec<Variant>> {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");
    let catalog = Catalog::read(Path::new(models)).with_context(|| format!("cannot read {models}/catalog.toml"))?;
    Ok(catalog.variants)
}

/// Resolutions of a network as multiples of its released one.
const SIDE_RATIOS: [f64; 5] = [0.6, 0.75, 0.88, 1.0, 1.15];

/// Returns B0 to B7 and Lite0 to Lite4 as released, at five resolutions each.
pub fn family() -> Vec<Variant> {
    let mut all = Vec::new();
    for released in &RELEASED {
        for ratio in SIDE_RATIOS {
            let side = ((f64::from(released.side) * ratio / 8.0).round() * 8.0) as u32;
            let top1 = released.published.top1_percent + top1_gain(f64::from(side) / f64::from(released.side));
            let source = if ratio == 1.0 { "published" } else { "estimate: by side" };
            all.push(variant(released.name, Some(released.scaled()), side, None, top1, source));
        }
    }
    all
}

/// Returns the top-1 points gained by a resolution of `ratio` times the trained one.
///
/// It approximates the measurements of Lite0: 37.3, 20.9, 8.6 and 3.4 points less at 96 to 192 pixels, 0.6 more at 256.
fn top1_gain(ratio: f64) -> f64 {
    let log_ratio = ratio.ln();
    if log_ratio < 0.0 { 8.0 * log_ratio - 45.0 * log_ratio * log_ratio } else { 4.0 * log_ratio }
}

/// Returns a variant of a network without a file. Its MACs are counted if `scaled` is known, else they are
/// `million_macs`.
pub fn variant(
    name: &str,
    scaled: Option<ScaledNetwork>,
    side: u32,
    million_macs: Option<f64>,
    top1_percent: f64,
    top1_source: &str,
) -> Variant {
    let estimate = scaled.map(|scaled| scaled.network().cost(side));
    let million_macs = estimate.map(|estimate| estimate.million_macs()).or(million_macs).unwrap_or_default();
    let network = Network {
        name: name.into(),
        file: PathBuf::new(),
        sha256: String::new(),
        labels: PathBuf::new(),
        labels_sha256: String::new(),
        scaled,
        million_parameters: estimate.map_or(0.0, |estimate| estimate.million_parameters()),
        licence: String::new(),
        source: String::new(),
    };
    let (colour, layout) = (Colour::Rgb, Layout::Nchw);
    let (crop, filter) = (Crop::Border(32), Filter::Bicubic);
    Variant {
        name: format!("{name}@{side}"),
        network: Arc::new(network),
        input: Arc::new(InputSpec { colour, layout, crop, filter, mean: [127.0; 3], scale: [128.0; 3] }),
        side,
        phi: Some(phi_of_macs(million_macs)),
        million_macs,
        top1_percent: Some(top1_percent),
        top1_source: top1_source.into(),
        is_user_model: false,
    }
}
