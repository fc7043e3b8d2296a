//! Effort of a search: a coarse pass for the first minutes, or a full one.

use super::remeasure::QUICK_SAMPLE;
use crate::measurement::Measurement;
use crate::sampling::SamplingPlan;

/// Number and precision of the measurements of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// One short sample of each candidate that can change the pick; nothing is measured twice.
    Coarse,
    /// Samples that are repeated with more frames until the pick is certain.
    #[default]
    Full,
}

/// Only sample of a candidate in a coarse search: a third of a quick sample. With 5 % of scatter, it gives p95 to 4 %.
pub const COARSE_SAMPLE: SamplingPlan = SamplingPlan { frames: 8, min_ms: 80.0, max_ms: 1000.0 };

impl Effort {
    /// Returns the first sample of a candidate.
    pub fn first_sample(self) -> SamplingPlan {
        match self {
            Effort::Coarse => COARSE_SAMPLE,
            Effort::Full => QUICK_SAMPLE,
        }
    }

    /// Returns whether a search of this effort accepts an earlier measurement. A full one does not accept coarse ones.
    pub fn accepts(self, measurement: &Measurement) -> bool {
        self == Effort::Coarse || !is_coarse(measurement)
    }
}

/// Returns whether a coarse search took the measurement. A measurement without a plan is of `bench`, and not coarse.
pub fn is_coarse(measurement: &Measurement) -> bool {
    (1..QUICK_SAMPLE.frames).contains(&measurement.requested_frames)
}

#[cfg(test)]
mod tests {
    use super::super::tests::ms;
    use super::super::{PickRequest, pick};
    use super::*;
    use crate::measurement::tests::measurement;
    use phicam_engine::ExecutionConfig;
    use phicam_model::catalog::Variant;
    use phicam_test_fixtures::catalog;

    /// Returns the names of the measured variants in their order, and the picked one. Each median is 0.05 ms for each
    /// million MACs.
    fn measured(effort: Effort, limit_ms: f64) -> (Vec<String>, String) {
        let (catalog, configs) = (catalog(), [ExecutionConfig::tract(2)]);
        let variants: Vec<&Variant> = catalog.iter().collect();
        let mut names = Vec::new();
        let request = PickRequest::new(&variants, &configs, ms(limit_ms)).with_effort(effort);
        let pick = pick(
            request,
            |_, _| None,
            |variant, _, sampling| {
                names.push(variant.name.clone());
                let found = measurement(variant, 0.05 * variant.million_macs, 50.0);
                Ok(Measurement { frames: sampling.frames, requested_frames: sampling.frames, ..found })
            },
        );
        (names, pick.unwrap().variant.name)
    }

    #[test]
    fn coarse_search_measures_nothing_twice() {
        // lite2@260 needs 0.05 · 860 · 1.1 · 1.1 = 52.0 ms.
        let (full, full_pick) = measured(Effort::Full, 52.5);
        assert!(full.iter().filter(|name| *name == "lite2@260").count() > 1, "near the limit: {full:?}");
        let (mut coarse, coarse_pick) = measured(Effort::Coarse, 52.5);
        let count = coarse.len();
        coarse.sort();
        coarse.dedup();
        assert_eq!(coarse.len(), count, "{coarse:?}");
        assert_eq!(coarse_pick, full_pick);
    }

    #[test]
    fn full_search_accepts_no_coarse_measurement() {
        let variant = &catalog()[0];
        let with = |requested_frames| Measurement { requested_frames, ..measurement(variant, 20.0, 50.0) };
        let accepted = |frames: u64| [Effort::Coarse, Effort::Full].map(|effort| effort.accepts(&with(frames)));
        assert_eq!(accepted(COARSE_SAMPLE.frames), [true, false]);
        assert_eq!(accepted(QUICK_SAMPLE.frames), [true, true]);
        assert_eq!(accepted(0), [true, true], "without a plan");
    }
}
