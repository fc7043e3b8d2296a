//! `phicam scale --plot FILE`: accuracy, work and measured time over φ.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use log::warn;
use serde_json::json;

use super::Sized;
use crate::cli::ScaleArgs;
use crate::commands::write_json;
use crate::plot::{Axis, BLUE, Colour, Figure, GREEN, Mark, ORANGE, Panel, Point, Series};
use crate::profiler::MeasurementStore;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::{Catalog, Variant};
use phicam_model::efficientnet::compound_scaling::Coefficients;
use phicam_model::efficientnet::{Family, RELEASED, Released};
use phicam_platform::{paths, system};

/// Ends of the φ axis, unless a variant lies beyond: the smallest one shipped and b7, with room for their names.
const PHI: (f64, f64) = (-3.1, 7.3);
const GREY: Colour = (110, 114, 120);

/// A variant of the catalog, as the picture shows it.
struct Shown {
    name: String,
    phi: f64,
    million_macs: f64,
    top1_percent: f64,
    /// Whether that accuracy is an estimate.
    estimated: bool,
    /// Whether it is a released network at its own side.
    released: bool,
    /// From frame to guess, the median, where it was measured on this machine.
    total_ms: Option<f64>,
}

/// With `--json` one object: `file`, `bytes`, `variants` (how many of the catalog are shown) and `measured` (how many of
/// them with the time remembered for this machine).
pub fn plot(path: &Path, args: &ScaleArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let threads = system::cores();
    let variants = variants(args, threads);
    let picture = picture(&variants, threads);
    let svg = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("svg"));
    let bytes = if svg { picture.svg()?.into_bytes() } else { picture.png()? };
    paths::atomic_write(path, &bytes).with_context(|| format!("{} cannot be written", path.display()))?;
    let (shown, size) = (variants.len(), bytes.len());
    let measured = variants.iter().filter(|variant| variant.total_ms.is_some()).count();
    if args.json {
        return write_json(out, &json!({ "file": path, "bytes": size, "variants": shown, "measured": measured }));
    }
    writeln!(out, "{}: {size} bytes, with {shown} variants of the catalog", path.display())?;
    match (shown, measured) {
        (0, _) => {}
        (_, 0) => {
            let which = format!("this machine and {threads} threads");
            writeln!(out, "no times are remembered for {which}, so none are shown; `phicam pick` measures some")?;
        }
        _ => writeln!(out, "{measured} of them with the time remembered for this machine and {threads} threads")?,
    }
    Ok(())
}

/// The shipped variants by work; without a catalog none, announced. Those without φ or accuracy have no place.
fn variants(args: &ScaleArgs, threads: usize) -> Vec<Shown> {
    let folder = paths::models_dir(args.models.as_deref()).map_err(anyhow::Error::from);
    let catalog = match folder.and_then(|folder| Ok(Catalog::read(&folder)?)) {
        Ok(catalog) => catalog,
        Err(error) => {
            warn!("the shipped variants are left out: {error:#}");
            return Vec::new();
        }
    };
    let store = MeasurementStore::read(&paths::state_dir());
    let shown = |variant: &Variant| {
        let time = store.get(variant, ExecutionConfig::tract(threads)).map(|found| found.total_ms.p50);
        let released = Released::named(&variant.network.name);
        Some(Shown {
            name: variant.name.clone(),
            phi: variant.phi?,
            million_macs: variant.million_macs,
            top1_percent: variant.top1_percent?,
            estimated: variant.top1_source.starts_with("estimate"),
            released: released.is_some_and(|released| released.side == variant.side),
            total_ms: time.filter(|ms| *ms > 0.0),
        })
    };
    let mut variants: Vec<Shown> = catalog.variants.iter().filter_map(shown).collect();
    variants.sort_by(|a, b| a.million_macs.total_cmp(&b.million_macs));
    variants
}

fn picture(variants: &[Shown], threads: usize) -> Figure {
    let Coefficients { alpha, beta, gamma } = Coefficients::PAPER;
    let phis = variants.iter().map(|variant| variant.phi);
    let ends = phis.fold(PHI, |(from, to), phi| (from.min(phi - 0.5), to.max(phi + 0.5)));
    let mut panels = vec![accuracy(variants), work(variants, ends)];
    panels.extend(time(variants, threads));
    Figure {
        title: "One number, φ, scales an EfficientNet".into(),
        subtitle: format!(
            "A step of φ is depth × {alpha}, width × {beta}, resolution × {gamma}: {:.2} times the work. \
             φ = 0 is B0, or Lite0, at 224 × 224 pixels.",
            Coefficients::PAPER.work_per_step()
        ),
        x: Axis::linear("compound coefficient φ", ends, 1.0),
        panels,
    }
}

/// A series of the released networks of `family`.
fn released(family: Family, y: impl Fn(&Released) -> f64) -> Series {
    let (name, colour, mark, label_towards) = match family {
        Family::B => ("EfficientNet-B0 to B7 (published)", BLUE, Mark::Circle, (-0.4, -1.0)),
        Family::Lite => ("EfficientNet-Lite0 to Lite4 (published)", ORANGE, Mark::Square, (0.7, 1.0)),
    };
    let point = |released: &Released| {
        let name = released.name.replacen('b', "B", 1).replacen('l', "L", 1);
        Point::new(released.scale().phi(), y(released), name)
    };
    let points = RELEASED.iter().filter(|released| released.family == family).map(point).collect();
    Series { name: name.into(), colour, mark, joined: true, label_towards, points }
}

/// A series of the catalog's variants, with what `point` gives of those it takes.
fn of_choices(variants: &[Shown], point: impl Fn(&Shown) -> Option<Point>) -> Series {
    Series {
        name: String::new(),
        colour: GREEN,
        mark: Mark::Diamond,
        joined: false,
        label_towards: (0.8, 1.0),
        points: variants.iter().filter_map(point).collect(),
    }
}

fn accuracy(variants: &[Shown]) -> Panel {
    let mut series = vec![
        released(Family::B, |released| released.published.top1_percent),
        released(Family::Lite, |released| released.published.top1_percent),
    ];
    if !variants.is_empty() {
        let shipped = of_choices(variants, |variant| {
            // Lite0 at 224 pixels has its name already.
            let label = if variant.released { String::new() } else { variant.name.clone() };
            Some(Point { hollow: variant.estimated, ..Point::new(variant.phi, variant.top1_percent, label) })
        });
        series.push(Series { name: "shipped with Phicam (hollow: accuracy estimated)".into(), ..shipped });
    }
    let least = series.iter().flat_map(|series| &series.points).map(|point| point.y).fold(75.0, f64::min);
    let from = ((least - 1.0) / 10.0).floor() * 10.0 + 1.0; // a tick is nine above the axis
    Panel { y: Axis::linear("ImageNet top-1 accuracy (%)", (from, 89.0), 10.0), share: 2.3, series }
}

/// MACs, with the curve that they would lie on if nothing were rounded, between the `ends` of the φ axis.
fn work(variants: &[Shown], ends: (f64, f64)) -> Panel {
    let base = RELEASED[0].network().cost(RELEASED[0].side).million_macs();
    let step = Coefficients::PAPER.work_per_step();
    let tenths = (ends.0 * 10.0).ceil() as i32..=(ends.1 * 10.0).floor() as i32;
    let phis = tenths.map(|tenths| f64::from(tenths) / 10.0);
    let mut points: Vec<Point> = phis.map(|phi| Point::new(phi, base * step.powf(phi), "")).collect();
    let named = points.len() * 5 / 6; // below it there is room
    points[named].label = format!("{base:.0} M × {step:.2}^φ");
    let (low, high) = (points[0].y, points[points.len() - 1].y);
    let curve = Series {
        name: String::new(),
        colour: GREY,
        mark: Mark::Nothing,
        joined: true,
        label_towards: (0.3, 1.0),
        points,
    };
    let macs = |released: &Released| Sized::new(released.network(), released.side).cost.million_macs();
    let unjoined = |family| Series { joined: false, name: String::new(), ..released(family, macs) };
    let shipped = of_choices(variants, |variant| Some(Point::new(variant.phi, variant.million_macs, "")));
    let named = |million: f64| match million {
        ..1e3 => format!("{million:.0} M"),
        _ => format!("{:.0} G", million / 1e3),
    };
    let y = Axis::logarithmic("multiply-accumulates a picture", (low / 1.3, high * 1.8), named);
    Panel { y, share: 1.05, series: vec![curve, shipped, unjoined(Family::B), unjoined(Family::Lite)] }
}

/// What was measured on this machine; nothing where nothing was.
fn time(variants: &[Shown], threads: usize) -> Option<Panel> {
    let series = of_choices(variants, |variant| {
        let ms = variant.total_ms?;
        Some(Point::new(variant.phi, ms, format!("{ms:.0}")))
    });
    let times = || series.points.iter().map(|point| point.y);
    let (least, most) = (times().reduce(f64::min)?, times().reduce(f64::max)?);
    let processor = system::processor();
    let title =
        format!("milliseconds from frame to guess, the median: {}, {processor}", ExecutionConfig::tract(threads));
    let y = Axis::logarithmic(&title, (least / 1.6, most * 2.2), |ms| format!("{ms}"));
    Some(Panel { y, share: 1.0, series: vec![Series { label_towards: (-0.2, -1.0), ..series }] })
}
