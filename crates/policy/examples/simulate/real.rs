//! Devices that others have timed: three sizes are measured, the rest is to be known from them.

use std::collections::BTreeMap;

use anyhow::Context;
use phicam_engine::ExecutionConfig;
use phicam_engine::latency::Percentiles;
use phicam_model::catalog::Variant;
use phicam_model::efficientnet::{Family, ReleasedNetwork, ScaledNetwork};
use phicam_policy::budget::Budget;
use phicam_policy::measurement::Measurement;
use phicam_policy::picker::{ComputeCost, LatencyModel, pick, required_ms};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::oracle::{Truth, decide, is_at_a_boundary};
use crate::report::{percent, quantile};
use crate::variants::variant;

#[derive(Deserialize)]
struct Latency {
    device_and_software: String,
    model: String,
    side: u32,
    batch: f64,
    step_ms: f64,
    giga_macs: f64,
}

#[derive(Deserialize)]
struct Accuracy {
    model: String,
    side: u32,
    top1_percent: f64,
}

/// A device with the time a picture of each network.
struct Device {
    name: String,
    variants: Vec<Variant>,
    work: Vec<ComputeCost>,
    ms: Vec<f64>,
}

/// Budgets that each device is tried with.
const BUDGETS: usize = 60;

fn read<T: for<'de> Deserialize<'de>>(file: &str) -> anyhow::Result<Vec<T>> {
    let path = format!("{}/examples/simulate/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut reader = csv::Reader::from_path(&path).with_context(|| path.clone())?;
    reader.deserialize().collect::<Result<_, _>>().with_context(|| path)
}

/// All of them. Of a network with several trainings the most accurate counts; one without a published
/// accuracy is left out, and so are those that were pruned: nobody can count their layers.
fn devices() -> anyhow::Result<Vec<Device>> {
    let accuracies: Vec<Accuracy> = read("accuracy.csv")?;
    let top1 = |model: &str, side: u32| {
        let of = |row: &&Accuracy| row.side == side && row.model.split('.').next() == Some(model);
        accuracies.iter().filter(of).map(|row| row.top1_percent).reduce(f64::max)
    };
    let mut by_device: BTreeMap<String, Device> = BTreeMap::new();
    for row in read::<Latency>("latency.csv")? {
        let Some(top1) = top1(&row.model, row.side) else { continue };
        let short = row.model.trim_start_matches("tf_").trim_start_matches("efficientnet_");
        let scaled = match ReleasedNetwork::by_name(short) {
            Some(released) => released.scaled(),
            None if short == "b8" => ScaledNetwork { family: Family::B, width: 2.2, depth: 3.6 },
            None => continue,
        };
        let made = variant(&row.model, Some(scaled), row.side, Some(row.giga_macs * 1e3), top1, "published");
        let device = by_device.entry(row.device_and_software.clone()).or_insert_with(|| Device {
            name: row.device_and_software.clone(),
            variants: Vec::new(),
            work: Vec::new(),
            ms: Vec::new(),
        });
        device.work.push(ComputeCost::of(&made));
        device.variants.push(made);
        device.ms.push(row.step_ms / row.batch);
    }
    Ok(by_device.into_values().collect())
}

/// As if it had been measured without any scatter.
fn measured(variant: &Variant, ms: f64) -> Measurement {
    let total_ms = Percentiles { p50: ms, p95: ms, p99: ms, min: ms };
    Measurement {
        model: variant.name.clone(),
        phi: variant.phi,
        config: WAY,
        engine_description: String::new(),
        frames: 1000,
        requested_frames: 1000,
        preempted_frames: 0,
        infer_ms: total_ms,
        total_ms,
        load_ms: 0.0,
        first_ms: ms,
        peak_rss_mib: 0.0,
        stages_ms: BTreeMap::new(),
    }
}

const WAY: ExecutionConfig =
    ExecutionConfig { engine: phicam_engine::EngineKind::Tract, precision: phicam_engine::Precision::F32, threads: 1 };

/// What one device and one budget came to.
struct Outcome {
    boundary: bool,
    equal: bool,
    over: bool,
    nothing: bool,
}

/// How each way to decide does: `name → outcomes`.
type Outcomes = BTreeMap<&'static str, Vec<Outcome>>;

/// Every device at every budget, decided in four ways.
pub fn report() -> anyhow::Result<Value> {
    let mut outcomes = Outcomes::new();
    let (mut errors, mut counts, mut devices_json) = (Vec::new(), Vec::new(), Vec::new());
    for device in devices()? {
        let of_device = one(&device, &mut outcomes, &mut counts);
        devices_json.push(json!({
            "device": device.name, "networks": device.variants.len(), "three_sizes_predict_within_percent_median": quantile(of_device.clone(), 0.5),
        }));
        errors.extend(of_device);
    }
    let summary = |all: &Vec<Outcome>| {
        let clear = || all.iter().filter(|one| !one.boundary);
        json!({
            "decisions": clear().count(),
            "equal_percent": percent(clear().map(|one| one.equal)),
            "over_by_5_percent": percent(all.iter().map(|one| one.over)),
            "nothing_though_something_fits_percent": percent(clear().map(|one| one.nothing)),
        })
    };
    let mut report = json!({
        "three_sizes_predict_within_percent": { "median": quantile(errors.clone(), 0.5), "p95": quantile(errors, 0.95) },
        "networks_that_the_picker_measures": { "median": quantile(counts.clone(), 0.5), "p95": quantile(counts, 0.95) },
        "devices": devices_json,
    });
    for (name, all) in &outcomes {
        report[*name] = summary(all);
    }
    Ok(report)
}

/// The errors of prediction in percent; outcomes and numbers of measurements are added.
fn one(device: &Device, outcomes: &mut Outcomes, counts: &mut Vec<f64>) -> Vec<f64> {
    let Device { variants, work, ms, .. } = device;
    let truths: Vec<Truth> =
        (0..ms.len()).map(|at| Truth { at, config: WAY, p95_ms: ms[at], peak_rss_mib: 0.0 }).collect();
    let mut by_macs: Vec<usize> = (0..ms.len()).collect();
    by_macs.sort_by(|&a, &b| variants[a].million_macs.total_cmp(&variants[b].million_macs));
    let (first, last) = (by_macs[0], by_macs[by_macs.len() - 1]);
    let middle_macs = (variants[first].million_macs * variants[last].million_macs).sqrt();
    let off = |at: usize| (variants[at].million_macs / middle_macs).ln().abs();
    let between = by_macs.iter().copied().min_by(|&a, &b| off(a).total_cmp(&off(b))).unwrap_or(first);
    let known = [first, between, last];
    let of_known: Vec<(ComputeCost, Measurement)> =
        known.iter().map(|&at| (work[at], measured(&variants[at], ms[at]))).collect();
    let latency_model =
        LatencyModel::through(of_known.iter().map(|(work, found)| (*work, found))).expect("three points");
    let guessed = |time: &dyn Fn(usize) -> f64| -> Vec<Truth> {
        let each = |truth: &Truth| Truth { p95_ms: time(truth.at), ..*truth };
        truths.iter().map(each).collect()
    };
    let by_law = guessed(&|at| if known.contains(&at) { ms[at] } else { latency_model.p95_ms(&work[at]) });
    let named = |name: &str| variants.iter().position(|variant| variant.network.name.ends_with(name)).unwrap_or(first);
    let (lite0, b0) = (named("lite0"), named("efficientnet_b0"));
    let by_lite0 = guessed(&|at| ms[lite0] * variants[at].million_macs / variants[lite0].million_macs);
    let extremes = ms.iter().fold((f64::INFINITY, 0.0f64), |(low, high), &ms| (low.min(ms), high.max(ms)));
    for step in 0..BUDGETS {
        let share = (step as f64 + 0.5) / BUDGETS as f64;
        let frame_ms = 0.5 * extremes.0 * (3.0 * extremes.1 / extremes.0).powf(share);
        let budget = Budget { frame_ms: Some(frame_ms), ..Budget::default() };
        let right = decide(variants, &truths, budget);
        let boundary = is_at_a_boundary(variants, &truths, budget);
        let most_macs = frame_ms / required_ms(1.0) * variants[b0].million_macs / ms[b0];
        let table = by_macs.iter().rev().copied().find(|&at| variants[at].million_macs <= most_macs);
        let mut measurements = 0.0;
        let all: Vec<&Variant> = variants.iter().collect();
        let picked = pick(
            &all,
            &[WAY],
            budget,
            |_, _| None,
            |variant, _, _| {
                measurements += 1.0;
                let at = variants.iter().position(|known| known.name == variant.name).unwrap_or_default();
                Ok(measured(variant, ms[at]))
            },
        );
        counts.push(measurements);
        let picked = picked.ok().and_then(|pick| variants.iter().position(|known| known.name == pick.variant.name));
        for (name, found) in [
            ("picker", picked),
            ("three_sizes_and_no_more", decide(variants, &by_law, budget)),
            ("proportional", decide(variants, &by_lite0, budget)),
            ("flops_table", table),
        ] {
            let over = found.is_some_and(|at| required_ms(ms[at]) > 1.05 * frame_ms);
            let nothing = found.is_none() && right.is_some();
            outcomes.entry(name).or_default().push(Outcome { boundary, equal: found == right, over, nothing });
        }
    }
    let others = (0..ms.len()).filter(|at| !known.contains(at));
    others.map(|at| 100.0 * (latency_model.p95_ms(&work[at]) / ms[at] - 1.0).abs()).collect()
}
