use std::cell::RefCell;
use std::sync::Arc;

use super::*;
use crate::measurement::tests::measurement;
use phicam_engine::{EngineKind, Precision};
use phicam_model::catalog::{Colour, Crop, Filter, InputSpec, Layout, Network};
use phicam_model::efficientnet::{Family, ScaledNetwork};

pub fn variant(network: &str, side: u32, million_macs: f64, top1_percent: f64) -> Variant {
    let network = Network {
        name: network.into(),
        file: "m.onnx".into(),
        sha256: "00".into(),
        labels: "l.txt".into(),
        labels_sha256: "00".into(),
        scaled: Some(ScaledNetwork { family: Family::Lite, depth: 1.0, width: 1.0 }),
        million_parameters: 4.6,
        licence: "Apache-2.0".into(),
        source: "test".into(),
    };
    let input = InputSpec {
        colour: Colour::Rgb,
        layout: Layout::Nchw,
        crop: Crop::Border(32),
        filter: Filter::Bicubic,
        mean: [127.0; 3],
        scale: [128.0; 3],
    };
    Variant {
        name: format!("{}@{side}", network.name),
        network: Arc::new(network),
        input: Arc::new(input),
        side,
        phi: Some(phicam_model::efficientnet::compound_scaling::phi_of_macs(million_macs)),
        million_macs,
        top1_percent: Some(top1_percent),
        top1_source: "test".into(),
        is_user_model: false,
    }
}

fn catalog() -> Vec<Variant> {
    vec![
        variant("lite2", 260, 860.0, 77.47),
        variant("lite0", 96, 72.0, 37.5),
        variant("lite0", 224, 385.0, 74.85),
        variant("lite0", 288, 636.0, 75.9), // dominated
        variant("lite1", 240, 600.0, 76.67),
        variant("lite2", 320, 1175.0, 77.8),
    ]
}

/// A machine that takes 2 ms and 0.05 ms for each million multiply-accumulates (p95: a tenth more).
fn simulated(variant: &Variant, _: ExecutionConfig, _: SamplingPlan) -> Result<Measurement, MeasureError> {
    Ok(measurement(variant, 2.0 + 0.05 * variant.million_macs, 50.0 + variant.million_macs / 20.0))
}

fn needed(variant: &Variant) -> f64 {
    required_ms(simulated(variant, ExecutionConfig::tract(2), QUICK_SAMPLE).unwrap().total_ms.p95)
}

pub fn ms(frame_ms: f64) -> Budget {
    Budget { frame_ms: Some(frame_ms), ..Budget::default() }
}

fn nothing(_: &Variant, _: ExecutionConfig) -> Option<Known> {
    None
}

fn picked_from<M>(
    variants: &[Variant],
    configs: &[ExecutionConfig],
    budget: Budget,
    measure: M,
) -> Result<Pick, PickError>
where
    M: FnMut(&Variant, ExecutionConfig, SamplingPlan) -> Result<Measurement, MeasureError>,
{
    pick(&variants.iter().collect::<Vec<_>>(), configs, budget, nothing, measure)
}

pub fn picked(budget: Budget) -> Result<Pick, PickError> {
    picked_from(&catalog(), &[ExecutionConfig::tract(2)], budget, simulated)
}

fn failed(variant: &Variant, cause: &str) -> Result<Measurement, MeasureError> {
    Err(MeasureError::Failed { variant: variant.name.clone(), cause: cause.into(), lasting: true })
}

#[test]
fn at_any_budget_it_is_the_largest_that_fits_as_trying_all_would_find() {
    for tenth_ms in 50..900 {
        let budget = ms(f64::from(tenth_ms) / 10.0);
        let fits = |c: &&Variant| needed(c) <= budget.frame_ms.unwrap() && c.name != "lite0@288";
        let variants = catalog();
        let best = variants.iter().filter(fits).max_by(|a, b| a.million_macs.total_cmp(&b.million_macs));
        match (picked(budget), best) {
            (Ok(pick), Some(best)) => assert_eq!(pick.variant.name, best.name, "{budget}"),
            (Err(PickError::NothingFits(_)), None) => {}
            (found, expected) => panic!("{budget}: {found:?} for {expected:?}"),
        }
    }
}

#[test]
fn the_reason_names_the_limit_that_bound_and_what_the_next_one_needs() {
    let said = |budget: Budget| explain(&picked(budget).unwrap());
    let time = said(ms(39.0));
    let expected = "lite1@240 (φ 0.68): 35.2 ms at p95, 80 MiB; the next, lite2@260, needs 54.5 ms of 39";
    assert!(time.contains(expected), "{time}");
    let memory = said(Budget { memory_mib: Some(100.0), ..ms(500.0) });
    assert!(memory.contains("lite1@240") && memory.contains("the next, lite2@260, needs 109.0 MiB of 100"), "{memory}");
    let work = said(Budget { million_macs: Some(800.0), ..ms(500.0) });
    assert!(work.contains("lite1@240") && work.contains("the next, lite2@260, needs 860.0 M MACs of 800"), "{work}");
    let catalog = said(ms(121.0));
    assert!(catalog.contains("lite2@320") && catalog.contains("the catalog is the limit"), "{catalog}");
    // (121 / 1.1 / 1.1 − 2) / 0.05 = 1960 M
    assert!(catalog.contains("this machine could afford about φ 2.49 (1960 M MACs)"), "{catalog}");
}

#[test]
fn a_choice_that_another_beats_is_not_measured_where_that_one_fits() {
    let measured = RefCell::new(Vec::new());
    for budget in [ms(39.0), ms(60.0), ms(90.0)] {
        let pick = picked_from(&catalog(), &[ExecutionConfig::tract(2)], budget, |variant, config, sampling| {
            measured.borrow_mut().push(variant.name.clone());
            simulated(variant, config, sampling)
        });
        let pick = pick.unwrap();
        let dominated = pick.candidates.iter().find(|c| c.variant.name == "lite0@288").unwrap();
        assert_eq!(dominated.verdict, Verdict::Dominated { by: "lite1@240".into() });
    }
    assert!(!measured.borrow().contains(&"lite0@288".to_string()), "{measured:?}");
}

#[test]
fn a_choice_that_another_beats_is_picked_where_that_one_cannot_run() {
    let pick =
        picked_from(&catalog(), &[ExecutionConfig::tract(2)], ms(45.0), |variant, config, sampling| {
            match variant.name.as_str() {
                "lite1@240" => failed(variant, "killed"),
                _ => simulated(variant, config, sampling),
            }
        });
    assert_eq!(pick.unwrap().variant.name, "lite0@288");
}

#[test]
fn nothing_fits_says_what_the_smallest_needs_and_that_much_does() {
    let said = picked(ms(3.0)).unwrap_err().to_string();
    assert!(
        said.contains("the smallest, lite0@96 (φ -2.57), needs 7 ms a frame at p95, 72 M MACs and 70 MiB"),
        "{said}"
    );
    let enough = Budget { frame_ms: Some(7.0), million_macs: Some(72.0), memory_mib: Some(70.0), ..Budget::default() };
    assert_eq!(picked(enough).unwrap().variant.name, "lite0@96");
    let said = picked(Budget { million_macs: Some(50.0), ..Budget::default() }).unwrap_err().to_string();
    assert!(said.contains("lite0@96") && said.contains("needs 72.0 M MACs"), "{said}");
}

#[test]
fn what_cannot_run_at_all_is_not_told_as_a_matter_of_the_budget_nor_tried_for_ever() {
    let mut tried = 0;
    let error = picked_from(&catalog(), &[ExecutionConfig::tract(2)], ms(66.0), |variant, _, _| {
        tried += 1;
        failed(variant, "file is gone")
    });
    let error = error.unwrap_err();
    assert!(matches!(&error, PickError::NothingRuns(cause) if cause == "file is gone"), "{error}");
    assert_eq!(tried, 3);
}

#[test]
fn without_any_limit_it_is_the_most_accurate_after_one_measurement() {
    let pick = picked(Budget::default()).unwrap();
    assert_eq!((pick.variant.name.as_str(), pick.limiting_factor), ("lite2@320", LimitingFactor::Catalog));
    assert_eq!(pick.candidates.iter().filter(|c| c.measurement.is_some()).count(), 1);
}

#[test]
fn a_choice_that_cannot_run_is_passed_over() {
    let broken = |variant: &Variant, config, sampling| match variant.name.as_str() {
        "lite2@320" | "lite0@96" => failed(variant, "killed"),
        _ => simulated(variant, config, sampling),
    };
    let pick = picked_from(&catalog(), &[ExecutionConfig::tract(2)], ms(500.0), broken).unwrap();
    assert_eq!((pick.variant.name.as_str(), pick.limiting_factor), ("lite2@260", LimitingFactor::Failure));
    assert!(explain(&pick).contains("the next, lite2@320, cannot be run (killed)"));
}

#[test]
fn a_damaged_network_does_not_keep_the_others_from_being_tried() {
    let damaged = |variant: &Variant, config, sampling| match variant.network.name.as_str() {
        "lite0" => failed(variant, "the file is damaged"),
        _ => simulated(variant, config, sampling),
    };
    let mut variants = catalog();
    variants.extend([128, 160, 192].map(|side| variant("lite0", side, f64::from(side), 50.0)));
    assert_eq!(
        picked_from(&variants, &[ExecutionConfig::tract(2)], ms(39.0), damaged).unwrap().variant.name,
        "lite1@240"
    );
}

#[test]
fn what_is_not_measured_yet_ends_the_picking() {
    let never =
        |variant: &Variant, _: ExecutionConfig, _: SamplingPlan| Err(MeasureError::NotYet(variant.name.clone()));
    let ended = picked_from(&catalog(), &[ExecutionConfig::tract(2)], ms(50.0), never);
    assert!(matches!(ended, Err(PickError::Measure(MeasureError::NotYet(_)))));
}

#[test]
fn of_those_as_accurate_as_anyone_knows_the_cheaper_is_picked_and_said_so() {
    let mut variants = catalog();
    variants.push(Variant { top1_source: "estimate: …".into(), ..variant("lite2", 240, 689.0, 77.4) });
    let pick = picked_from(&variants, &[ExecutionConfig::tract(2)], ms(120.0), simulated).unwrap();
    assert_eq!(pick.variant.name, "lite2@240", "0.4 points below lite2@320, known to half a point");
    let tied = pick.candidates.iter().filter(|c| c.verdict == Verdict::Tied);
    assert_eq!(tied.map(|c| c.variant.name.as_str()).collect::<Vec<_>>(), ["lite2@260", "lite2@320"]);
    assert_eq!(pick.limiting_factor, LimitingFactor::Catalog);
}

#[test]
fn the_way_that_affords_the_most_accuracy_is_picked_and_integers_pay_for_theirs() {
    let [slow, quick, integers] =
        [(EngineKind::Tract, Precision::F32), (EngineKind::Cuda, Precision::F16), (EngineKind::Cuda, Precision::Int8)]
            .map(|(engine, precision)| ExecutionConfig { engine, precision, threads: 1 });
    let measure = |variant: &Variant, config: ExecutionConfig, sampling| {
        let mut found = simulated(variant, config, sampling)?;
        let share = if config == quick {
            0.5
        } else if config == integers {
            0.4
        } else {
            1.0
        };
        for times in [&mut found.total_ms, &mut found.infer_ms] {
            times.p50 *= share;
            times.p95 *= share;
        }
        Ok(Measurement { config, ..found })
    };
    let at = |frame_ms| picked_from(&catalog(), &[slow, quick, integers], ms(frame_ms), measure).unwrap();
    // lite2@320 needs 73.5 ms by the slow way, 36.8 by the quick one, 29.4 with integers: those cost 0.71 points.
    let (all, quicker) = (at(80.0), at(36.0));
    assert_eq!((all.variant.name.as_str(), all.config), ("lite2@320", quick));
    assert_eq!((quicker.variant.name.as_str(), quicker.config), ("lite2@260", quick), "77.47 against 77.09");
    assert!(explain(&quicker).contains("by cuda f16, 1 thread"), "{}", explain(&quicker));
    let tie = at(24.0);
    assert_eq!((tie.variant.name.as_str(), tie.config), ("lite1@240", quick), "76.67 against 76.76 is no difference");
    let integer = at(17.0);
    assert_eq!((integer.variant.name.as_str(), integer.config), ("lite1@240", integers), "75.96 against 74.85");
}

#[test]
fn the_ladder_leads_from_the_picked_down_to_the_quickest() {
    let pick = picked(ms(60.0)).unwrap();
    let names: Vec<&str> =
        pick.ladder.iter().map(|step| pick.candidates[step.candidate].variant.name.as_str()).collect();
    assert_eq!(names, ["lite2@260", "lite1@240", "lite0@224", "lite0@96"], "lite0@288 is beaten by lite1@240");
    for step in &pick.ladder {
        let expected = simulated(&pick.candidates[step.candidate].variant, pick.config, QUICK_SAMPLE).unwrap().total_ms;
        assert!((step.p50_ms / expected.p50 - 1.0).abs() < 1e-6 && (step.p95_ms / expected.p95 - 1.0).abs() < 1e-6);
    }
}

mod hysteresis;
mod properties;
mod search;
