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
