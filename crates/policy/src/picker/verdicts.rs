//! End of the search: the pick, the final verdicts, the limiting factor and the fallback ladder.

use super::search::{Search, Selection};
use super::{Candidate, LadderStep, LimitingFactor, Pick, PickError, SkipReason, Verdict, explain, required_ms};
use crate::measurement::Measurement;

/// Turns a finished search into the pick, or into the error that explains why nothing fits.
pub fn finish(mut search: Search) -> Result<Pick, PickError> {
    let Some(selection) = search.selection() else {
        return Err(explain::nothing_fits(&search.candidates, &search.budget));
    };
    let verdicts: Vec<Verdict> =
        (0..search.candidates.len()).map(|index| final_verdict(&search, index, selection)).collect();
    for (candidate, verdict) in search.candidates.iter_mut().zip(verdicts) {
        candidate.verdict = verdict;
    }
    let next = next_more_accurate(&search, selection);
    let limiting_factor = match next.map(|index| &search.candidates[index].verdict) {
        None => LimitingFactor::Catalog,
        Some(Verdict::TooManyMacs) => LimitingFactor::ComputeCost,
        Some(Verdict::TooMuchMemory { .. } | Verdict::Skipped(SkipReason::PredictedTooMuchMemory { .. })) => {
            LimitingFactor::Memory
        }
        Some(Verdict::Failed(_)) => LimitingFactor::Failure,
        Some(_) => LimitingFactor::Time,
    };
    let affordable_million_macs = affordable_million_macs(&search, selection.picked);
    let ladder = fallback_ladder(&search, selection.picked);
    let Candidate { variant, config, measurement, .. } = search.candidates[selection.picked].clone();
    let measurement = measurement.expect("only a measured candidate can fit");
    let ties_with_best = search.compare(selection.best, selection.picked).is_gt();
    Ok(Pick {
        tied_with: ties_with_best.then_some(selection.best),
        variant,
        config,
        measurement,
        budget: search.budget,
        limiting_factor,
        next,
        affordable_million_macs,
        ladder,
        candidates: search.candidates,
        offer: "the catalog".into(),
    })
}

fn final_verdict(search: &Search, index: usize, selection: Selection) -> Verdict {
    let Candidate { verdict, measurement, .. } = &search.candidates[index];
    match verdict {
        _ if index == selection.picked => Verdict::Picked,
        Verdict::Fits if search.compare(index, selection.picked).is_ge() => {
            tie_verdict(search, index, selection.picked)
        }
        Verdict::TooSlow { p95_ms } if search.is_within_hysteresis(index, *p95_ms) => {
            Verdict::WithinHysteresis { p95_ms: *p95_ms }
        }
        Verdict::Undecided => verdict_without_measurement(search, index, selection),
        known => {
            debug_assert!(measurement.is_some() || matches!(known, Verdict::TooManyMacs | Verdict::Failed(_)));
            known.clone()
        }
    }
}

/// Returns the verdict of a candidate that fits and is at least as accurate as the pick.
fn tie_verdict(search: &Search, index: usize, picked: usize) -> Verdict {
    let p95_ms = search.p95_ms(index);
    if p95_ms < search.p95_ms(picked) { Verdict::BarelyFaster { p95_ms } } else { Verdict::Tied }
}

fn verdict_without_measurement(search: &Search, index: usize, selection: Selection) -> Verdict {
    let config = search.candidates[index].config;
    let name = |index: usize| search.candidates[index].variant.name.clone();
    let dominated = || search.settled_by(index, Some(selection)).map(|by| SkipReason::Dominated { by: name(by) });
    if search.compare(index, selection.picked).is_lt() {
        return Verdict::Skipped(dominated().unwrap_or(SkipReason::LessAccurate));
    }
    if search.is_backend_unusable(config) {
        return Verdict::Failed(format!("no variant could be run by {config}"));
    }
    let too_much_memory =
        || search.lighter_over_memory(index).map(|than| SkipReason::PredictedTooMuchMemory { than: name(than) });
    let fewer_threads = || search.prefers_more_threads(config).map(|than| SkipReason::FewerThreads { than });
    let predicted_slow = || {
        let predicted_p95_ms = search.latency_model(config)?.p95_ms(search.cost(index));
        let is_too_slow = search.is_too_slow_at_best(index);
        let is_slower = search.ties(index, selection.picked) && predicted_p95_ms >= search.p95_ms(selection.picked);
        match (is_too_slow, is_slower) {
            (true, _) => Some(SkipReason::PredictedTooSlow { predicted_p95_ms }),
            (false, true) => Some(SkipReason::PredictedSlower { predicted_p95_ms }),
            (false, false) => None,
        }
    };
    let reason = too_much_memory().or_else(dominated).or_else(fewer_threads).or_else(predicted_slow);
    // The rest is less accurate than the best, and cannot be picked because it does not tie with the best.
    debug_assert!(reason.is_some() || search.compare(index, selection.best).is_lt(), "{}", name(index));
    Verdict::Skipped(reason.unwrap_or(SkipReason::LessAccurate))
}

/// Returns the next candidate that is more accurate than the pick and not tied with it: the one with the fewest MACs,
/// in the execution config in which it comes closest to the limit.
fn next_more_accurate(search: &Search, selection: Selection) -> Option<usize> {
    let is_more_accurate = |index: &usize| {
        search.is_clearly_more_accurate(*index, selection.picked)
            && !matches!(search.candidates[*index].verdict, Verdict::Skipped(SkipReason::Dominated { .. }))
    };
    let macs = |index: usize| search.candidates[index].variant.million_macs;
    let excess = |index: usize| match &search.candidates[index].verdict {
        Verdict::TooSlow { p95_ms }
        | Verdict::WithinHysteresis { p95_ms }
        | Verdict::Skipped(SkipReason::PredictedTooSlow { predicted_p95_ms: p95_ms }) => *p95_ms,
        Verdict::TooMuchMemory { .. } | Verdict::Skipped(SkipReason::PredictedTooMuchMemory { .. }) => 0.0,
        _ => f64::INFINITY,
    };
    let order = |a: usize, b: usize| macs(a).total_cmp(&macs(b)).then(excess(a).total_cmp(&excess(b))).then(a.cmp(&b));
    (0..search.candidates.len()).filter(is_more_accurate).min_by(|&a, &b| order(a, b))
}

/// Returns the MACs, in millions, that the picked execution config affords within the limits, by its latency model.
///
/// At least the largest that fits counts. Returns `None` without a latency limit, if fewer than two measurements define
/// the latency model, or if a measured candidate with as many MACs is too slow.
fn affordable_million_macs(search: &Search, picked: usize) -> Option<f64> {
    let config = search.candidates[picked].config;
    let measured = || {
        let of_config = search.candidates.iter().filter(|candidate| candidate.config == config);
        of_config.filter_map(|candidate| Some((candidate.variant.million_macs, candidate.measurement.as_ref()?)))
    };
    if measured().count() < 2 {
        return None;
    }
    let limit_ms = search.budget.frame_ms?;
    let macs = search.latency_model(config)?.million_macs_within(limit_ms / required_ms(1.0), search.cost(picked));
    let fits = |measurement: &Measurement| required_ms(measurement.total_ms.p95) <= limit_ms;
    let (fitting, too_slow): (Vec<_>, Vec<_>) = measured().partition(|(_, measurement)| fits(measurement));
    let max_fitting = fitting.iter().map(|(macs, _)| *macs).fold(0.0, f64::max);
    let min_too_slow = too_slow.iter().map(|(macs, _)| *macs).fold(f64::INFINITY, f64::min);
    let affordable = macs.max(max_fitting);
    (affordable < min_too_slow).then(|| affordable.min(search.budget.million_macs.unwrap_or(f64::INFINITY)))
}

/// Returns the pick, then successively faster candidates: each the most accurate one faster than the rung before it.
fn fallback_ladder(search: &Search, picked: usize) -> Vec<LadderStep> {
    let step = |index: usize| ladder_step(search, index, picked);
    let mut others: Vec<LadderStep> =
        (0..search.candidates.len()).filter(|&index| index != picked).filter_map(step).collect();
    others.sort_by(|a, b| search.compare(b.candidate, a.candidate).then(a.p95_ms.total_cmp(&b.p95_ms)));
    let mut ladder: Vec<LadderStep> = step(picked).into_iter().collect();
    for step in others {
        if ladder.last().is_some_and(|last| step.p95_ms < last.p95_ms) {
            ladder.push(step);
        }
    }
    ladder
}

/// Returns the candidate as a rung. Returns `None` if it does not fit, or if too little is known of its config.
fn ladder_step(search: &Search, index: usize, picked: usize) -> Option<LadderStep> {
    use SkipReason::{Dominated, LessAccurate, PredictedSlower};
    use Verdict::{BarelyFaster, Fits, Picked, Skipped, Tied};
    let Candidate { measurement, verdict, config, .. } = &search.candidates[index];
    if !matches!(
        verdict,
        Picked | Fits | Tied | BarelyFaster { .. } | Skipped(LessAccurate | Dominated { .. } | PredictedSlower { .. })
    ) {
        return None;
    }
    if measurement.is_none() && search.prefers_more_threads(*config).is_some() {
        return None; // its config is slower, and has one measurement
    }
    let latency_model = search.latency_model(*config)?;
    let cost = search.cost(index);
    let (p50_ms, p95_ms) = match measurement {
        Some(measured) if index == picked => (measured.total_ms.p50, measured.total_ms.p95),
        // The p95 of a quick sample is the largest of a few latencies. The median and the usual ratio are more exact.
        Some(measured) => (measured.total_ms.p50, measured.total_ms.p50 * latency_model.p95_ratio),
        None => (latency_model.p50_ms(cost), latency_model.p95_ms(cost)),
    };
    Some(LadderStep { candidate: index, p50_ms, p95_ms, is_measured: measurement.is_some() })
}
