//! Reason for a pick: statements about it and findings about candidates, each with the numbers that it was made from.
//!
//! The explanation, the table, the figure and JSON are formatted from these, so that all of them say the same.

use std::cmp::Ordering;

use super::{
    AccuracyRank, Candidate, LimitingFactor, Pick, SkipReason, Verdict, required_mib, required_ms, uncertainty_points,
};
use crate::budget::Budget;
use phicam_engine::ExecutionConfig;

/// Statements that explain a pick, in the order of the explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    pub budget: Budget,
    pub standing: Standing,
    pub statements: Vec<Statement>,
}

/// Rank of the pick among the candidates that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No candidate that fits is more accurate.
    MostAccurate,
    /// An accuracy is unknown, and no candidate that fits has more MACs.
    Largest,
    /// Candidates that fit, or may fit, are more accurate within the uncertainty, but not faster.
    TiedAndFaster,
    /// Hysteresis keeps the previous pick.
    Kept,
}

/// Statement about a pick.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    Picked {
        variant: String,
        /// φ with its symbol, or that there is none.
        phi: String,
        /// `None` if the pick had no other engine, precision or larger thread count to choose from.
        config: Option<ExecutionConfig>,
        p95_ms: f64,
        peak_rss_mib: f64,
        is_noisy: bool,
    },
    /// The pick needs more than the limit, with headroom for the pipeline, but hysteresis keeps it.
    KeptOverLimit { p95_ms: f64, limit_ms: f64 },
    /// The most accurate candidate that fits ties with the pick, and is slower.
    Tie { with: Named, finding: Finding },
    /// The next candidate that is more accurate than the pick beyond the uncertainty does not fit.
    Next { next: Named, finding: Finding },
    /// No candidate is more accurate than the pick.
    NothingBetter { offer: String },
    /// No candidate is more accurate than the pick beyond the uncertainty.
    NothingClearlyBetter {
        offer: String,
        /// The most accurate candidate that ties with the pick and does not fit.
        unfit: Option<(Named, Finding)>,
    },
    /// The latency model predicts that a larger network than any candidate keeps the latency limit.
    Affordable { million_macs: f64 },
}

/// Name of a candidate for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub variant: String,
    /// `None` if it is the pick's.
    pub config: Option<ExecutionConfig>,
}

/// Finding about a candidate: its relation to the pick and to the budget.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    Picked,
    /// It fits, and ranks below the pick.
    RanksBelow,
    /// It fits, and is at least as accurate as the pick within the uncertainty, but not faster.
    NotFaster {
        points: f64,
        uncertainty_points: f64,
        p95_ms: f64,
        pick_p95_ms: f64,
    },
    /// It is as accurate as the previous pick, and faster by less than the hysteresis.
    BarelyFaster {
        p95_ms: f64,
        pick_p95_ms: f64,
    },
    /// Like [`Finding::NotFaster`], by the latency model.
    PredictedNotFaster {
        predicted_p95_ms: f64,
        pick_p95_ms: f64,
    },
    /// With headroom for the pipeline it needs more than the limit.
    TooSlow {
        required_ms: f64,
        limit_ms: f64,
    },
    /// It fits, but by less than the hysteresis of the previous pick.
    WithinHysteresis {
        required_ms: f64,
        limit_ms: f64,
    },
    /// Like [`Finding::TooSlow`], by the latency model.
    PredictedTooSlow {
        required_ms: f64,
        limit_ms: f64,
    },
    TooMuchMemory {
        required_mib: f64,
        limit_mib: f64,
    },
    /// `than` needs no more memory, and exceeds the limit.
    PredictedTooMuchMemory {
        than: String,
        limit_mib: f64,
    },
    TooManyMacs {
        million_macs: f64,
        limit_million_macs: f64,
    },
    /// Not measured, because a more accurate candidate fits.
    Outranked,
    /// Not measured, because `by` fits, costs no more and is at least as accurate.
    Dominated {
        by: String,
    },
    /// Not measured, because its engine is faster with `than` threads.
    FewerThreads {
        than: usize,
    },
    Failed {
        cause: String,
    },
}

impl Finding {
    /// Returns the finding about a candidate of `pick`.
    pub fn new(candidate: &Candidate, pick: &Pick) -> Finding {
        let budget = &pick.budget;
        let (limit_ms, limit_mib) = (budget.frame_ms.unwrap_or_default(), budget.memory_mib.unwrap_or_default());
        let pick_p95_ms = pick.measurement.total_ms.p95;
        match &candidate.verdict {
            Verdict::Picked => Finding::Picked,
            Verdict::Fits => Finding::RanksBelow,
            Verdict::Tied => Finding::NotFaster {
                points: points_above(candidate, pick),
                uncertainty_points: uncertainty_points(&candidate.variant, &pick.variant),
                p95_ms: candidate.measurement.as_ref().map_or(f64::NAN, |measurement| measurement.total_ms.p95),
                pick_p95_ms,
            },
            Verdict::BarelyFaster { p95_ms } => Finding::BarelyFaster { p95_ms: *p95_ms, pick_p95_ms },
            Verdict::TooSlow { p95_ms } => Finding::TooSlow { required_ms: required_ms(*p95_ms), limit_ms },
            Verdict::WithinHysteresis { p95_ms } => {
                Finding::WithinHysteresis { required_ms: required_ms(*p95_ms), limit_ms }
            }
            Verdict::TooMuchMemory { .. } => {
                let required_mib = candidate.measurement.as_ref().map_or(f64::NAN, required_mib);
                Finding::TooMuchMemory { required_mib, limit_mib }
            }
            Verdict::TooManyMacs => Finding::TooManyMacs {
                million_macs: candidate.variant.million_macs,
                limit_million_macs: budget.million_macs.unwrap_or_default(),
            },
            Verdict::Failed(cause) => Finding::Failed { cause: cause.clone() },
            Verdict::Skipped(SkipReason::LessAccurate) => Finding::Outranked,
            Verdict::Skipped(SkipReason::PredictedTooSlow { predicted_p95_ms }) => {
                Finding::PredictedTooSlow { required_ms: required_ms(*predicted_p95_ms), limit_ms }
            }
            Verdict::Skipped(SkipReason::PredictedSlower { predicted_p95_ms }) => {
                Finding::PredictedNotFaster { predicted_p95_ms: *predicted_p95_ms, pick_p95_ms }
            }
            Verdict::Skipped(SkipReason::PredictedTooMuchMemory { than }) => {
                Finding::PredictedTooMuchMemory { than: than.clone(), limit_mib }
            }
            Verdict::Skipped(SkipReason::Dominated { by }) => Finding::Dominated { by: by.clone() },
            Verdict::Skipped(SkipReason::FewerThreads { than }) => Finding::FewerThreads { than: *than },
            Verdict::Undecided => Finding::Failed { cause: "the search ended before its measurement".into() },
        }
    }

    /// Returns whether the candidate was measured and keeps the budget.
    pub fn fits(&self) -> bool {
        use Finding::{BarelyFaster, NotFaster, Picked, RanksBelow, WithinHysteresis};
        matches!(self, Picked | RanksBelow | NotFaster { .. } | BarelyFaster { .. } | WithinHysteresis { .. })
    }
}

impl Reason {
    /// Returns the reason for `pick`.
    pub fn new(pick: &Pick) -> Reason {
        let better = more_accurate(pick);
        let mut statements = vec![picked(pick)];
        let (p95_ms, limit_ms) = (pick.measurement.total_ms.p95, pick.budget.frame_ms);
        statements.extend(
            limit_ms
                .filter(|limit_ms| required_ms(p95_ms) > *limit_ms)
                .map(|limit_ms| Statement::KeptOverLimit { p95_ms, limit_ms }),
        );
        statements.extend(pick.tied_with.map(|index| {
            let best = &pick.candidates[index];
            Statement::Tie { with: named(best, pick), finding: Finding::new(best, pick) }
        }));
        statements.extend(limit(pick, &better));
        Reason { budget: pick.budget, standing: standing(pick, &better, &statements), statements }
    }
}

/// Returns whether an accuracy is unknown, so that MACs order the candidates.
fn is_by_macs(pick: &Pick) -> bool {
    pick.candidates.iter().any(|candidate| candidate.variant.top1_percent.is_none())
}

/// Returns the candidates that rank above the pick, from the most accurate down.
fn more_accurate(pick: &Pick) -> Vec<&Candidate> {
    let by_macs = is_by_macs(pick);
    let picked = AccuracyRank::new(&pick.variant, pick.config, by_macs);
    let rank = |candidate: &Candidate| AccuracyRank::new(&candidate.variant, candidate.config, by_macs);
    let is_above = |candidate: &&Candidate| rank(candidate).compare(&picked) == Ordering::Greater;
    let mut above: Vec<&Candidate> = pick.candidates.iter().filter(is_above).collect();
    above.sort_by(|a, b| rank(b).compare(&rank(a)));
    above
}

/// Returns the points of top-1 by which a candidate ranks above the pick; 0 if they are unknown.
fn points_above(candidate: &Candidate, pick: &Pick) -> f64 {
    let percent = |rank: AccuracyRank| match rank {
        AccuracyRank::Top1 { percent } => Some(percent),
        AccuracyRank::Macs { .. } => None,
    };
    let of_candidate = percent(AccuracyRank::new(&candidate.variant, candidate.config, false));
    let of_pick = percent(AccuracyRank::new(&pick.variant, pick.config, false));
    of_candidate.zip(of_pick).map_or(0.0, |(of_candidate, of_pick)| of_candidate - of_pick)
}

fn named(candidate: &Candidate, pick: &Pick) -> Named {
    let config = (candidate.config != pick.config).then_some(candidate.config);
    Named { variant: candidate.variant.name.clone(), config }
}

fn picked(pick: &Pick) -> Statement {
    let ExecutionConfig { engine, precision, threads } = pick.config;
    let is_alternative =
        |config: &ExecutionConfig| (config.engine, config.precision) != (engine, precision) || config.threads > threads;
    let has_alternatives = pick.candidates.iter().any(|candidate| is_alternative(&candidate.config));
    Statement::Picked {
        variant: pick.variant.name.clone(),
        phi: pick.variant.phi_display().to_string(),
        config: has_alternatives.then_some(pick.config),
        p95_ms: pick.measurement.total_ms.p95,
        peak_rss_mib: pick.measurement.peak_rss_mib,
        is_noisy: pick.measurement.is_noisy(),
    }
}

/// Returns the statements about the limit that kept the pick from being more accurate.
fn limit(pick: &Pick, better: &[&Candidate]) -> Vec<Statement> {
    let next = pick.next.map(|index| &pick.candidates[index]);
    if let (false, Some(next)) = (pick.limiting_factor == LimitingFactor::Catalog, next) {
        return vec![Statement::Next { next: named(next, pick), finding: Finding::new(next, pick) }];
    }
    let offer = pick.offer.clone();
    if !better.is_empty() {
        let findings = better.iter().map(|candidate| (named(candidate, pick), Finding::new(candidate, pick)));
        let is_unfit = |(_, finding): &(Named, Finding)| !finding.fits() && exceeds_limit(finding);
        return vec![Statement::NothingClearlyBetter { offer, unfit: findings.into_iter().find(is_unfit) }];
    }
    let max_macs = pick.candidates.iter().map(|candidate| candidate.variant.million_macs).fold(0.0, f64::max);
    let within_macs = |macs: &f64| pick.budget.million_macs.is_none_or(|limit| *macs < limit);
    let affordable = pick.affordable_million_macs.filter(|macs| *macs > max_macs).filter(within_macs);
    let mut statements = vec![Statement::NothingBetter { offer }];
    statements.extend(affordable.map(|million_macs| Statement::Affordable { million_macs }));
    statements
}

fn exceeds_limit(finding: &Finding) -> bool {
    use Finding::{PredictedTooMuchMemory, PredictedTooSlow, TooManyMacs, TooMuchMemory, TooSlow};
    matches!(
        finding,
        TooSlow { .. }
            | PredictedTooSlow { .. }
            | TooMuchMemory { .. }
            | PredictedTooMuchMemory { .. }
            | TooManyMacs { .. }
    )
}

fn standing(pick: &Pick, better: &[&Candidate], statements: &[Statement]) -> Standing {
    let findings: Vec<Finding> = better.iter().map(|candidate| Finding::new(candidate, pick)).collect();
    let is_kept = findings.iter().any(|finding| matches!(finding, Finding::WithinHysteresis { .. }))
        || statements.iter().any(|statement| matches!(statement, Statement::KeptOverLimit { .. }));
    let may_fit = |finding: &Finding| finding.fits() || matches!(finding, Finding::PredictedNotFaster { .. });
    if is_kept {
        Standing::Kept
    } else if findings.iter().any(may_fit) {
        Standing::TiedAndFaster
    } else if is_by_macs(pick) {
        Standing::Largest
    } else {
        Standing::MostAccurate
    }
}
