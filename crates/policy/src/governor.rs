//! When to change what answers while the line runs: down soon after the budget is broken, up once there is room again.
//!
//! It has no clock and no threads: it is told each answer's time and what the system says, and tells what to do.
//!
//! **Down**, by any of five rules, straight to the first rung that fits at the slowdown seen, with 10 % of room (30 %
//! where it is the second step down within a minute, or a rung that nobody measured):
//!
//! - *Clearly over.* Each answer over the budget counts for ln(0.9 / 0.05) = 2.9, one 25 % over for 4.1, one 50 % over
//!   for 4.5; each other one takes 2.25 away, never below 0. At 18, and 2 s after it left 0 with seven in ten over, it
//!   is decided: four answers at twice the time, seven just over; with 16 answers of which 17 in 20 are over 1.25 s are
//!   enough. These are log likelihoods of nine in ten answers being over against one in twenty (one in 67, one in 100),
//!   so 18 is reached by chance once in e¹⁸ = 6.6 · 10⁷ answers that are so slow that 2 s are four of them (a year), and
//!   no other program's moment does it. While the system says that it is hot, slowed down, or in another power mode
//!   than before, 8 and 0.3 s are enough: the cause is known.
//! - *Shifted.* In the last two seconds, or as many as have eight answers, three in four took 15 % longer than is usual
//!   here, and the 95th percentile, which moves with them, is over the budget then. So it need not wait for answers that
//!   are: at twice the time many a budget is broken by every third one alone.
//! - *Half over.* The same for one in two: each over counts for 2.3, each other one takes 0.64; 18, after 4 s in which
//!   two fifths of the answers were over.
//! - *Often over.* In 18 of the last 30 seconds more than an eighth of the answers were over. With one in twenty over,
//!   chance does that less than once in 10¹² times.
//! - *Too often over.* Of all answers of the last 30 seconds more than one in ten were over, by four standard deviations:
//!   one in eight of 1,800, one in six of 300. So moments that come and go do not break the budget for good.
//!
//! **Up**, straight to the best rung that has room, when the last 30 seconds were all on the rung that answers, at most
//! three of them bad, nothing the system said is the matter any more, and either the better rung at the slowdown of
//! those 30 seconds keeps the budget (its median at their 95th percentile, with 5 % of room, and its 95th at their
//! median), or median and 95th percentile are within 6 % of what they were when all was well (12 % on a rung that was
//! learnt as it answered). So there is never more than one change up in 30 s. One that has to be taken back within ten
//! minutes doubles the wait before the next, to half an hour at most; one that holds as long makes it 30 s again. After
//! half an hour on one rung the next is tried though nothing tells that there is room: what was learnt may be wrong.

mod cusum;
pub mod idle_detector;
mod latency_window;
pub mod soak_test;
#[cfg(test)]
mod tests;
pub mod thermal;
mod thresholds;
use cusum::Evidence;
use latency_window::Window;
use thresholds::*;

/// Something that can answer, and how long it takes by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    pub p50_ms: f64,
    pub p95_ms: f64,
    /// Else these are what a law of other sizes says; its first answers tell how wrong that was.
    pub is_measured: bool,
}

/// What the system says of itself, while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A temperature limit has been reached.
    Hot,
    /// Clocks are held down, by heat or low voltage.
    Throttled,
    /// Another power mode than the one that the rungs were measured in.
    OtherPowerMode,
}

/// Why it goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Answers take too long, and the system names no reason: another program, perhaps.
    Slow,
    /// They do, and this is the matter.
    Known(Condition),
}

/// What to do; positions are those of the rungs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    Stay,
    /// Answers took `slowdown` times what was measured.
    Down {
        to: usize,
        slowdown: f64,
        cause: Cause,
    },
    Up {
        to: usize,
    },
}

/// See the module.
pub struct Governor {
    rungs: Vec<Rung>,
    limit_ms: f64,
    at: usize,
    /// Where the caller is changing to.
    pending: Option<usize>,
    broken: Vec<bool>,
    learnt: Vec<bool>,
    conditions: Vec<Condition>,
    clearly: Evidence,
    half: Evidence,
    recent: [f64; RECENT],
    /// Answers of the present rung.
    answers: usize,
    window: Window,
    /// The slowdown when the last change was told.
    told: Option<f64>,
    /// The slowdown before the change to a rung that nobody measured, until its own is known.
    unknown: Option<f64>,
    /// Slowdown when all was well, the median and the 95th percentile.
    usual: (f64, f64),
    /// Whether it was seen.
    knows_usual: bool,
    changed_s: f64,
    down_s: f64,
    up_s: f64,
    wait_s: f64,
}

impl Governor {
    /// `rungs` from the most accurate, which answers now, down to the quickest; `limit_ms` is what an answer may take at
    /// the 95th percentile.
    pub fn new(rungs: Vec<Rung>, limit_ms: f64) -> Governor {
        Governor {
            broken: vec![false; rungs.len()],
            learnt: rungs.iter().map(|rung| !rung.is_measured).collect(),
            rungs,
            limit_ms,
            at: 0,
            pending: None,
            conditions: Vec::new(),
            clearly: Evidence::default(),
            half: Evidence::default(),
            recent: [0.0; RECENT],
            answers: 0,
            window: Window::default(),
            told: None,
            unknown: None,
            usual: (1.0, 1.0),
            knows_usual: false,
            changed_s: f64::NEG_INFINITY,
            down_s: f64::NEG_INFINITY,
            up_s: f64::NEG_INFINITY,
            wait_s: WAIT_S.0,
        }
    }

    /// The rung that answers.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The system says so from now on.
    pub fn begins(&mut self, condition: Condition) {
        if !self.conditions.contains(&condition) {
            self.conditions.push(condition);
        }
    }

    /// The system says so no longer.
    pub fn ends(&mut self, condition: Condition) {
        self.conditions.retain(|known| *known != condition);
    }

    /// The change that was told has been made: from `now_s` on, answers are those of rung `to`.
    pub fn changed(&mut self, now_s: f64, to: usize) {
        if to > self.at {
            if now_s - self.up_s < HOLD_S {
                self.wait_s = (self.wait_s * 2.0).min(WAIT_S.1);
                self.up_s = f64::NEG_INFINITY; // taken back; further steps down say nothing more of it
            }
            self.down_s = now_s;
        } else {
            self.up_s = now_s;
        }
        self.unknown = if self.rungs[to].is_measured { None } else { self.told };
        (self.at, self.pending, self.changed_s) = (to, None, now_s);
        (self.clearly, self.half, self.answers) = (Evidence::default(), Evidence::default(), 0);
        self.window.clear();
    }

    /// The change that was told cannot be made: that rung is not tried again.
    pub fn failed(&mut self, to: usize) {
        self.broken[to] = true;
        self.pending = None;
    }

    /// An answer that was ready at `now_s` (seconds of a clock that never goes back) and took `total_ms`.
    pub fn answered(&mut self, now_s: f64, total_ms: f64) -> Change {
        let slowdown = total_ms / self.rungs[self.at].p50_ms;
        self.recent[self.answers % RECENT] = slowdown;
        self.answers += 1;
        let is_new_second = self.window.record(now_s, slowdown, total_ms > self.limit_ms);
        self.clearly.weigh(&CLEARLY, now_s, total_ms / self.limit_ms);
        self.half.weigh(&HALF, now_s, total_ms / self.limit_ms);
        if now_s - self.up_s >= HOLD_S && self.up_s.is_finite() {
            self.wait_s = WAIT_S.0;
        }
        if self.pending.is_some() {
            return Change::Stay;
        }
        self.learn(now_s);
        let change = match self.is_over(now_s) || (is_new_second && self.has_shifted()) {
            true => self.down(now_s),
            false if is_new_second => self.up(now_s),
            false => Change::Stay,
        };
        match change {
            Change::Stay => {}
            Change::Down { to, slowdown, .. } => (self.pending, self.told) = (Some(to), Some(slowdown)),
            Change::Up { to } => (self.pending, self.told) = (Some(to), self.slowdown(RECENT)),
        }
        change
    }

    /// The middle one of as many last answers on this rung, as a multiple of what is expected.
    fn slowdown(&self, count: usize) -> Option<f64> {
        let count = count.min(self.answers).min(RECENT);
        let mut slowdowns: Vec<f64> = (0..count).map(|back| self.recent[(self.answers - 1 - back) % RECENT]).collect();
        slowdowns.sort_by(f64::total_cmp);
        slowdowns.get(count / 2).copied()
    }

    /// What the law said of a rung is put right by its first answers: the machine is as slow as it was just before.
    fn learn(&mut self, now_s: f64) {
        let (seconds, answers) = LEARNT_FROM;
        if self.unknown.is_none() || now_s - self.changed_s < seconds || self.answers < answers {
            return;
        }
        if let (Some(before), Some(now)) = (self.unknown.take(), self.window.slowdown(0.5)) {
            let rung = &mut self.rungs[self.at];
            *rung = Rung { p50_ms: rung.p50_ms * now / before, p95_ms: rung.p95_ms * now / before, is_measured: true };
            self.answers = 0;
            self.window.clear();
        }
    }

    fn is_over(&self, now_s: f64) -> bool {
        let less = (!self.conditions.is_empty()).then_some(WITH_A_CAUSE);
        self.clearly.is_enough(&CLEARLY, now_s, less)
            || self.half.is_enough(&HALF, now_s, None)
            || (self.window.is_full()
                && (self.window.bad_seconds() >= OFTEN_BAD || self.window.is_more_often_over(TOO_OFTEN, BY_FAR)))
    }

    /// Whether all answers have lately become so much slower that the 95th percentile, which moves with the median, cannot
    /// be within the budget any more.
    fn has_shifted(&self) -> bool {
        let Some(lately) = self.window.lately(SHIFT_ANSWERS) else { return false };
        let (usual, _) = self.usual;
        self.knows_usual && lately > usual * SHIFTED && self.rungs[self.at].p95_ms * lately > self.limit_ms * BEYOND
    }

    fn down(&self, now_s: f64) -> Change {
        // The middle one of the answers since it began; of a slow fault, of all that are kept.
        let clear = self.clearly.answers().map_or(RECENT, |answers| answers.max(3));
        // On a rung that nobody measured only what was seen before it is known.
        let Some(slowdown) = self.unknown.or(self.slowdown(clear)) else { return Change::Stay };
        let again = now_s - self.down_s < SOON_S;
        let room = |rung: &Rung| if again || !rung.is_measured { ROOM_AGAIN } else { ROOM };
        let lower = (self.at + 1..self.rungs.len()).filter(|&to| !self.broken[to]);
        let fits = |to: &usize| self.rungs[*to].p95_ms * slowdown * room(&self.rungs[*to]) <= self.limit_ms;
        let Some(to) = lower.clone().find(fits).or_else(|| lower.clone().next_back()) else { return Change::Stay };
        let cause = self.conditions.first().map_or(Cause::Slow, |condition| Cause::Known(*condition));
        Change::Down { to, slowdown, cause }
    }

    fn up(&mut self, now_s: f64) -> Change {
        let well = self.window.is_full() && self.window.bad_seconds() <= STILL_WELL && self.clearly.answers().is_none();
        let (Some(median), Some(most)) = (self.window.slowdown(0.5), self.window.slowdown(0.95)) else {
            return Change::Stay;
        };
        if !well || !self.conditions.is_empty() {
            return Change::Stay;
        }
        if self.at == 0 {
            (self.usual, self.knows_usual) = ((median, most), true);
            return Change::Stay;
        }
        if now_s - self.changed_s < self.wait_s {
            return Change::Stay;
        }
        let same = if self.learnt[self.at] { AS_BEFORE_LEARNT } else { AS_BEFORE };
        let as_before = median <= self.usual.0 * same && most <= self.usual.1 * same;
        let has_room = |to: usize| {
            let Rung { p50_ms, p95_ms, .. } = self.rungs[to];
            (p50_ms * most * ROOM_UP).max(p95_ms * median) <= self.limit_ms
        };
        let higher = (0..self.at).find(|&to| !self.broken[to] && (as_before || has_room(to)));
        // What was learnt of this rung may be wrong: rather than stay for ever, it tries the next.
        let is_stale = now_s - self.changed_s >= WAIT_S.1;
        let higher = higher.or_else(|| (0..self.at).rfind(|&to| is_stale && !self.broken[to]));
        higher.map_or(Change::Stay, |to| Change::Up { to })
    }
}
