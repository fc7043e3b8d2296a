//! What a variant needs of a budget, with room for the rest of the line, and how sure a measurement is of it.

use super::Verdict;
use crate::budget::Budget;
use crate::measurement::Measurement;
use crate::sampling::SamplingPlan;

/// Share of its time that a variant gets back from the budget for what runs beside it: thirty times a second a camera's
/// picture is converted (2.4 ms for 1280×720 YUYV) and a screen drawn (1 to 2 ms), a tenth of one core on a desk, and on
/// a board of four slower cores about the same share of all of them.
pub const PIPELINE_HEADROOM: f64 = 0.10;

/// Memory of the line that a measurement has no part of, in MiB: six camera buffers of 1280×720 YUYV and a second
/// picture for a screen that has two.
pub const PIPELINE_MEMORY_MIB: f64 = 16.0;

/// The time a picture that a budget must allow: the 95th percentile and the line's share.
pub fn required_ms(p95_ms: f64) -> f64 {
    p95_ms * (1.0 + PIPELINE_HEADROOM)
}

/// The memory that a budget must allow.
pub fn required_mib(measurement: &Measurement) -> f64 {
    measurement.peak_rss_mib + PIPELINE_MEMORY_MIB
}

/// Whether what was measured keeps `budget`, with room for the line.
pub fn judge(measurement: &Measurement, budget: &Budget) -> Verdict {
    judge_with(1.0, measurement, budget)
}

/// The same where its time counts so many times; what needs too much memory is told as that unless its time alone is too
/// much.
pub fn judge_with(factor: f64, measurement: &Measurement, budget: &Budget) -> Verdict {
    let over = |value: f64, limit: Option<f64>| limit.is_some_and(|limit| value > limit);
    let (p95_ms, peak_rss_mib) = (measurement.total_ms.p95, measurement.peak_rss_mib);
    let is_slow = |factor: f64| over(required_ms(p95_ms) * factor, budget.frame_ms);
    if is_slow(factor.min(1.0)) {
        Verdict::TooSlow { p95_ms }
    } else if over(required_mib(measurement), budget.memory_mib) {
        Verdict::TooMuchMemory { peak_rss_mib }
    } else if is_slow(factor) {
        Verdict::TooSlow { p95_ms }
    } else {
        Verdict::Fits
    }
}

/// A first look: enough to see that something is far from a limit.
pub const QUICK_SAMPLE: SamplingPlan = SamplingPlan { frames: 16, min_ms: 250.0, max_ms: 4000.0 };
/// On a machine whose times wander: as long as it takes for them to.
pub const LONG: SamplingPlan = SamplingPlan { frames: 300, min_ms: 2500.0, max_ms: 4000.0 };
/// Frames after which a measurement is believed however near a limit it is.
pub const MAX_FRAMES: u64 = 600;
/// No measurement takes longer, in milliseconds.
const MOST_MS: f64 = 8000.0;
/// Standard errors that a measurement must be away from a limit.
const SURE: f64 = 3.0;
/// Standard error of the 95th percentile of n frames, in units of σ / √n (normal in the logarithm).
const P95_ERROR: f64 = 2.11;
/// Where the 95th percentile lies, in units of σ above the median.
const P95_SIGMA: f64 = 1.645;
/// Nothing scatters less than this share, and what seems to scatter more than half of itself has been disturbed.
const SIGMA: (f64, f64) = (0.02, 0.5);

/// How much times scatter around their median, as a share of it.
fn sigma(measurement: &Measurement) -> f64 {
    let spread = measurement.total_ms.p95 / measurement.total_ms.p50;
    (spread.ln() / P95_SIGMA).clamp(SIGMA.0, SIGMA.1)
}

/// What the true 95th percentile may be below or above the measured one, as a factor above 1.
pub fn doubt(measurement: &Measurement) -> f64 {
    (SURE * P95_ERROR * sigma(measurement) / (measurement.frames.max(1) as f64).sqrt()).exp()
}

/// What to measure so that a value that is `distance` away from a limit (a factor) is told from it; nothing where as
/// much has been tried.
pub fn closer(measurement: &Measurement, distance: f64) -> Option<SamplingPlan> {
    let asked = measurement.requested_frames.max(measurement.frames);
    if asked >= MAX_FRAMES {
        return None;
    }
    let wanted = (SURE * P95_ERROR * sigma(measurement) / distance.ln().abs().max(1e-3)).powi(2);
    let frames = (wanted.min(MAX_FRAMES as f64) as u64).max(4 * asked).min(MAX_FRAMES);
    Some(SamplingPlan { frames, min_ms: 4.0 * QUICK_SAMPLE.min_ms, max_ms: MOST_MS })
}

/// Once more, and for longer, where a tail beyond what is usual here decides: another program may have been at work.
/// Nothing where that has been done.
pub fn once_more(measurement: &Measurement) -> Option<SamplingPlan> {
    let again = SamplingPlan { frames: MAX_FRAMES + 1, min_ms: 4.0 * QUICK_SAMPLE.min_ms, max_ms: 2.0 * MOST_MS };
    (measurement.requested_frames <= MAX_FRAMES).then_some(again)
}
