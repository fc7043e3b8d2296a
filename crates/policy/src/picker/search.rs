//! Which measurement to make next, until the pick is certain.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use super::accuracy::{AccuracyRank, uncertainty_points};
use super::headroom::QUICK_SAMPLE;
use super::latency_model::{ComputeCost, LatencyModel};
use super::{Candidate, Verdict};
use crate::budget::Budget;
use crate::sampling::SamplingPlan;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;

/// A size may take half of what the law of all sizes says, on accelerators that like some shapes better.
const SURPRISE: f64 = 2.0;
/// Of two that are as good, the one with less work is as quick as long as it takes no more than this: else what a moment
/// disturbs would decide.
const AS_QUICK: f64 = 1.1;

/// Everything that is considered, and what is known of it.
pub struct Search {
    /// By work, then by way.
    pub candidates: Vec<Candidate>,
    pub budget: Budget,
    /// The one that was picked when the same was asked before.
    pub(super) before: Option<usize>,
    rank: Vec<AccuracyRank>,
    work: Vec<ComputeCost>,
    latency_models: BTreeMap<ExecutionConfig, LatencyModel>,
    /// How many were measured in each way.
    measured: BTreeMap<ExecutionConfig, usize>,
}

/// The most accurate that fits, and the cheapest of those that are as good as far as anyone knows: positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection {
    pub best: usize,
    pub picked: usize,
}

impl Search {
    /// Every variant in every way, nothing known of any.
    pub fn new(variants: &[&Variant], configs: &[ExecutionConfig], budget: Budget) -> Search {
        let by_work = variants.iter().any(|variant| variant.top1_percent.is_none());
        let mut sorted: Vec<&Variant> = variants.to_vec();
        sorted.sort_by(|a, b| a.million_macs.total_cmp(&b.million_macs).then(a.name.cmp(&b.name)));
        let mut configs = configs.to_vec();
        configs.sort_by_key(|config| (config.engine, config.precision, Reverse(config.threads)));
        let mut search = Search {
            candidates: Vec::new(),
            budget,
            before: None,
            rank: Vec::new(),
            work: Vec::new(),
            latency_models: BTreeMap::new(),
            measured: BTreeMap::new(),
        };
        for variant in sorted {
            let work = ComputeCost::of(variant);
            let over = budget.million_macs.is_some_and(|limit| variant.million_macs > limit);
            for &config in &configs {
                let verdict = if over { Verdict::TooMuchWork } else { Verdict::Open };
                search.candidates.push(Candidate { variant: variant.clone(), config, measurement: None, verdict });
                search.rank.push(AccuracyRank::of(variant, config, by_work));
                search.work.push(work);
            }
        }
        search
    }

    /// Takes in what was found of a candidate: a measurement, or why there is none.
    pub fn learn(&mut self, at: usize, found: Result<crate::measurement::Measurement, String>) {
        match found {
            Ok(measurement) => {
                if self.candidates[at].verdict != Verdict::TooMuchWork {
                    self.candidates[at].verdict = Verdict::Open;
                }
                let config = self.candidates[at].config;
                let is_new = self.candidates[at].measurement.replace(measurement).is_none();
                *self.measured.entry(config).or_default() += usize::from(is_new);
                let of_config = (0..self.candidates.len()).filter(|&other| self.candidates[other].config == config);
                let points =
                    of_config.filter_map(|at| Some((self.work[at], self.candidates[at].measurement.as_ref()?)));
                if let Some(latency_model) = LatencyModel::through(points) {
                    self.latency_models.insert(config, latency_model);
                }
            }
            Err(cause) => self.candidates[at].verdict = Verdict::Failed(cause),
        }
        self.judge(at);
    }

    /// The law of what was measured in `config`.
    pub fn latency_model(&self, config: ExecutionConfig) -> Option<&LatencyModel> {
        self.latency_models.get(&config)
    }

    /// What a candidate asks.
    pub fn work(&self, at: usize) -> &ComputeCost {
        &self.work[at]
    }

    /// As measured; endless where it was not.
    pub(super) fn p95_ms(&self, at: usize) -> f64 {
        self.candidates[at].measurement.as_ref().map_or(f64::INFINITY, |measurement| measurement.total_ms.p95)
    }

    /// The median as measured; endless where it was not.
    fn p50_ms(&self, at: usize) -> f64 {
        self.candidates[at].measurement.as_ref().map_or(f64::INFINITY, |measurement| measurement.total_ms.p50)
    }

    /// The better one is the greater.
    pub fn compare(&self, a: usize, b: usize) -> Ordering {
        self.rank[a].compare(&self.rank[b])
    }

    /// Whether both are as good, as far as anyone knows.
    pub fn ties(&self, a: usize, b: usize) -> bool {
        let uncertainty = uncertainty_points(&self.candidates[a].variant, &self.candidates[b].variant);
        self.rank[a].ties(&self.rank[b], uncertainty)
    }

    /// The decision on what is known.
    pub fn found(&self) -> Option<Selection> {
        let fits = || (0..self.candidates.len()).filter(|&at| self.candidates[at].verdict == Verdict::Fits);
        let quicker = |a: usize, b: usize| self.p95_ms(a).total_cmp(&self.p95_ms(b)).then(a.cmp(&b));
        let best = fits().max_by(|&a, &b| self.compare(a, b).then(quicker(b, a)))?;
        let tied = || fits().filter(|&at| self.ties(best, at));
        let quickest_ms = tied().map(|at| self.p50_ms(at)).fold(f64::INFINITY, f64::min);
        let macs = |at: usize| self.candidates[at].variant.million_macs;
        let as_quick = || tied().filter(|&at| self.p50_ms(at) <= quickest_ms * AS_QUICK);
        let picked = as_quick()
            .find(|&at| Some(at) == self.before)
            .or_else(|| as_quick().min_by(|&a, &b| macs(a).total_cmp(&macs(b)).then(quicker(a, b))))?;
        Some(Selection { best, picked })
    }

    /// What to measure next, and how well; nothing once no measurement can change the decision.
    pub fn next(&self) -> Option<(usize, SamplingPlan)> {
        let found = self.found();
        self.unmeasured(found).map(|at| (at, QUICK_SAMPLE)).or_else(|| self.doubtful(found))
    }

    /// Whether a candidate that took `p95_ms` and fitted would be picked instead, or decide what is.
    pub(super) fn matters(&self, at: usize, p95_ms: f64, found: Option<Selection>) -> bool {
        let Some(Selection { best, picked }) = found else { return true };
        let cheaper = p95_ms < self.p95_ms(picked);
        match self.compare(at, best) {
            Ordering::Greater => cheaper || !self.ties(at, picked),
            _ => cheaper && self.ties(best, at),
        }
    }

    /// The unmeasured candidate that is most worth a look.
    fn unmeasured(&self, found: Option<Selection>) -> Option<usize> {
        let open: Vec<usize> = (0..self.candidates.len()).filter(|&at| self.is_open(at, found)).collect();
        let Some(limit_ms) = self.budget.frame_ms else {
            return open.into_iter().max_by(|&a, &b| self.compare(a, b).then(b.cmp(&a)));
        };
        if let Some(first) = open.iter().find_map(|&at| self.first_of(self.candidates[at].config, limit_ms)) {
            return Some(first);
        }
        // Nearest to the limit by the law: these decide, and teach the law what it is to tell.
        let far = |at: usize| {
            let latency_model = self.latency_models.get(&self.candidates[at].config);
            latency_model.map_or(0.0, |latency_model| {
                (self.required_ms(at, latency_model.p95_ms(&self.work[at])) / limit_ms).ln().abs()
            })
        };
        open.into_iter().min_by(|&a, &b| far(a).total_cmp(&far(b)).then(a.cmp(&b)))
    }

    fn is_open(&self, at: usize, found: Option<Selection>) -> bool {
        if self.candidates[at].verdict != Verdict::Open || self.gives_up(self.candidates[at].config) {
            return false;
        }
        !self.is_out_of_reach(at)
            && self.more_threads_do_more(self.candidates[at].config).is_none()
            && self.matters(at, self.least_p95_ms(at), found)
            && self.heavier_than(at).is_none()
            && self.dominator(at).is_none()
    }

    /// Whether an unmeasured candidate is too slow even if it takes the least that it may.
    fn is_out_of_reach(&self, at: usize) -> bool {
        self.budget.frame_ms.is_some_and(|limit| self.required_ms(at, self.least_p95_ms(at)) > limit)
    }

    /// The least that an unmeasured candidate may take at the 95th percentile.
    fn least_p95_ms(&self, at: usize) -> f64 {
        let config = self.candidates[at].config;
        let measured = |other: &&Candidate| other.config == config && other.measurement.is_some();
        match (self.latency_models.get(&config), self.measured.get(&config)) {
            (None, _) | (_, None | Some(0)) => 0.0,
            // One point makes no law; but what is larger takes no less, but for a surprise.
            (Some(_), Some(1)) => {
                let only = self
                    .candidates
                    .iter()
                    .find(measured)
                    .filter(|only| only.variant.million_macs <= self.candidates[at].variant.million_macs);
                only.and_then(|only| only.measurement.as_ref()).map_or(0.0, |m| m.total_ms.p95 / SURPRISE)
            }
            (Some(latency_model), _) => {
                latency_model.p95_ms(&self.work[at]) / (SURPRISE * (1.0 + latency_model.residual.min(0.5)))
            }
        }
    }

    /// One that fits in the same way, or is to be tried before, costs no more and is at least as accurate. One that does
    /// not fit settles nothing of others: on some accelerators a larger one is quicker.
    pub fn dominator(&self, at: usize) -> Option<usize> {
        let Candidate { variant, config, .. } = &self.candidates[at];
        (0..self.candidates.len()).find(|&other| {
            let candidate = &self.candidates[other];
            if candidate.config != *config || candidate.variant.million_macs > variant.million_macs || other == at {
                return false;
            }
            // Of two that are alike in both, the first.
            let better = match self.compare(other, at) {
                Ordering::Equal => candidate.variant.million_macs < variant.million_macs || other < at,
                order => order == Ordering::Greater,
            };
            better
                && match candidate.verdict {
                    Verdict::Open => !self.is_out_of_reach(other),
                    Verdict::Fits => true,
                    _ => false,
                }
        })
    }

    /// One that needs too much memory in the same way, and has no more parameters and no more work.
    pub fn heavier_than(&self, at: usize) -> Option<usize> {
        let Candidate { variant, config, .. } = &self.candidates[at];
        (0..self.candidates.len()).find(|&other| {
            let candidate = &self.candidates[other];
            candidate.config == *config
                && matches!(candidate.verdict, Verdict::TooMuchMemory { .. })
                && candidate.variant.network.million_parameters <= variant.network.million_parameters
                && candidate.variant.million_macs <= variant.million_macs
        })
    }
}
