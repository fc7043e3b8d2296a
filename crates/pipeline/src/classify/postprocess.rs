//! Postprocess: softmax, temporal smoothing, top-k and the confidence threshold.

use std::time::{Duration, Instant};

/// Class with its probability.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prediction {
    pub class: u32,
    /// Probability from 0 to 1.
    pub probability: f32,
}

/// Largest top-k: an estimate, more than any screen has room for.
pub const MAX_PREDICTIONS: usize = 10;

/// Predictions that a screen may show: the label, and three others if it is not clear.
const SCREEN_PREDICTIONS: usize = 4;

/// Default probability below which an answer is "unsure". Measured with Lite0 at 224 pixels on 13 moving scenes without
/// any class of the model, and on 18 with one (tools/unknown-scenes): 3.0 labels a minute on the former instead of 10.5
/// at 0.10, and 0.2 % of the latter's time unsure.
pub const MIN_CONFIDENCE: f32 = 0.40;
/// Default time constant of the smoothing in ms. On the scenes without a class, 300, 600 and 1000 ms give 0.46, 0.38 and
/// 0.15 sure labels a minute; 600 ms still follows a hand that shows one thing after another.
pub const SMOOTHING_MS: u64 = 600;

/// Most probable classes of a frame, in a value without heap memory, so that a frame needs no allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Predictions {
    best: [Prediction; MAX_PREDICTIONS],
    len: usize,
    /// Number of predictions that were asked for.
    requested: usize,
    /// Whether the confidence is below the threshold.
    pub unsure: bool,
}

impl Predictions {
    /// Returns as many predictions as were asked for, the most probable first.
    pub fn best(&self) -> &[Prediction] {
        &self.best[..self.requested]
    }

    /// Returns all predictions, at least those that a screen may show, the most probable first.
    pub fn all(&self) -> &[Prediction] {
        &self.best[..self.len]
    }
}

/// Settings of the postprocessing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Number of predictions per frame, at most [`MAX_PREDICTIONS`].
    pub top_k: usize,
    /// Probability from 0 to 1 of the first prediction below which the result is "unsure".
    pub min_confidence: f32,
    /// Time constant of the temporal smoothing, in which the weight of a frame falls to 1/e; zero for no smoothing.
    pub smoothing: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { top_k: 5, min_confidence: MIN_CONFIDENCE, smoothing: Duration::from_millis(SMOOTHING_MS) }
    }
}

/// Converter of scores to predictions, with the state of the temporal smoothing.
pub struct Postprocessor {
    settings: Settings,
    probabilities: Vec<f32>,
    smoothed: Vec<f32>,
    last_captured: Option<Instant>,
    scene: Option<u64>,
}

impl Postprocessor {
    /// Creates a postprocessor for a model with `classes` classes.
    pub fn new(settings: Settings, classes: usize) -> Postprocessor {
        Postprocessor {
            settings,
            probabilities: vec![0.0; classes],
            smoothed: vec![0.0; classes],
            last_captured: None,
            scene: None,
        }
    }

    /// Returns the predictions for a frame with `scores` (one per class, before softmax), captured at `captured`.
    ///
    /// Smoothing depends on time, not on frames: p ← p + (softmax − p)·(1 − e^(−Δt/τ)). A slow camera then gets no
    /// longer delay, and a fast one does not flicker. A new `scene` resets the smoothing.
    pub fn predict(&mut self, scores: &[f32], captured: Instant, scene: u64) -> Predictions {
        if self.scene.replace(scene) != Some(scene) {
            self.last_captured = None;
        }
        softmax(scores, &mut self.probabilities);
        let tau = self.settings.smoothing.as_secs_f32();
        let weight = match self.last_captured {
            Some(last) if tau > 0.0 => 1.0 - (-captured.saturating_duration_since(last).as_secs_f32() / tau).exp(),
            _ => 1.0,
        };
        self.last_captured = Some(captured);
        for (smoothed, new) in self.smoothed.iter_mut().zip(&self.probabilities) {
            *smoothed = new + (*smoothed - new) * (1.0 - weight); // Exactly `new` if the weight is 1.
        }
        let mut predictions = top_k(&self.smoothed, self.settings.top_k.max(SCREEN_PREDICTIONS));
        predictions.requested = self.settings.top_k.min(predictions.len);
        predictions.unsure =
            predictions.best().first().is_none_or(|first| first.probability < self.settings.min_confidence);
        predictions
    }
}

/// Writes e^score / Σ e^score to `probabilities`; a score that is not a number has probability 0.
pub fn softmax(scores: &[f32], probabilities: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (probability, &score) in probabilities.iter_mut().zip(scores) {
        let exponential = (score - largest).exp();
        *probability = if exponential.is_finite() { exponential } else { 0.0 };
        sum += *probability;
    }
    if sum > 0.0 {
        probabilities.iter_mut().for_each(|probability| *probability /= sum);
    }
}

/// Returns the `count` most probable classes, the lower class first if two are equal.
fn top_k(probabilities: &[f32], count: usize) -> Predictions {
    let mut predictions = Predictions::default();
    let count = count.clamp(1, MAX_PREDICTIONS);
    for (class, &probability) in (0..).zip(probabilities) {
        let index =
            predictions.best[..predictions.len].partition_point(|prediction| prediction.probability >= probability);
        if index < count {
            predictions.len = (predictions.len + 1).min(count);
            predictions.best.copy_within(index..predictions.len - 1, index + 1);
            predictions.best[index] = Prediction { class, probability };
        }
    }
    predictions.requested = predictions.len;
    predictions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postprocessor(smoothing_ms: u64) -> Postprocessor {
        let smoothing = Duration::from_millis(smoothing_ms);
        Postprocessor::new(Settings { top_k: 3, min_confidence: 0.5, smoothing }, 5)
    }

    #[test]
    fn top_k_sorts_by_probability_then_class() {
        let predictions = top_k(&[0.1, 0.3, 0.2, 0.3, 0.1], 4);
        assert_eq!(predictions.best().iter().map(|prediction| prediction.class).collect::<Vec<_>>(), [1, 3, 2, 0]);
        assert_eq!(top_k(&[0.5, 0.5], 10).best().len(), 2);
    }

    #[test]
    fn probabilities_sum_to_one_even_for_huge_scores() {
        let mut probabilities = [0.0; 3];
        softmax(&[1000.0, 999.0, -1000.0], &mut probabilities);
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((probabilities[0] - 0.731).abs() < 1e-3);
        softmax(&[f32::NAN, 0.0, 0.0], &mut probabilities);
        assert_eq!(probabilities, [0.0, 0.5, 0.5]);
    }

    #[test]
    fn result_is_unsure_below_the_min_confidence() {
        let now = Instant::now();
        assert!(postprocessor(0).predict(&[0.0, 0.1, 0.0, 0.0, 0.0], now, 0).unsure);
        assert!(!postprocessor(0).predict(&[0.0, 9.0, 0.0, 0.0, 0.0], now, 0).unsure);
    }

    #[test]
    fn smoothing_ignores_a_single_frame_but_follows_a_change() {
        let (cat, dog) = ([9.0, 0.0, 0.0, 0.0, 0.0], [0.0, 9.0, 0.0, 0.0, 0.0]);
        let start = Instant::now();
        let mut postprocessor = postprocessor(300);
        postprocessor.predict(&cat, start, 0);
        let single = postprocessor.predict(&dog, start + Duration::from_millis(33), 0);
        assert_eq!(single.best()[0].class, 0, "a single frame at 30 frames per second");
        let later = postprocessor.predict(&dog, start + Duration::from_millis(1500), 0);
        assert_eq!(later.best()[0].class, 1);
        assert!(later.best()[0].probability > 0.98);
    }

    #[test]
    fn new_scene_resets_the_smoothing() {
        let start = Instant::now();
        let mut postprocessor = postprocessor(300);
        let alone = postprocessor.predict(&[0.0, 9.0, 0.0, 0.0, 0.0], start, 1);
        postprocessor.predict(&[9.0, 0.0, 0.0, 0.0, 0.0], start, 2);
        assert_eq!(postprocessor.predict(&[0.0, 9.0, 0.0, 0.0, 0.0], start + Duration::from_millis(1), 3), alone);
    }
}
