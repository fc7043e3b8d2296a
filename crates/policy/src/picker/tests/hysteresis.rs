//! Picks with a previous pick.

use super::*;

const BUDGET_MS: f64 = 39.0;

/// Picks on a machine that is slower by `factor`, on which the variant `failing` cannot be run.
fn pick_after(budget: Budget, previous: Option<&str>, factor: f64, failing: Option<&str>) -> Pick {
    let variants = catalog();
    let variants: Vec<&Variant> = variants.iter().collect();
    let measure = |variant: &Variant, config, sampling: SamplingPlan| {
        if failing == Some(variant.name.as_str()) {
            return failed(variant, "killed");
        }
        Ok(sampled(scaled(simulated(variant, config, sampling)?, factor), sampling))
    };
    let request = PickRequest::new(&variants, &TRACT, budget).with_previous(previous.map(|name| (name, TRACT[0])));
    pick(request, nothing, measure).unwrap()
}

#[test]
fn previous_pick_survives_5_percent_drift_only() {
    // lite1@240 needs 38.7 of 39 ms.
    let names = |previous| {
        [0.93, 0.97, 1.0, 1.03, 1.09].map(|factor| pick_after(ms(BUDGET_MS), previous, factor, None).variant.name)
    };
    assert_eq!(names(None), ["lite1@240", "lite1@240", "lite1@240", "lite0@224", "lite0@224"]);
    assert_eq!(names(Some("lite1@240")), ["lite1@240", "lite1@240", "lite1@240", "lite1@240", "lite0@224"]);
    assert_eq!(names(Some("lite0@224")), ["lite1@240", "lite0@224", "lite0@224", "lite0@224", "lite0@224"]);
}

#[test]
fn explanation_names_the_hysteresis() {
    let slower = explain(&pick_after(ms(BUDGET_MS), Some("lite1@240"), 1.03, None));
    assert_contains(&slower, "that leaves 7.6 % for the pipeline, but hysteresis keeps the previous pick");
    let pick = pick_after(ms(BUDGET_MS), Some("lite0@224"), 1.0, None);
    let rival = "lite1@240, needs 38.7 ms of 39, not 5 % less, so hysteresis keeps the previous pick";
    assert_contains(&explain(&pick), rival);
    let verdict = &candidate(&pick, "lite1@240").verdict;
    assert!(matches!(verdict, Verdict::WithinHysteresis { .. }), "{verdict:?}");
}

#[test]
fn previous_pick_ignored_when_unusable_or_dominated() {
    for (previous, failing) in [("lite0@224", Some("lite0@224")), ("lite9@224", None), ("lite0@288", None)] {
        let pick = pick_after(ms(BUDGET_MS), Some(previous), 1.0, failing);
        assert_eq!(pick.variant.name, "lite1@240", "{previous}");
    }
}

#[test]
fn replaced_previous_pick_has_no_influence() {
    // lite1@240 fits easily, lite2@260 by 2 %: the previous pick does not decide between them.
    let pick = pick_after(ms(BUDGET_MS), Some("lite0@224"), 0.7, None);
    assert_eq!(pick.variant.name, "lite2@260");
    let is_within_hysteresis = |candidate: &Candidate| matches!(candidate.verdict, Verdict::WithinHysteresis { .. });
    assert!(!pick.candidates.iter().any(is_within_hysteresis));
}

#[test]
fn slower_previous_pick_yields_to_a_more_accurate_variant() {
    let variants = catalog();
    let variants: Vec<&Variant> = variants.iter().collect();
    let measure = |variant: &Variant, config, sampling: SamplingPlan| {
        // lite0@224 takes 36.9 ms at p95, lite1@240 35.2.
        let factor = if variant.name == "lite0@224" { 1.58 } else { 1.0 };
        Ok(sampled(scaled(simulated(variant, config, sampling)?, factor), sampling))
    };
    let request = PickRequest::new(&variants, &TRACT, ms(BUDGET_MS)).with_previous(Some(("lite0@224", TRACT[0])));
    assert_eq!(pick(request, nothing, measure).unwrap().variant.name, "lite1@240");
}

#[test]
fn memory_limit_takes_precedence_over_hysteresis() {
    let budget = Budget { memory_mib: Some(90.0), ..ms(BUDGET_MS) };
    let pick = pick_after(budget, Some("lite0@224"), 1.0, None);
    let verdict = &candidate(&pick, "lite1@240").verdict;
    assert!(matches!(verdict, Verdict::TooMuchMemory { .. }), "{verdict:?}");
    assert_eq!((pick.variant.name.as_str(), pick.limiting_factor), ("lite0@224", LimitingFactor::Memory));
}

#[test]
fn previous_thread_count_stays_when_equally_fast() {
    // One thread is 4 % faster or slower than two, by run-to-run noise.
    let configs = [ExecutionConfig::tract(2), ExecutionConfig::tract(1)];
    let variants = catalog();
    let variants: Vec<&Variant> = variants.iter().collect();
    let threads = |previous: Option<ExecutionConfig>, single_thread_factor: f64| {
        let measure = |variant: &Variant, config: ExecutionConfig, sampling: SamplingPlan| {
            let factor = if config.threads == 1 { single_thread_factor } else { 1.0 };
            let measurement = sampled(scaled(simulated(variant, config, sampling)?, factor), sampling);
            let preempted_frames = sampling.frames; // noisy, so that both thread counts are tried
            Ok(Measurement { config, preempted_frames, ..measurement })
        };
        let previous = previous.map(|config| ("lite2@320", config));
        let request = PickRequest::new(&variants, &configs, ms(200.0)).with_previous(previous);
        pick(request, nothing, measure).unwrap().config.threads
    };
    assert_eq!([0.96, 1.04].map(|factor| threads(None, factor)), [1, 2]);
    for config in configs {
        assert_eq!([0.96, 1.04].map(|factor| threads(Some(config), factor)), [config.threads; 2]);
    }
}
