//! Which measurement to make next, until the pick is certain.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::accuracy::{Worth, uncertainty_points};
use super::law::{Law, Work};
use super::room::{GLANCE, closer, doubt, judge, needed_ms, once_more};
use super::{Candidate, Verdict};
use crate::budget::Budget;
use crate::catalog::Choice;
use crate::engine::Way;
use crate::measure::Effort;

/// A size may take half of what the law of all sizes says, on accelerators that like some shapes better.
const SURPRISE: f64 = 2.0;
/// Of two that are as good, the one with less work is as quick as long as it takes no more than this: else what a moment
/// disturbs would decide.
const AS_QUICK: f64 = 1.1;
/// Which of two that are as good is quicker is not worth more frames than this.
const TIE_FRAMES: u64 = 64;
/// Further from the law than this share, what was seen at a glance is looked at again: something may have disturbed.
const ODD: f64 = 1.25;
/// Room for a tail to differ from the usual one of its way, as a factor.
const USUAL_TAIL: f64 = 1.02;
/// Everything that is considered, and what is known of it.
pub struct Search {
    /// By work, then by way.
    pub candidates: Vec<Candidate>,
    pub budget: Budget,
    worth: Vec<Worth>,
    work: Vec<Work>,
    laws: BTreeMap<Way, Law>,
    /// How many were measured in each way.
    measured: BTreeMap<Way, usize>,
}

/// The most accurate that fits, and the cheapest of those that are as good as far as anyone knows: positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    pub best: usize,
    pub picked: usize,
}

impl Search {
    /// Every choice in every way, nothing known of any.
    pub fn new(choices: &[&Choice], ways: &[Way], budget: Budget) -> Search {
        let by_work = choices.iter().any(|choice| choice.top1_percent.is_none());
        let mut sorted: Vec<&Choice> = choices.to_vec();
        sorted.sort_by(|a, b| a.million_macs.total_cmp(&b.million_macs).then(a.name.cmp(&b.name)));
        let mut ways = ways.to_vec();
        ways.sort();
        let mut search = Search {
            candidates: Vec::new(),
            budget,
            worth: Vec::new(),
            work: Vec::new(),
            laws: BTreeMap::new(),
            measured: BTreeMap::new(),
        };
        for choice in sorted {
            let work = Work::of(choice);
            let over = budget.million_macs.is_some_and(|limit| choice.million_macs > limit);
            for &way in &ways {
                let verdict = if over { Verdict::TooMuchWork } else { Verdict::Open };
                search.candidates.push(Candidate { choice: choice.clone(), way, measurement: None, verdict });
                search.worth.push(Worth::of(choice, way, by_work));
                search.work.push(work);
            }
        }
        search
    }

    /// Takes in what was found of a candidate: a measurement, or why there is none.
    pub fn learn(&mut self, at: usize, found: Result<crate::measure::Measurement, String>) {
        match found {
            Ok(measurement) => {
                if self.candidates[at].verdict != Verdict::TooMuchWork {
                    self.candidates[at].verdict = judge(&measurement, &self.budget);
                }
                let way = self.candidates[at].way;
                let is_new = self.candidates[at].measurement.replace(measurement).is_none();
                *self.measured.entry(way).or_default() += usize::from(is_new);
                let of_way = (0..self.candidates.len()).filter(|&other| self.candidates[other].way == way);
                let points = of_way.filter_map(|at| Some((self.work[at], self.candidates[at].measurement.as_ref()?)));
                if let Some(law) = Law::through(points) {
                    self.laws.insert(way, law);
                }
            }
            Err(cause) => self.candidates[at].verdict = Verdict::Failed(cause),
        }
    }

    /// The law of what was measured in `way`.
    pub fn law(&self, way: Way) -> Option<&Law> {
        self.laws.get(&way)
    }

    /// What a candidate asks.
    pub fn work(&self, at: usize) -> &Work {
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
        self.worth[a].compare(&self.worth[b])
    }

    /// Whether both are as good, as far as anyone knows.
    pub fn ties(&self, a: usize, b: usize) -> bool {
        let uncertainty = uncertainty_points(&self.candidates[a].choice, &self.candidates[b].choice);
        self.worth[a].ties(&self.worth[b], uncertainty)
    }

    /// The decision on what is known.
    pub fn found(&self) -> Option<Found> {
        let fits = || (0..self.candidates.len()).filter(|&at| self.candidates[at].verdict == Verdict::Fits);
        let quicker = |a: usize, b: usize| self.p95_ms(a).total_cmp(&self.p95_ms(b)).then(a.cmp(&b));
        let best = fits().max_by(|&a, &b| self.compare(a, b).then(quicker(b, a)))?;
        let tied = || fits().filter(|&at| self.ties(best, at));
        let quickest_ms = tied().map(|at| self.p50_ms(at)).fold(f64::INFINITY, f64::min);
        let macs = |at: usize| self.candidates[at].choice.million_macs;
        let picked = tied()
            .filter(|&at| self.p50_ms(at) <= quickest_ms * AS_QUICK)
            .min_by(|&a, &b| macs(a).total_cmp(&macs(b)).then(quicker(a, b)))?;
        Some(Found { best, picked })
    }

    /// What to measure next, and how well; nothing once no measurement can change the decision.
    pub fn next(&self) -> Option<(usize, Effort)> {
        let found = self.found();
        self.unmeasured(found).map(|at| (at, GLANCE)).or_else(|| self.doubtful(found))
    }

    /// Whether a candidate that took `p95_ms` and fitted would be picked instead, or decide what is.
    fn matters(&self, at: usize, p95_ms: f64, found: Option<Found>) -> bool {
        let Some(Found { best, picked }) = found else { return true };
        let cheaper = p95_ms < self.p95_ms(picked);
        match self.compare(at, best) {
            Ordering::Greater => cheaper || !self.ties(at, picked),
            _ => cheaper && self.ties(best, at),
        }
    }

    /// The unmeasured candidate that is most worth a look.
    fn unmeasured(&self, found: Option<Found>) -> Option<usize> {
        let open: Vec<usize> = (0..self.candidates.len()).filter(|&at| self.is_open(at, found)).collect();
        let Some(limit_ms) = self.budget.frame_ms else {
            return open.into_iter().max_by(|&a, &b| self.compare(a, b).then(b.cmp(&a)));
        };
        if let Some(first) = open.iter().find_map(|&at| self.first_of(self.candidates[at].way, limit_ms)) {
            return Some(first);
        }
        // Nearest to the limit by the law: these decide, and teach the law what it is to tell.
        let far = |at: usize| {
            let law = self.laws.get(&self.candidates[at].way);
            law.map_or(0.0, |law| (needed_ms(law.p95_ms(&self.work[at])) / limit_ms).ln().abs())
        };
        open.into_iter().min_by(|&a, &b| far(a).total_cmp(&far(b)).then(a.cmp(&b)))
    }

    fn is_open(&self, at: usize, found: Option<Found>) -> bool {
        if self.candidates[at].verdict != Verdict::Open || self.gives_up(self.candidates[at].way) {
            return false;
        }
        !self.is_out_of_reach(at)
            && self.matters(at, self.least_p95_ms(at), found)
            && self.heavier_than(at).is_none()
            && self.dominator(at).is_none()
    }

    /// Whether an unmeasured candidate is too slow even if it takes the least that it may.
    fn is_out_of_reach(&self, at: usize) -> bool {
        self.budget.frame_ms.is_some_and(|limit| needed_ms(self.least_p95_ms(at)) > limit)
    }

    /// The least that an unmeasured candidate may take at the 95th percentile.
    fn least_p95_ms(&self, at: usize) -> f64 {
        let way = self.candidates[at].way;
        let measured = |other: &&Candidate| other.way == way && other.measurement.is_some();
        match (self.laws.get(&way), self.measured.get(&way)) {
            (None, _) | (_, None | Some(0)) => 0.0,
            // One point makes no law; but what is larger takes no less, but for a surprise.
            (Some(_), Some(1)) => {
                let only = self
                    .candidates
                    .iter()
                    .find(measured)
                    .filter(|only| only.choice.million_macs <= self.candidates[at].choice.million_macs);
                only.and_then(|only| only.measurement.as_ref()).map_or(0.0, |m| m.total_ms.p95 / SURPRISE)
            }
            (Some(law), _) => law.p95_ms(&self.work[at]) / (SURPRISE * (1.0 + law.residual.min(0.5))),
        }
    }

    /// One that fits in the same way, or is to be tried before, costs no more and is at least as accurate. One that does
    /// not fit settles nothing of others: on some accelerators a larger one is quicker.
    pub fn dominator(&self, at: usize) -> Option<usize> {
        let Candidate { choice, way, .. } = &self.candidates[at];
        (0..self.candidates.len()).find(|&other| {
            let candidate = &self.candidates[other];
            if candidate.way != *way || candidate.choice.million_macs > choice.million_macs || other == at {
                return false;
            }
            // Of two that are alike in both, the first.
            let better = match self.compare(other, at) {
                Ordering::Equal => candidate.choice.million_macs < choice.million_macs || other < at,
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
        let Candidate { choice, way, .. } = &self.candidates[at];
        (0..self.candidates.len()).find(|&other| {
            let candidate = &self.candidates[other];
            candidate.way == *way
                && matches!(candidate.verdict, Verdict::TooMuchMemory { .. })
                && candidate.choice.network.million_parameters <= choice.network.million_parameters
                && candidate.choice.million_macs <= choice.million_macs
        })
    }

    /// A measurement that is too near a limit, or too odd, for what hangs on it.
    fn doubtful(&self, found: Option<Found>) -> Option<(usize, Effort)> {
        let limit_ms = self.budget.frame_ms;
        let mut worst: Option<(usize, Effort)> = None;
        for at in 0..self.candidates.len() {
            let Candidate { measurement: Some(measurement), verdict, way, .. } = &self.candidates[at] else { continue };
            let p95_ms = measurement.total_ms.p95;
            let needed = limit_ms.map(|limit| needed_ms(p95_ms) / limit);
            let doubt = doubt(measurement);
            let slow = matches!(verdict, Verdict::TooSlow { .. });
            let distance = match (verdict, found) {
                (Verdict::TooSlow { .. }, _) => {
                    let expected = self.laws.get(way).map(|law| law.p95_ms(&self.work[at]));
                    let odd = expected
                        .filter(|expected| p95_ms > expected * ODD && measurement.asked_frames <= GLANCE.frames);
                    // The median may fit with the tail that is usual in this way: another program was at work then.
                    let usual = self.laws.get(way).map(|law| measurement.total_ms.p50 * law.tail * USUAL_TAIL);
                    let least_ms = [odd, usual].into_iter().flatten().fold(p95_ms / doubt, f64::min);
                    let fits = limit_ms.is_none_or(|limit| needed_ms(least_ms) <= limit);
                    needed.filter(|_| fits && self.matters(at, least_ms, found))
                }
                (Verdict::Fits, Some(found)) if at == found.picked => needed.filter(|needed| needed * doubt > 1.0),
                // As good as the picked, and perhaps cheaper.
                (Verdict::Fits, Some(found)) if self.ties(found.best, at) => {
                    let apart = p95_ms / self.p95_ms(found.picked);
                    (apart / doubt < 1.0 && measurement.asked_frames < TIE_FRAMES).then_some(apart)
                }
                _ => None,
            };
            let tied = matches!((verdict, found), (Verdict::Fits, Some(found)) if at != found.picked);
            let effort = distance
                .and_then(|distance| closer(measurement, distance).or_else(|| once_more(measurement).filter(|_| slow)));
            let effort = effort.map(|effort| match tied {
                true => Effort { frames: effort.frames.min(TIE_FRAMES), ..effort },
                false => effort,
            });
            // The best of them first: what it is found to be may settle the others.
            if let Some(effort) = effort
                && worst.is_none_or(|(other, _)| self.compare(at, other) == Ordering::Greater)
            {
                worst = Some((at, effort));
            }
        }
        worst
    }
}
