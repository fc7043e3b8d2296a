//! What was picked before stays unless what is measured now says otherwise by more than it differs from one time to the next.

use std::cmp::Ordering;

use super::headroom::{judge_with, required_ms};
use super::{Search, Selection, Verdict};
use crate::budget::Budget;
use crate::measurement::Measurement;
use phicam_engine::ExecutionConfig;

/// What is measured in seconds differs by up to so much from one minute to the next, as a factor, where others share the
/// machine: 3 to 6 % on the cores of a virtual one, 3 % beside a program that has one of them.
pub const HYSTERESIS: f64 = 1.05;

/// Whether what was picked keeps `budget` as well as it must to be picked again.
pub fn holds(measurement: &Measurement, budget: &Budget) -> bool {
    judge_with(1.0 / HYSTERESIS, measurement, budget) == Verdict::Fits
}

impl Search {
    /// `name` by `config` was picked when the same was asked before; or nothing was.
    pub fn set_before(&mut self, before: Option<(&str, ExecutionConfig)>) {
        let is = |at: &usize, (name, config)| {
            self.candidates[*at].variant.name == name && self.candidates[*at].config == config
        };
        self.before = before.and_then(|before| (0..self.candidates.len()).find(|at| is(at, before)));
        for at in 0..self.candidates.len() {
            self.judge(at);
        }
    }

    /// Whether what was picked before had a say, but is not what is picked now.
    pub(super) fn is_another(&self, found: Option<Selection>) -> bool {
        self.before.is_some() && found.map(|found| found.picked) != self.before
    }

    /// How many times a candidate's time counts: what was picked before may take a little more than others may, and what is
    /// better beyond doubt, for more work, has to take a little less.
    fn factor(&self, at: usize) -> f64 {
        let Some(before) = self.before else { return 1.0 };
        let [this, that] = [at, before].map(|at| &self.candidates[at]);
        let is_less = this.config == that.config && this.variant.million_macs <= that.variant.million_macs;
        match self.compare(at, before) {
            _ if at == before => 1.0 / HYSTERESIS,
            Ordering::Greater if !is_less && !self.ties(at, before) => HYSTERESIS,
            _ => 1.0,
        }
    }

    /// The time that a budget must allow for this candidate to be picked.
    pub(super) fn required_ms(&self, at: usize, p95_ms: f64) -> f64 {
        required_ms(p95_ms) * self.factor(at)
    }

    /// Whether it fits, though what was picked before stays in its place.
    pub(super) fn is_narrow(&self, at: usize, p95_ms: f64) -> bool {
        let fits = |required_ms: f64| self.budget.frame_ms.is_none_or(|limit_ms| required_ms <= limit_ms);
        fits(required_ms(p95_ms)) && !fits(self.required_ms(at, p95_ms))
    }

    /// A verdict for what was measured.
    pub(super) fn judge(&mut self, at: usize) {
        let factor = self.factor(at);
        let candidate = &mut self.candidates[at];
        let is_judged = !matches!(candidate.verdict, Verdict::TooMuchWork | Verdict::Failed(_));
        if let Some(measurement) = candidate.measurement.as_ref().filter(|_| is_judged) {
            candidate.verdict = judge_with(factor, measurement, &self.budget);
        }
    }
}
