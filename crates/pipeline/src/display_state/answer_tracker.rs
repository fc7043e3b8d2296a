//! Answer on the screen: it changes only if two answers agree, and its numbers change at a legible rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use phicam_display::words::{Certainty, MAX_CANDIDATES};

use crate::classify::postprocess::{Prediction, Predictions};
use crate::classify::{Classification, Model};

/// Smallest distance in time of two answers that agree on a new label: an estimate, about the time to read a word.
const AGREEMENT: Duration = Duration::from_millis(500);
/// Smallest interval between two values of the percentage: an estimate of a legible rate.
const PERCENT_INTERVAL: Duration = Duration::from_millis(500);
/// Smallest interval between two changes of the candidates: an estimate of a legible rate.
const CANDIDATES_INTERVAL: Duration = Duration::from_secs(1);
/// Age from which the shown answer does not delay a new one, because the scene may be another: an estimate.
const EXPIRY: Duration = Duration::from_secs(3);
/// Probability from which an answer is sure. Measured like the confidence limit: 0.38 sure labels a minute on scenes
/// without any class, instead of 2.1 from 0.50 on, and 1.2 from 0.65 on. Scenes with a class are not sure in 10 % of the
/// time, instead of 2 %.
const SURE_PROBABILITY: f32 = 0.7;
/// Largest number of candidates of an answer that is not clear, and their smallest probability.
const NOT_CLEAR: (usize, f32) = (2, 0.05);
/// Largest number of candidates of an unsure answer, and their smallest probability.
const UNSURE: (usize, f32) = (MAX_CANDIDATES, 0.02);

/// Answer that the screen shows.
#[derive(Clone)]
pub struct ShownAnswer {
    pub model: Arc<Model>,
    pub class: u32,
    pub certainty: Certainty,
    /// Probability of the class from 1 to 99, in percent.
    pub percent: u8,
    candidates: [(u32, u8); MAX_CANDIDATES],
    candidate_count: usize,
    /// File of the frame; `None` for a camera frame.
    pub source: Option<Arc<str>>,
    /// Capture of the first frame with this label.
    pub since: Instant,
    /// Capture of the newest frame with this label and certainty.
    captured: Instant,
    /// Capture of the newest frame that was classified.
    pub last_classified: Instant,
    percent_changed: Instant,
    candidates_changed: Instant,
}

impl ShownAnswer {
    fn new(classification: &Classification) -> ShownAnswer {
        let now = classification.captured;
        let mut answer = ShownAnswer {
            model: classification.model.clone(),
            class: 0,
            certainty: certainty(&classification.predictions),
            percent: 0,
            candidates: [(0, 0); MAX_CANDIDATES],
            candidate_count: 0,
            source: classification.source.clone(),
            since: now,
            captured: now,
            last_classified: now,
            percent_changed: now,
            candidates_changed: now,
        };
        if let Some(first) = classification.predictions.all().first() {
            (answer.class, answer.percent) = (first.class, percent(first.probability));
        }
        answer.set_candidates(&classification.predictions);
        answer
    }

    /// Returns the label of the class.
    pub fn label(&self) -> &str {
        self.model.labels.label(self.class)
    }

    /// Returns the other classes with their probabilities in percent, the most probable first.
    pub fn candidates(&self) -> impl Iterator<Item = (&str, u8)> {
        let candidates = &self.candidates[..self.candidate_count];
        candidates.iter().map(|&(class, percent)| (self.model.labels.label(class), percent))
    }

    fn set_candidates(&mut self, predictions: &Predictions) {
        let (skipped, (max_count, min_probability)) = match self.certainty {
            Certainty::Sure => (0, (0, 1.0)),
            Certainty::NotClear => (1, NOT_CLEAR),
            Certainty::Unsure => (0, UNSURE),
        };
        let shown = predictions.all().iter().skip(skipped).take(max_count);
        self.candidate_count = 0;
        for Prediction { class, probability } in shown.filter(|prediction| prediction.probability >= min_probability) {
            self.candidates[self.candidate_count] = (*class, percent(*probability));
            self.candidate_count += 1;
        }
    }

    /// Returns whether both answers have the same label and certainty; unsure answers have no label.
    fn agrees_with(&self, other: &ShownAnswer) -> bool {
        self.certainty == other.certainty
            && (self.certainty == Certainty::Unsure || self.label() == other.label())
            && self.source == other.source
    }

    /// Returns whether both answers have one label, whatever their certainty.
    fn has_label_of(&self, other: &ShownAnswer) -> bool {
        let has_label = |answer: &ShownAnswer| answer.certainty != Certainty::Unsure;
        has_label(self) && has_label(other) && self.label() == other.label() && self.source == other.source
    }

    /// Takes the numbers of `newer`, an answer that agrees, if the shown ones are old enough.
    fn refresh(&mut self, newer: ShownAnswer) {
        let now = newer.captured;
        if now.saturating_duration_since(self.percent_changed) >= PERCENT_INTERVAL && self.percent != newer.percent {
            (self.percent, self.percent_changed) = (newer.percent, now);
        }
        if now.saturating_duration_since(self.candidates_changed) >= CANDIDATES_INTERVAL {
            (self.candidates, self.candidate_count) = (newer.candidates, newer.candidate_count);
            self.candidates_changed = now;
        }
        (self.captured, self.model, self.class) = (now, newer.model, newer.class);
    }
}

/// Tracker of the answer on the screen.
#[derive(Clone, Default)]
pub struct AnswerTracker {
    shown: Option<ShownAnswer>,
    /// Capture of the first of the newest answers that agree on another label or certainty, and the last of them.
    pending: Option<(Instant, ShownAnswer)>,
}

impl AnswerTracker {
    /// Returns the answer to show; `None` before the first one.
    pub fn shown(&self) -> Option<&ShownAnswer> {
        self.shown.as_ref()
    }

    /// Records the classification of a frame. The first one, one of a still image, and one after a pause are shown at
    /// once.
    pub fn record(&mut self, classification: &Classification) {
        let newer = ShownAnswer::new(classification);
        let now = newer.captured;
        let Some(shown) = &mut self.shown else {
            self.shown = Some(newer);
            return;
        };
        shown.last_classified = now;
        if shown.agrees_with(&newer) {
            shown.refresh(newer);
            self.pending = None;
            return;
        }
        let first = match &self.pending {
            Some((first, pending)) if pending.agrees_with(&newer) => *first,
            _ => now,
        };
        let is_agreed = now.saturating_duration_since(first) >= AGREEMENT;
        let is_expired = now.saturating_duration_since(shown.captured) >= EXPIRY;
        if newer.source.is_some() || is_agreed || is_expired {
            let is_equal_label = shown.has_label_of(&newer);
            let since = if is_equal_label { shown.since } else { first };
            self.shown = Some(ShownAnswer { since, ..newer });
            self.pending = None;
        } else {
            self.pending = Some((first, newer));
        }
    }
}

/// Returns the certainty of `predictions`.
pub fn certainty(predictions: &Predictions) -> Certainty {
    let best = predictions.all();
    let first = best.first().map_or(0.0, |prediction| prediction.probability);
    if predictions.unsure {
        Certainty::Unsure
    } else if first >= SURE_PROBABILITY {
        Certainty::Sure
    } else {
        Certainty::NotClear
    }
}

/// Returns a probability in whole percent; no answer is impossible or certain.
fn percent(probability: f32) -> u8 {
    (probability * 100.0).round().clamp(1.0, 99.0) as u8
}

#[cfg(test)]
mod tests;
