//! The line after the pick, under load that changes: what `governor` does, and how soon.

use phicam_policy::governor::{Change, Governor, Rung};
use phicam_policy::picker::LadderStep;
use serde_json::{Value, json};

use crate::device::Kind;
use crate::noise::{Heat, Noise};
use crate::report::quantile;
use crate::trial::{Drawn, Offer};

/// A camera's pace: no two answers begin closer together.
const FRAME_S: f64 = 1.0 / 30.0;
/// From the word to change to the first answer of the other model, which has been warmed up.
const SWITCH_S: f64 = 0.2;
/// What the rest of the line adds to every answer: all the room that the picker leaves for it.
const LINE: f64 = 1.0 + phicam_policy::picker::PIPELINE_HEADROOM;
/// Slower budgets give too few answers to tell anything within seconds.
const SLOWEST_BUDGET_MS: f64 = 500.0;

/// A line that runs on a simulated device.
struct Line {
    governor: Governor,
    noise: Noise,
    /// True medians of the rungs, and their 95th percentile when nothing is the matter, with the rest of the line.
    medians_ms: Vec<f64>,
    p95_ratio: f64,
    limit_ms: f64,
    now_s: f64,
    pending: Option<(f64, usize)>,
    changes: usize,
    ups: usize,
    /// Seconds in which the true 95th percentile was over the budget.
    over_s: f64,
}

fn rung(step: &LadderStep) -> Rung {
    Rung { p50_ms: step.p50_ms, p95_ms: step.p95_ms, is_measured: step.is_measured }
}

impl Line {
    /// Of a device that the picker has picked for; nothing where it found nothing, or the budget is too slow.
    fn new(seed: u64, offer: &Offer, wanted: impl Fn(Kind) -> bool) -> Option<Line> {
        let mut drawn = Drawn::new(seed, offer);
        let limit_ms = drawn.budget.frame_ms?;
        if !wanted(drawn.device.kind) || limit_ms > SLOWEST_BUDGET_MS {
            return None;
        }
        let pick = drawn.pick(offer)?;
        let p95_ratio = drawn.device.noise.p95_over_median();
        let medians_ms: Vec<f64> = pick
            .ladder
            .iter()
            .filter_map(|step| {
                let candidate = &pick.candidates[step.candidate];
                let truth = drawn.truth(offer.position(&candidate.variant), candidate.config)?;
                Some(drawn.truths[truth].p95_ms / p95_ratio)
            })
            .collect();
        let rungs = pick.ladder.iter().map(rung).collect();
        // What truly does not keep the budget is counted where picks are.
        if medians_ms[0] * p95_ratio * LINE > limit_ms {
            return None;
        }
        drawn.device.noise.cool();
        Some(Line {
            governor: Governor::new(rungs, limit_ms),
            noise: drawn.device.noise,
            medians_ms,
            p95_ratio,
            limit_ms,
            now_s: 0.0,
            pending: None,
            changes: 0,
            ups: 0,
            over_s: 0.0,
        })
    }

    /// Truly, by more than 5 %, as for a pick.
    fn is_over(&self, at: usize, slowdown: f64) -> bool {
        self.medians_ms[at] * self.p95_ratio * LINE * slowdown > 1.05 * self.limit_ms
    }

    /// Runs for `seconds`; `slowdown` tells by how much everything takes longer then.
    fn run(&mut self, seconds: f64, slowdown: impl Fn(f64) -> f64) {
        let until_s = self.now_s + seconds;
        while self.now_s < until_s {
            let slowdown = slowdown(self.now_s);
            let at = self.governor.at();
            let ms = self.medians_ms[at] * LINE * slowdown * self.noise.sample(self.now_s);
            let spent_s = (ms / 1e3).max(FRAME_S);
            let hot = self.noise.heat.as_ref().map_or(1.0, Heat::slowdown);
            if self.is_over(at, slowdown * hot) {
                self.over_s += spent_s;
            }
            self.noise.spend_part(spent_s, (ms / 1e3 / spent_s).min(1.0));
            self.now_s += spent_s;
            let change = self.governor.answered(self.now_s, ms);
            if let Change::Down { to, .. } | Change::Up { to } = change {
                self.changes += 1;
                self.ups += usize::from(matches!(change, Change::Up { .. }));
                self.pending = Some((self.now_s + SWITCH_S, to));
            }
            if let Some((at_s, to)) = self.pending.filter(|(at_s, _)| self.now_s >= *at_s) {
                self.governor.changed(at_s.max(self.now_s), to);
                self.pending = None;
            }
        }
    }
}

/// What became of a slowdown of two, from the 60th to the 180th second.
pub struct Throttled {
    /// Seconds that the true 95th percentile was over the budget; nothing where no rung fits then.
    over_s: Option<f64>,
    /// Seconds from its end until the pick answers again.
    back_s: Option<f64>,
    changes: usize,
    limit_ms: f64,
}

/// `constant_s` is how long the slowdown takes to come, to 63 %; 0 for at once.
pub fn throttled(seed: u64, offer: &Offer, constant_s: f64) -> Option<Throttled> {
    let mut line = Line::new(seed, offer, |kind| kind != Kind::Throttles)?;
    line.run(60.0, |_| 1.0);
    let began_s = line.now_s;
    let at_s = |now_s: f64| 1.0 + if constant_s > 0.0 { 1.0 - (-(now_s - began_s) / constant_s).exp() } else { 1.0 };
    line.run(120.0, at_s);
    let fits = (0..line.medians_ms.len()).any(|at| !line.is_over(at, 2.0));
    let over_s = fits.then_some(line.over_s);
    let ended_s = line.now_s;
    while line.governor.at() != 0 && line.now_s < ended_s + 4000.0 {
        line.run(0.5, |_| 1.0);
    }
    let back_s = (line.governor.at() == 0).then_some(line.now_s - ended_s);
    Some(Throttled { over_s, back_s, changes: line.changes, limit_ms: line.limit_ms })
}

/// Changes in a day of a load that is noisy and constant, and the hours that were simulated.
pub fn constant(seed: u64, offer: &Offer) -> Option<(usize, f64)> {
    let mut line = Line::new(seed, offer, |kind| kind != Kind::Throttles)?;
    line.run(86_400.0, |_| 1.0);
    Some((line.changes, line.now_s / 3600.0))
}

/// Changes an hour, and the share of time over the budget, of a device that throttles by its own heat.
pub fn own_heat(seed: u64, offer: &Offer) -> Option<(f64, f64)> {
    let mut line = Line::new(seed, offer, |kind| kind == Kind::Throttles)?;
    let hottest = line.noise.heat.as_ref().map_or(1.0, |heat| heat.factor);
    if (0..line.medians_ms.len()).all(|at| line.is_over(at, hottest)) {
        return None; // nothing fits when it is hot
    }
    line.run(3600.0, |_| 1.0);
    Some((line.changes as f64, line.over_s / line.now_s))
}

pub fn of_throttled(all: &[Throttled]) -> Value {
    let over: Vec<f64> = all.iter().filter_map(|one| one.over_s).collect();
    let quick = |one: &&Throttled| one.limit_ms <= 200.0;
    let quick: Vec<f64> = all.iter().filter(quick).filter_map(|one| one.over_s).collect();
    let back: Vec<f64> = all.iter().filter_map(|one| one.back_s).collect();
    json!({
        "devices": all.len(),
        "where_no_rung_fits_at_twice": all.iter().filter(|one| one.over_s.is_none()).count(),
        "seconds_over": { "median": quantile(over.clone(), 0.5), "p99": quantile(over.clone(), 0.99), "most": quantile(over, 1.0) },
        "seconds_over_where_the_budget_is_within_200_ms": { "median": quantile(quick.clone(), 0.5), "p99": quantile(quick, 0.99) },
        "seconds_until_the_pick_is_back": { "median": quantile(back.clone(), 0.5), "p99": quantile(back.clone(), 0.99) },
        "never_back": all.len() - back.len(),
        "changes_each": all.iter().map(|one| one.changes as f64).sum::<f64>() / all.len().max(1) as f64,
    })
}
