//! The largest choice that fits: accuracy orders, measured time decides, φ explains.

use crate::budget::Budget;
use crate::catalog::Choice;
use crate::measure::{MeasureError, Measurement};

mod fit;
mod reason;
pub use fit::Line;
pub use reason::reason;

/// What became of a choice that was considered.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The largest that fits.
    Picked,
    /// Fits (measured), but a larger one does too.
    Fits,
    /// Not measured: a larger one fits.
    Smaller,
    TooSlow {
        p95_ms: f64,
    },
    TooMuchMemory {
        rss_mib: f64,
    },
    TooMuchWork,
    /// Not measured: a smaller one does not fit.
    Larger,
    /// Another costs no more and is at least as accurate.
    Dominated {
        by: String,
    },
    /// It could not be measured.
    Failed(String),
}

/// A choice with what was found out about it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What was considered.
    pub choice: Choice,
    /// What was found, where it was measured.
    pub measurement: Option<Measurement>,
    /// What became of it.
    pub verdict: Verdict,
}

/// Which limit kept the pick from being larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Time,
    Memory,
    Work,
    /// There is nothing larger to be had.
    Catalog,
    /// The next larger one cannot be run.
    Failure,
}

/// The choice, and why it is that.
#[derive(Clone, Debug)]
pub struct Pick {
    /// What was picked.
    pub choice: Choice,
    /// What was found of it on this machine.
    pub measurement: Measurement,
    /// What it keeps.
    pub budget: Budget,
    /// What kept it from being larger.
    pub bound: Bound,
    /// Work in million multiply-accumulates that this machine could do in the budget's time.
    pub affordable_million_macs: Option<f64>,
    /// Everything that was considered, by work.
    pub candidates: Vec<Candidate>,
    /// What the choices came from, for the reason: the catalog, or the network that the user named.
    pub offer: String,
}

/// Why nothing was picked.
#[derive(Debug, thiserror::Error)]
pub enum PickError {
    #[error("{0}")]
    NothingFits(String),
    /// Not one of them could be measured.
    #[error("no model can be run: {0}")]
    NothingRuns(String),
    #[error(transparent)]
    Measure(#[from] MeasureError),
}

/// Picks from `choices` the largest that keeps `budget`, measuring as few as decide it.
///
/// `measure` may refuse with [`MeasureError::NotYet`], which ends the picking; a choice that fails to run is passed over.
/// Time is taken to grow with work, which holds inside this family on a CPU.
pub fn pick<M>(choices: &[&Choice], budget: Budget, mut measure: M) -> Result<Pick, PickError>
where
    M: FnMut(&Choice) -> Result<Measurement, MeasureError>,
{
    let mut candidates = undominated(choices);
    let max_macs = budget.million_macs.unwrap_or(f64::INFINITY);
    for candidate in candidates.iter_mut().filter(|c| c.verdict == Verdict::Larger) {
        if candidate.choice.million_macs > max_macs {
            candidate.verdict = Verdict::TooMuchWork;
        }
    }
    // Positions of those to decide between, smallest first.
    let open = |candidates: &[Candidate]| -> Vec<usize> {
        (0..candidates.len()).filter(|&at| candidates[at].verdict == Verdict::Larger).collect()
    };
    let mut probe = |candidate: &mut Candidate| -> Result<bool, MeasureError> {
        match measure(&candidate.choice) {
            Ok(measurement) => {
                candidate.verdict = judge(&measurement, &budget);
                candidate.measurement = Some(measurement);
            }
            Err(MeasureError::Failed { cause, .. }) => candidate.verdict = Verdict::Failed(cause),
            Err(not_yet) => return Err(not_yet),
        }
        Ok(candidate.verdict == Verdict::Fits)
    };
    // The smallest first: if it does not fit, nothing will.
    let mut undecided = open(&candidates);
    let mut largest_fitting = None;
    let mut known = 0;
    while let Some(&at) = undecided.get(next_probe(&candidates, &undecided, &budget, known)) {
        known += 1;
        if probe(&mut candidates[at])? {
            largest_fitting = Some(at);
            undecided.retain(|&other| other > at);
        } else if matches!(candidates[at].verdict, Verdict::Failed(_)) {
            undecided.retain(|&other| other != at); // says nothing of the others
        } else {
            undecided.retain(|&other| other < at);
        }
    }
    let Some(picked) = largest_fitting else {
        return Err(reason::nothing_fits(&candidates, &budget));
    };
    Ok(conclude(candidates, picked, budget))
}

/// Which of `undecided` (positions, smallest first) to measure next: the smallest, then a middle one, then where the
/// line through what is known says that the budget ends.
fn next_probe(candidates: &[Candidate], undecided: &[usize], budget: &Budget, known: usize) -> usize {
    if known == 0 || undecided.len() < 2 {
        return 0;
    }
    if candidates.iter().any(|candidate| matches!(candidate.verdict, Verdict::TooMuchMemory { .. })) {
        return undecided.len() / 2; // the line tells times, and memory is what binds
    }
    let line = Line::through(candidates.iter().filter_map(|c| Some((&c.choice, c.measurement.as_ref()?))));
    match (line, budget.frame_ms) {
        (Some(line), Some(frame_ms)) if known >= 2 => {
            let affordable = line.million_macs_in(frame_ms);
            let fitting = undecided.iter().filter(|&&at| candidates[at].choice.million_macs <= affordable).count();
            fitting.saturating_sub(1)
        }
        (_, None) => undecided.len() - 1, // no limit of time: the largest decides
        _ => undecided.len() / 2,
    }
}

/// Whether what was measured keeps `budget`.
pub fn judge(measurement: &Measurement, budget: &Budget) -> Verdict {
    let over = |value: f64, limit: Option<f64>| limit.is_some_and(|limit| value > limit);
    let (p95_ms, rss_mib) = (measurement.total_ms.p95, measurement.rss_mib);
    if over(p95_ms, budget.frame_ms) {
        Verdict::TooSlow { p95_ms }
    } else if over(rss_mib, budget.memory_mib) {
        Verdict::TooMuchMemory { rss_mib }
    } else {
        Verdict::Fits
    }
}

fn conclude(mut candidates: Vec<Candidate>, picked: usize, budget: Budget) -> Pick {
    for candidate in &mut candidates[..picked] {
        if candidate.verdict == Verdict::Larger {
            candidate.verdict = Verdict::Smaller;
        }
    }
    candidates[picked].verdict = Verdict::Picked;
    let next = candidates[picked + 1..].iter().find(|c| !matches!(c.verdict, Verdict::Dominated { .. }));
    let bound = match next.map(|next| &next.verdict) {
        None => Bound::Catalog,
        Some(Verdict::TooMuchWork) => Bound::Work,
        Some(Verdict::TooMuchMemory { .. }) => Bound::Memory,
        Some(Verdict::Failed(_)) => Bound::Failure,
        Some(_) => Bound::Time,
    };
    let line = Line::through(candidates.iter().filter_map(|c| Some((&c.choice, c.measurement.as_ref()?))));
    let measured = candidates.iter().filter(|candidate| candidate.measurement.is_some()).count();
    let affordable = line.filter(|_| measured > 1).zip(budget.frame_ms); // one point makes no line
    let affordable = affordable.map(|(line, frame_ms)| line.million_macs_in(frame_ms));
    let affordable = affordable.map(|macs| macs.min(budget.million_macs.unwrap_or(f64::INFINITY)));
    let Candidate { choice, measurement, .. } = candidates[picked].clone();
    let measurement = measurement.expect("what is picked was measured: only that makes it fit");
    Pick {
        choice,
        measurement,
        budget,
        bound,
        affordable_million_macs: affordable,
        candidates,
        offer: "the catalog".into(),
    }
}

/// The more accurate first, what is not known last.
fn better(a: Option<f64>, b: Option<f64>) -> std::cmp::Ordering {
    b.unwrap_or(-1.0).total_cmp(&a.unwrap_or(-1.0))
}

/// All choices by work; those that are dominated marked as such, the others as [`Verdict::Larger`] (nothing known yet).
fn undominated(choices: &[&Choice]) -> Vec<Candidate> {
    let mut sorted: Vec<&Choice> = choices.to_vec();
    // Of equal work the most accurate first, so that it dominates the others.
    sorted.sort_by(|a, b| a.million_macs.total_cmp(&b.million_macs).then(better(a.top1_percent, b.top1_percent)));
    let mut best: Option<&Choice> = None;
    let mut candidates = Vec::with_capacity(sorted.len());
    for choice in sorted {
        let verdict = match best {
            // What nobody measured is neither better nor worse than another.
            _ if choice.top1_percent.is_none() => Verdict::Larger,
            Some(best) if best.top1_percent >= choice.top1_percent => Verdict::Dominated { by: best.name.clone() },
            _ => {
                best = Some(choice);
                Verdict::Larger
            }
        };
        candidates.push(Candidate { choice: choice.clone(), measurement: None, verdict });
    }
    candidates
}

#[cfg(test)]
pub(crate) mod tests;
