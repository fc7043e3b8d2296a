//! Quick pick: the variant to run on a machine that was not measured, from the latency of one network.

use super::time_estimate::{ASSUMED_FIXED_SHARE, ASSUMED_P95_RATIO};
use super::{PickError, PickRequest, pick};
use crate::budget::Budget;
use crate::measurement::Measurement;
use phicam_engine::ExecutionConfig;
use phicam_engine::latency::Percentiles;
use phicam_model::catalog::Variant;

/// Median latency of one network: timed on this machine, or published for its board.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownLatency {
    pub million_macs: f64,
    pub p50_ms: f64,
}

/// Resident memory of the program without weights, in MiB: the largest of eight measured ones, less their weights
/// (x86-64, lite0@96 to lite2@320).
const BASE_MIB: f64 = 36.0;
/// MiB of one million weights in single precision.
const MIB_PER_MILLION_PARAMETERS: f64 = 4e6 / (1 << 20) as f64;
/// MiB of buffers for each million MACs: lite2@320 needs 3 MiB more than lite2@240, with 486 M MACs more.
const BUFFER_MIB_PER_MILLION_MACS: f64 = 3.0 / 486.0;

impl KnownLatency {
    /// Returns the estimated median of a network with `million_macs`, in ms.
    ///
    /// For a larger network it is proportional to MACs, for a smaller one half of it is fixed: the higher estimate.
    pub fn scaled_ms(&self, million_macs: f64) -> f64 {
        let macs_ratio = million_macs / self.million_macs;
        let fixed_share = if macs_ratio > 1.0 { 0.0 } else { ASSUMED_FIXED_SHARE };
        self.p50_ms * (fixed_share + (1.0 - fixed_share) * macs_ratio)
    }
}

/// Returns the estimated peak resident memory of a process that runs `variant`, in MiB.
fn estimated_peak_rss_mib(variant: &Variant) -> f64 {
    BASE_MIB
        + MIB_PER_MILLION_PARAMETERS * variant.network.million_parameters
        + BUFFER_MIB_PER_MILLION_MACS * variant.million_macs
}

/// Returns the variant that [`pick`] would select if each one took the time that `known` scales to. Measures nothing.
///
/// Fails with [`PickError::NothingFits`] if no variant is expected to fit.
pub fn quick_pick(
    variants: &[&Variant],
    config: ExecutionConfig,
    budget: Budget,
    known: KnownLatency,
) -> Result<Variant, PickError> {
    let configs = [config];
    let request = PickRequest::new(variants, &configs, budget);
    let estimated = pick(
        request,
        |_, _| None,
        |variant, config, sampling| {
            let p50 = known.scaled_ms(variant.million_macs);
            let p95 = p50 * ASSUMED_P95_RATIO;
            let total_ms = Percentiles { p50, p95, p99: p95, min: p50 };
            let assumed = Measurement::assumed(variant, config, sampling.expected_frames(p50), total_ms);
            let peak_rss_mib = estimated_peak_rss_mib(variant);
            Ok(Measurement { peak_rss_mib, requested_frames: sampling.frames, ..assumed })
        },
    )?;
    Ok(estimated.variant)
}

#[cfg(test)]
mod tests {
    use super::super::tests::ms;
    use super::*;
    use phicam_test_fixtures::catalog;

    const TIMED: KnownLatency = KnownLatency { million_macs: 385.0, p50_ms: 20.0 };

    fn quick_pick_within(budget: Budget) -> Result<String, PickError> {
        let catalog = catalog();
        let variants: Vec<&Variant> = catalog.iter().collect();
        quick_pick(&variants, ExecutionConfig::tract(2), budget, TIMED).map(|variant| variant.name)
    }

    #[test]
    fn larger_networks_scale_with_macs_smaller_less() {
        assert_eq!(TIMED.scaled_ms(770.0), 40.0);
        assert_eq!(TIMED.scaled_ms(385.0), 20.0);
        assert_eq!(TIMED.scaled_ms(0.0), 10.0);
    }

    #[test]
    fn quick_pick_is_the_largest_that_is_expected_to_fit() {
        // lite1@240 is expected at 20 · 600 / 385 · 1.086 = 33.8 ms at p95; with 10 % of headroom it needs 37.2 ms.
        for (limit_ms, expected) in [(20.0, "lite0@96"), (24.0, "lite0@224"), (37.0, "lite0@224"), (37.5, "lite1@240")]
        {
            assert_eq!(quick_pick_within(ms(limit_ms)).unwrap(), expected, "{limit_ms} ms");
        }
    }

    #[test]
    fn quick_pick_keeps_the_memory_limit() {
        let memory = |memory_mib: f64| Budget { memory_mib: Some(memory_mib), ..ms(1000.0) };
        assert_ne!(quick_pick_within(memory(512.0)).unwrap(), "lite0@96");
        assert_eq!(quick_pick_within(memory(71.0)).unwrap(), "lite0@96");
        assert!(matches!(quick_pick_within(memory(60.0)), Err(PickError::NothingFits(_))));
    }

    #[test]
    fn nothing_fits_below_the_fixed_latency() {
        assert!(matches!(quick_pick_within(ms(8.0)), Err(PickError::NothingFits(_))));
    }
}
