//! Number, order and length of the measurements.

use super::*;

#[test]
fn stored_results_and_failures_are_reused() {
    let mut store = std::collections::BTreeMap::new();
    let variants = catalog();
    let variants: Vec<&Variant> = variants.iter().collect();
    let request = PickRequest::new(&variants, &TRACT, ms(48.0));
    let first = pick(request, nothing, |variant, config, sampling| {
        let result =
            if variant.name == "lite2@260" { failed(variant, "killed") } else { simulated(variant, config, sampling) };
        let stored = result.as_ref().map(Measurement::clone).map_err(|_| "killed".to_string());
        let requested_frames = sampling.frames;
        store.insert(variant.name.clone(), stored.map(|stored| Measurement { requested_frames, ..stored }));
        result
    });
    let stored = |variant: &Variant, _: ExecutionConfig| store.get(&variant.name).cloned();
    let second = pick(request, stored, never).unwrap();
    assert_eq!(explain(&second), explain(&first.unwrap()));
    assert_eq!(candidate(&second, "lite2@260").verdict, Verdict::Failed("killed".into()));
}

#[test]
fn larger_variant_that_runs_faster_is_found() {
    let outlier = |variant: &Variant, config, sampling| {
        let factor = if variant.name == "lite2@320" { 0.55 } else { 1.0 };
        Ok(scaled(simulated(variant, config, sampling)?, factor))
    };
    // lite2@320 needs 40.4 ms, lite2@260 54.5, lite1@240 38.7
    assert_eq!(pick_from(&catalog(), &TRACT, ms(41.0), outlier).unwrap().variant.name, "lite2@320");
}

#[test]
fn measurement_near_the_limit_is_refined() {
    let mut samples = Vec::new();
    let pick = pick_from(&catalog(), &TRACT, ms(39.0), |variant, config, sampling| {
        samples.push((variant.name.clone(), sampling.frames));
        Ok(sampled(simulated(variant, config, sampling)?, sampling))
    });
    assert_eq!(pick.unwrap().variant.name, "lite1@240"); // it needs 38.7 of 39 ms
    let max_frames = |name: &str| samples.iter().filter(|(of, _)| of == name).map(|(_, frames)| *frames).max();
    assert_eq!(max_frames("lite1@240"), Some(MAX_FRAMES), "{samples:?}");
    assert_eq!(max_frames("lite0@96"), Some(QUICK_SAMPLE.frames), "{samples:?}");
}

#[test]
fn first_pick_on_a_raspberry_pi_4_takes_a_minute_at_most() {
    let shipped = phicam_model::catalog::Catalog::read(std::path::Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../models"
    )))
    .unwrap();
    let variants: Vec<&Variant> = shipped.variants.iter().collect();
    let configs = [ExecutionConfig::tract(4)];
    // B0, with as many MACs as Lite0, takes 74 ms on four threads of a Cortex-A72 (ncnn's published latency).
    let assumed_ms = |variant: &Variant, _: ExecutionConfig| 5.0 + 69.0 * variant.million_macs / 386.0;
    for frame_ms in [15.0, 20.0, 33.0, 50.0, 66.0, 80.0, 100.0, 150.0, 200.0, 400.0] {
        let request = PickRequest::new(&variants, &configs, ms(frame_ms));
        let estimate = estimate_time(request, nothing, assumed_ms, 600.0);
        assert!(estimate.seconds <= 60.0, "{frame_ms} ms: {estimate:?}");
    }
}

/// Measures on one or two threads. One thread is slower by 1.7 and quiet; CPU contention slows down two threads.
fn with_threads(variant: &Variant, config: ExecutionConfig, has_contention: bool) -> Measurement {
    let mut measurement = simulated(variant, config, QUICK_SAMPLE).unwrap();
    let (p50_factor, p95_factor) = match (config.threads, has_contention) {
        (1, _) => (1.7, 1.7),
        (_, false) => (1.0, 1.0),
        (_, true) => (1.3, 2.2),
    };
    measurement.total_ms.p50 *= p50_factor;
    measurement.total_ms.p95 *= p95_factor;
    let preempted_frames = if has_contention && config.threads > 1 { measurement.frames / 2 } else { 0 };
    Measurement { config, preempted_frames, ..measurement }
}

#[test]
fn fewer_threads_are_skipped_when_more_are_faster() {
    let mut measured = Vec::new();
    let configs = [ExecutionConfig::tract(1), ExecutionConfig::tract(2)];
    let pick = pick_from(&catalog(), &configs, ms(60.0), |variant, config, _| {
        measured.push((variant.name.clone(), config.threads));
        Ok(with_threads(variant, config, false))
    });
    let pick = pick.unwrap();
    assert_eq!((pick.variant.name.as_str(), pick.config.threads), ("lite2@260", 2));
    let single: Vec<&str> =
        measured.iter().filter(|(_, threads)| *threads == 1).map(|(name, _)| name.as_str()).collect();
    assert_eq!(single, ["lite0@96"], "{measured:?}");
    let is_large_single = |c: &&Candidate| c.variant.name == "lite2@320" && c.config.threads == 1;
    let skipped = pick.candidates.iter().find(is_large_single).unwrap();
    assert_eq!(skipped.verdict, Verdict::Skipped(SkipReason::FewerThreads { than: 2 }));
    assert!(pick.ladder.iter().all(|step| pick.candidates[step.candidate].config.threads == 2), "{:?}", pick.ladder);
    assert!(!explain(&pick).contains("thread"), "{}", explain(&pick));
}

#[test]
fn contention_makes_fewer_threads_win() {
    let configs = [ExecutionConfig::tract(1), ExecutionConfig::tract(2)];
    let contended = |variant: &Variant, config, _| Ok(with_threads(variant, config, true));
    // The smallest variant finishes between two time slices of the other program.
    let contended_if_large =
        |variant: &Variant, config, _| Ok(with_threads(variant, config, variant.million_macs > 100.0));
    // lite1@240 needs 66 ms on one thread, and 85 ms on two, one of which waits.
    for pick in [
        pick_from(&catalog(), &configs, ms(68.0), contended).unwrap(),
        pick_from(&catalog(), &configs, ms(68.0), contended_if_large).unwrap(),
    ] {
        assert_eq!((pick.variant.name.as_str(), pick.config.threads), ("lite1@240", 1));
        assert_contains(&explain(&pick), "by tract f32, 1 thread");
    }
}

/// Returns the longest minimum duration of the samples of the pick, which needs 54.5 of 60 ms.
fn min_ms_of_pick(p95_ratio_of_smallest: f64) -> f64 {
    let mut max_min_ms: f64 = 0.0;
    let pick = pick_from(&catalog(), &TRACT, ms(60.0), |variant, config, sampling| {
        let mut measurement = simulated(variant, config, sampling)?;
        if variant.name == "lite0@96" {
            measurement.total_ms.p95 = measurement.total_ms.p50 * p95_ratio_of_smallest;
        }
        if variant.name == "lite2@260" {
            max_min_ms = max_min_ms.max(sampling.min_ms);
        }
        Ok(sampled(measurement, sampling))
    });
    assert_eq!(pick.unwrap().variant.name, "lite2@260");
    max_min_ms
}

#[test]
fn unstable_latency_triggers_long_sampling() {
    assert_eq!(min_ms_of_pick(1.5), 2500.0);
    assert_eq!(min_ms_of_pick(1.1), QUICK_SAMPLE.min_ms);
}

#[test]
fn outlier_in_tie_is_remeasured() {
    let mut variants = catalog();
    variants.push(Variant { top1_source: "estimate: …".into(), ..variant("lite2", 240, 689.0, 77.4) });
    for is_permanent in [false, true] {
        let samples = RefCell::new(0);
        let measure = |variant: &Variant, config: ExecutionConfig, sampling| {
            let measurement = sampled(simulated(variant, config, sampling)?, sampling);
            if variant.name != "lite2@240" {
                return Ok(measurement);
            }
            *samples.borrow_mut() += 1;
            let is_outlier = is_permanent || *samples.borrow() == 1;
            Ok(scaled(measurement, if is_outlier { 2.2 } else { 1.0 }))
        };
        let pick = pick_from(&variants, &TRACT, ms(120.0), measure).unwrap();
        assert_eq!(pick.variant.name, if is_permanent { "lite2@320" } else { "lite2@240" });
        assert_eq!(samples.into_inner(), 2);
    }
}
