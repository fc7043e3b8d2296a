//! What is measured, how often and how well.

use super::*;

#[test]
fn what_is_known_is_not_measured_again_and_failures_neither() {
    let mut memory = std::collections::BTreeMap::new();
    let choices = catalog();
    let choices: Vec<&Choice> = choices.iter().collect();
    let first = pick(&choices, &[Way::tract(2)], ms(48.0), nothing, |choice, way, effort| {
        let found = if choice.name == "lite2@260" { failed(choice, "killed") } else { simulated(choice, way, effort) };
        let kept = found.as_ref().map(Measurement::clone).map_err(|_| "killed".to_string());
        memory.insert(choice.name.clone(), kept.map(|kept| Measurement { asked_frames: effort.frames, ..kept }));
        found
    });
    let known = |choice: &Choice, _: Way| memory.get(&choice.name).cloned();
    let never = |choice: &Choice, _: Way, _: Effort| Err(MeasureError::NotYet(choice.name.clone()));
    let again = pick(&choices, &[Way::tract(2)], ms(48.0), known, never).unwrap();
    assert_eq!(reason(&again), reason(&first.unwrap()));
    assert!(again.candidates.iter().any(|c| c.verdict == Verdict::Failed("killed".into())));
}

#[test]
fn a_larger_one_that_runs_faster_is_found() {
    let odd = |choice: &Choice, way, effort| {
        let found = simulated(choice, way, effort)?;
        let share = if choice.name == "lite2@320" { 0.55 } else { 1.0 };
        let total_ms = crate::stats::Percentiles {
            p50: found.total_ms.p50 * share,
            p95: found.total_ms.p95 * share,
            ..found.total_ms
        };
        Ok(Measurement { total_ms, ..found })
    };
    // lite2@320 needs 40.4 ms, lite2@260 54.5, lite1@240 38.7
    assert_eq!(picked_from(&catalog(), &[Way::tract(2)], ms(41.0), odd).unwrap().choice.name, "lite2@320");
}

#[test]
fn near_the_limit_it_is_measured_for_longer() {
    let mut efforts = Vec::new();
    let pick = picked_from(&catalog(), &[Way::tract(2)], ms(39.0), |choice, way, effort| {
        efforts.push((choice.name.clone(), effort.frames));
        Ok(Measurement { frames: effort.frames, asked_frames: effort.frames, ..simulated(choice, way, effort)? })
    });
    assert_eq!(pick.unwrap().choice.name, "lite1@240"); // needs 38.7 of 39
    let most = |name: &str| efforts.iter().filter(|(of, _)| of == name).map(|(_, frames)| *frames).max();
    assert_eq!((most("lite1@240"), most("lite0@96")), (Some(MOST_FRAMES), Some(GLANCE.frames)), "{efforts:?}");
}

#[test]
fn a_fresh_board_of_the_class_of_a_raspberry_pi_4_is_measured_within_a_minute() {
    let shipped = crate::catalog::Catalog::read(std::path::Path::new("models")).unwrap();
    let choices: Vec<&Choice> = shipped.choices.iter().collect();
    // Four threads of a Cortex-A72: B0, of the same work, takes 74 ms there (ncnn's figures).
    let ms_of = |choice: &Choice, _: Way| 5.0 + 69.0 * choice.million_macs / 386.0;
    for frame_ms in [15.0, 20.0, 33.0, 50.0, 66.0, 80.0, 100.0, 150.0, 200.0, 400.0] {
        let cost = expected_cost(&choices, &[Way::tract(4)], ms(frame_ms), nothing, ms_of, 600.0);
        assert!(cost.seconds <= 60.0, "{frame_ms} ms: {cost:?}");
    }
}
