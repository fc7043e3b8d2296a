//! The numbers of the rules in `adapt.rs`.

use super::cusum::{Rule, Sooner};
use super::latency_window::SECONDS;

/// See the module above, as for all of these.
pub const CLEARLY: Rule = Rule {
    over: &[(1.5, 4.5), (1.25, 4.1), (1.0, 2.9)],
    under: 2.25,
    enough: 18.0,
    seconds: 2.0,
    share: 0.7,
    sooner: SOONER,
};
pub const SOONER: Sooner = Sooner { answers: 16, seconds: 1.25, share: 0.85 };
pub const HALF: Rule =
    Rule { over: &[(1.0, 2.3)], under: 0.64, enough: 18.0, seconds: 4.0, share: 0.4, sooner: Sooner::NEVER };
/// What is clear enough where the cause is known, and after how many seconds.
pub const WITH_A_CAUSE: (f64, f64) = (8.0, 0.3);
/// A shift is that much beyond what is usual, told from so many answers, and the 95th percentile that share of the budget or
/// more: with 5 % of scatter what three in four exceed is 3 % below the median that the percentile moves with.
pub const SHIFTED: f64 = 1.15;
pub const SHIFT_ANSWERS: u32 = 8;
pub const BEYOND: f64 = 0.97;
/// Of the last 30 seconds.
pub const OFTEN_BAD: usize = 18;
/// Of the last 30 seconds' answers, and so many standard deviations of their number more.
pub const TOO_OFTEN: f64 = 0.10;
pub const BY_FAR: f64 = 4.0;
pub const STILL_WELL: usize = 3;
/// Room that a step leaves: a first one down, another within a minute or to what nobody measured, one up.
pub const ROOM: f64 = 1.1;
pub const ROOM_AGAIN: f64 = 1.3;
pub const ROOM_UP: f64 = 1.05;
pub const SOON_S: f64 = 60.0;
/// Within this of what it was, a slowdown counts as what it was.
pub const AS_BEFORE: f64 = 1.06;
pub const AS_BEFORE_LEARNT: f64 = 1.12;
/// Seconds before a change up: at first, at most, and how long one must hold.
pub const WAIT_S: (f64, f64) = (SECONDS as f64, 1800.0);
pub const HOLD_S: f64 = 600.0;
/// Answers that a slowdown is told from.
pub const RECENT: usize = 31;
/// Seconds, and answers, that tell what nobody measured: longer than a moment of another program.
pub const LEARNT_FROM: (f64, usize) = (2.0, 9);
