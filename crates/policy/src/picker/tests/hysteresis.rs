//! What was picked when the same was asked before.

use super::*;

/// The pick within 39 ms where everything takes `factor` times as long as usual; `failing` cannot be run.
fn picked_again(before: Option<&str>, factor: f64, failing: Option<&str>) -> Pick {
    picked_within(ms(39.0), before, factor, failing)
}

fn picked_within(budget: Budget, before: Option<&str>, factor: f64, failing: Option<&str>) -> Pick {
    let config = ExecutionConfig::tract(2);
    let variants = catalog();
    let variants: Vec<&Variant> = variants.iter().collect();
    let slowed = |variant: &Variant, config, sampling: SamplingPlan| {
        if failing == Some(variant.name.as_str()) {
            return failed(variant, "killed");
        }
        let mut found = simulated(variant, config, sampling)?;
        (found.total_ms.p50, found.total_ms.p95) = (found.total_ms.p50 * factor, found.total_ms.p95 * factor);
        Ok(Measurement { frames: sampling.frames, requested_frames: sampling.frames, ..found })
    };
    pick_again(&variants, &[config], budget, before.map(|name| (name, config)), nothing, slowed).unwrap()
}

#[test]
fn it_stays_while_times_are_a_little_longer_or_shorter_than_then() {
    // lite1@240 needs 38.7 of 39 ms.
    let names = |before| [0.93, 0.97, 1.0, 1.03, 1.09].map(|factor| picked_again(before, factor, None).variant.name);
    assert_eq!(names(None), ["lite1@240", "lite1@240", "lite1@240", "lite0@224", "lite0@224"], "nothing was picked");
    assert_eq!(names(Some("lite1@240")), ["lite1@240", "lite1@240", "lite1@240", "lite1@240", "lite0@224"]);
    assert_eq!(names(Some("lite0@224")), ["lite1@240", "lite0@224", "lite0@224", "lite0@224", "lite0@224"]);
}

#[test]
fn the_reason_says_so() {
    let slower = explain(&picked_again(Some("lite1@240"), 1.03, None));
    assert!(
        slower.contains("that leaves 8 % for the rest of the line, but it was picked before and stays"),
        "{slower}"
    );
    let pick = picked_again(Some("lite0@224"), 1.0, None);
    let said = explain(&pick);
    assert!(said.contains("lite1@240, needs 38.7 ms of 39, not 5 % less, and what was picked before stays"), "{said}");
    let narrow = pick.candidates.iter().find(|candidate| candidate.variant.name == "lite1@240").unwrap();
    assert!(matches!(narrow.verdict, Verdict::WithinHysteresis { .. }), "{:?}", narrow.verdict);
}

#[test]
fn it_counts_for_nothing_where_it_cannot_be_run_or_is_not_to_be_had_or_is_beaten_for_no_more_work() {
    for (before, failing) in [("lite0@224", Some("lite0@224")), ("lite9@224", None), ("lite0@288", None)] {
        assert_eq!(picked_again(Some(before), 1.0, failing).variant.name, "lite1@240", "{before}");
    }
}

#[test]
fn where_it_does_not_stay_it_has_no_say_in_what_is_picked_instead() {
    // lite1@240 fits by far and lite2@260 by 2 %: it is a question of those two.
    let pick = picked_again(Some("lite0@224"), 0.7, None);
    assert_eq!(pick.variant.name, "lite2@260");
    assert!(pick.candidates.iter().all(|candidate| !matches!(candidate.verdict, Verdict::WithinHysteresis { .. })));
}

#[test]
fn what_needs_too_much_memory_is_told_as_that() {
    let budget = Budget { memory_mib: Some(90.0), ..ms(39.0) };
    let pick = picked_within(budget, Some("lite0@224"), 1.0, None);
    let larger = pick.candidates.iter().find(|candidate| candidate.variant.name == "lite1@240").unwrap();
    assert!(matches!(larger.verdict, Verdict::TooMuchMemory { .. }), "{:?}", larger.verdict);
    assert_eq!((pick.variant.name.as_str(), pick.limiting_factor), ("lite0@224", LimitingFactor::Memory));
}

#[test]
fn of_two_as_good_and_as_quick_it_is_the_one_that_was_picked_before() {
    // Half of the threads take 4 % more or less from one time to the next.
    let both = [ExecutionConfig::tract(2), ExecutionConfig::tract(1)];
    let variants = catalog();
    let variants: Vec<&Variant> = variants.iter().collect();
    let picked_by = |before: Option<ExecutionConfig>, of_one: f64| {
        let measure = |variant: &Variant, config: ExecutionConfig, sampling: SamplingPlan| {
            let mut found = simulated(variant, config, sampling)?;
            let factor = if config.threads == 1 { of_one } else { 1.0 };
            (found.total_ms.p50, found.total_ms.p95) = (found.total_ms.p50 * factor, found.total_ms.p95 * factor);
            let preempted_frames = sampling.frames; // so that both are tried
            Ok(Measurement {
                config,
                preempted_frames,
                frames: sampling.frames,
                requested_frames: sampling.frames,
                ..found
            })
        };
        let before = before.map(|config| ("lite2@320", config));
        pick_again(&variants, &both, ms(200.0), before, nothing, measure).unwrap().config.threads
    };
    assert_eq!([0.96, 1.04].map(|of_one| picked_by(None, of_one)), [1, 2]);
    for config in both {
        assert_eq!([0.96, 1.04].map(|of_one| picked_by(Some(config), of_one)), [config.threads; 2]);
    }
}
