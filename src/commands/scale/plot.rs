//! `phicam scale --plot FILE`: accuracy, MACs and measured latency over φ.

use std::io::Write;
use std::path::Path;

use log::warn;
use serde_json::json;

use super::NetworkAtSize;
use crate::cli::ScaleArgs;
use crate::commands::write_json;
use crate::plot::{Axis, BLUE, Colour, Figure, GREEN, Marker, ORANGE, Panel, Point, Series};
use crate::profiler::MeasurementStore;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::{Catalog, Variant};
use phicam_model::efficientnet::compound_scaling::Coefficients;
use phicam_model::efficientnet::{Family, RELEASED, ReleasedNetwork};
use phicam_platform::{paths, system};

/// Range of the φ axis, unless a variant lies beyond it: from the smallest shipped variant to b7, with room for labels.
const PHI_RANGE: (f64, f64) = (-3.1, 7.3);
const GREY: Colour = (110, 114, 120);

/// Variant of the catalog, as the figure shows it.
struct PlottedVariant {
    name: String,
    phi: f64,
    million_macs: f64,
    top1_percent: f64,
    /// Whether the accuracy is an estimate.
    is_estimate: bool,
    /// Whether it is a released network at its own resolution.
    is_released: bool,
    /// Median latency in ms, if it was measured on this machine.
    total_ms: Option<f64>,
}

/// Writes the figure to `path`.
///
/// With `--json` prints one object: `file`, `bytes`, `variants` (number of the catalog's variants in the figure) and
/// `measured` (number of those with a latency from this machine's measurement store).
pub fn plot(path: &Path, args: &ScaleArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let threads = system::cores();
    let variants = read_variants(args, threads);
    let bytes = figure(&variants, threads).write(path)?;
    let measured = variants.iter().filter(|variant| variant.total_ms.is_some()).count();
    if args.json {
        let object = json!({ "file": path, "bytes": bytes, "variants": variants.len(), "measured": measured });
        return write_json(out, &object);
    }
    writeln!(out, "{}: {bytes} bytes, with {} variants of the catalog", path.display(), variants.len())?;
    match (variants.len(), measured) {
        (0, _) => {}
        (_, 0) => writeln!(
            out,
            "no latencies are stored for this machine with {threads} threads, so the figure has none; \
             `phicam pick` measures some"
        )?,
        _ => writeln!(out, "{measured} of them with the latency stored for this machine with {threads} threads")?,
    }
    Ok(())
}

/// Returns the shipped variants that have φ and accuracy, ordered by MACs. Without a catalog it warns and returns none.
fn read_variants(args: &ScaleArgs, threads: usize) -> Vec<PlottedVariant> {
    let folder = paths::models_dir(args.models.as_deref()).map_err(anyhow::Error::from);
    let catalog = match folder.and_then(|folder| Ok(Catalog::read(&folder)?)) {
        Ok(catalog) => catalog,
        Err(error) => {
            warn!("the figure omits the shipped variants: {error:#}");
            return Vec::new();
        }
    };
    let store = MeasurementStore::read(&paths::state_dir());
    let to_plotted = |variant: &Variant| {
        let stored = store.get(variant, ExecutionConfig::tract(threads));
        let released = ReleasedNetwork::by_name(&variant.network.name);
        Some(PlottedVariant {
            name: variant.name.clone(),
            phi: variant.phi?,
            million_macs: variant.million_macs,
            top1_percent: variant.top1_percent?,
            is_estimate: variant.top1_source.starts_with("estimate"),
            is_released: released.is_some_and(|released| released.side == variant.side),
            total_ms: stored.map(|measurement| measurement.total_ms.p50).filter(|ms| *ms > 0.0),
        })
    };
    let mut variants: Vec<PlottedVariant> = catalog.variants.iter().filter_map(to_plotted).collect();
    variants.sort_by(|a, b| a.million_macs.total_cmp(&b.million_macs));
    variants
}

fn figure(variants: &[PlottedVariant], threads: usize) -> Figure {
    let Coefficients { alpha, beta, gamma } = Coefficients::PAPER;
    let phis = variants.iter().map(|variant| variant.phi);
    let phi_range = phis.fold(PHI_RANGE, |(from, to), phi| (from.min(phi - 0.5), to.max(phi + 0.5)));
    let mut panels = vec![accuracy_panel(variants), macs_panel(variants, phi_range)];
    panels.extend(latency_panel(variants, threads));
    Figure {
        title: "One number, φ, scales an EfficientNet".into(),
        subtitle: format!(
            "A step of φ is depth × {alpha}, width × {beta}, resolution × {gamma}: {:.2} times the MACs. \
             φ = 0 is B0, or Lite0, at 224 × 224 pixels.",
            Coefficients::PAPER.work_per_step()
        ),
        x: Axis::linear("compound coefficient φ", phi_range, 1.0),
        panels,
    }
}

/// Returns the released networks of `family` as a series; `y` is their value.
fn released_series(family: Family, y: impl Fn(&ReleasedNetwork) -> f64) -> Series {
    let (name, colour, marker, label_direction) = match family {
        Family::B => ("EfficientNet-B0 to B7 (published)", BLUE, Marker::Circle, (-0.4, -1.0)),
        Family::Lite => ("EfficientNet-Lite0 to Lite4 (published)", ORANGE, Marker::Square, (0.7, 1.0)),
    };
    let point = |released: &ReleasedNetwork| {
        let name = released.name.replacen('b', "B", 1).replacen('l', "L", 1);
        Point::new(released.scale().phi(), y(released), name)
    };
    let points = RELEASED.iter().filter(|released| released.family == family).map(point).collect();
    Series { name: name.into(), colour, marker, has_line: true, label_direction, points }
}

/// Returns the catalog's variants as a series of the points that `to_point` returns.
fn catalog_series(variants: &[PlottedVariant], to_point: impl Fn(&PlottedVariant) -> Option<Point>) -> Series {
    Series {
        name: String::new(),
        colour: GREEN,
        marker: Marker::Diamond,
        has_line: false,
        label_direction: (0.8, 1.0),
        points: variants.iter().filter_map(to_point).collect(),
    }
}

fn accuracy_panel(variants: &[PlottedVariant]) -> Panel {
    let mut series = vec![
        released_series(Family::B, |released| released.published.top1_percent),
        released_series(Family::Lite, |released| released.published.top1_percent),
    ];
    if !variants.is_empty() {
        let shipped = catalog_series(variants, |variant| {
            // The series of released networks has the label already.
            let label = if variant.is_released { String::new() } else { variant.name.clone() };
            Some(Point { is_hollow: variant.is_estimate, ..Point::new(variant.phi, variant.top1_percent, label) })
        });
        series.push(Series { name: "shipped with Phicam (hollow: accuracy estimated)".into(), ..shipped });
    }
    let lowest = series.iter().flat_map(|series| &series.points).map(|point| point.y).fold(75.0, f64::min);
    let from = ((lowest - 1.0) / 10.0).floor() * 10.0 + 1.0; // the first tick is 9 points above the x axis
    Panel { y: Axis::linear("ImageNet top-1 accuracy (%)", (from, 89.0), 10.0), height_ratio: 2.3, series }
}

/// Returns the panel of MACs, with the curve of networks whose dimensions are not rounded.
fn macs_panel(variants: &[PlottedVariant], phi_range: (f64, f64)) -> Panel {
    let base = RELEASED[0].network().cost(RELEASED[0].side).million_macs();
    let step = Coefficients::PAPER.work_per_step();
    let tenths = (phi_range.0 * 10.0).ceil() as i32..=(phi_range.1 * 10.0).floor() as i32;
    let phis = tenths.map(|tenths| f64::from(tenths) / 10.0);
    let mut points: Vec<Point> = phis.map(|phi| Point::new(phi, base * step.powf(phi), "")).collect();
    let labelled = points.len() * 5 / 6; // there is room below this point
    points[labelled].label = format!("{base:.0} M × {step:.2}^φ");
    let (low, high) = (points[0].y, points[points.len() - 1].y);
    let curve = Series {
        name: String::new(),
        colour: GREY,
        marker: Marker::None,
        has_line: true,
        label_direction: (0.3, 1.0),
        points,
    };
    let macs = |released: &ReleasedNetwork| NetworkAtSize::new(released.network(), released.side).cost.million_macs();
    let released = |family| Series { has_line: false, name: String::new(), ..released_series(family, macs) };
    let shipped = catalog_series(variants, |variant| Some(Point::new(variant.phi, variant.million_macs, "")));
    let format_macs = |million: f64| match million {
        ..1e3 => format!("{million:.0} M"),
        _ => format!("{:.0} G", million / 1e3),
    };
    let y = Axis::logarithmic("multiply-accumulates (MACs) of one inference", (low / 1.3, high * 1.8), format_macs);
    Panel { y, height_ratio: 1.05, series: vec![curve, shipped, released(Family::B), released(Family::Lite)] }
}

/// Returns the panel of latencies on this machine, or `None` if none is stored.
fn latency_panel(variants: &[PlottedVariant], threads: usize) -> Option<Panel> {
    let series = catalog_series(variants, |variant| {
        let ms = variant.total_ms?;
        Some(Point::new(variant.phi, ms, format!("{ms:.0}")))
    });
    let times = || series.points.iter().map(|point| point.y);
    let lowest = times().reduce(f64::min)?;
    let highest = times().reduce(f64::max)?;
    let processor = system::processor();
    let title = format!("median latency in ms: {}, {processor}", ExecutionConfig::tract(threads));
    let y = Axis::logarithmic(&title, (lowest / 1.6, highest * 2.2), |ms| format!("{ms}"));
    Some(Panel { y, height_ratio: 1.0, series: vec![Series { label_direction: (-0.2, -1.0), ..series }] })
}
