//! The largest variant that fits: accuracy orders, measured time decides, φ explains.

use crate::budget::Budget;
use crate::measurement::{MeasureError, Measurement};
use crate::sampling::SamplingPlan;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;

mod accuracy;
mod explain;
mod headroom;
mod hysteresis;
mod initial_samples;
mod latency_model;
mod remeasure;
mod search;
#[cfg(test)]
pub(crate) mod tests;
mod time_estimate;
mod verdicts;
pub use accuracy::{AccuracyRank, ESTIMATE_POINTS, PUBLISHED_POINTS, allowance_points, uncertainty_points};
pub use explain::explain;
pub use headroom::{
    MAX_FRAMES, PIPELINE_HEADROOM, PIPELINE_MEMORY_MIB, QUICK_SAMPLE, judge, required_mib, required_ms,
};
pub use hysteresis::{HYSTERESIS, holds};
pub use latency_model::{ComputeCost, LatencyModel};
pub use search::{Search, Selection};
pub use time_estimate::{TimeEstimate, estimate_time};

/// What became of a variant that was considered in one way to run it.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Not decided yet; no candidate of a finished [`Pick`] has it.
    Open,
    /// The one.
    Picked,
    /// Fits (measured), but a more accurate one does too.
    Fits,
    /// As good as the picked, as far as anyone knows, and takes longer or is expected to.
    Tied,
    /// Not measured: a more accurate one fits.
    LessAccurate,
    TooSlow {
        p95_ms: f64,
    },
    /// Fits, but by less than [`HYSTERESIS`]: what was picked before stays.
    WithinHysteresis {
        p95_ms: f64,
    },
    TooMuchMemory {
        peak_rss_mib: f64,
    },
    TooMuchWork,
    /// Not measured: expected to take more than twice what fits, if so.
    PredictedTooSlow {
        predicted_p95_ms: f64,
    },
    /// Not measured: another that holds no more needs too much memory.
    PredictedTooMuchMemory {
        than: String,
    },
    /// Not measured: another that runs in the same way costs no more and is at least as accurate.
    Dominated {
        by: String,
    },
    /// Not measured: the same engine is quicker with so many threads.
    FewerThreads {
        than: usize,
    },
    /// It could not be measured.
    Failed(String),
}

/// A variant in one way to run it, with what was found out.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What was considered.
    pub variant: Variant,
    /// How it would be run.
    pub config: ExecutionConfig,
    /// What was found, where it was measured.
    pub measurement: Option<Measurement>,
    /// What became of it.
    pub verdict: Verdict,
}

/// One place of a pick's ladder: quicker than the one before, and the most accurate that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LadderStep {
    /// Position among the candidates.
    pub candidate: usize,
    /// Times of the variant by itself.
    pub p50_ms: f64,
    pub p95_ms: f64,
    /// Else the law of its way says so.
    pub is_measured: bool,
}

/// Which limit kept the pick from being larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitingFactor {
    Time,
    Memory,
    ComputeCost,
    /// There is nothing more accurate to be had.
    Catalog,
    /// The next more accurate one cannot be run.
    Failure,
}

/// The variant, and why it is that.
#[derive(Clone, Debug)]
pub struct Pick {
    /// What was picked.
    pub variant: Variant,
    /// How it is to be run.
    pub config: ExecutionConfig,
    /// What was found of it on this machine.
    pub measurement: Measurement,
    /// What it keeps.
    pub budget: Budget,
    /// What kept it from being larger.
    pub limiting_factor: LimitingFactor,
    /// Position among the candidates of the next more accurate one, where there is one.
    pub next: Option<usize>,
    /// Position of the most accurate that fits, where the picked is as good as far as anyone knows, and cheaper.
    pub tied_with: Option<usize>,
    /// ComputeCost in million multiply-accumulates that this machine could do in the budget's time, in the way picked.
    pub affordable_million_macs: Option<f64>,
    /// What to go down to when the machine slows down, the picked first.
    pub ladder: Vec<LadderStep>,
    /// Everything that was considered, by work, then by way.
    pub candidates: Vec<Candidate>,
    /// What the variants came from, for the reason: the catalog, or the network that the user named.
    pub offer: String,
}

impl Pick {
    /// Whether other programs had a part in what it is picked by.
    pub fn is_noisy(&self) -> bool {
        let of = |candidate: &Candidate| candidate.measurement.as_ref().is_some_and(Measurement::is_noisy);
        self.candidates.iter().any(of)
    }

    /// What was measured and fits: the picked, then the others, the most accurate first.
    pub fn fitting(&self) -> Vec<&Candidate> {
        let by_work = self.candidates.iter().any(|candidate| candidate.variant.top1_percent.is_none());
        let rank = |candidate: &Candidate| AccuracyRank::of(&candidate.variant, candidate.config, by_work);
        let mut fitting: Vec<&Candidate> = self
            .candidates
            .iter()
            .filter(|candidate| candidate.measurement.is_some())
            .filter(|candidate| matches!(candidate.verdict, Verdict::Picked | Verdict::Fits | Verdict::Tied))
            .collect();
        let picked = |candidate: &Candidate| candidate.verdict == Verdict::Picked;
        fitting.sort_by(|a, b| picked(b).cmp(&picked(a)).then(rank(b).compare(&rank(a))));
        fitting
    }
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

/// What is already known of a variant in a way: a measurement, or why it failed.
pub type Known = Result<Measurement, String>;

/// Picks from `variants`, run in one of `configs`, the most accurate that keeps `budget`; of those that are as accurate as
/// far as anyone knows (see [`uncertainty_points`]) the one that takes least time. Whatever is picked was measured.
///
/// What `known` tells is not measured again, unless more precision is needed. `measure` times a variant as exactly as it
/// is asked; it may refuse with [`MeasureError::NotYet`], which ends the picking; what fails to run is passed over.
///
/// Measured are, for each way, the smallest, the largest plausible and one between; then whatever could change the pick
/// unless the law through what is known puts it beyond twice the limit; and again, for longer, what is too near a limit
/// for its number of frames. The outcome does not depend on the order of `variants` or `configs`.
pub fn pick<K, M>(
    variants: &[&Variant],
    configs: &[ExecutionConfig],
    budget: Budget,
    known: K,
    measure: M,
) -> Result<Pick, PickError>
where
    K: Fn(&Variant, ExecutionConfig) -> Option<Known>,
    M: FnMut(&Variant, ExecutionConfig, SamplingPlan) -> Result<Measurement, MeasureError>,
{
    pick_again(variants, configs, budget, None, known, measure)
}

/// The same where the variant of that name, in that way, was picked `before`: it stays while it takes up to [`HYSTERESIS`] times
/// what others may, and a more accurate one has to take as much less. So measurements that differ from one time to the next do
/// not make it another variant each time. Where it does not stay after all, it has no say: then it is as if nothing was picked.
pub fn pick_again<K, M>(
    variants: &[&Variant],
    configs: &[ExecutionConfig],
    budget: Budget,
    before: Option<(&str, ExecutionConfig)>,
    known: K,
    mut measure: M,
) -> Result<Pick, PickError>
where
    K: Fn(&Variant, ExecutionConfig) -> Option<Known>,
    M: FnMut(&Variant, ExecutionConfig, SamplingPlan) -> Result<Measurement, MeasureError>,
{
    let mut search = Search::new(variants, configs, budget);
    search.set_before(before);
    for at in 0..search.candidates.len() {
        let Candidate { variant, config, .. } = &search.candidates[at];
        if let Some(known) = known(variant, *config) {
            search.learn(at, known);
        }
    }
    loop {
        let Some((at, sampling)) = search.next() else {
            if !search.is_another(search.found()) {
                break;
            }
            search.set_before(None);
            continue;
        };
        let Candidate { variant, config, .. } = &search.candidates[at];
        match measure(variant, *config, sampling) {
            Ok(measurement) => {
                let requested_frames = measurement.requested_frames.max(sampling.frames);
                search.learn(at, Ok(Measurement { requested_frames, ..measurement }));
            }
            Err(MeasureError::Failed { cause, .. }) => search.learn(at, Err(cause)),
            Err(not_yet) => return Err(not_yet.into()),
        }
    }
    verdicts::conclude(search)
}
