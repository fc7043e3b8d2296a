//! Hysteresis: the previous pick stays unless the new result differs by more than run-to-run noise.

use super::Verdict;
use super::headroom::judge_scaled;
use crate::budget::Budget;
use crate::measurement::Measurement;

/// Factor on latency by which results must differ to change the pick.
///
/// On a shared machine, latency measured over seconds differs from minute to minute: by 3 to 6 % on virtual cores, and
/// by 3 % beside a program that occupies one core.
pub const HYSTERESIS: f64 = 1.05;

/// Returns whether the previous pick, with this new measurement, keeps `budget` well enough to be picked again.
pub fn previous_pick_fits(measurement: &Measurement, budget: &Budget) -> bool {
    judge_scaled(Role::Previous.latency_factor(), measurement, budget) == Verdict::Fits
}

/// Relation of a candidate to the previous pick.
#[derive(Clone, Copy)]
pub enum Role {
    Previous,
    /// More accurate than the previous pick beyond doubt, for more work.
    Rival,
    /// No previous pick exists, or this candidate does not compete with it.
    Neutral,
}

impl Role {
    /// Returns the factor on latency: the previous pick may exceed the limit a little, a rival must stay below it.
    pub fn latency_factor(self) -> f64 {
        match self {
            Role::Previous => 1.0 / HYSTERESIS,
            Role::Rival => HYSTERESIS,
            Role::Neutral => 1.0,
        }
    }
}
