use std::cell::RefCell;

use super::*;
use crate::measurement::tests::measurement;
use phicam_engine::{EngineKind, Precision};
use phicam_test_fixtures::{catalog, variant};

const TRACT: [ExecutionConfig; 1] =
    [ExecutionConfig { engine: EngineKind::Tract, precision: Precision::F32, threads: 2 }];

/// Measures on a machine with a median of 2 ms + 0.05 ms for each million MACs (p95: 10 % more).
fn simulated(variant: &Variant, _: ExecutionConfig, _: SamplingPlan) -> Result<Measurement, MeasureError> {
    Ok(measurement(variant, 2.0 + 0.05 * variant.million_macs, 50.0 + variant.million_macs / 20.0))
}

/// Returns the measurement with median and p95 scaled by `factor`.
fn scaled(mut measurement: Measurement, factor: f64) -> Measurement {
    measurement.total_ms.p50 *= factor;
    measurement.total_ms.p95 *= factor;
    measurement
}

/// Returns the measurement with as many frames as `sampling` requested.
fn sampled(measurement: Measurement, sampling: SamplingPlan) -> Measurement {
    Measurement { frames: sampling.frames, requested_frames: sampling.frames, ..measurement }
}

fn needed_ms(variant: &Variant) -> f64 {
    required_ms(simulated(variant, TRACT[0], QUICK_SAMPLE).unwrap().total_ms.p95)
}

pub fn ms(frame_ms: f64) -> Budget {
    Budget { frame_ms: Some(frame_ms), ..Budget::default() }
}

fn nothing(_: &Variant, _: ExecutionConfig) -> Option<StoredResult> {
    None
}

fn never(variant: &Variant, _: ExecutionConfig, _: SamplingPlan) -> Result<Measurement, MeasureError> {
    Err(MeasureError::NotYet(variant.name.clone()))
}

fn pick_from<M>(
    variants: &[Variant],
    configs: &[ExecutionConfig],
    budget: Budget,
    measure: M,
) -> Result<Pick, PickError>
where
    M: FnMut(&Variant, ExecutionConfig, SamplingPlan) -> Result<Measurement, MeasureError>,
{
    let variants: Vec<&Variant> = variants.iter().collect();
    pick(PickRequest::new(&variants, configs, budget), nothing, measure)
}

fn pick_within(budget: Budget) -> Result<Pick, PickError> {
    pick_from(&catalog(), &TRACT, budget, simulated)
}

fn failed(variant: &Variant, cause: &str) -> Result<Measurement, MeasureError> {
    Err(MeasureError::Failed { variant: variant.name.clone(), cause: cause.into(), is_permanent: true })
}

fn candidate<'a>(pick: &'a Pick, name: &str) -> &'a Candidate {
    pick.candidates.iter().find(|candidate| candidate.variant.name == name).unwrap()
}

fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "`{part}` is missing in: {text}");
}

#[test]
fn pick_equals_exhaustive_search_at_any_budget() {
    for tenth_ms in 50..900 {
        let budget = ms(f64::from(tenth_ms) / 10.0);
        let fits = |variant: &&Variant| needed_ms(variant) <= budget.frame_ms.unwrap() && variant.name != "lite0@288";
        let variants = catalog();
        let best = variants.iter().filter(fits).max_by(|a, b| a.million_macs.total_cmp(&b.million_macs));
        match (pick_within(budget), best) {
            (Ok(pick), Some(best)) => assert_eq!(pick.variant.name, best.name, "{budget}"),
            (Err(PickError::NothingFits(_)), None) => {}
            (found, expected) => panic!("{budget}: {found:?} for {expected:?}"),
        }
    }
}

#[test]
fn explanation_names_the_limit_and_the_need_of_the_next() {
    let explained = |budget: Budget| explain(&pick_within(budget).unwrap());
    let time = explained(ms(39.0));
    assert_contains(&time, "lite1@240 (φ 0.68): 35.2 ms at p95, 80 MiB; the next, lite2@260, needs 54.5 ms of 39");
    let memory = explained(Budget { memory_mib: Some(100.0), ..ms(500.0) });
    assert_contains(&memory, "lite1@240");
    assert_contains(&memory, "the next, lite2@260, needs 109 MiB of 100");
    let macs = explained(Budget { million_macs: Some(800.0), ..ms(500.0) });
    assert_contains(&macs, "lite1@240");
    assert_contains(&macs, "the next, lite2@260, needs 860 M MACs of 800");
    let catalog = explained(ms(121.0));
    assert_contains(&catalog, "lite2@320");
    assert_contains(&catalog, "the catalog is the limit");
    // (121 / 1.1 / 1.1 − 2) / 0.05 = 1960 M
    assert_contains(&catalog, "this machine could afford about φ 2.49 (1960 M MACs) by its latency model");
}

#[test]
fn dominated_variant_is_not_measured() {
    let measured = RefCell::new(Vec::new());
    let dominated = Verdict::Skipped(SkipReason::Dominated { by: "lite1@240".into() });
    let less_accurate = Verdict::Skipped(SkipReason::LessAccurate); // lite1@240 was not measured either
    for (budget, verdict) in [(ms(39.0), dominated), (ms(60.0), less_accurate.clone()), (ms(90.0), less_accurate)] {
        let pick = pick_from(&catalog(), &TRACT, budget, |variant, config, sampling| {
            measured.borrow_mut().push(variant.name.clone());
            simulated(variant, config, sampling)
        });
        assert_eq!(candidate(&pick.unwrap(), "lite0@288").verdict, verdict, "{budget}");
    }
    assert!(!measured.borrow().contains(&"lite0@288".to_string()), "{measured:?}");
}

#[test]
fn dominated_variant_is_picked_when_its_dominator_fails() {
    let without_lite1 = |variant: &Variant, config, sampling| match variant.name.as_str() {
        "lite1@240" => failed(variant, "killed"),
        _ => simulated(variant, config, sampling),
    };
    assert_eq!(pick_from(&catalog(), &TRACT, ms(45.0), without_lite1).unwrap().variant.name, "lite0@288");
}

#[test]
fn error_states_a_budget_that_suffices() {
    let message = pick_within(ms(3.0)).unwrap_err().to_string();
    assert_contains(&message, "the fastest, lite0@96 (φ -2.57), needs 7 ms a frame at p95, 72 M MACs and 70 MiB");
    let enough = Budget { frame_ms: Some(7.0), million_macs: Some(72.0), memory_mib: Some(70.0), ..Budget::default() };
    assert_eq!(pick_within(enough).unwrap().variant.name, "lite0@96");
}

#[test]
fn error_without_measurements_states_the_macs() {
    let message = pick_within(Budget { million_macs: Some(50.0), ..Budget::default() }).unwrap_err().to_string();
    assert_contains(&message, "lite0@96");
    assert_contains(&message, "needs 72.0 M MACs");
}

#[test]
fn unusable_backend_is_given_up_after_three_failures() {
    let mut tried = 0;
    let error = pick_from(&catalog(), &TRACT, ms(66.0), |variant, _, _| {
        tried += 1;
        failed(variant, "file is gone")
    });
    let error = error.unwrap_err();
    assert!(matches!(&error, PickError::NothingRuns(cause) if cause == "file is gone"), "{error}");
    assert_eq!(tried, 3);
}

#[test]
fn pick_without_limits_is_the_most_accurate() {
    let pick = pick_within(Budget::default()).unwrap();
    assert_eq!((pick.variant.name.as_str(), pick.limiting_factor), ("lite2@320", LimitingFactor::Catalog));
    assert_eq!(pick.candidates.iter().filter(|candidate| candidate.measurement.is_some()).count(), 1);
}

#[test]
fn failing_variant_is_passed_over() {
    let broken = |variant: &Variant, config, sampling| match variant.name.as_str() {
        "lite2@320" | "lite0@96" => failed(variant, "killed"),
        _ => simulated(variant, config, sampling),
    };
    let pick = pick_from(&catalog(), &TRACT, ms(500.0), broken).unwrap();
    assert_eq!((pick.variant.name.as_str(), pick.limiting_factor), ("lite2@260", LimitingFactor::Failure));
    assert_contains(&explain(&pick), "the next, lite2@320, cannot be run: killed");
}

#[test]
fn damaged_network_does_not_block_the_others() {
    let damaged = |variant: &Variant, config, sampling| match variant.network.name.as_str() {
        "lite0" => failed(variant, "the file is damaged"),
        _ => simulated(variant, config, sampling),
    };
    let mut variants = catalog();
    variants.extend([128, 160, 192].map(|side| variant("lite0", side, f64::from(side), 50.0)));
    assert_eq!(pick_from(&variants, &TRACT, ms(39.0), damaged).unwrap().variant.name, "lite1@240");
}

#[test]
fn refused_measurement_ends_the_search() {
    let result = pick_from(&catalog(), &TRACT, ms(50.0), never);
    assert!(matches!(result, Err(PickError::Measure(MeasureError::NotYet(_)))));
}

#[test]
fn cheaper_of_tied_variants_is_picked() {
    let mut variants = catalog();
    variants.push(Variant { top1_source: "estimate: …".into(), ..variant("lite2", 240, 689.0, 77.4) });
    let pick = pick_from(&variants, &TRACT, ms(120.0), simulated).unwrap();
    assert_eq!(pick.variant.name, "lite2@240", "0.4 points below lite2@320, with an uncertainty of 0.5");
    let tied = pick.candidates.iter().filter(|candidate| candidate.verdict == Verdict::Tied);
    assert_eq!(tied.map(|candidate| candidate.variant.name.as_str()).collect::<Vec<_>>(), ["lite2@260", "lite2@320"]);
    assert_eq!(pick.limiting_factor, LimitingFactor::Catalog);
    assert_contains(&explain(&pick), "lite2@320 is more accurate by 0.4 points, within the uncertainty of 0.5");
    assert_contains(&explain(&pick), "slower: 66.8 ms at p95, not 40.1");
}

#[test]
fn lower_median_with_a_higher_p95_wins_no_tie() {
    let estimate =
        |side, macs, top1| Variant { top1_source: "estimate: …".into(), ..variant("lite2", side, macs, top1) };
    let variants = [estimate(240, 689.0, 77.4), estimate(288, 952.0, 77.6)];
    let measure = |variant: &Variant, config: ExecutionConfig, sampling: SamplingPlan| {
        let mut measurement = sampled(simulated(variant, config, sampling)?, sampling);
        (measurement.total_ms.p50, measurement.total_ms.p95) =
            if variant.side == 240 { (38.0, 47.0) } else { (40.0, 43.9) };
        Ok(measurement)
    };
    let pick = pick_from(&variants, &TRACT, ms(100.0), measure).unwrap();
    assert_eq!(pick.variant.name, "lite2@288");
    assert_eq!(candidate(&pick, "lite2@240").verdict, Verdict::Fits);
    assert_contains(&explain(&pick), "43.9 ms at p95, 98 MiB; the catalog is the limit");
}

#[test]
fn config_with_the_most_accurate_fit_is_picked() {
    let config = |engine, precision| ExecutionConfig { engine, precision, threads: 1 };
    let f32_tract = config(EngineKind::Tract, Precision::F32);
    let f16_cuda = config(EngineKind::Cuda, Precision::F16);
    let int8_cuda = config(EngineKind::Cuda, Precision::Int8);
    let measure = |variant: &Variant, config: ExecutionConfig, sampling| {
        let factor = match config.precision {
            Precision::F32 => 1.0,
            Precision::F16 => 0.5,
            Precision::Int8 => 0.4,
        };
        Ok(Measurement { config, ..scaled(simulated(variant, config, sampling)?, factor) })
    };
    // lite2@320 needs 73.5 ms in f32, 36.8 in f16, and 29.4 in int8, which costs 0.71 points.
    for (frame_ms, name, config, reason) in [
        (80.0, "lite2@320", f16_cuda, "everything fits"),
        (36.0, "lite2@260", f16_cuda, "77.47 against 77.09"),
        (24.0, "lite1@240", f16_cuda, "76.67 against 76.76 is a tie"),
        (17.0, "lite1@240", int8_cuda, "75.96 against 74.85"),
    ] {
        let pick = pick_from(&catalog(), &[f32_tract, f16_cuda, int8_cuda], ms(frame_ms), measure).unwrap();
        assert_eq!((pick.variant.name.as_str(), pick.config), (name, config), "{reason}");
        if frame_ms == 36.0 {
            assert_contains(&explain(&pick), "by cuda f16, 1 thread");
        }
    }
}

#[test]
fn ladder_leads_from_the_pick_to_the_fastest() {
    let pick = pick_within(ms(60.0)).unwrap();
    let rung = |step: &LadderStep| pick.candidates[step.candidate].variant.name.clone();
    let names: Vec<String> = pick.ladder.iter().map(rung).collect();
    assert_eq!(names, ["lite2@260", "lite1@240", "lite0@224", "lite0@96"], "lite1@240 dominates lite0@288");
    for step in &pick.ladder {
        let expected = simulated(&pick.candidates[step.candidate].variant, pick.config, QUICK_SAMPLE).unwrap().total_ms;
        assert!((step.p50_ms / expected.p50 - 1.0).abs() < 1e-6, "{step:?}");
        assert!((step.p95_ms / expected.p95 - 1.0).abs() < 1e-6, "{step:?}");
    }
}

mod hysteresis;
mod properties;
mod search;
