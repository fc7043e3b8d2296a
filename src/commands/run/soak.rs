//! How the pick does in its first seconds of service, beside a camera and a screen that no measurement had.

use log::debug;

use crate::machine::{LITTLE_CORES, Others};
use crate::measure::{Measurement, Remembered};
use crate::pick::{Candidate, MOST_FRAMES};
use crate::stats::{Percentiles, Stage};

/// How long it has to hold.
const SECONDS: f64 = 20.0;
/// Answers before that say nothing: caches fill, clocks rise.
const SETTLES_S: f64 = 1.0;
/// Fewer answers than this tell no 95th percentile.
const LEAST: u64 = 20;

/// See the module.
pub struct Soak {
    since_s: f64,
    total: Option<Stage>,
    others: Others,
}

/// What came of it.
pub struct Soaked {
    pub p95_ms: f64,
    pub answers: u64,
    /// Whether other programs had a part in it: then it says nothing of other days.
    pub is_disturbed: bool,
    percentiles: Percentiles,
}

impl Soak {
    /// From now on.
    pub fn new(now_s: f64) -> Soak {
        Soak { since_s: now_s, total: Some(Stage::new("total")), others: Others::new() }
    }

    /// Counts an answer; says what came of it, once.
    pub fn answered(&mut self, now_s: f64, total_ms: f64) -> Option<Soaked> {
        let total = self.total.as_mut()?;
        if now_s - self.since_s < SETTLES_S {
            return None;
        }
        total.record_ms(total_ms);
        if now_s - self.since_s < SECONDS || total.count() < LEAST {
            return None;
        }
        let percentiles = total.percentiles()?;
        let is_disturbed = self.others.cores().is_some_and(|cores| cores > LITTLE_CORES);
        let soaked = Soaked { p95_ms: percentiles.p95, answers: total.count(), is_disturbed, percentiles };
        self.total = None;
        Some(soaked)
    }
}

impl Soaked {
    /// `lite2@260 took 61.3 ms at p95 for 290 pictures of service beside other programs`
    pub fn in_words(&self, name: &str) -> String {
        let beside = if self.is_disturbed { " beside other programs" } else { "" };
        format!("{name} took {:.1} ms at p95 for {} pictures of service{beside}", self.p95_ms, self.answers)
    }
}

/// Remembers of a choice what it takes in service, so that the next start does not pick it again.
pub fn remember(rung: &Candidate, soaked: &Soaked, remembered: &mut Remembered) {
    let Some(known) = &rung.measurement else {
        return debug!("{} was never measured by itself", rung.choice.name);
    };
    let more = MOST_FRAMES + 1; // it is not measured again for being near a limit
    let Soaked { percentiles: total_ms, answers: frames, is_disturbed, .. } = *soaked;
    let preempted_frames = if is_disturbed { frames } else { 0 };
    let found = Measurement { total_ms, frames, asked_frames: more, preempted_frames, ..known.clone() };
    remembered.put(&rung.choice, found);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pick_is_judged_once_after_twenty_seconds_without_its_first_one() {
        let mut soak = Soak::new(100.0);
        let mut told = Vec::new();
        for tenth in 0..400 {
            let now_s = 100.0 + f64::from(tenth) / 10.0;
            let total_ms = if tenth < 10 { 500.0 } else { 20.0 };
            told.extend(soak.answered(now_s, total_ms).map(|soaked| (now_s, soaked.answers, soaked.p95_ms.round())));
        }
        assert_eq!(told, [(120.0, 191, 20.0)]);
    }

    #[test]
    fn few_answers_are_waited_for() {
        let mut soak = Soak::new(0.0);
        let judged = (0..80).step_by(2).find(|second| soak.answered(f64::from(*second), 900.0).is_some());
        assert_eq!(judged, Some(40), "one every two seconds, and the first does not count");
    }
}
