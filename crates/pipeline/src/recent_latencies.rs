//! Latencies of the newest classifications, for the model controller.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::classify::Model;

/// Samples that are kept until they are taken; the oldest is dropped if there are more. Four seconds at 60 frames per
/// second.
const CAPACITY: usize = 256;

/// Latency of one classification.
#[derive(Clone)]
pub struct LatencySample {
    /// End of the classification.
    pub at: Instant,
    /// Time from a decoded frame to its predictions.
    pub total_ms: f64,
    pub model: Arc<Model>,
}

/// Queue of latency samples. Adding one allocates nothing.
pub struct RecentLatencies {
    samples: Mutex<VecDeque<LatencySample>>,
}

impl Default for RecentLatencies {
    fn default() -> RecentLatencies {
        RecentLatencies { samples: Mutex::new(VecDeque::with_capacity(CAPACITY)) }
    }
}

impl RecentLatencies {
    pub fn put(&self, sample: LatencySample) {
        let mut samples = self.samples.lock();
        if samples.len() == CAPACITY {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// Replaces the content of `taken` by the samples since the last call, the oldest first.
    pub fn take(&self, taken: &mut Vec<LatencySample>) {
        taken.clear();
        taken.extend(self.samples.lock().drain(..));
    }
}
