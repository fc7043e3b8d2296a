//! The newest answers' times, for whoever decides beside the line whether another model should answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::classify::Model;

/// Answers that are kept until they are taken; of more, the oldest are forgotten. At 60 answers a second, four seconds.
const MOST: usize = 256;

/// What one answer took.
#[derive(Clone)]
pub struct LatencySample {
    /// When it was ready.
    pub at: Instant,
    /// From a decoded frame to its guesses.
    pub total_ms: f64,
    /// What gave it.
    pub model: Arc<Model>,
}

/// See the module. Putting allocates nothing.
pub struct RecentLatencies {
    newest: Mutex<VecDeque<LatencySample>>,
}

impl Default for RecentLatencies {
    fn default() -> RecentLatencies {
        RecentLatencies { newest: Mutex::new(VecDeque::with_capacity(MOST)) }
    }
}

impl RecentLatencies {
    /// Notes an answer.
    pub fn put(&self, took: LatencySample) {
        let mut newest = self.lock();
        if newest.len() == MOST {
            newest.pop_front();
        }
        newest.push_back(took);
    }

    /// Moves what was noted since the last time into `into`, the oldest first.
    pub fn take(&self, into: &mut Vec<LatencySample>) {
        into.clear();
        into.extend(self.lock().drain(..));
    }

    /// A thread that panicked while it held the lock left whole entries.
    fn lock(&self) -> MutexGuard<'_, VecDeque<LatencySample>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
