//! Selection among the candidates that fit: accuracy, ties and hysteresis.

use std::cmp::Ordering;

use super::Search;
use crate::picker::Verdict;
use crate::picker::headroom::{judge_scaled, required_ms};
use crate::picker::hysteresis::Role;

/// Candidates for the pick whose p95 is within this ratio of the fastest count as equally fast, and the one with the
/// fewest MACs wins. Estimate: above the run-to-run noise of 3 to 6 %, so that a momentary disturbance does not decide.
pub const LATENCY_TIE_RATIO: f64 = 1.1;

/// Indices of the most accurate candidate that fits, and of the cheapest one that may replace it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection {
    pub best: usize,
    pub picked: usize,
}

impl Search {
    /// Returns the selection among the candidates that fit by the measurements so far.
    pub fn selection(&self) -> Option<Selection> {
        let fitting: Vec<usize> =
            (0..self.candidates.len()).filter(|&index| self.candidates[index].verdict == Verdict::Fits).collect();
        let by_latency = |a: usize, b: usize| self.p95_ms(a).total_cmp(&self.p95_ms(b)).then(a.cmp(&b));
        let best = fitting.iter().copied().max_by(|&a, &b| self.compare(a, b).then(by_latency(b, a)))?;
        let is_eligible = |&index: &usize| {
            self.ties(best, index) && fitting.iter().all(|&other| index == other || self.may_replace(index, other))
        };
        let eligible: Vec<usize> = fitting.iter().copied().filter(is_eligible).collect();
        let min_p95_ms = eligible.iter().map(|&index| self.p95_ms(index)).fold(f64::INFINITY, f64::min);
        let fastest = || eligible.iter().copied().filter(|&index| self.p95_ms(index) <= min_p95_ms * LATENCY_TIE_RATIO);
        let by_macs = |a: usize, b: usize| self.million_macs(a).total_cmp(&self.million_macs(b));
        let picked = fastest()
            .find(|&index| Some(index) == self.previous)
            .or_else(|| fastest().min_by(|&a, &b| by_macs(a, b).then(by_latency(a, b))))?;
        Some(Selection { best, picked })
    }

    /// Returns whether a candidate may be picked although `other` fits as well.
    ///
    /// If `other` is more accurate, it must tie, and be slower by p95 and by median: one of the two alone may be a
    /// disturbance. If it is another variant of equal accuracy, it must not be faster. The most accurate candidate with
    /// the lowest p95 may therefore always be picked.
    fn may_replace(&self, index: usize, other: usize) -> bool {
        match self.compare(other, index) {
            Ordering::Greater => {
                self.ties(index, other)
                    && self.p95_ms(index) < self.p95_ms(other)
                    && self.p50_ms(index) < self.p50_ms(other)
            }
            Ordering::Equal => {
                self.candidates[index].variant.name == self.candidates[other].variant.name
                    || self.p95_ms(index) <= self.p95_ms(other)
            }
            Ordering::Less => true,
        }
    }

    /// Returns whether a previous pick had influence on `selection`, but is not selected.
    pub fn differs_from_previous(&self, selection: Option<Selection>) -> bool {
        self.previous.is_some() && selection.map(|selection| selection.picked) != self.previous
    }

    /// Returns the role of a candidate if its p95 is `p95_ms`.
    fn role(&self, index: usize, p95_ms: f64) -> Role {
        let Some(previous) = self.previous else { return Role::Neutral };
        if index == previous {
            return Role::Previous;
        }
        // A rival that needs no more than the previous pick replaces it without hysteresis.
        let has_no_more_macs = self.candidates[index].config == self.candidates[previous].config
            && self.million_macs(index) <= self.million_macs(previous);
        let is_no_slower = self.candidates[previous].measurement.is_some() && p95_ms <= self.p95_ms(previous);
        let needs_no_more = has_no_more_macs || is_no_slower;
        let is_better = self.compare(index, previous) == Ordering::Greater && !self.ties(index, previous);
        if is_better && !needs_no_more { Role::Rival } else { Role::Neutral }
    }

    /// Returns the latency limit in ms that a candidate needs to be picked, with headroom and hysteresis.
    pub fn required_ms_with_hysteresis(&self, index: usize, p95_ms: f64) -> f64 {
        required_ms(p95_ms) * self.role(index, p95_ms).latency_factor()
    }

    /// Returns whether a candidate fits, but only hysteresis keeps it from replacing the previous pick.
    pub fn is_within_hysteresis(&self, index: usize, p95_ms: f64) -> bool {
        let fits = |required_ms: f64| self.budget.frame_ms.is_none_or(|limit_ms| required_ms <= limit_ms);
        fits(required_ms(p95_ms)) && !fits(self.required_ms_with_hysteresis(index, p95_ms))
    }

    /// Sets the verdict of a measured candidate.
    pub fn judge(&mut self, index: usize) {
        let factor = self.role(index, self.p95_ms(index)).latency_factor();
        let candidate = &mut self.candidates[index];
        let is_final = matches!(candidate.verdict, Verdict::TooManyMacs | Verdict::Failed(_));
        if let Some(measurement) = candidate.measurement.as_ref().filter(|_| !is_final) {
            candidate.verdict = judge_scaled(factor, measurement, &self.budget);
        }
    }
}
