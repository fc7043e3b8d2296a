//! What was picked before stays unless what is measured now says otherwise by more than it differs from one time to the next.

use std::cmp::Ordering;

use super::room::{judge_with, needed_ms};
use super::{Candidate, Search, Verdict};
use crate::engine::Way;

/// What is measured in seconds differs by up to so much from one minute to the next, as a factor, where others share the
/// machine: 3 to 6 % on the cores of a virtual one, 3 % beside a program that has one of them.
pub const STAYS: f64 = 1.05;

impl Search {
    /// `name` by `way` was picked when the same was asked before.
    pub fn picked_before(&mut self, name: &str, way: Way) {
        let is = |at: &usize| self.candidates[*at].choice.name == name && self.candidates[*at].way == way;
        self.before = (0..self.candidates.len()).find(is);
        self.judge_all();
    }

    /// What was picked before. That counts for nothing where something has come to the catalog that is more accurate for no
    /// more work, as long as that fits, or may.
    pub(super) fn before(&self) -> Option<usize> {
        let before = self.before?;
        let Candidate { choice, way, .. } = &self.candidates[before];
        let beats = |at: usize| {
            let other = &self.candidates[at];
            other.way == *way
                && other.choice.million_macs <= choice.million_macs
                && matches!(other.verdict, Verdict::Open | Verdict::Fits)
                && self.compare(at, before) == Ordering::Greater
        };
        (!(0..self.candidates.len()).any(beats)).then_some(before)
    }

    /// How many times a candidate's time counts: what was picked before may take a little more than others may, and what is
    /// better has to take a little less as long as that one fits, or may.
    fn factor(&self, at: usize) -> f64 {
        match self.before() {
            Some(before) if at == before => 1.0 / STAYS,
            Some(before) if self.is_better(at, before) && self.may_stay(before) => STAYS,
            _ => 1.0,
        }
    }

    /// More accurate beyond doubt.
    fn is_better(&self, at: usize, before: usize) -> bool {
        self.compare(at, before) == Ordering::Greater && !self.ties(at, before)
    }

    fn may_stay(&self, before: usize) -> bool {
        let Candidate { verdict, way, .. } = &self.candidates[before];
        let is_given_up = || self.gives_up(*way) || self.more_threads_do_more(*way).is_some();
        match verdict {
            Verdict::Fits => true,
            Verdict::Open => !is_given_up() && !self.is_out_of_reach(before) && self.heavier_than(before).is_none(),
            _ => false,
        }
    }

    /// The time that a budget must allow for this candidate to be picked.
    pub(super) fn needed_ms(&self, at: usize, p95_ms: f64) -> f64 {
        needed_ms(p95_ms) * self.factor(at)
    }

    /// Whether it fits, though what was picked before stays in its place.
    pub(super) fn is_narrow(&self, at: usize, p95_ms: f64) -> bool {
        self.budget
            .frame_ms
            .is_some_and(|limit_ms| needed_ms(p95_ms) <= limit_ms && self.needed_ms(at, p95_ms) > limit_ms)
    }

    /// A verdict for each that was measured: twice, as that of what was picked before counts for the others', and theirs for
    /// its own.
    pub(super) fn judge_all(&mut self) {
        for at in (0..self.candidates.len()).chain(0..self.candidates.len()) {
            let factor = self.factor(at);
            let candidate = &mut self.candidates[at];
            let is_open_to_it = !matches!(candidate.verdict, Verdict::TooMuchWork | Verdict::Failed(_));
            if let Some(measurement) = candidate.measurement.as_ref().filter(|_| is_open_to_it) {
                candidate.verdict = judge_with(factor, measurement, &self.budget);
            }
        }
    }
}
