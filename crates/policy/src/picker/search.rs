//! Search: selects the next measurement until no further one can change the pick.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use super::accuracy::{AccuracyRank, uncertainty_points};
use super::headroom::required_ms;
use super::initial_samples::{INITIAL_SAMPLES, MAX_EXTRAPOLATION, Midpoint, closest_to_midpoint};
use super::latency_model::{ComputeCost, LatencyModel};
use super::remeasure::{Recheck, noise_ratio};
use super::{Candidate, Effort, PickRequest, StoredResult, Verdict};
use crate::budget::Budget;
use crate::measurement::Measurement;
use crate::sampling::SamplingPlan;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;

mod selection;
pub use selection::{LATENCY_TIE_RATIO, Selection};

/// Factor by which a size may be faster than its latency model predicts. Some accelerators run certain shapes in half
/// of the predicted time.
const MODEL_ERROR_MARGIN: f64 = 2.0;
/// Largest residual of a latency model that widens [`MODEL_ERROR_MARGIN`]. Estimate.
const MAX_RESIDUAL: f64 = 0.5;
/// State of one search: all candidates, and everything known of them. Candidates are addressed by index.
pub struct Search {
    /// By MACs, then by execution config.
    pub candidates: Vec<Candidate>,
    pub budget: Budget,
    effort: Effort,
    /// The previous pick, if it is a candidate.
    previous: Option<usize>,
    ranks: Vec<AccuracyRank>,
    costs: Vec<ComputeCost>,
    latency_models: BTreeMap<ExecutionConfig, LatencyModel>,
    /// Number of measured candidates in each execution config.
    measured_counts: BTreeMap<ExecutionConfig, usize>,
}

/// Building, recording and reading.
impl Search {
    /// Returns a search over every variant in every execution config, without any result.
    pub fn new(request: &PickRequest) -> Search {
        let by_macs = request.variants.iter().any(|variant| variant.top1_percent.is_none());
        let mut variants: Vec<&Variant> = request.variants.to_vec();
        variants.sort_by(|a, b| a.million_macs.total_cmp(&b.million_macs).then(a.name.cmp(&b.name)));
        let mut configs = request.configs.to_vec();
        configs.sort_by_key(|config| (config.engine, config.precision, Reverse(config.threads)));
        let mut search = Search {
            candidates: Vec::new(),
            budget: request.budget,
            effort: request.effort,
            previous: None,
            ranks: Vec::new(),
            costs: Vec::new(),
            latency_models: BTreeMap::new(),
            measured_counts: BTreeMap::new(),
        };
        for variant in variants {
            let cost = ComputeCost::from_variant(variant);
            let exceeds_macs = search.budget.million_macs.is_some_and(|limit| variant.million_macs > limit);
            for &config in &configs {
                let verdict = if exceeds_macs { Verdict::TooManyMacs } else { Verdict::Undecided };
                search.candidates.push(Candidate { variant: variant.clone(), config, measurement: None, verdict });
                search.ranks.push(AccuracyRank::new(variant, config, by_macs));
                search.costs.push(cost);
            }
        }
        search.set_previous(request.previous);
        search
    }

    /// Sets the previous pick by name and execution config, and judges all candidates again.
    pub fn set_previous(&mut self, previous: Option<(&str, ExecutionConfig)>) {
        self.previous = previous.and_then(|(name, config)| {
            self.candidates.iter().position(|candidate| candidate.variant.name == name && candidate.config == config)
        });
        for index in 0..self.candidates.len() {
            self.judge(index);
        }
    }

    /// Records the result for a candidate: a measurement, or the cause of its failure.
    pub fn record(&mut self, index: usize, result: StoredResult) {
        match result {
            Ok(measurement) => {
                if self.candidates[index].verdict != Verdict::TooManyMacs {
                    self.candidates[index].verdict = Verdict::Undecided;
                }
                let is_new = self.candidates[index].measurement.replace(measurement).is_none();
                let config = self.candidates[index].config;
                *self.measured_counts.entry(config).or_default() += usize::from(is_new);
                let points = self
                    .indices_of(config)
                    .filter_map(|other| Some((self.costs[other], self.candidates[other].measurement.as_ref()?)));
                if let Some(latency_model) = LatencyModel::fit(points) {
                    self.latency_models.insert(config, latency_model);
                }
            }
            Err(cause) => self.candidates[index].verdict = Verdict::Failed(cause),
        }
        if self.previous == Some(index) {
            (0..self.candidates.len()).for_each(|other| self.judge(other)); // rivals are compared with its latency
        } else {
            self.judge(index);
        }
    }

    /// Returns the latency model fitted to the measurements in `config`.
    pub fn latency_model(&self, config: ExecutionConfig) -> Option<&LatencyModel> {
        self.latency_models.get(&config)
    }

    pub fn cost(&self, index: usize) -> &ComputeCost {
        &self.costs[index]
    }

    /// Compares accuracy ranks; the more accurate candidate is the greater.
    pub fn compare(&self, a: usize, b: usize) -> Ordering {
        self.ranks[a].compare(&self.ranks[b])
    }

    /// Returns whether the accuracies differ by at most one standard error.
    pub fn ties(&self, a: usize, b: usize) -> bool {
        let uncertainty = uncertainty_points(&self.candidates[a].variant, &self.candidates[b].variant);
        self.ranks[a].ties(&self.ranks[b], uncertainty)
    }

    fn indices_of(&self, config: ExecutionConfig) -> impl Iterator<Item = usize> {
        (0..self.candidates.len()).filter(move |&index| self.candidates[index].config == config)
    }

    fn million_macs(&self, index: usize) -> f64 {
        self.candidates[index].variant.million_macs
    }

    /// Returns the measured p95 in ms; infinite without a measurement.
    pub fn p95_ms(&self, index: usize) -> f64 {
        self.candidates[index].measurement.as_ref().map_or(f64::INFINITY, |measurement| measurement.total_ms.p95)
    }

    /// Returns the measured median in ms; infinite without a measurement.
    fn p50_ms(&self, index: usize) -> f64 {
        self.candidates[index].measurement.as_ref().map_or(f64::INFINITY, |measurement| measurement.total_ms.p50)
    }
}

/// First measurements.
impl Search {
    /// Returns the candidate to measure next, and how. Returns `None` once no measurement can change the selection.
    pub fn next_sample(&self) -> Option<(usize, SamplingPlan)> {
        let selection = self.selection();
        let first = self.next_unmeasured(selection).map(|index| (index, self.effort.first_sample()));
        match self.effort {
            Effort::Coarse => first,
            Effort::Full => first.or_else(|| self.next_remeasurement(selection)),
        }
    }

    /// Returns whether a candidate with this p95 that fits would be picked, or would decide the pick.
    fn can_change_result(&self, index: usize, p95_ms: f64, selection: Option<Selection>) -> bool {
        let Some(Selection { best, picked }) = selection else { return true };
        let is_faster = p95_ms < self.p95_ms(picked);
        match self.compare(index, picked) {
            Ordering::Greater => is_faster || !self.ties(index, picked),
            _ => is_faster && self.ties(best, index),
        }
    }

    /// Returns whether a candidate is more accurate than the selected one beyond their uncertainty.
    pub fn is_clearly_more_accurate(&self, index: usize, picked: usize) -> bool {
        self.compare(index, picked) == Ordering::Greater && !self.ties(index, picked)
    }

    /// Returns the unmeasured candidate that decides most.
    fn next_unmeasured(&self, selection: Option<Selection>) -> Option<usize> {
        let is_open: Vec<bool> = (0..self.candidates.len()).map(|index| self.is_open(index, selection)).collect();
        let is_settled = |index: usize| {
            self.dominator(index, |other| is_open[other]).is_some() || self.settled_by(index, selection).is_some()
        };
        let open: Vec<usize> = (0..is_open.len()).filter(|&index| is_open[index] && !is_settled(index)).collect();
        let Some(limit_ms) = self.budget.frame_ms else {
            return open.into_iter().max_by(|&a, &b| self.compare(a, b).then(b.cmp(&a)));
        };
        let initial = |&index: &usize| self.next_initial_sample(self.candidates[index].config, limit_ms);
        if let Some(initial) = open.iter().find_map(initial) {
            return Some(initial);
        }
        // The candidate closest to the limit decides the pick, and improves the latency model where it matters.
        let distance = |index: usize| {
            self.latency_models.get(&self.candidates[index].config).map_or(0.0, |model| {
                (self.required_ms_with_hysteresis(index, model.p95_ms(&self.costs[index])) / limit_ms).ln().abs()
            })
        };
        open.into_iter().min_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)))
    }

    /// Returns whether a measurement of this candidate could change the result.
    fn is_open(&self, index: usize, selection: Option<Selection>) -> bool {
        let Candidate { verdict, config, .. } = &self.candidates[index];
        *verdict == Verdict::Undecided
            && !self.is_backend_unusable(*config)
            && !self.is_too_slow_at_best(index)
            && self.prefers_more_threads(*config).is_none()
            && self.can_change_result(index, self.min_p95_ms(index), selection)
            && self.lighter_over_memory(index).is_none()
    }

    /// Returns whether an unmeasured candidate is too slow even at its lowest plausible latency.
    pub fn is_too_slow_at_best(&self, index: usize) -> bool {
        let min_required_ms = self.required_ms_with_hysteresis(index, self.min_p95_ms(index));
        self.budget.frame_ms.is_some_and(|limit_ms| min_required_ms > limit_ms)
    }

    /// Returns the lowest plausible p95 of an unmeasured candidate, in ms.
    fn min_p95_ms(&self, index: usize) -> f64 {
        let config = self.candidates[index].config;
        match (self.latency_models.get(&config), self.measured_counts.get(&config)) {
            (None, _) | (_, None | Some(0)) => 0.0,
            // One measurement makes no model, but a larger network takes at least as long within the margin.
            (Some(_), Some(1)) => self
                .indices_of(config)
                .find(|&other| self.candidates[other].measurement.is_some())
                .filter(|&only| self.million_macs(only) <= self.million_macs(index))
                .map_or(0.0, |only| self.p95_ms(only) / MODEL_ERROR_MARGIN),
            (Some(model), _) => {
                let margin = MODEL_ERROR_MARGIN * (1.0 + model.residual.min(MAX_RESIDUAL));
                model.p95_ms(&self.costs[index]) / margin
            }
        }
    }

    /// Returns whether `config` can run nothing: three sizes, of three networks if it has so many, were tried and
    /// failed.
    pub fn is_backend_unusable(&self, config: ExecutionConfig) -> bool {
        let candidates = || self.candidates.iter().filter(|candidate| candidate.config == config);
        let failed = || candidates().filter(|candidate| matches!(candidate.verdict, Verdict::Failed(_)));
        let networks = |candidates: &mut dyn Iterator<Item = &Candidate>| {
            candidates.map(|candidate| candidate.variant.network.name.clone()).collect::<BTreeSet<_>>().len()
        };
        failed().count() >= INITIAL_SAMPLES
            && networks(&mut failed()) >= networks(&mut candidates()).min(INITIAL_SAMPLES)
            && candidates().all(|candidate| candidate.measurement.is_none())
    }

    /// Returns the larger thread count with which the smallest variant measured in `config` was faster.
    ///
    /// Larger networks scale better with threads, so `config` needs no further measurements. Returns `None` if CPU
    /// contention affected a measurement with more threads: a short inference may run between two time slices of the
    /// other program, a long one cannot.
    pub fn prefers_more_threads(&self, config: ExecutionConfig) -> Option<usize> {
        let measurements_of = |config: ExecutionConfig| {
            self.indices_of(config).filter_map(|index| self.candidates[index].measurement.as_ref())
        };
        let smallest = self.indices_of(config).find(|&index| self.candidates[index].measurement.is_some())?;
        let name = &self.candidates[smallest].variant.name;
        let is_faster = |other: &ExecutionConfig| {
            let same = self.indices_of(*other).find(|&index| self.candidates[index].variant.name == *name);
            same.is_some_and(|same| self.p50_ms(same) < self.p50_ms(smallest))
        };
        let is_quiet = |other: &ExecutionConfig| !measurements_of(*other).any(Measurement::is_noisy);
        self.candidates
            .iter()
            .map(|candidate| candidate.config)
            .filter(|other| (other.engine, other.precision) == (config.engine, config.precision))
            .filter(|other| other.threads > config.threads)
            .find(|other| is_faster(other) && is_quiet(other))
            .map(|other| other.threads)
    }

    /// Returns the next initial sample of `config`: the smallest size, then the largest plausible, then one between.
    fn next_initial_sample(&self, config: ExecutionConfig, limit_ms: f64) -> Option<usize> {
        let measured: Vec<usize> =
            self.indices_of(config).filter(|&index| self.candidates[index].measurement.is_some()).collect();
        let may_dominate = |other: usize| match self.candidates[other].verdict {
            Verdict::Undecided => !self.is_too_slow_at_best(other),
            Verdict::Fits => true,
            _ => false,
        };
        let is_open = |&index: &usize| {
            self.candidates[index].verdict == Verdict::Undecided && self.dominator(index, may_dominate).is_none()
        };
        let open: Vec<usize> = self.indices_of(config).filter(is_open).collect();
        match measured[..] {
            _ if measured.len() >= INITIAL_SAMPLES => None,
            [] => {
                // A network that failed at one size probably fails at the others, for example if its file is damaged.
                let has_failed = |index: &usize| {
                    let network = &self.candidates[*index].variant.network.name;
                    self.indices_of(config)
                        .filter(|&other| self.candidates[other].variant.network.name == *network)
                        .any(|other| matches!(self.candidates[other].verdict, Verdict::Failed(_)))
                };
                open.iter().find(|index| !has_failed(index)).or(open.first()).copied()
            }
            [smallest] => {
                let ms_per_macs = self.p95_ms(smallest) / self.million_macs(smallest);
                let is_plausible = |&index: &usize| {
                    required_ms(ms_per_macs * self.million_macs(index)) <= MAX_EXTRAPOLATION * limit_ms
                };
                let larger =
                    || open.iter().copied().filter(|&index| self.million_macs(index) > self.million_macs(smallest));
                larger().rfind(is_plausible).or_else(|| larger().next()).or_else(|| open.first().copied())
            }
            _ => {
                let (min, max) = (self.million_macs(measured[0]), self.million_macs(measured[measured.len() - 1]));
                let sizes = open.iter().map(|&index| (index, self.million_macs(index)));
                let between = sizes.filter(|&(_, macs)| macs > min && macs < max);
                closest_to_midpoint(between, (min, max), Midpoint::Geometric)
            }
        }
    }

    /// Returns the measured candidate that dominates another, so that measuring the other could not change the
    /// selection.
    ///
    /// Accuracy ties are not transitive: a dominator may tie with the selected candidate although the dominated one is
    /// more accurate beyond their uncertainty. Then it settles nothing.
    pub fn settled_by(&self, index: usize, selection: Option<Selection>) -> Option<usize> {
        let is_clear = |Selection { picked, .. }: Selection| self.is_clearly_more_accurate(index, picked);
        if selection.is_some_and(is_clear) {
            return None;
        }
        self.dominator(index, |other| self.candidates[other].verdict == Verdict::Fits)
    }

    /// Returns a candidate that dominates another: with an equal config, no more MACs and at least the accuracy, it
    /// fits or is to be tried first, as `may_dominate` states. A candidate that does not fit dominates nothing, because
    /// some accelerators run a larger network faster.
    fn dominator(&self, index: usize, may_dominate: impl Fn(usize) -> bool) -> Option<usize> {
        let config = self.candidates[index].config;
        self.indices_of(config).filter(|&other| other != index).find(|&other| {
            if self.million_macs(other) > self.million_macs(index) {
                return false;
            }
            let wins = match self.compare(other, index) {
                Ordering::Greater => true,
                // The first of two candidates with equal accuracy and MACs wins.
                Ordering::Equal => self.million_macs(other) < self.million_macs(index) || other < index,
                Ordering::Less => false,
            };
            wins && may_dominate(other)
        })
    }

    /// Returns a candidate with an equal config and no more parameters and MACs that already needs too much memory.
    pub fn lighter_over_memory(&self, index: usize) -> Option<usize> {
        let Candidate { variant, config, .. } = &self.candidates[index];
        self.indices_of(*config).find(|&other| {
            let candidate = &self.candidates[other];
            matches!(candidate.verdict, Verdict::TooMuchMemory { .. })
                && candidate.variant.network.million_parameters <= variant.network.million_parameters
                && candidate.variant.million_macs <= variant.million_macs
        })
    }
}

/// Repeated measurements.
impl Search {
    /// Returns the most accurate candidate whose measurement is inconclusive, and how to repeat it. A more accurate one
    /// may settle the others.
    fn next_remeasurement(&self, selection: Option<Selection>) -> Option<(usize, SamplingPlan)> {
        let noise_ratio = noise_ratio(self.candidates.iter().filter_map(|candidate| candidate.measurement.as_ref()));
        let mut next: Option<(usize, SamplingPlan)> = None;
        for (index, Candidate { measurement, verdict, config, .. }) in self.candidates.iter().enumerate() {
            let Some(measurement) = measurement else { continue };
            let latency_model = self.latency_model(*config);
            let recheck = Recheck { measurement, cost: &self.costs[index], latency_model, noise_ratio };
            let sampling = match (verdict, selection) {
                (Verdict::TooSlow { .. }, _) => self.recheck_slow(index, &recheck, selection),
                (Verdict::Fits, Some(selection)) if index == selection.picked => self.recheck_pick(index, &recheck),
                (Verdict::Fits, Some(selection)) if self.ties(selection.best, index) => {
                    self.recheck_tie(index, &recheck, selection)
                }
                _ => None,
            };
            if let Some(sampling) = sampling
                && next.is_none_or(|(other, _)| self.compare(index, other) == Ordering::Greater)
            {
                next = Some((index, sampling));
            }
        }
        next
    }

    /// Returns the sampling that confirms that a candidate is too slow. Returns `None` if that is certain, or does not
    /// change the result.
    fn recheck_slow(&self, index: usize, recheck: &Recheck, selection: Option<Selection>) -> Option<SamplingPlan> {
        let limit_ms = self.budget.frame_ms?;
        let min_ms = recheck.min_p95_ms();
        if self.required_ms_with_hysteresis(index, min_ms) > limit_ms
            || !self.can_change_result(index, min_ms, selection)
        {
            return None;
        }
        recheck.slow_sampling(self.required_ms_with_hysteresis(index, recheck.measurement.total_ms.p95) / limit_ms)
    }

    /// Returns the sampling that confirms that the selected candidate fits.
    fn recheck_pick(&self, index: usize, recheck: &Recheck) -> Option<SamplingPlan> {
        let required_ms = self.required_ms_with_hysteresis(index, recheck.measurement.total_ms.p95);
        let near_limit = self.budget.frame_ms.and_then(|limit_ms| recheck.pick_sampling(required_ms / limit_ms));
        let is_contradicted = || (0..self.candidates.len()).any(|other| self.contradicts(other, index));
        near_limit.or_else(|| recheck.contradiction_sampling().filter(|_| is_contradicted()))
    }

    /// Returns whether a candidate would replace the selected one by median or by p95, but not by both.
    fn contradicts(&self, index: usize, picked: usize) -> bool {
        let is_faster = (self.p95_ms(index) < self.p95_ms(picked), self.p50_ms(index) < self.p50_ms(picked));
        self.candidates[index].verdict == Verdict::Fits
            && is_faster.0 != is_faster.1
            && self.compare(index, picked) == Ordering::Less
            && self.ties(index, picked)
    }

    /// Returns the sampling that decides whether a tied candidate is cheaper than the selected one.
    fn recheck_tie(&self, index: usize, recheck: &Recheck, selection: Selection) -> Option<SamplingPlan> {
        let ratio_to_pick = recheck.measurement.total_ms.p95 / self.p95_ms(selection.picked);
        let fewer_macs = self.million_macs(index) < self.million_macs(selection.picked);
        let contradiction = recheck.contradiction_sampling().filter(|_| self.contradicts(index, selection.picked));
        contradiction.or_else(|| recheck.tie_sampling(ratio_to_pick, fewer_macs))
    }
}
