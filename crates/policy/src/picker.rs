//! The picker: selects the most accurate variant and execution config within a budget.
//!
//! Accuracy orders the candidates, measured latency decides, and φ explains. The picker has no clock and does no I/O.

use crate::budget::Budget;
use crate::measurement::{MeasureError, Measurement};
use crate::sampling::SamplingPlan;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;

mod accuracy;
mod effort;
mod explain;
mod headroom;
mod hysteresis;
pub mod initial_samples;
mod latency_model;
mod quick_pick;
pub mod reason;
mod remeasure;
mod search;
#[cfg(test)]
pub(crate) mod tests;
mod time_estimate;
mod verdicts;
pub use accuracy::{AccuracyRank, ESTIMATE_POINTS, PUBLISHED_POINTS, precision_loss_points, uncertainty_points};
pub use effort::{COARSE_SAMPLE, Effort, is_coarse};
pub use explain::explain;
pub use headroom::{PIPELINE_HEADROOM, PIPELINE_MEMORY_MIB, judge, required_mib, required_ms};
pub use hysteresis::{HYSTERESIS, previous_pick_fits};
pub use latency_model::{ComputeCost, LatencyModel};
pub use quick_pick::{KnownLatency, quick_pick};
pub use remeasure::{MAX_FRAMES, QUICK_SAMPLE};
use search::Search;
pub use search::{LATENCY_TIE_RATIO, Selection};
pub use time_estimate::{TimeEstimate, estimate_time, scaled_latency_ms};

/// Result of the picker for one candidate.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Not decided yet. No candidate of a finished [`Pick`] has this verdict.
    Undecided,
    Picked,
    /// Measured and within the budget, but less accurate than the pick.
    Fits,
    /// Measured and within the budget, at least as accurate as the pick but within their uncertainty, and not faster.
    Tied,
    /// As accurate as the previous pick, and faster by at most [`LATENCY_TIE_RATIO`], so the previous pick stays.
    BarelyFaster {
        p95_ms: f64,
    },
    TooSlow {
        p95_ms: f64,
    },
    /// Within the budget by less than [`HYSTERESIS`], so the previous pick stays.
    WithinHysteresis {
        p95_ms: f64,
    },
    TooMuchMemory {
        peak_rss_mib: f64,
    },
    TooManyMacs,
    /// Not measured, because no measurement of it could change the pick.
    Skipped(SkipReason),
    /// The measurement failed, for this cause.
    Failed(String),
}

/// Reason for which a candidate was not measured.
#[derive(Clone, Debug, PartialEq)]
pub enum SkipReason {
    /// A more accurate candidate fits.
    LessAccurate,
    /// The latency model predicts more than twice the latency that fits.
    PredictedTooSlow { predicted_p95_ms: f64 },
    /// It ties with the pick, and the latency model predicts that it is not faster.
    PredictedSlower { predicted_p95_ms: f64 },
    /// The variant `than` has no more parameters and MACs, and needs too much memory.
    PredictedTooMuchMemory { than: String },
    /// The variant `by` fits, costs no more in an equal execution config and is at least as accurate.
    Dominated { by: String },
    /// The engine is faster with `than` threads.
    FewerThreads { than: usize },
}

/// Variant in one execution config, with its measurement and verdict.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub variant: Variant,
    pub config: ExecutionConfig,
    /// `None` if it was skipped or failed.
    pub measurement: Option<Measurement>,
    pub verdict: Verdict,
}

/// Rung of the fallback ladder: the most accurate candidate that is faster than the rung before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LadderStep {
    /// Index into [`Pick::candidates`].
    pub candidate: usize,
    /// Median and 95th percentile of the variant, without camera and display.
    pub p50_ms: f64,
    pub p95_ms: f64,
    /// `false` if the latency model predicts both latencies.
    pub is_measured: bool,
}

/// Limit that kept the pick from being more accurate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitingFactor {
    Time,
    Memory,
    ComputeCost,
    /// The catalog has nothing that is more accurate beyond the uncertainty.
    Catalog,
    /// The next more accurate candidate cannot be run.
    Failure,
}

/// Selected variant and execution config, with the explanation.
#[derive(Clone, Debug)]
pub struct Pick {
    pub variant: Variant,
    pub config: ExecutionConfig,
    /// Measurement of the pick on this machine.
    pub measurement: Measurement,
    pub budget: Budget,
    pub limiting_factor: LimitingFactor,
    /// Index of the next candidate that is more accurate beyond the uncertainty; `None` if there is none.
    pub next: Option<usize>,
    /// Index of the most accurate candidate that fits, if it is more accurate than the pick. The pick then ties with it,
    /// and is faster by median and by p95.
    pub tied_with: Option<usize>,
    /// MACs, in millions, that this machine affords within the budget's latency in the picked execution config, by the
    /// latency model. `None` if measurements contradict the model.
    pub affordable_million_macs: Option<f64>,
    /// Fallback ladder for the governor; the pick is its first rung.
    pub ladder: Vec<LadderStep>,
    /// All candidates, by MACs, then by execution config.
    pub candidates: Vec<Candidate>,
    /// Source of the variants, for the explanation: the catalog, or the network that the user named.
    pub offer: String,
}

impl Pick {
    /// Returns whether CPU contention affected any of the measurements.
    pub fn is_noisy(&self) -> bool {
        self.candidates.iter().filter_map(|candidate| candidate.measurement.as_ref()).any(Measurement::is_noisy)
    }

    /// Returns the measured candidates that fit: the pick first, then the others from the most accurate down.
    pub fn fitting(&self) -> Vec<&Candidate> {
        let by_macs = self.candidates.iter().any(|candidate| candidate.variant.top1_percent.is_none());
        let rank = |candidate: &Candidate| AccuracyRank::new(&candidate.variant, candidate.config, by_macs);
        let mut fitting: Vec<&Candidate> = self
            .candidates
            .iter()
            .filter(|candidate| candidate.measurement.is_some())
            .filter(|candidate| {
                matches!(
                    candidate.verdict,
                    Verdict::Picked | Verdict::Fits | Verdict::Tied | Verdict::BarelyFaster { .. }
                )
            })
            .collect();
        let is_picked = |candidate: &Candidate| candidate.verdict == Verdict::Picked;
        fitting.sort_by(|a, b| is_picked(b).cmp(&is_picked(a)).then(rank(b).compare(&rank(a))));
        fitting
    }
}

/// Reason for which nothing was picked.
#[derive(Debug, thiserror::Error)]
pub enum PickError {
    #[error("{0}")]
    NothingFits(String),
    /// Every measurement failed.
    #[error("no model can be run: {0}; `phicam models verify` checks every file")]
    NothingRuns(String),
    #[error(transparent)]
    Measure(#[from] MeasureError),
}

/// Stored result for a candidate: a measurement, or the cause of its failure.
pub type StoredResult = Result<Measurement, String>;

/// Question to the picker: the candidates, the budget, and the previous pick.
#[derive(Clone, Copy)]
pub struct PickRequest<'a> {
    pub variants: &'a [&'a Variant],
    /// Execution configs; every variant is a candidate in each of them.
    pub configs: &'a [ExecutionConfig],
    pub budget: Budget,
    /// Name and execution config of the result of the last equal request, subject to [`HYSTERESIS`].
    pub previous: Option<(&'a str, ExecutionConfig)>,
    pub effort: Effort,
}

impl<'a> PickRequest<'a> {
    /// Returns a request without a previous pick, for a full search.
    pub fn new(variants: &'a [&'a Variant], configs: &'a [ExecutionConfig], budget: Budget) -> PickRequest<'a> {
        PickRequest { variants, configs, budget, previous: None, effort: Effort::Full }
    }

    /// Sets the previous pick.
    pub fn with_previous(self, previous: Option<(&'a str, ExecutionConfig)>) -> PickRequest<'a> {
        PickRequest { previous, ..self }
    }

    /// Sets the effort.
    pub fn with_effort(self, effort: Effort) -> PickRequest<'a> {
        PickRequest { effort, ..self }
    }
}

/// Picks the most accurate candidate within the budget, or a faster one that ties with it (see
/// [`uncertainty_points`]).
///
/// A candidate that fits is never both more accurate than the pick and as fast. The picked one ties with every more
/// accurate one that fits, and is faster by median and by p95.
///
/// `stored` returns an earlier result, which is reused unless more precision is needed. `measure` times a candidate
/// with the given sampling plan. It may refuse with [`MeasureError::NotYet`], which ends the search; a candidate that
/// fails to run is passed over.
///
/// The search measures, for each execution config, the smallest variant, the largest plausible one and one between.
/// Then it measures every candidate that could change the pick, unless the latency model predicts more than twice the
/// limit. Inconclusive measurements are repeated with more frames, unless the effort is coarse. The result does not depend on the order of variants
/// or configs, and the picked candidate was always measured.
///
/// The previous pick stays while it needs at most [`HYSTERESIS`] times the limit, and a more accurate rival must need
/// as much less. So run-to-run noise does not change the pick. If the previous pick does not stay, the search continues
/// without it, and it has no influence on the result.
pub fn pick<S, M>(request: PickRequest, stored: S, mut measure: M) -> Result<Pick, PickError>
where
    S: Fn(&Variant, ExecutionConfig) -> Option<StoredResult>,
    M: FnMut(&Variant, ExecutionConfig, SamplingPlan) -> Result<Measurement, MeasureError>,
{
    let mut search = Search::new(&request);
    for index in 0..search.candidates.len() {
        let Candidate { variant, config, .. } = &search.candidates[index];
        if let Some(result) = stored(variant, *config) {
            search.record(index, result);
        }
    }
    loop {
        let Some((index, sampling)) = search.next_sample() else {
            if !search.differs_from_previous(search.selection()) {
                break;
            }
            search.set_previous(None);
            continue;
        };
        let Candidate { variant, config, .. } = &search.candidates[index];
        match measure(variant, *config, sampling) {
            Ok(measurement) => {
                let requested_frames = measurement.requested_frames.max(sampling.frames);
                search.record(index, Ok(Measurement { requested_frames, ..measurement }));
            }
            Err(MeasureError::Failed { cause, .. }) => search.record(index, Err(cause)),
            Err(not_yet) => return Err(not_yet.into()),
        }
    }
    verdicts::finish(search)
}
