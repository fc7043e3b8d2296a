//! From what was found to the pick, a verdict for each candidate, and the limit that bound.

use super::search::{Search, Selection};
use super::{Candidate, LadderStep, LimitingFactor, Pick, PickError, Verdict, explain, required_ms};

/// The end of the search, told.
pub fn conclude(mut search: Search) -> Result<Pick, PickError> {
    let Some(found) = search.found() else {
        return Err(explain::nothing_fits(&search.candidates, &search.budget));
    };
    let verdicts: Vec<Verdict> = (0..search.candidates.len()).map(|at| verdict(&search, at, found)).collect();
    for (candidate, verdict) in search.candidates.iter_mut().zip(verdicts) {
        candidate.verdict = verdict;
    }
    let next = next(&search, found);
    let limiting_factor = match next.map(|at| &search.candidates[at].verdict) {
        None => LimitingFactor::Catalog,
        Some(Verdict::TooMuchWork) => LimitingFactor::ComputeCost,
        Some(Verdict::TooMuchMemory { .. } | Verdict::PredictedTooMuchMemory { .. }) => LimitingFactor::Memory,
        Some(Verdict::Failed(_)) => LimitingFactor::Failure,
        Some(_) => LimitingFactor::Time,
    };
    let affordable_million_macs = affordable(&search, found.picked);
    let ladder = ladder(&search, found.picked);
    let Candidate { variant, config, measurement, .. } = search.candidates[found.picked].clone();
    let measurement = measurement.expect("what is picked was measured: only that makes it fit");
    Ok(Pick {
        variant,
        config,
        measurement,
        budget: search.budget,
        limiting_factor,
        next,
        tied_with: Some(found.best)
            .filter(|best| search.candidates[*best].variant.name != search.candidates[found.picked].variant.name),
        affordable_million_macs,
        ladder,
        candidates: search.candidates,
        offer: "the catalog".into(),
    })
}

fn verdict(search: &Search, at: usize, found: Selection) -> Verdict {
    let Candidate { verdict, measurement, config, .. } = &search.candidates[at];
    let ties = search.ties(at, found.best) || search.ties(at, found.picked);
    match verdict {
        _ if at == found.picked => Verdict::Picked,
        Verdict::Fits if ties => Verdict::Tied,
        Verdict::TooSlow { p95_ms } if search.is_narrow(at, *p95_ms) => Verdict::WithinHysteresis { p95_ms: *p95_ms },
        Verdict::Open if ties => match search.more_threads_do_more(*config) {
            Some(than) => Verdict::FewerThreads { than },
            None => Verdict::Tied,
        },
        Verdict::Open if search.compare(at, found.best).is_lt() => match search.dominator(at) {
            Some(by) => Verdict::Dominated { by: search.candidates[by].variant.name.clone() },
            None => Verdict::LessAccurate,
        },
        Verdict::Open => {
            if let Some(than) = search.heavier_than(at) {
                return Verdict::PredictedTooMuchMemory { than: search.candidates[than].variant.name.clone() };
            }
            if let Some(by) = search.dominator(at) {
                return Verdict::Dominated { by: search.candidates[by].variant.name.clone() };
            }
            if let Some(than) = search.more_threads_do_more(*config) {
                return Verdict::FewerThreads { than };
            }
            match search.latency_model(*config) {
                Some(latency_model) => {
                    Verdict::PredictedTooSlow { predicted_p95_ms: latency_model.p95_ms(search.work(at)) }
                }
                None => Verdict::Failed(format!("nothing that was tried runs by {config}")),
            }
        }
        known => {
            debug_assert!(measurement.is_some() || matches!(known, Verdict::TooMuchWork | Verdict::Failed(_)));
            known.clone()
        }
    }
}

/// The next more accurate than the picked that is not as good as far as anyone knows: the least of them, in the way in
/// which it comes nearest to fitting.
fn next(search: &Search, found: Selection) -> Option<usize> {
    let larger = |at: &usize| {
        search.compare(*at, found.picked).is_gt()
            && !search.ties(*at, found.picked)
            && !search.ties(*at, found.best)
            && !matches!(search.candidates[*at].verdict, Verdict::Dominated { .. })
    };
    (0..search.candidates.len()).filter(larger).min_by(|&a, &b| {
        let work = |at: usize| search.candidates[at].variant.million_macs;
        let short = |at: usize| match &search.candidates[at].verdict {
            Verdict::TooSlow { p95_ms }
            | Verdict::WithinHysteresis { p95_ms }
            | Verdict::PredictedTooSlow { predicted_p95_ms: p95_ms } => *p95_ms,
            Verdict::TooMuchMemory { .. } | Verdict::PredictedTooMuchMemory { .. } => 0.0,
            _ => f64::INFINITY,
        };
        work(a).total_cmp(&work(b)).then(short(a).total_cmp(&short(b))).then(a.cmp(&b))
    })
}

/// ComputeCost that the picked way could do within the limits. One point makes no law.
fn affordable(search: &Search, picked: usize) -> Option<f64> {
    let config = search.candidates[picked].config;
    let measured = |candidate: &&Candidate| candidate.config == config && candidate.measurement.is_some();
    let latency_model =
        search.latency_model(config).filter(|_| search.candidates.iter().filter(measured).count() > 1)?;
    let macs = latency_model.million_macs_in(search.budget.frame_ms? / required_ms(1.0), search.work(picked));
    Some(macs.min(search.budget.million_macs.unwrap_or(f64::INFINITY)))
}

/// The picked, then whatever is quicker: each the most accurate of those that are quicker than the one before.
fn ladder(search: &Search, picked: usize) -> Vec<LadderStep> {
    use Verdict::{Dominated, Fits, LessAccurate, Picked, Tied};
    let step = |at: usize| {
        let Candidate { measurement, verdict, config, .. } = &search.candidates[at];
        if !matches!(verdict, Picked | Fits | Tied | LessAccurate | Dominated { .. }) {
            return None;
        }
        if measurement.is_none() && search.more_threads_do_more(*config).is_some() {
            return None; // of such a way little is known, and that it is slower
        }
        let latency_model = search.latency_model(*config)?;
        let work = search.work(at);
        let (p50_ms, p95_ms) = match measurement {
            Some(found) if at == picked => (found.total_ms.p50, found.total_ms.p95),
            // Of a glance the 95th percentile is the largest of a few: the median and the usual tail tell more.
            Some(found) => (found.total_ms.p50, found.total_ms.p50 * latency_model.p95_ratio),
            None => (latency_model.p50_ms(work), latency_model.p95_ms(work)),
        };
        Some(LadderStep { candidate: at, p50_ms, p95_ms, is_measured: measurement.is_some() })
    };
    let mut others: Vec<LadderStep> =
        (0..search.candidates.len()).filter(|&at| at != picked).filter_map(step).collect();
    others.sort_by(|a, b| search.compare(b.candidate, a.candidate).then(a.p95_ms.total_cmp(&b.p95_ms)));
    let mut ladder: Vec<LadderStep> = step(picked).into_iter().collect();
    for step in others {
        if ladder.last().is_some_and(|last| step.p95_ms < last.p95_ms) {
            ladder.push(step);
        }
    }
    ladder
}
