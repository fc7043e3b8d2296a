//! Published latencies of real devices: prediction from three sizes, and picks compared with the true best.

use std::collections::BTreeMap;

use anyhow::Context;
use phicam_engine::ExecutionConfig;
use phicam_engine::latency::Percentiles;
use phicam_model::catalog::Variant;
use phicam_model::efficientnet::{Family, ReleasedNetwork, ScaledNetwork};
use phicam_policy::budget::Budget;
use phicam_policy::measurement::Measurement;
use phicam_policy::picker::initial_samples::{Midpoint, spread};
use phicam_policy::picker::{ComputeCost, LatencyModel, PickRequest, pick, required_ms};
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

/// Real device with the latency of each network.
struct Device {
    name: String,
    variants: Vec<Variant>,
    costs: Vec<ComputeCost>,
    latencies_ms: Vec<f64>,
}

/// Budgets tried on each device.
const BUDGETS: usize = 60;

fn read<T: for<'de> Deserialize<'de>>(file: &str) -> anyhow::Result<Vec<T>> {
    let path = format!("{}/examples/simulate/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut reader = csv::Reader::from_path(&path).with_context(|| path.clone())?;
    reader.deserialize().collect::<Result<_, _>>().with_context(|| path)
}

/// Reads all devices.
///
/// The most accurate training of a network counts. Networks without a published accuracy are left out, and so are
/// pruned ones, because the cost of their layers is unknown.
fn devices() -> anyhow::Result<Vec<Device>> {
    let accuracies: Vec<Accuracy> = read("accuracy.csv")?;
    let top1 = |model: &str, side: u32| {
        let matches = |row: &&Accuracy| row.side == side && row.model.split('.').next() == Some(model);
        accuracies.iter().filter(matches).map(|row| row.top1_percent).reduce(f64::max)
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
        let variant = variant(&row.model, Some(scaled), row.side, Some(row.giga_macs * 1e3), top1, "published");
        let device = by_device.entry(row.device_and_software.clone()).or_insert_with(|| Device {
            name: row.device_and_software.clone(),
            variants: Vec::new(),
            costs: Vec::new(),
            latencies_ms: Vec::new(),
        });
        device.costs.push(ComputeCost::from_variant(&variant));
        device.variants.push(variant);
        device.latencies_ms.push(row.step_ms / row.batch);
    }
    Ok(by_device.into_values().collect())
}

/// Returns a measurement without scatter.
fn exact_measurement(variant: &Variant, ms: f64) -> Measurement {
    let total_ms = Percentiles { p50: ms, p95: ms, p99: ms, min: ms };
    Measurement::assumed(variant, CONFIG, 1000, total_ms)
}

/// The published latencies have one engine and precision.
const CONFIG: ExecutionConfig =
    ExecutionConfig { engine: phicam_engine::EngineKind::Tract, precision: phicam_engine::Precision::F32, threads: 1 };

/// Comparison of one decision with the right one.
struct Outcome {
    boundary: bool,
    equal: bool,
    over: bool,
    nothing: bool,
}

/// Outcomes by method.
type Outcomes = BTreeMap<&'static str, Vec<Outcome>>;

/// Decides every device and budget by four methods, and summarises them as JSON.
pub fn report() -> anyhow::Result<Value> {
    let mut outcomes = Outcomes::new();
    let (mut errors, mut counts, mut devices_json) = (Vec::new(), Vec::new(), Vec::new());
    for device in devices()? {
        let device_errors = try_device(&device, &mut outcomes, &mut counts);
        devices_json.push(json!({
            "device": device.name, "networks": device.variants.len(), "three_sizes_predict_within_percent_median": quantile(device_errors.clone(), 0.5),
        }));
        errors.extend(device_errors);
    }
    let summary = |all: &Vec<Outcome>| {
        let clear = || all.iter().filter(|outcome| !outcome.boundary);
        json!({
            "decisions": clear().count(),
            "equal_percent": percent(clear().map(|outcome| outcome.equal)),
            "over_by_5_percent": percent(all.iter().map(|outcome| outcome.over)),
            "nothing_though_something_fits_percent": percent(clear().map(|outcome| outcome.nothing)),
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

/// Decides all budgets of one device. Adds to `outcomes` and to the `counts` of measurements.
///
/// Returns the errors, in percent, of the latencies predicted from three sizes.
fn try_device(device: &Device, outcomes: &mut Outcomes, counts: &mut Vec<f64>) -> Vec<f64> {
    let Device { variants, costs, latencies_ms: ms, .. } = device;
    let truths: Vec<Truth> = (0..ms.len())
        .map(|index| Truth { variant: index, config: CONFIG, p95_ms: ms[index], peak_rss_mib: 0.0 })
        .collect();
    let mut by_macs: Vec<usize> = (0..ms.len()).collect();
    by_macs.sort_by(|&a, &b| variants[a].million_macs.total_cmp(&variants[b].million_macs));
    let sorted_macs: Vec<f64> = by_macs.iter().map(|&index| variants[index].million_macs).collect();
    let sampled: Vec<usize> =
        spread(&sorted_macs, Midpoint::Geometric).into_iter().map(|position| by_macs[position]).collect();
    let samples: Vec<(ComputeCost, Measurement)> =
        sampled.iter().map(|&index| (costs[index], exact_measurement(&variants[index], ms[index]))).collect();
    let latency_model =
        LatencyModel::fit(samples.iter().map(|(cost, sample)| (*cost, sample))).expect("there are three samples");
    let predicted = |p95_ms: &dyn Fn(usize) -> f64| -> Vec<Truth> {
        truths.iter().map(|truth| Truth { p95_ms: p95_ms(truth.variant), ..*truth }).collect()
    };
    let by_model =
        predicted(&|index| if sampled.contains(&index) { ms[index] } else { latency_model.p95_ms(&costs[index]) });
    let index_of =
        |name: &str| variants.iter().position(|variant| variant.network.name.ends_with(name)).unwrap_or(by_macs[0]);
    let (lite0, b0) = (index_of("lite0"), index_of("efficientnet_b0"));
    let by_lite0 = predicted(&|index| ms[lite0] * variants[index].million_macs / variants[lite0].million_macs);
    let min_ms = ms.iter().copied().fold(f64::INFINITY, f64::min);
    let max_ms = ms.iter().copied().fold(0.0, f64::max);
    for step in 0..BUDGETS {
        let share = (step as f64 + 0.5) / BUDGETS as f64;
        let frame_ms = 0.5 * min_ms * (3.0 * max_ms / min_ms).powf(share);
        let budget = Budget { frame_ms: Some(frame_ms), ..Budget::default() };
        let right = decide(variants, &truths, budget);
        let boundary = is_at_a_boundary(variants, &truths, budget);
        let max_macs = frame_ms / required_ms(1.0) * variants[b0].million_macs / ms[b0];
        let table = by_macs.iter().rev().copied().find(|&index| variants[index].million_macs <= max_macs);
        let mut measurements = 0.0;
        let all: Vec<&Variant> = variants.iter().collect();
        let position = |name: &str| variants.iter().position(|variant| variant.name == name);
        let picked = pick(
            PickRequest::new(&all, &[CONFIG], budget),
            |_, _| None,
            |variant, _, _| {
                measurements += 1.0;
                let index = position(&variant.name).unwrap_or_default();
                Ok(exact_measurement(variant, ms[index]))
            },
        );
        counts.push(measurements);
        let picked = picked.ok().and_then(|pick| position(&pick.variant.name));
        for (method, decided) in [
            ("picker", picked),
            ("three_sizes_and_no_more", decide(variants, &by_model, budget)),
            ("proportional", decide(variants, &by_lite0, budget)),
            ("flops_table", table),
        ] {
            let over = decided.is_some_and(|index| required_ms(ms[index]) > 1.05 * frame_ms);
            let nothing = decided.is_none() && right.is_some();
            outcomes.entry(method).or_default().push(Outcome { boundary, equal: decided == right, over, nothing });
        }
    }
    let others = (0..ms.len()).filter(|index| !sampled.contains(index));
    others.map(|index| 100.0 * (latency_model.p95_ms(&costs[index]) / ms[index] - 1.0).abs()).collect()
}
