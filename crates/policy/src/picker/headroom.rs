//! Headroom for camera and display, and the verdict for a measurement under a budget.

use super::Verdict;
use crate::budget::Budget;
use crate::measurement::Measurement;

/// Share of the p95 latency that the budget must allow in addition, for camera and display.
///
/// At 30 frames per second, converting 1280×720 YUYV takes 2.4 ms and drawing a screen 1 to 2 ms: a tenth of one
/// desktop core. On a board with four slower cores it is about the same share of all of them.
pub const PIPELINE_HEADROOM: f64 = 0.10;

/// Memory of the pipeline that no measurement includes, in MiB: six camera buffers of 1280×720 YUYV, and the second
/// buffer of a double-buffered display.
pub const PIPELINE_MEMORY_MIB: f64 = 16.0;

/// Returns the latency limit that a budget must allow, in ms: the 95th percentile plus [`PIPELINE_HEADROOM`].
pub fn required_ms(p95_ms: f64) -> f64 {
    p95_ms * (1.0 + PIPELINE_HEADROOM)
}

/// Returns the memory limit that a budget must allow, in MiB: peak memory plus [`PIPELINE_MEMORY_MIB`].
pub fn required_mib(measurement: &Measurement) -> f64 {
    measurement.peak_rss_mib + PIPELINE_MEMORY_MIB
}

/// Returns [`Verdict::Fits`] if the measurement keeps `budget` with headroom for the pipeline, else the limit it
/// exceeds.
pub fn judge(measurement: &Measurement, budget: &Budget) -> Verdict {
    judge_scaled(1.0, measurement, budget)
}

/// Like [`judge`], with latency scaled by `factor`. Returns [`Verdict::TooMuchMemory`] unless the unscaled latency
/// alone already fails.
pub fn judge_scaled(factor: f64, measurement: &Measurement, budget: &Budget) -> Verdict {
    let exceeds = |value: f64, limit: Option<f64>| limit.is_some_and(|limit| value > limit);
    let p95_ms = measurement.total_ms.p95;
    let is_too_slow = |factor: f64| exceeds(required_ms(p95_ms) * factor, budget.frame_ms);
    if is_too_slow(factor.min(1.0)) {
        Verdict::TooSlow { p95_ms }
    } else if exceeds(required_mib(measurement), budget.memory_mib) {
        Verdict::TooMuchMemory { peak_rss_mib: measurement.peak_rss_mib }
    } else if is_too_slow(factor) {
        Verdict::TooSlow { p95_ms }
    } else {
        Verdict::Fits
    }
}
