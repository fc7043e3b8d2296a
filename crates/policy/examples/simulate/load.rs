//! Governor under changing load: its changes, and the time until they happen.

use phicam_policy::governor::{Change, Governor, Rung};
use phicam_policy::picker::LadderStep;
use serde_json::{Value, json};

use crate::device::Kind;
use crate::noise::{Heat, Noise};
use crate::report::quantile;
use crate::trial::{Drawn, Offer};

/// Frame interval of the camera.
const FRAME_S: f64 = 1.0 / 30.0;
/// Seconds from a change to the first inference of the other model, which is warmed up by then.
const SWITCH_S: f64 = 0.2;
/// Factor of the pipeline on each latency: all of the headroom that the picker leaves.
const PIPELINE_FACTOR: f64 = 1.0 + phicam_policy::picker::PIPELINE_HEADROOM;
/// Budgets above this give too few latencies for a decision within seconds.
const MAX_BUDGET_MS: f64 = 500.0;

/// Pipeline on a simulated device.
struct Pipeline {
    governor: Governor,
    noise: Noise,
    /// True medians of the rungs, and the ratio of their p95 without a slowdown.
    medians_ms: Vec<f64>,
    p95_ratio: f64,
    limit_ms: f64,
    now_s: f64,
    pending: Option<PendingSwitch>,
    changes: usize,
    ups: usize,
    /// Seconds in which the true p95 was over the budget.
    over_s: f64,
}

struct PendingSwitch {
    at_s: f64,
    to: usize,
}

fn rung(step: &LadderStep) -> Rung {
    Rung { p50_ms: step.p50_ms, p95_ms: step.p95_ms, is_measured: step.is_measured }
}

impl Pipeline {
    /// Picks for a device. Returns `None` if nothing fits, the budget is too high, or `accepts` refuses the device.
    fn new(seed: u64, offer: &Offer, accepts: impl Fn(Kind) -> bool) -> Option<Pipeline> {
        let mut drawn = Drawn::new(seed, offer);
        let limit_ms = drawn.budget.frame_ms?;
        if !accepts(drawn.device.kind) || limit_ms > MAX_BUDGET_MS {
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
        // A pick that does not keep the budget counts in the trials of the picker.
        if medians_ms[0] * p95_ratio * PIPELINE_FACTOR > limit_ms {
            return None;
        }
        drawn.device.noise.cool();
        Some(Pipeline {
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

    /// Returns whether the true p95 exceeds the budget by more than 5 %, as in the trials of the picker.
    fn is_over(&self, rung: usize, slowdown: f64) -> bool {
        self.medians_ms[rung] * self.p95_ratio * PIPELINE_FACTOR * slowdown > 1.05 * self.limit_ms
    }

    /// Runs for `seconds` with a slowdown as a function of time.
    fn run(&mut self, seconds: f64, slowdown: impl Fn(f64) -> f64) {
        let until_s = self.now_s + seconds;
        while self.now_s < until_s {
            let slowdown = slowdown(self.now_s);
            let active = self.governor.active();
            let ms = self.medians_ms[active] * PIPELINE_FACTOR * slowdown * self.noise.sample(self.now_s);
            let spent_s = (ms / 1e3).max(FRAME_S);
            let heat = self.noise.heat.as_ref().map_or(1.0, Heat::slowdown);
            if self.is_over(active, slowdown * heat) {
                self.over_s += spent_s;
            }
            self.noise.spend_part(spent_s, (ms / 1e3 / spent_s).min(1.0));
            self.now_s += spent_s;
            let change = self.governor.on_latency(self.now_s, ms);
            if let Change::Down { to, .. } | Change::Up { to } = change {
                self.changes += 1;
                self.ups += usize::from(matches!(change, Change::Up { .. }));
                self.pending = Some(PendingSwitch { at_s: self.now_s + SWITCH_S, to });
            }
            if let Some(switch) = self.pending.take_if(|switch| self.now_s >= switch.at_s) {
                self.governor.on_switched(switch.at_s.max(self.now_s), switch.to);
            }
        }
    }
}

/// Result of a slowdown of 2 from the 60th to the 180th second.
pub struct SlowdownResult {
    /// Seconds over the budget; `None` if no rung fits.
    over_s: Option<f64>,
    /// Seconds from the end of the slowdown until the pick is active; `None` if it never is.
    back_s: Option<f64>,
    changes: usize,
    limit_ms: f64,
}

/// Runs a slowdown of 2. It grows with the time constant `constant_s`; 0 is a step.
pub fn run_slowdown(seed: u64, offer: &Offer, constant_s: f64) -> Option<SlowdownResult> {
    let mut pipeline = Pipeline::new(seed, offer, |kind| kind != Kind::Throttles)?;
    pipeline.run(60.0, |_| 1.0);
    let start_s = pipeline.now_s;
    let slowdown =
        |now_s: f64| 1.0 + if constant_s > 0.0 { 1.0 - (-(now_s - start_s) / constant_s).exp() } else { 1.0 };
    pipeline.run(120.0, slowdown);
    let fits = (0..pipeline.medians_ms.len()).any(|rung| !pipeline.is_over(rung, 2.0));
    let over_s = fits.then_some(pipeline.over_s);
    let end_s = pipeline.now_s;
    while pipeline.governor.active() != 0 && pipeline.now_s < end_s + 4000.0 {
        pipeline.run(0.5, |_| 1.0);
    }
    let back_s = (pipeline.governor.active() == 0).then_some(pipeline.now_s - end_s);
    Some(SlowdownResult { over_s, back_s, changes: pipeline.changes, limit_ms: pipeline.limit_ms })
}

/// Runs a day of constant, noisy load. Returns the number of changes and the simulated hours.
pub fn run_constant_load(seed: u64, offer: &Offer) -> Option<(usize, f64)> {
    let mut pipeline = Pipeline::new(seed, offer, |kind| kind != Kind::Throttles)?;
    pipeline.run(86_400.0, |_| 1.0);
    Some((pipeline.changes, pipeline.now_s / 3600.0))
}

/// Runs an hour on a device that throttles by its own heat. Returns the changes and the share of time over the budget.
pub fn run_own_heat(seed: u64, offer: &Offer) -> Option<(f64, f64)> {
    let mut pipeline = Pipeline::new(seed, offer, |kind| kind == Kind::Throttles)?;
    let hottest = pipeline.noise.heat.as_ref().map_or(1.0, |heat| heat.factor);
    if (0..pipeline.medians_ms.len()).all(|rung| pipeline.is_over(rung, hottest)) {
        return None; // nothing fits when it is hot
    }
    pipeline.run(3600.0, |_| 1.0);
    Some((pipeline.changes as f64, pipeline.over_s / pipeline.now_s))
}

/// Summarises slowdowns as JSON.
pub fn slowdown_summary(all: &[SlowdownResult]) -> Value {
    let over: Vec<f64> = all.iter().filter_map(|result| result.over_s).collect();
    let has_low_limit = |result: &&SlowdownResult| result.limit_ms <= 200.0;
    let quick: Vec<f64> = all.iter().filter(has_low_limit).filter_map(|result| result.over_s).collect();
    let back: Vec<f64> = all.iter().filter_map(|result| result.back_s).collect();
    json!({
        "devices": all.len(),
        "where_no_rung_fits_at_twice": all.iter().filter(|result| result.over_s.is_none()).count(),
        "seconds_over": { "median": quantile(over.clone(), 0.5), "p99": quantile(over.clone(), 0.99), "most": quantile(over, 1.0) },
        "seconds_over_where_the_budget_is_within_200_ms": { "median": quantile(quick.clone(), 0.5), "p99": quantile(quick, 0.99) },
        "seconds_until_the_pick_is_back": { "median": quantile(back.clone(), 0.5), "p99": quantile(back.clone(), 0.99) },
        "never_back": all.len() - back.len(),
        "changes_each": all.iter().map(|result| result.changes as f64).sum::<f64>() / all.len().max(1) as f64,
    })
}
