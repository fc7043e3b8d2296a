//! What is measured, how often and how well.

use super::*;

#[test]
fn what_is_known_is_not_measured_again_and_failures_neither() {
    let mut memory = std::collections::BTreeMap::new();
    let variants = catalog();
    let variants: Vec<&Variant> = variants.iter().collect();
    let first = pick(&variants, &[ExecutionConfig::tract(2)], ms(48.0), nothing, |variant, config, sampling| {
        let found =
            if variant.name == "lite2@260" { failed(variant, "killed") } else { simulated(variant, config, sampling) };
        let kept = found.as_ref().map(Measurement::clone).map_err(|_| "killed".to_string());
        memory.insert(variant.name.clone(), kept.map(|kept| Measurement { requested_frames: sampling.frames, ..kept }));
        found
    });
    let known = |variant: &Variant, _: ExecutionConfig| memory.get(&variant.name).cloned();
    let never =
        |variant: &Variant, _: ExecutionConfig, _: SamplingPlan| Err(MeasureError::NotYet(variant.name.clone()));
    let again = pick(&variants, &[ExecutionConfig::tract(2)], ms(48.0), known, never).unwrap();
    assert_eq!(explain(&again), explain(&first.unwrap()));
    assert!(again.candidates.iter().any(|c| c.verdict == Verdict::Failed("killed".into())));
}

#[test]
fn a_larger_one_that_runs_faster_is_found() {
    let odd = |variant: &Variant, config, sampling| {
        let found = simulated(variant, config, sampling)?;
        let share = if variant.name == "lite2@320" { 0.55 } else { 1.0 };
        let total_ms = phicam_engine::latency::Percentiles {
            p50: found.total_ms.p50 * share,
            p95: found.total_ms.p95 * share,
            ..found.total_ms
        };
        Ok(Measurement { total_ms, ..found })
    };
    // lite2@320 needs 40.4 ms, lite2@260 54.5, lite1@240 38.7
    assert_eq!(picked_from(&catalog(), &[ExecutionConfig::tract(2)], ms(41.0), odd).unwrap().variant.name, "lite2@320");
}

#[test]
fn near_the_limit_it_is_measured_for_longer() {
    let mut efforts = Vec::new();
    let pick = picked_from(&catalog(), &[ExecutionConfig::tract(2)], ms(39.0), |variant, config, sampling| {
        efforts.push((variant.name.clone(), sampling.frames));
        Ok(Measurement {
            frames: sampling.frames,
            requested_frames: sampling.frames,
            ..simulated(variant, config, sampling)?
        })
    });
    assert_eq!(pick.unwrap().variant.name, "lite1@240"); // needs 38.7 of 39
    let most = |name: &str| efforts.iter().filter(|(of, _)| of == name).map(|(_, frames)| *frames).max();
    assert_eq!((most("lite1@240"), most("lite0@96")), (Some(MAX_FRAMES), Some(QUICK_SAMPLE.frames)), "{efforts:?}");
}

#[test]
fn a_fresh_board_of_the_class_of_a_raspberry_pi_4_is_measured_within_a_minute() {
    let shipped = phicam_model::catalog::Catalog::read(std::path::Path::new("models")).unwrap();
    let variants: Vec<&Variant> = shipped.variants.iter().collect();
    // Four threads of a Cortex-A72: B0, of the same work, takes 74 ms there (ncnn's figures).
    let ms_of = |variant: &Variant, _: ExecutionConfig| 5.0 + 69.0 * variant.million_macs / 386.0;
    for frame_ms in [15.0, 20.0, 33.0, 50.0, 66.0, 80.0, 100.0, 150.0, 200.0, 400.0] {
        let estimate = estimate_time(&variants, &[ExecutionConfig::tract(4)], ms(frame_ms), nothing, ms_of, 600.0);
        assert!(estimate.seconds <= 60.0, "{frame_ms} ms: {estimate:?}");
    }
}

/// Two threads, and one that takes 1.7 times as long, or where `disturbed` as long, but steadily.
fn with_threads(variant: &Variant, config: ExecutionConfig, disturbed: bool) -> Measurement {
    let mut found = simulated(variant, config, QUICK_SAMPLE).unwrap();
    let (p50, p95) = match (config.threads, disturbed) {
        (1, _) => (1.7, 1.7),
        (_, false) => (1.0, 1.0),
        (_, true) => (1.3, 2.2),
    };
    (found.total_ms.p50, found.total_ms.p95) = (found.total_ms.p50 * p50, found.total_ms.p95 * p95);
    let preempted_frames = if disturbed && config.threads > 1 { found.frames / 2 } else { 0 };
    Measurement { config, preempted_frames, ..found }
}

#[test]
fn fewer_threads_are_tried_with_the_smallest_alone_where_more_are_quicker() {
    let mut measured = Vec::new();
    let configs = [ExecutionConfig::tract(1), ExecutionConfig::tract(2)];
    let pick = picked_from(&catalog(), &configs, ms(60.0), |variant, config, _| {
        measured.push((variant.name.clone(), config.threads));
        Ok(with_threads(variant, config, false))
    });
    let pick = pick.unwrap();
    assert_eq!((pick.variant.name.as_str(), pick.config.threads), ("lite2@260", 2));
    let few: Vec<&str> = measured.iter().filter(|(_, threads)| *threads == 1).map(|(name, _)| name.as_str()).collect();
    assert_eq!(few, ["lite0@96"], "{measured:?}");
    let larger = pick.candidates.iter().find(|c| c.variant.name == "lite2@320" && c.config.threads == 1).unwrap();
    assert_eq!(larger.verdict, Verdict::FewerThreads { than: 2 });
    assert!(pick.ladder.iter().all(|step| pick.candidates[step.candidate].config.threads == 2), "{:?}", pick.ladder);
    assert!(!explain(&pick).contains("thread"), "{}", explain(&pick));
}

#[test]
fn beside_another_program_fewer_threads_may_afford_more() {
    let configs = [ExecutionConfig::tract(1), ExecutionConfig::tract(2)];
    let disturbed = |variant: &Variant, config, _| Ok(with_threads(variant, config, true));
    // The smallest is done between two turns of the other program.
    let not_the_smallest =
        |variant: &Variant, config, _| Ok(with_threads(variant, config, variant.million_macs > 100.0));
    // lite1@240 needs 66 ms on one thread, and 85 at the 95th percentile on two, of which one waits.
    for pick in [
        picked_from(&catalog(), &configs, ms(68.0), disturbed).unwrap(),
        picked_from(&catalog(), &configs, ms(68.0), not_the_smallest).unwrap(),
    ] {
        assert_eq!((pick.variant.name.as_str(), pick.config.threads), ("lite1@240", 1));
        assert!(explain(&pick).contains("by tract f32, 1 thread"), "{}", explain(&pick));
    }
}

#[test]
fn on_a_machine_whose_times_wander_the_pick_is_timed_for_long_and_on_a_steady_one_a_glance_is_enough() {
    for (wanders, min_ms) in [(true, 2500.0), (false, QUICK_SAMPLE.min_ms)] {
        let mut efforts = Vec::new();
        let pick = picked_from(&catalog(), &[ExecutionConfig::tract(2)], ms(60.0), |variant, config, sampling| {
            let mut found = simulated(variant, config, sampling)?;
            if wanders && variant.name == "lite0@96" {
                found.total_ms.p95 = found.total_ms.p50 * 1.5;
            }
            efforts.push((variant.name.clone(), sampling));
            Ok(Measurement { frames: sampling.frames, requested_frames: sampling.frames, ..found })
        });
        assert_eq!(pick.unwrap().variant.name, "lite2@260"); // it needs 54.5 of 60 ms
        let of_picked = efforts.iter().filter(|(name, _)| name == "lite2@260").map(|(_, sampling)| sampling.min_ms);
        assert_eq!(of_picked.fold(0.0, f64::max), min_ms, "{efforts:?}");
    }
}

#[test]
fn one_with_less_work_that_seems_to_take_longer_is_looked_at_again_before_another_as_good_is_picked() {
    let mut variants = catalog();
    variants.push(Variant { top1_source: "estimate: …".into(), ..variant("lite2", 240, 689.0, 77.4) });
    for truly in [false, true] {
        let looks = RefCell::new(0);
        let measure = |variant: &Variant, config: ExecutionConfig, sampling| {
            let mut found = simulated(variant, config, sampling)?;
            if variant.name == "lite2@240" {
                *looks.borrow_mut() += 1;
                if truly || *looks.borrow() == 1 {
                    (found.total_ms.p50, found.total_ms.p95) = (found.total_ms.p50 * 2.2, found.total_ms.p95 * 2.2);
                }
            }
            Ok(Measurement { frames: sampling.frames, requested_frames: sampling.frames, ..found })
        };
        let pick = picked_from(&variants, &[ExecutionConfig::tract(2)], ms(120.0), measure).unwrap();
        assert_eq!(pick.variant.name, if truly { "lite2@320" } else { "lite2@240" });
        assert_eq!(looks.into_inner(), 2);
    }
}
