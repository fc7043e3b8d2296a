//! `phicam scale --compare`: depth, width or resolution alone against all three together, at equal work.

use std::io::Write;

use log::info;
use serde_json::{Value, json};

use super::{Sized, joined, network, timing, work};
use crate::cli::ScaleArgs;
use crate::commands::write_json;
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_model::efficientnet::compound_scaling::BASE_SIDE;
use phicam_model::efficientnet::{Family, Network};
use phicam_platform::system;

/// Sides that convolutions like, in pixels.
const SIDE_STEP: u32 = 8;
/// How far one dimension alone is scaled, in hundredths.
const MOST_DEPTH: u32 = 6400;
const MOST_WIDTH: u32 = 3200;
/// The largest side, in steps of [`SIDE_STEP`].
const MOST_SIDE: u32 = 4096 / SIDE_STEP;

/// Of the paper's table 7.
#[derive(Clone, Copy)]
struct Published {
    /// The paper's "FLOPS", in thousand millions.
    giga_macs: f64,
    /// On ImageNet, in percent.
    top1: f64,
}

/// One way of scaling.
struct Case {
    name: &'static str,
    sized: Sized,
    /// What the paper says of it.
    published: Option<Published>,
    /// Median of the engine alone.
    infer_ms: Option<f64>,
    remark: &'static str,
}

impl Case {
    fn new(name: &'static str, network: Network, side: u32) -> Case {
        Case { name, sized: Sized::new(network, side), published: None, infer_ms: None, remark: "" }
    }
}

/// The paper's table 7: B0, and four ways to spend about 4.6 times its work.
fn paper() -> Vec<Case> {
    // Compound there is B3: r = 1.3 stands for its 300 pixels, 1.34 times the base side; only they need the 1.8 G stated.
    let case = |name, (depth, width, side), (giga_macs, top1)| Case {
        published: Some(Published { giga_macs, top1 }),
        ..Case::new(name, Network::new(Family::B, width, depth), side)
    };
    vec![
        case("baseline", (1.0, 1.0, BASE_SIDE), (0.4, 77.3)),
        case("depth", (4.0, 1.0, BASE_SIDE), (1.8, 79.0)),
        case("width", (1.0, 2.0, BASE_SIDE), (1.8, 78.9)),
        case("resolution", (1.0, 1.0, 2 * BASE_SIDE), (1.9, 79.1)),
        case("compound", (1.4, 1.2, 300), (1.8, 81.1)),
    ]
}

/// Each dimension alone, and all together, as near to `million_macs` as they come from below.
fn at(family: Family, million_macs: f64) -> Result<Vec<Case>, network::Unaffordable> {
    let (_, compound) = network::affordable(family, million_macs)?;
    let of = |width: f64, depth: f64| Network::new(family, width, depth);
    let hundredths = |steps: u32| f64::from(steps) / 100.0;
    let depth = |steps| Case::new("depth", of(1.0, hundredths(steps)), BASE_SIDE);
    let width = |steps| Case::new("width", of(hundredths(steps), 1.0), BASE_SIDE);
    let resolution = |steps| Case::new("resolution", of(1.0, 1.0), steps * SIDE_STEP);
    Ok(vec![
        Case::new("baseline", of(1.0, 1.0), BASE_SIDE),
        nearest(depth, MOST_DEPTH, million_macs),
        nearest(width, MOST_WIDTH, million_macs),
        nearest(resolution, MOST_SIDE, million_macs),
        Case::new("compound", compound.network, compound.side),
    ])
}

/// The last of the cases 1 to `most`, whose work never goes down, that needs at most `million_macs`.
fn nearest(case: impl Fn(u32) -> Case, most: u32, million_macs: f64) -> Case {
    let fits = |steps: u32| case(steps).sized.cost.million_macs() <= million_macs;
    let (mut low, mut high) = (1, most + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    let remark = match low {
        1 if !fits(1) => "alone it cannot go so low",
        low if low == most => "scaled no further",
        _ => "",
    };
    Case { remark, ..case(low) }
}

/// With `--json` one object: `limit_million_macs` (of `--flops`), `timed` (null, or `engine`, `precision`, `threads`,
/// `processor`) and `cases`, each with `scaled` (what), the fields of [`Sized::as_json`], `resolution` (of the base
/// side), `published_million_macs` and `top1_percent` (the paper's; null with `--flops`), `infer_ms` (null without `--time`) and `remark`.
pub fn compare(args: &ScaleArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut cases = match args.flops {
        Some(limit) => at(args.family.unwrap_or(Family::B), limit)?,
        None => paper(),
    };
    let threads = args.threads.map_or_else(system::cores, usize::from);
    if args.time {
        for case in &mut cases {
            info!("timing {} ({} MACs) on {threads} threads", case.name, work(case.sized.cost.million_macs()));
            case.infer_ms = Some(timing::median_ms(case.name, &case.sized, threads)?);
        }
    }
    if args.json {
        let timed = json!({
            "engine": EngineKind::Tract, "precision": "f32", "threads": threads, "processor": system::processor(),
        });
        let object = json!({
            "limit_million_macs": args.flops,
            "timed": if args.time { timed } else { Value::Null },
            "cases": cases.iter().map(as_json).collect::<Vec<_>>(),
        });
        return write_json(out, &object);
    }
    table(args, &cases, out)?;
    if args.time {
        let processor = system::processor();
        writeln!(
            out,
            "p50 ms: the network alone, {}, {processor}; weights are seeded, which costs \
             the same time as trained ones.",
            ExecutionConfig::tract(threads)
        )?;
    }
    Ok(())
}

fn table(args: &ScaleArgs, cases: &[Case], out: &mut dyn Write) -> std::io::Result<()> {
    if let Some(limit) = args.flops {
        writeln!(out, "as near to {} MACs as each comes from below:", work(limit))?;
    }
    let published = args.flops.is_none();
    let with = |shown: bool, text: &str| if shown { text.to_string() } else { String::new() };
    writeln!(
        out,
        "scaled       depth   width   resolution   side       MACs   M parameters   M activations{}{}",
        with(published, "   published: G MACs   top-1 %"),
        with(args.time, "    p50 ms"),
    )?;
    for case in cases {
        let Sized { network, side, cost } = case.sized;
        let line = format!(
            "{:<10}   {:>5.2}   {:>5.2}   {:>10.2}   {side:>4}   {:>8}   {:>12.2}   {:>13.2}{}{}   {}",
            case.name,
            network.depth,
            network.width,
            case.sized.resolution(),
            work(cost.million_macs()),
            cost.million_parameters(),
            cost.million_activations(),
            case.published.map_or_else(String::new, |p| format!("   {:>17.1}   {:>7.1}", p.giga_macs, p.top1)),
            case.infer_ms.map_or_else(String::new, |ms| format!("   {ms:>7.1}")),
            case.remark,
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out)?;
    if published {
        writeln!(
            out,
            "Published in the paper's table 7, whose compound network is b3: its 300 pixels are r = 1.34, rounded to \
             1.3 there.\nWhat is scaled in one dimension alone needs less than is published."
        )?;
    }
    Ok(())
}

fn as_json(case: &Case) -> Value {
    let more = json!({
        "scaled": case.name,
        "resolution": case.sized.resolution(),
        "published_million_macs": case.published.map(|published| published.giga_macs * 1e3),
        "top1_percent": case.published.map(|published| published.top1),
        "infer_ms": case.infer_ms,
        "remark": case.remark,
    });
    joined(case.sized.as_json(), more)
}
