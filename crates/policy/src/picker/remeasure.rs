//! What was measured too near a limit, too oddly, or on too unsteady a machine for what hangs on it, and is measured again.

use std::cmp::Ordering;

use super::headroom::{LONG, QUICK_SAMPLE, closer, doubt, once_more};
use super::latency_model::LatencyModel;
use super::{Candidate, Search, Selection, Verdict};
use crate::measurement::Measurement;
use crate::sampling::SamplingPlan;

/// Which of two that are as good is quicker is not worth more frames than this.
const TIE_FRAMES: u64 = 64;
/// Further from the law than this share, what was seen at a glance is looked at again: something may have disturbed.
const ODD: f64 = 1.25;
/// Room for a tail to differ from the usual one of its way, as a factor.
const USUAL_TAIL: f64 = 1.02;
/// Where the 95th percentile of some measurement was further from its median than this, times wander: the cores of a virtual
/// machine are shared, other programs come and go. A factor beyond the other is another matter.
const UNSTEADY: (f64, f64) = (1.25, 2.0);

impl Search {
    /// A measurement that is not enough for what hangs on it, and what to measure instead: of the best of them, as what it
    /// is found to be may settle the others.
    pub(super) fn doubtful(&self, found: Option<Selection>) -> Option<(usize, SamplingPlan)> {
        let wander = self.wander();
        let mut best: Option<(usize, SamplingPlan)> = None;
        for at in 0..self.candidates.len() {
            let Candidate { measurement: Some(measurement), verdict, .. } = &self.candidates[at] else { continue };
            let sampling = match (verdict, found) {
                (Verdict::TooSlow { .. }, _) => self.perhaps_fits(at, measurement, found, wander),
                (Verdict::Fits, Some(found)) if at == found.picked => self.perhaps_does_not(at, measurement, wander),
                (Verdict::Fits, Some(found)) if self.ties(found.best, at) => {
                    self.perhaps_cheaper(at, measurement, found, wander)
                }
                _ => None,
            };
            if let Some(sampling) = sampling
                && best.is_none_or(|(other, _)| self.compare(at, other) == Ordering::Greater)
            {
                best = Some((at, sampling));
            }
        }
        best
    }

    /// How far times were seen to wander within a measurement, as a factor; 1 on a steady machine.
    fn wander(&self) -> f64 {
        let spread = |found: &Measurement| found.total_ms.p95 / found.total_ms.p50;
        let spreads = self.candidates.iter().filter_map(|candidate| candidate.measurement.as_ref()).map(spread);
        let most = spreads.fold(1.0, f64::max);
        if most > UNSTEADY.0 { most.min(UNSTEADY.1) } else { 1.0 }
    }

    fn law_of(&self, at: usize) -> Option<&LatencyModel> {
        self.latency_model(self.candidates[at].config)
    }

    /// Of one that is too slow as measured: what tells whether it is.
    fn perhaps_fits(
        &self,
        at: usize,
        measured: &Measurement,
        found: Option<Selection>,
        wander: f64,
    ) -> Option<SamplingPlan> {
        let p95_ms = measured.total_ms.p95;
        let limit_ms = self.budget.frame_ms?;
        let expected_ms = self.law_of(at).map(|latency_model| latency_model.p95_ms(self.work(at)));
        let odd = if wander > 1.0 { 1.0 } else { ODD };
        let is_odd = |expected_ms: &f64| p95_ms > expected_ms * odd;
        let odd_ms = expected_ms.filter(is_odd).filter(|_| measured.requested_frames <= QUICK_SAMPLE.frames);
        // The median may fit with the tail that is usual in this way: another program was at work then.
        let usual_ms =
            self.law_of(at).map(|latency_model| measured.total_ms.p50 * latency_model.p95_ratio * USUAL_TAIL);
        let min_ms = [odd_ms, usual_ms].into_iter().flatten().fold(p95_ms / doubt(measured), f64::min);
        if self.required_ms(at, min_ms) > limit_ms || !self.matters(at, min_ms, found) {
            return None;
        }
        let distance = self.required_ms(at, p95_ms) / limit_ms;
        let closer = closer(measured, distance).or_else(|| once_more(measured))?;
        Some(if wander > 1.0 { LONG.or_longer(closer) } else { closer })
    }

    /// Of the one that would be picked: what tells whether it fits.
    fn perhaps_does_not(&self, at: usize, measured: &Measurement, wander: f64) -> Option<SamplingPlan> {
        let share = self.required_ms(at, measured.total_ms.p95) / self.budget.frame_ms?;
        if share * wander > 1.0 && wander > 1.0 && measured.requested_frames < LONG.frames {
            return Some(LONG);
        }
        closer(measured, share).filter(|_| share * doubt(measured) > 1.0)
    }

    /// Of one that is as good as the picked: what tells whether it is the cheaper one.
    fn perhaps_cheaper(
        &self,
        at: usize,
        measured: &Measurement,
        found: Selection,
        wander: f64,
    ) -> Option<SamplingPlan> {
        let apart = measured.total_ms.p95 / self.p95_ms(found.picked);
        // One with less work that takes longer is so by nature, or was disturbed.
        let macs = |at: usize| self.candidates[at].variant.million_macs;
        let expected_ms = self.law_of(at).map(|latency_model| latency_model.p50_ms(self.work(at)));
        let is_odd = macs(at) < macs(found.picked)
            && expected_ms.is_some_and(|expected_ms| measured.total_ms.p50 > expected_ms * ODD);
        if is_odd && wander > 1.0 && measured.requested_frames < LONG.frames {
            return Some(LONG);
        }
        if measured.requested_frames >= TIE_FRAMES || !(is_odd || apart / doubt(measured) < 1.0) {
            return None;
        }
        let sampling = closer(measured, apart)?;
        Some(SamplingPlan { frames: sampling.frames.min(TIE_FRAMES), ..sampling })
    }
}
