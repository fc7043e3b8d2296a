//! Identity of the model that classifies at the moment.

use std::fmt;

use phicam_engine::ExecutionConfig;
use phicam_pipeline::classify::Model;
use phicam_policy::picker::{Candidate, Pick};

/// Variant name and execution config of the model that classifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveModel {
    pub variant: String,
    pub config: ExecutionConfig,
}

impl ActiveModel {
    /// Returns whether `candidate` is this model.
    pub fn is_candidate(&self, candidate: &Candidate) -> bool {
        self.variant == candidate.variant.name && self.config == candidate.config
    }
}

impl From<&Model> for ActiveModel {
    fn from(model: &Model) -> ActiveModel {
        ActiveModel { variant: model.variant.name.clone(), config: model.config }
    }
}

impl From<&Candidate> for ActiveModel {
    fn from(candidate: &Candidate) -> ActiveModel {
        ActiveModel { variant: candidate.variant.name.clone(), config: candidate.config }
    }
}

impl From<&Pick> for ActiveModel {
    fn from(pick: &Pick) -> ActiveModel {
        ActiveModel { variant: pick.variant.name.clone(), config: pick.config }
    }
}

/// `lite0@192 (tract f32, 2 threads)`
impl fmt::Display for ActiveModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.variant, self.config)
    }
}
