//! Check of a reason: is each statement true of the measurements that it was made from?
//!
//! It judges with numbers and rules of its own, so that an error of the picker's cannot hide itself.

use std::collections::BTreeMap;

use phicam_engine::{ExecutionConfig, Precision};
use phicam_model::catalog::Variant;
use phicam_policy::measurement::Measurement;
use phicam_policy::picker::reason::{Finding, Named, Reason, Standing, Statement};
use phicam_policy::picker::{Candidate, ComputeCost, LatencyModel, Pick, explain};

use crate::trial::Offer;

// As in docs/design/picker.md; written out so that a changed constant of the picker is noticed.
const HEADROOM_FACTOR: f64 = 1.10;
const PIPELINE_MIB: f64 = 16.0;
const HYSTERESIS_FACTOR: f64 = 1.05;
const TIE_FACTOR: f64 = 1.1;
const INT8_POINTS: f64 = 0.71;

/// Name and execution config of a previous pick.
pub type Previous<'a> = Option<(&'a str, ExecutionConfig)>;

/// Number of checked statements, and those that are false.
#[derive(Default)]
pub struct Checked {
    pub statements: usize,
    pub falsehoods: Vec<String>,
}

impl Checked {
    fn claim(&mut self, is_true: bool, statement: impl FnOnce() -> String) {
        self.statements += 1;
        if !is_true {
            self.falsehoods.push(statement());
        }
    }
}

/// Checks the reason for `pick`, its findings about all candidates, and the rule that nothing better was passed over.
pub fn check(pick: &Pick, previous: Previous, offer: &Offer) -> Checked {
    let judge = Judge::new(pick, previous, offer);
    let (reason, explanation) = (Reason::new(pick), explain(pick));
    let mut checked = Checked::default();
    checked.claim(judge.keeps_budget(), || "the pick exceeds the budget".into());
    for other in &pick.candidates {
        checked
            .claim(judge.is_not_better_than_pick(other), || format!("{} is better than the pick", other.variant.name));
        let finding = Finding::new(other, pick);
        checked.claim(judge.is_true_of(&finding, other), || format!("{}: {finding}", other.variant.name));
        checked.claim(are_numbers_ordered(&finding), || format!("order of the numbers: {finding}"));
    }
    for (statement, sentence) in reason.statements.iter().zip(reason.sentences()) {
        checked.claim(judge.is_true(statement), || sentence.clone());
        checked.claim(explanation.contains(&sentence), || format!("not in the explanation: {sentence}"));
    }
    checked.claim(judge.has_standing(reason.standing), || reason.headline());
    checked
}

/// Measurements of a pick, judged independently of the picker.
struct Judge<'a> {
    pick: &'a Pick,
    picked: &'a Candidate,
    previous: Previous<'a>,
    offer: &'a Offer,
    latency_models: BTreeMap<ExecutionConfig, LatencyModel>,
    /// Whether an accuracy is unknown, so that MACs order the candidates.
    by_macs: bool,
}

fn p95_ms(candidate: &Candidate) -> f64 {
    candidate.measurement.as_ref().map_or(f64::NAN, |measurement| measurement.total_ms.p95)
}

fn p50_ms(candidate: &Candidate) -> f64 {
    candidate.measurement.as_ref().map_or(f64::NAN, |measurement| measurement.total_ms.p50)
}

fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs().max(1.0)
}

impl<'a> Judge<'a> {
    fn new(pick: &'a Pick, previous: Previous<'a>, offer: &'a Offer) -> Judge<'a> {
        let is_pick = |c: &&Candidate| c.variant.name == pick.variant.name && c.config == pick.config;
        let picked = pick.candidates.iter().find(is_pick).expect("the pick is a candidate");
        let by_macs = pick.candidates.iter().any(|candidate| candidate.variant.top1_percent.is_none());
        let mut measured: BTreeMap<ExecutionConfig, Vec<(ComputeCost, &Measurement)>> = BTreeMap::new();
        for candidate in &pick.candidates {
            let cost = offer.cost(&candidate.variant);
            measured.entry(candidate.config).or_default().extend(candidate.measurement.as_ref().map(|m| (cost, m)));
        }
        let fit = |(config, points): (ExecutionConfig, Vec<_>)| Some((config, LatencyModel::fit(points.into_iter())?));
        let latency_models = measured.into_iter().filter_map(fit).collect();
        Judge { pick, picked, previous, offer, latency_models, by_macs }
    }

    /// Accuracy after precision, or MACs and then precision.
    fn rank(&self, candidate: &Candidate) -> (f64, f64) {
        let loss = if candidate.config.precision == Precision::Int8 { INT8_POINTS } else { 0.0 };
        match candidate.variant.top1_percent {
            Some(percent) if !self.by_macs => (percent - loss, 0.0),
            _ => (candidate.variant.million_macs, -loss),
        }
    }

    fn is_above(&self, a: &Candidate, b: &Candidate) -> bool {
        self.rank(a) > self.rank(b)
    }

    fn ties(&self, a: &Candidate, b: &Candidate) -> bool {
        let ((a_rank, _), (b_rank, _)) = (self.rank(a), self.rank(b));
        if self.by_macs {
            return self.rank(a) == self.rank(b);
        }
        (a_rank - b_rank).abs() <= uncertainty(&a.variant, &b.variant)
    }

    fn is_clearly_above_pick(&self, other: &Candidate) -> bool {
        self.is_above(other, self.picked) && !self.ties(other, self.picked)
    }

    fn within_memory_and_macs(&self, candidate: &Candidate, measurement: &Measurement) -> bool {
        let within = |value: f64, limit: Option<f64>| limit.is_none_or(|limit| value <= limit);
        within(measurement.peak_rss_mib + PIPELINE_MIB, self.pick.budget.memory_mib)
            && within(candidate.variant.million_macs, self.pick.budget.million_macs)
    }

    /// Returns whether a candidate was measured and keeps every limit, the latency limit after `factor`.
    fn fits_with(&self, candidate: &Candidate, factor: f64) -> bool {
        let Some(measurement) = &candidate.measurement else { return false };
        let required_ms = measurement.total_ms.p95 * HEADROOM_FACTOR * factor;
        self.within_memory_and_macs(candidate, measurement)
            && self.pick.budget.frame_ms.is_none_or(|limit_ms| required_ms <= limit_ms * (1.0 + 1e-12))
    }

    fn fits(&self, candidate: &Candidate) -> bool {
        self.fits_with(candidate, 1.0)
    }

    fn is_previous_picked(&self) -> bool {
        self.previous == Some((self.pick.variant.name.as_str(), self.pick.config))
    }

    fn keeps_budget(&self) -> bool {
        let is_measured = self.picked.measurement.as_ref() == Some(&self.pick.measurement);
        is_measured
            && (self.fits(self.picked)
                || self.is_previous_picked() && self.fits_with(self.picked, 1.0 / HYSTERESIS_FACTOR))
    }

    /// Returns whether hysteresis may keep the previous pick although `other` fits.
    fn is_within_hysteresis(&self, other: &Candidate) -> bool {
        self.is_previous_picked()
            && !self.fits_with(other, HYSTERESIS_FACTOR)
            && p95_ms(other) > self.pick.measurement.total_ms.p95
    }

    /// Returns whether a candidate does not fit, or the pick is more accurate, or ties with it and is faster.
    fn is_not_better_than_pick(&self, other: &Candidate) -> bool {
        if !self.fits(other) || !self.is_above(other, self.picked) {
            return true;
        }
        let is_slower = p95_ms(other) > p95_ms(self.picked) && p50_ms(other) > p50_ms(self.picked);
        self.ties(other, self.picked) && is_slower || self.is_within_hysteresis(other)
    }

    fn has_standing(&self, standing: Standing) -> bool {
        let better = || self.pick.candidates.iter().filter(|other| self.is_above(other, self.picked));
        let is_kept =
            !self.fits(self.picked) || better().any(|other| self.fits(other) && self.is_within_hysteresis(other));
        match standing {
            Standing::MostAccurate => !self.by_macs && !better().any(|other| self.fits(other)),
            Standing::Largest => self.by_macs && !better().any(|other| self.fits(other)),
            Standing::TiedAndFaster => better().all(|other| !self.fits(other) || self.is_not_better_than_pick(other)),
            Standing::Kept => is_kept && self.is_previous_picked(),
        }
    }

    fn named(&self, named: &Named) -> Option<&'a Candidate> {
        let config = named.config.unwrap_or(self.pick.config);
        self.pick.candidates.iter().find(|c| c.variant.name == named.variant && c.config == config)
    }

    /// Returns whether a finding is that of the named candidate, and true of it.
    fn is_true_of_named(&self, finding: &Finding, named: &Named) -> bool {
        self.named(named).is_some_and(|candidate| {
            *finding == Finding::new(candidate, self.pick) && self.is_true_of(finding, candidate)
        })
    }

    fn is_true(&self, statement: &Statement) -> bool {
        let Judge { pick, picked, .. } = self;
        let all = || pick.candidates.iter();
        match statement {
            Statement::Picked { variant, config, p95_ms: p95, peak_rss_mib, is_noisy, .. } => {
                let measurement = &pick.measurement;
                let text = statement.to_string();
                let printed_ms = number_before(&text, " ms at p95");
                *variant == picked.variant.name
                    && config.is_none_or(|config| config == picked.config)
                    && (*p95, *peak_rss_mib) == (measurement.total_ms.p95, measurement.peak_rss_mib)
                    && *is_noisy == (measurement.preempted_frames * 20 > measurement.frames)
                    && printed_ms.is_some_and(|printed| (printed - p95).abs() <= 0.0501)
            }
            Statement::KeptOverLimit { limit_ms, .. } => {
                pick.budget.frame_ms == Some(*limit_ms) && !self.fits(picked) && self.is_previous_picked()
            }
            Statement::Tie { with, finding } => self.named(with).is_some_and(|best| {
                let is_best = all()
                    .all(|other| !self.fits(other) || !self.is_above(other, best) || self.is_within_hysteresis(other));
                is_best && self.ties(best, picked) && self.is_true_of_named(finding, with)
            }),
            Statement::Next { next, finding } => self.named(next).is_some_and(|candidate| {
                let is_next = all()
                    .filter(|other| self.is_clearly_above_pick(other))
                    .all(|other| other.variant.million_macs >= candidate.variant.million_macs);
                let fits = self.fits(candidate) && !self.is_within_hysteresis(candidate);
                is_next && !fits && self.is_clearly_above_pick(candidate) && self.is_true_of_named(finding, next)
            }),
            Statement::NothingBetter { .. } => !all().any(|other| self.is_above(other, picked)),
            Statement::NothingClearlyBetter { unfit, .. } => {
                let has_ties = all().any(|other| self.is_above(other, picked));
                let has_clear = all().any(|other| self.is_clearly_above_pick(other));
                let is_unfit_true = unfit.as_ref().is_none_or(|(named, finding)| {
                    self.named(named).is_some_and(|candidate| !self.fits(candidate) && self.ties(candidate, picked))
                        && self.is_true_of_named(finding, named)
                });
                has_ties && !has_clear && is_unfit_true
            }
            Statement::Affordable { million_macs } => all().all(|other| {
                other.variant.million_macs < *million_macs
                    && (other.config != pick.config || other.measurement.is_none() || self.keeps_latency(other))
            }),
        }
    }

    fn keeps_latency(&self, candidate: &Candidate) -> bool {
        self.pick.budget.frame_ms.is_none_or(|limit_ms| p95_ms(candidate) * HEADROOM_FACTOR <= limit_ms)
            || candidate.variant.name == self.pick.variant.name
    }

    fn is_true_of(&self, finding: &Finding, candidate: &Candidate) -> bool {
        let Judge { pick, picked, .. } = self;
        let budget = &pick.budget;
        let all_of_config = || pick.candidates.iter().filter(|other| other.config == candidate.config);
        let is_unmeasured = candidate.measurement.is_none();
        let needs_ms = p95_ms(candidate) * HEADROOM_FACTOR;
        match finding {
            Finding::Picked => std::ptr::eq(candidate, *picked),
            Finding::RanksBelow => self.fits(candidate) && self.is_above(picked, candidate),
            Finding::NotFaster { points, p95_ms: p95, pick_p95_ms, .. } => {
                let (above, below) = (self.rank(candidate), self.rank(picked));
                self.fits(candidate)
                    && self.ties(candidate, picked)
                    && above >= below
                    && (self.by_macs || is_close(*points, above.0 - below.0))
                    && (*p95, *pick_p95_ms) == (p95_ms(candidate), p95_ms(picked))
                    && p95 >= pick_p95_ms
            }
            Finding::BarelyFaster { p95_ms: p95, pick_p95_ms } => {
                self.fits(candidate)
                    && self.is_previous_picked()
                    && self.rank(candidate) == self.rank(picked)
                    && (*p95, *pick_p95_ms) == (p95_ms(candidate), p95_ms(picked))
                    && p95 < pick_p95_ms
                    && *pick_p95_ms <= p95 * TIE_FACTOR
            }
            Finding::PredictedNotFaster { predicted_p95_ms, pick_p95_ms } => {
                is_unmeasured
                    && self.ties(candidate, picked)
                    && self.predicts(candidate, *predicted_p95_ms)
                    && *pick_p95_ms == p95_ms(picked)
                    && predicted_p95_ms >= pick_p95_ms
            }
            Finding::TooSlow { required_ms, limit_ms } => {
                budget.frame_ms == Some(*limit_ms) && is_close(*required_ms, needs_ms) && needs_ms > *limit_ms
            }
            Finding::WithinHysteresis { required_ms, limit_ms } => {
                budget.frame_ms == Some(*limit_ms)
                    && is_close(*required_ms, needs_ms)
                    && self.fits(candidate)
                    && self.is_within_hysteresis(candidate)
            }
            Finding::PredictedTooSlow { required_ms, limit_ms } => {
                is_unmeasured
                    && budget.frame_ms == Some(*limit_ms)
                    && self.predicts(candidate, required_ms / HEADROOM_FACTOR)
                    && required_ms > limit_ms
            }
            Finding::TooMuchMemory { required_mib, limit_mib } => {
                let needs_mib = candidate.measurement.as_ref().map_or(f64::NAN, |m| m.peak_rss_mib + PIPELINE_MIB);
                budget.memory_mib == Some(*limit_mib) && is_close(*required_mib, needs_mib) && needs_mib > *limit_mib
            }
            Finding::PredictedTooMuchMemory { than, limit_mib } => {
                let lighter = all_of_config().find(|other| other.variant.name == *than);
                let is_over = |other: &Candidate| {
                    other.measurement.as_ref().is_some_and(|m| m.peak_rss_mib + PIPELINE_MIB > *limit_mib)
                        && other.variant.network.million_parameters <= candidate.variant.network.million_parameters
                        && other.variant.million_macs <= candidate.variant.million_macs
                };
                is_unmeasured && budget.memory_mib == Some(*limit_mib) && lighter.is_some_and(is_over)
            }
            Finding::TooManyMacs { million_macs, limit_million_macs } => {
                budget.million_macs == Some(*limit_million_macs)
                    && *million_macs == candidate.variant.million_macs
                    && million_macs > limit_million_macs
            }
            Finding::Outranked => {
                let is_outranked = |other: &Candidate| self.fits(other) && self.is_above(other, candidate);
                is_unmeasured && (self.is_above(picked, candidate) || pick.candidates.iter().any(is_outranked))
            }
            Finding::Dominated { by } => {
                let dominator = all_of_config().find(|other| other.variant.name == *by);
                let dominates = |other: &Candidate| {
                    (self.fits(other) || std::ptr::eq(other, *picked))
                        && other.variant.million_macs <= candidate.variant.million_macs
                        && !self.is_above(candidate, other)
                };
                is_unmeasured && dominator.is_some_and(dominates)
            }
            Finding::FewerThreads { than } => {
                let with_more = |other: &Candidate| {
                    let config = ExecutionConfig { threads: *than, ..candidate.config };
                    let faster = |more: &&Candidate| more.config == config && more.variant.name == other.variant.name;
                    pick.candidates.iter().find(faster).is_some_and(|more| p50_ms(more) < p50_ms(other))
                };
                is_unmeasured && *than > candidate.config.threads && all_of_config().any(with_more)
            }
            Finding::Failed { .. } => is_unmeasured,
        }
    }

    /// Returns whether the latency model of the candidate's execution config predicts this p95.
    fn predicts(&self, candidate: &Candidate, predicted_p95_ms: f64) -> bool {
        let model = self.latency_models.get(&candidate.config);
        model.is_some_and(|model| is_close(model.p95_ms(&self.offer.cost(&candidate.variant)), predicted_p95_ms))
    }
}

/// Returns the standard error of the difference between two accuracies, in points.
fn uncertainty(a: &Variant, b: &Variant) -> f64 {
    if a.name == b.name {
        return 0.0;
    }
    let estimates = [a, b].into_iter().filter(|variant| variant.top1_source.starts_with("estimate")).count();
    let is_relative = a.network.name == b.network.name && estimates > 0;
    let published = if is_relative { 0.0 } else { 0.14 };
    (published * published + estimates as f64 * 0.5 * 0.5).sqrt()
}

/// Returns whether the numbers in the words compare as the words say.
fn are_numbers_ordered(finding: &Finding) -> bool {
    let text = finding.to_string();
    let pair = |before: &str, after: &str| Some((number_before(&text, before)?, number_after(&text, after)?));
    match finding {
        Finding::TooSlow { .. } | Finding::PredictedTooSlow { .. } => {
            pair(" ms of ", " ms of ").is_some_and(|(needed, limit)| needed > limit)
        }
        Finding::TooMuchMemory { .. } => pair(" MiB of ", " MiB of ").is_some_and(|(needed, limit)| needed > limit),
        Finding::TooManyMacs { .. } => pair(" M MACs of ", " M MACs of ").is_some_and(|(needed, limit)| needed > limit),
        Finding::WithinHysteresis { .. } => pair(" ms of ", " ms of ").is_some_and(|(needed, limit)| needed <= limit),
        Finding::NotFaster { p95_ms, pick_p95_ms, .. } => pair(" ms at p95", ", not ")
            .is_some_and(|(p95, pick)| if p95_ms > pick_p95_ms { p95 > pick } else { p95 == pick }),
        Finding::BarelyFaster { .. } => pair(" ms at p95", ", not ").is_some_and(|(p95, pick)| p95 < pick),
        Finding::PredictedNotFaster { .. } => pair(" ms at p95", ", not ").is_some_and(|(p95, pick)| p95 >= pick),
        _ => true,
    }
}

/// Returns the number that ends where `word` starts.
fn number_before(text: &str, word: &str) -> Option<f64> {
    let before = text.split(word).next()?;
    before.rsplit(' ').next()?.parse().ok()
}

/// Returns the number that starts where `word` ends.
fn number_after(text: &str, word: &str) -> Option<f64> {
    let after = text.split(word).nth(1)?;
    after.split([' ', ',', ':', ';']).next()?.parse().ok()
}

#[cfg(test)]
mod tests;
