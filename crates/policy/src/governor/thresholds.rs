//! Thresholds of the governor. The head of `governor.rs` derives them; estimates were tuned with `just simulate`.

use super::cusum::{CusumRule, FastPath, LowThreshold};
use super::latency_window::WINDOW_SECONDS;

/// Test for a clear overrun: 9 in 10 latencies over the limit against 1 in 20. ln(0.9 / 0.05) = 2.9,
/// ln(0.1 / 0.95) = −2.25. By chance only 1 latency in 67 is 25 % over, and 1 in 100 is 50 % over: ln(0.9 · 67) = 4.1,
/// ln(0.9 · 100) = 4.5.
pub const CLEAR_OVERRUN: CusumRule = CusumRule {
    over_weights: &[(1.5, 4.5), (1.25, 4.1), (1.0, 2.9)],
    within_weight: 2.25,
    threshold: 18.0,
    min_seconds: 2.0,
    min_over_share: 0.7,
    fast_path: Some(FastPath { min_samples: 16, min_seconds: 1.25, min_over_share: 0.85 }),
};
/// Test for half of the latencies over the limit: 1 in 2 against 1 in 20. ln(0.5 / 0.05) = 2.3, ln(0.5 / 0.95) = −0.64.
pub const HALF_OVERRUN: CusumRule = CusumRule {
    over_weights: &[(1.0, 2.3)],
    within_weight: 0.64,
    threshold: 18.0,
    min_seconds: 4.0,
    min_over_share: 0.4,
    fast_path: None,
};
/// Threshold of [`CLEAR_OVERRUN`] while the system reports a condition that explains a slowdown. Estimates.
pub const KNOWN_CAUSE: LowThreshold = LowThreshold { threshold: 8.0, min_seconds: 0.3 };

/// Slowdown relative to the baseline that counts as a shift. Estimate.
pub const SHIFT_RATIO: f64 = 1.15;
/// Samples from which a shift is determined.
pub const MIN_SHIFT_SAMPLES: u32 = 8;
/// Share of the limit that the shifted p95 must exceed. With 5 % of scatter the lower quartile is 3 % below the median,
/// and p95 moves with the median.
pub const SHIFT_LIMIT_SHARE: f64 = 0.97;

/// Bad seconds of the latency window that trigger a downshift. With 1 latency in 20 over the limit, chance reaches 18
/// of 30 less than once in 10¹² times.
pub const BAD_SECONDS_LIMIT: usize = 18;
/// Share of the window's latencies that may be over the limit, and the standard deviations by which it must be
/// exceeded.
pub const OVERRUN_RATE_LIMIT: f64 = 0.10;
pub const OVERRUN_SIGMAS: f64 = 4.0;
/// Bad seconds of the latency window up to which it counts as in order. Estimate: one tenth.
pub const MAX_BAD_SECONDS: usize = 3;

/// Headroom of a downshift's target, as a factor on its p95. Estimate.
pub const DOWNSHIFT_HEADROOM: f64 = 1.1;
/// Headroom of a second downshift within [`REPEAT_S`], and of a target that was not measured. Estimate.
pub const REPEATED_DOWNSHIFT_HEADROOM: f64 = 1.3;
pub const REPEAT_S: f64 = 60.0;
/// Headroom of an upshift's target, as a factor on its median. Estimate.
pub const UPSHIFT_HEADROOM: f64 = 1.05;

/// Relative tolerance within which the slowdown counts as recovered. Estimate: the run-to-run noise is 3 to 6 %.
pub const RECOVERED_RATIO: f64 = 1.06;
/// Tolerance on a rung whose latency was learnt in service, which is less exact.
pub const RECOVERED_RATIO_IF_LEARNT: f64 = 1.12;

/// Seconds on a rung before an upshift. Each upshift that fails doubles the wait, up to the maximum of half an hour.
pub const UPSHIFT_BACKOFF_MIN_S: f64 = WINDOW_SECONDS as f64;
pub const UPSHIFT_BACKOFF_MAX_S: f64 = 1800.0;
/// Seconds after which an upshift has succeeded. Estimate.
pub const UPSHIFT_HOLD_S: f64 = 600.0;

/// Latest samples from which a slowdown is determined. Odd, so that the median is one of them.
pub const RECENT_SAMPLES: usize = 31;
/// Seconds and samples from which the latency of an unmeasured rung is learnt: longer than a burst of another program.
pub const LEARN_SECONDS: f64 = 2.0;
pub const LEARN_SAMPLES: usize = 9;
