//! End of the search: the pick, the final verdicts, the limiting factor and the fallback ladder.

use super::search::{Search, Selection};
use super::{Candidate, LadderStep, LimitingFactor, Pick, PickError, SkipReason, Verdict, explain, required_ms};

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
    let best_name = &search.candidates[selection.best].variant.name;
    Ok(Pick {
        tied_with: (*best_name != variant.name).then_some(selection.best),
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
    let is_tied = search.ties(index, selection.best) || search.ties(index, selection.picked);
    match verdict {
        _ if index == selection.picked => Verdict::Picked,
        Verdict::Fits if is_tied => Verdict::Tied,
        Verdict::TooSlow { p95_ms } if search.is_within_hysteresis(index, *p95_ms) => {
            Verdict::WithinHysteresis { p95_ms: *p95_ms }
        }
        Verdict::Undecided => verdict_without_measurement(search, index, selection, is_tied),
        known => {
            debug_assert!(measurement.is_some() || matches!(known, Verdict::TooManyMacs | Verdict::Failed(_)));
            known.clone()
        }
    }
}

fn verdict_without_measurement(search: &Search, index: usize, selection: Selection, is_tied: bool) -> Verdict {
    let config = search.candidates[index].config;
    let name = |index: usize| search.candidates[index].variant.name.clone();
    let fewer_threads = search.prefers_more_threads(config).map(|than| SkipReason::FewerThreads { than });
    let dominated = search.dominator(index).map(|by| SkipReason::Dominated { by: name(by) });
    if is_tied {
        return fewer_threads.map_or(Verdict::Tied, Verdict::Skipped);
    }
    if search.compare(index, selection.best).is_lt() {
        return Verdict::Skipped(dominated.unwrap_or(SkipReason::LessAccurate));
    }
    let too_much_memory =
        search.lighter_over_memory(index).map(|than| SkipReason::PredictedTooMuchMemory { than: name(than) });
    let predicted_p95_ms = search.latency_model(config).map(|model| model.p95_ms(search.cost(index)));
    let too_slow = predicted_p95_ms.map(|predicted_p95_ms| SkipReason::PredictedTooSlow { predicted_p95_ms });
    let reason = too_much_memory.or(dominated).or(fewer_threads).or(too_slow);
    reason.map_or_else(|| Verdict::Failed(format!("no variant could be run by {config}")), Verdict::Skipped)
}

/// Returns the next candidate that is more accurate than the pick and not tied with it: the one with the fewest MACs,
/// in the execution config in which it comes closest to the limit.
fn next_more_accurate(search: &Search, selection: Selection) -> Option<usize> {
    let is_more_accurate = |index: &usize| {
        search.compare(*index, selection.picked).is_gt()
            && !search.ties(*index, selection.picked)
            && !search.ties(*index, selection.best)
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

/// Returns the MACs, in millions, that the picked execution config affords within the limits. Returns `None` without a
/// latency limit, or if fewer than two measurements define the latency model.
fn affordable_million_macs(search: &Search, picked: usize) -> Option<f64> {
    let config = search.candidates[picked].config;
    let is_measured = |candidate: &&Candidate| candidate.config == config && candidate.measurement.is_some();
    if search.candidates.iter().filter(is_measured).count() < 2 {
        return None;
    }
    let p95_limit_ms = search.budget.frame_ms? / required_ms(1.0);
    let macs = search.latency_model(config)?.million_macs_within(p95_limit_ms, search.cost(picked));
    Some(macs.min(search.budget.million_macs.unwrap_or(f64::INFINITY)))
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
    use SkipReason::{Dominated, LessAccurate};
    use Verdict::{Fits, Picked, Skipped, Tied};
    let Candidate { measurement, verdict, config, .. } = &search.candidates[index];
    if !matches!(verdict, Picked | Fits | Tied | Skipped(LessAccurate | Dominated { .. })) {
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
