//! Governor: switches rungs of the fallback ladder at run time, down when latency exceeds the budget, up with headroom.
//!
//! It is a state machine without clock and threads. The caller reports each latency and the state of the system, and
//! carries out the [`Change`] that the governor returns.
//!
//! # Downshift
//!
//! Any of five rules triggers a downshift. Its target is the first faster rung that fits at the current slowdown with
//! 10 % of headroom, or the fastest rung. The headroom is 30 % for a second downshift within a minute, and for a rung
//! that was not measured.
//!
//! - **Clear overrun**, a CUSUM test of 9 in 10 latencies over the limit against 1 in 20.
//!   - A latency over the limit adds ln(0.9 / 0.05) = 2.9, one 25 % over 4.1, one 50 % over 4.5. A latency within the
//!     limit subtracts 2.25. The sum stays at or above 0.
//!   - The test triggers at 18, at the earliest 2 s after the sum left 0, if 7 in 10 latencies since then were over:
//!     four latencies at twice the limit, or seven just over it. With 16 latencies, 17 in 20 of them over, 1.25 s
//!     suffice.
//!   - By chance the sum reaches 18 once in e¹⁸ = 6.6 · 10⁷ latencies. If 2 s are only four latencies, that is once a
//!     year. A burst of another program is too short to trigger the test.
//!   - While the system reports heat, throttling or another power mode, the cause is known: 8 and 0.3 s suffice.
//! - **Shift.** Three in four latencies of the last two seconds (or as many seconds as have eight latencies) are 15 %
//!   slower than the baseline, and p95, which moves with them, exceeds the budget. This rule needs no latency over the
//!   limit: with a slowdown of 2, many budgets are exceeded by every third frame only.
//! - **Half overrun**, a CUSUM test of 1 in 2 latencies over the limit. A latency over adds 2.3, one within subtracts
//!   0.64. It triggers at 18, after 4 s in which two fifths of the latencies were over.
//! - **Bad seconds.** In 18 of the last 30 seconds more than 1/8 of the latencies were over. If 1 latency in 20 is
//!   over, chance does that less than once in 10¹² times.
//! - **Overrun rate.** Of all latencies of the last 30 seconds more than 1 in 10 were over, by four standard
//!   deviations: 1 in 8 of 1,800 latencies, 1 in 6 of 300. So recurring bursts do not exceed the budget for ever.
//!
//! # Upshift
//!
//! An upshift goes to the most accurate rung with headroom. All of these conditions must hold:
//!
//! - The last 30 seconds were all on the active rung, and at most three of them were bad.
//! - The system reports no condition.
//! - At the slowdown of those 30 seconds the target keeps the budget: its median at their p95 with 5 % of headroom, and
//!   its p95 at their median. Alternatively, the slowdown is back at the baseline: median and p95 are within 6 % of it,
//!   or 12 % on a rung whose latency was learnt in service.
//!
//! So there is at most one upshift in 30 s. An upshift that is reverted within ten minutes doubles the wait before the
//! next, up to half an hour. One that holds for ten minutes resets it to 30 s. After half an hour on a rung the next
//! one is tried without any sign of headroom, because the learnt latency may be wrong.

mod cusum;
pub mod idle_detector;
mod latency_window;
pub mod soak_test;
#[cfg(test)]
mod tests;
pub mod thermal;
mod thresholds;
use cusum::Cusum;
use latency_window::LatencyWindow;
use thresholds::*;

/// Expected latency of one rung of the fallback ladder, in ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    pub p50_ms: f64,
    pub p95_ms: f64,
    /// `false` if the latency model predicts the latencies. The first seconds in service then correct them.
    pub is_measured: bool,
}

/// State of the system that explains a slowdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A temperature limit is reached.
    Hot,
    /// Clocks are reduced, by heat or low voltage.
    Throttled,
    /// The power mode differs from the one in which the rungs were measured.
    OtherPowerMode,
}

/// Cause of a downshift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The system reports no condition; another program may cause the slowdown.
    Slow,
    Known(Condition),
}

/// Decision of the governor; `to` is an index into the rungs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    Stay,
    /// `slowdown` is the latency divided by the expected median.
    Down {
        to: usize,
        slowdown: f64,
        cause: Cause,
    },
    Up {
        to: usize,
    },
}

/// Slowdown on the top rung while latency and hardware were in order.
#[derive(Clone, Copy)]
struct Baseline {
    median: f64,
    p95: f64,
}

/// Assumption before a baseline is known.
const NO_SLOWDOWN: Baseline = Baseline { median: 1.0, p95: 1.0 };

/// State machine that selects the rung of the fallback ladder. The module documentation states its rules.
pub struct Governor {
    rungs: Vec<Rung>,
    limit_ms: f64,
    active: usize,
    /// Target of the switch in progress.
    pending: Option<usize>,
    /// Rungs that could not be opened.
    is_unavailable: Vec<bool>,
    /// Rungs that had no measurement at the start.
    is_learnt: Vec<bool>,
    conditions: Vec<Condition>,
    clear_overrun: Cusum,
    half_overrun: Cusum,
    /// Ring buffer of slowdowns, indexed by `samples`.
    recent: [f64; RECENT_SAMPLES],
    /// Number of samples on the active rung.
    samples: usize,
    window: LatencyWindow,
    /// Slowdown at the last reported change.
    last_reported: Option<f64>,
    /// Slowdown before the switch to an unmeasured rung, until the latency of that rung is learnt.
    slowdown_before_unmeasured: Option<f64>,
    baseline: Option<Baseline>,
    switched_s: f64,
    last_downshift_s: f64,
    /// Time of the last upshift; negative infinity if it was reverted.
    last_upshift_s: f64,
    upshift_backoff_s: f64,
}

impl Governor {
    /// Returns a governor on the first rung. `rungs` descend in accuracy and latency; `limit_ms` is the limit for p95.
    pub fn new(rungs: Vec<Rung>, limit_ms: f64) -> Governor {
        Governor {
            is_unavailable: vec![false; rungs.len()],
            is_learnt: rungs.iter().map(|rung| !rung.is_measured).collect(),
            rungs,
            limit_ms,
            active: 0,
            pending: None,
            conditions: Vec::new(),
            clear_overrun: Cusum::default(),
            half_overrun: Cusum::default(),
            recent: [0.0; RECENT_SAMPLES],
            samples: 0,
            window: LatencyWindow::default(),
            last_reported: None,
            slowdown_before_unmeasured: None,
            baseline: None,
            switched_s: f64::NEG_INFINITY,
            last_downshift_s: f64::NEG_INFINITY,
            last_upshift_s: f64::NEG_INFINITY,
            upshift_backoff_s: UPSHIFT_BACKOFF_MIN_S,
        }
    }

    /// Returns the index of the active rung.
    pub fn active(&self) -> usize {
        self.active
    }

    /// Records that the system reports `condition` from now on.
    pub fn set_condition(&mut self, condition: Condition) {
        if !self.conditions.contains(&condition) {
            self.conditions.push(condition);
        }
    }

    /// Records that the system no longer reports `condition`.
    pub fn clear_condition(&mut self, condition: Condition) {
        self.conditions.retain(|known| *known != condition);
    }

    /// Records that the switch is done: from `now_s` on, latencies are those of rung `to`.
    pub fn on_switched(&mut self, now_s: f64, to: usize) {
        if to > self.active {
            if now_s - self.last_upshift_s < UPSHIFT_HOLD_S {
                self.upshift_backoff_s = (self.upshift_backoff_s * 2.0).min(UPSHIFT_BACKOFF_MAX_S);
                self.last_upshift_s = f64::NEG_INFINITY; // further downshifts do not count against this upshift
            }
            self.last_downshift_s = now_s;
        } else {
            self.last_upshift_s = now_s;
        }
        self.slowdown_before_unmeasured = if self.rungs[to].is_measured { None } else { self.last_reported };
        self.active = to;
        self.pending = None;
        self.switched_s = now_s;
        self.clear_overrun = Cusum::default();
        self.half_overrun = Cusum::default();
        self.samples = 0;
        self.window.clear();
    }

    /// Records that rung `to` cannot be opened. The governor does not select it again.
    pub fn on_switch_failed(&mut self, to: usize) {
        self.is_unavailable[to] = true;
        self.pending = None;
    }

    /// Records a latency that was complete at `now_s`, in seconds of a monotonic clock. Returns the switch to make.
    pub fn on_latency(&mut self, now_s: f64, total_ms: f64) -> Change {
        let slowdown = total_ms / self.rungs[self.active].p50_ms;
        self.recent[self.samples % RECENT_SAMPLES] = slowdown;
        self.samples += 1;
        let is_new_second = self.window.record(now_s, slowdown, total_ms > self.limit_ms);
        self.clear_overrun.update(&CLEAR_OVERRUN, now_s, total_ms / self.limit_ms);
        self.half_overrun.update(&HALF_OVERRUN, now_s, total_ms / self.limit_ms);
        if now_s - self.last_upshift_s >= UPSHIFT_HOLD_S && self.last_upshift_s.is_finite() {
            self.upshift_backoff_s = UPSHIFT_BACKOFF_MIN_S;
        }
        if self.pending.is_some() {
            return Change::Stay;
        }
        self.learn_rung(now_s);
        let change = if self.is_over_budget(now_s) || (is_new_second && self.has_shifted()) {
            self.downshift(now_s)
        } else if is_new_second {
            self.upshift(now_s)
        } else {
            Change::Stay
        };
        match change {
            Change::Stay => {}
            Change::Down { to, slowdown, .. } => {
                self.pending = Some(to);
                self.last_reported = Some(slowdown);
            }
            Change::Up { to } => {
                self.pending = Some(to);
                self.last_reported = self.median_slowdown(RECENT_SAMPLES);
            }
        }
        change
    }

    /// Returns the median slowdown of the last `count` samples on the active rung.
    fn median_slowdown(&self, count: usize) -> Option<f64> {
        let count = count.min(self.samples).min(RECENT_SAMPLES);
        let mut slowdowns: Vec<f64> =
            (0..count).map(|back| self.recent[(self.samples - 1 - back) % RECENT_SAMPLES]).collect();
        slowdowns.sort_by(f64::total_cmp);
        slowdowns.get(count / 2).copied()
    }

    /// Corrects the latency of an unmeasured rung from its first samples, if the machine is as slow as before the
    /// switch.
    fn learn_rung(&mut self, now_s: f64) {
        if self.slowdown_before_unmeasured.is_none()
            || now_s - self.switched_s < LEARN_SECONDS
            || self.samples < LEARN_SAMPLES
        {
            return;
        }
        if let (Some(before), Some(now)) = (self.slowdown_before_unmeasured.take(), self.window.slowdown_quantile(0.5))
        {
            let rung = &mut self.rungs[self.active];
            *rung = Rung { p50_ms: rung.p50_ms * now / before, p95_ms: rung.p95_ms * now / before, is_measured: true };
            self.samples = 0;
            self.window.clear();
        }
    }

    /// Returns whether one of the rules on latencies over the limit triggers.
    fn is_over_budget(&self, now_s: f64) -> bool {
        let low_threshold = (!self.conditions.is_empty()).then_some(KNOWN_CAUSE);
        self.clear_overrun.has_triggered(&CLEAR_OVERRUN, now_s, low_threshold)
            || self.half_overrun.has_triggered(&HALF_OVERRUN, now_s, None)
            || (self.window.is_full()
                && (self.window.bad_seconds() >= BAD_SECONDS_LIMIT
                    || self.window.overrun_rate_exceeds(OVERRUN_RATE_LIMIT, OVERRUN_SIGMAS)))
    }

    /// Returns whether all latencies have shifted so far that p95 cannot be within the budget.
    fn has_shifted(&self) -> bool {
        let Some((baseline, shift)) = self.baseline.zip(self.window.recent_shift(MIN_SHIFT_SAMPLES)) else {
            return false;
        };
        shift > baseline.median * SHIFT_RATIO
            && self.rungs[self.active].p95_ms * shift > self.limit_ms * SHIFT_LIMIT_SHARE
    }

    fn downshift(&self, now_s: f64) -> Change {
        // The samples since the overrun began; for a gradual slowdown, all recent samples.
        let count = self.clear_overrun.samples().map_or(RECENT_SAMPLES, |samples| samples.max(3));
        // The expected latency of an unmeasured rung may be wrong, so its own slowdown says nothing yet.
        let Some(slowdown) = self.slowdown_before_unmeasured.or(self.median_slowdown(count)) else {
            return Change::Stay;
        };
        let is_repeated = now_s - self.last_downshift_s < REPEAT_S;
        let required_ms = |rung: &Rung| {
            let is_uncertain = is_repeated || !rung.is_measured;
            let headroom = if is_uncertain { REPEATED_DOWNSHIFT_HEADROOM } else { DOWNSHIFT_HEADROOM };
            rung.p95_ms * slowdown * headroom
        };
        let faster = (self.active + 1..self.rungs.len()).filter(|&to| !self.is_unavailable[to]);
        let fits = |to: &usize| required_ms(&self.rungs[*to]) <= self.limit_ms;
        let Some(to) = faster.clone().find(fits).or_else(|| faster.clone().next_back()) else { return Change::Stay };
        let cause = self.conditions.first().map_or(Cause::Slow, |condition| Cause::Known(*condition));
        Change::Down { to, slowdown, cause }
    }

    fn upshift(&mut self, now_s: f64) -> Change {
        let is_in_order = self.window.is_full()
            && self.window.bad_seconds() <= MAX_BAD_SECONDS
            && self.clear_overrun.samples().is_none()
            && self.conditions.is_empty();
        let quantiles = self.window.slowdown_quantile(0.5).zip(self.window.slowdown_quantile(0.95));
        let Some((median, p95)) = quantiles.filter(|_| is_in_order) else { return Change::Stay };
        if self.active == 0 {
            self.baseline = Some(Baseline { median, p95 });
            return Change::Stay;
        }
        if now_s - self.switched_s < self.upshift_backoff_s {
            return Change::Stay;
        }
        let baseline = self.baseline.unwrap_or(NO_SLOWDOWN);
        let tolerance = if self.is_learnt[self.active] { RECOVERED_RATIO_IF_LEARNT } else { RECOVERED_RATIO };
        let has_recovered = median <= baseline.median * tolerance && p95 <= baseline.p95 * tolerance;
        let has_headroom = |to: usize| {
            let Rung { p50_ms, p95_ms, .. } = self.rungs[to];
            (p50_ms * p95 * UPSHIFT_HEADROOM).max(p95_ms * median) <= self.limit_ms
        };
        let more_accurate = (0..self.active).filter(|&to| !self.is_unavailable[to]);
        let target = more_accurate.clone().find(|&to| has_recovered || has_headroom(to));
        // The learnt latency of a rung may be wrong, so after half an hour the next one is tried regardless.
        let is_overdue = now_s - self.switched_s >= UPSHIFT_BACKOFF_MAX_S;
        let target = target.or_else(|| more_accurate.clone().next_back().filter(|_| is_overdue));
        target.map_or(Change::Stay, |to| Change::Up { to })
    }
}
