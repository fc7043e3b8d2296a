//! From scores to what is seen: probabilities, smoothed over time, the best few, and "unsure".

use std::time::{Duration, Instant};

/// A class and how probable it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prediction {
    pub class: u32,
    /// 0 to 1.
    pub probability: f32,
}

/// Most guesses that are kept of a frame.
pub const MAX_GUESSES: usize = 10;

/// The best guesses of a frame, best first. A value without a heap, so that a frame costs no allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Predictions {
    best: [Prediction; MAX_GUESSES],
    len: usize,
    /// Whether the best is too improbable to be said.
    pub unsure: bool,
}

impl Predictions {
    /// Best first.
    pub fn best(&self) -> &[Prediction] {
        &self.best[..self.len]
    }
}

/// How frames become guesses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Predictions a frame, at most [`MAX_GUESSES`].
    pub top: usize,
    /// Below this probability (0 to 1) the best guess is "unsure".
    pub unsure_below: f32,
    /// Time in which an older frame's say falls to 1/e; zero for none.
    pub smoothing: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { top: 5, unsure_below: 0.10, smoothing: Duration::from_millis(300) }
    }
}

/// Makes guesses, remembering the frames before.
pub struct Postprocessor {
    settings: Settings,
    probabilities: Vec<f32>,
    smoothed: Vec<f32>,
    last: Option<Instant>,
    scene: Option<u64>,
}

impl Postprocessor {
    /// For a model of `classes` classes.
    pub fn new(settings: Settings, classes: usize) -> Postprocessor {
        Postprocessor {
            settings,
            probabilities: vec![0.0; classes],
            smoothed: vec![0.0; classes],
            last: None,
            scene: None,
        }
    }

    /// The best guesses after a frame of `captured` gave `scores` (one a class, before softmax).
    ///
    /// Smoothing follows time, not frames: p ← p + (softmax − p)·(1 − e^(−Δt/τ)), so that a slow camera is not slowed
    /// further and a fast one does not flicker. Another `scene` begins anew.
    pub fn predict(&mut self, scores: &[f32], captured: Instant, scene: u64) -> Predictions {
        if self.scene.replace(scene) != Some(scene) {
            self.last = None;
        }
        softmax(scores, &mut self.probabilities);
        let tau = self.settings.smoothing.as_secs_f32();
        let weight = match self.last {
            Some(last) if tau > 0.0 => 1.0 - (-captured.saturating_duration_since(last).as_secs_f32() / tau).exp(),
            _ => 1.0,
        };
        self.last = Some(captured);
        for (smoothed, new) in self.smoothed.iter_mut().zip(&self.probabilities) {
            *smoothed = new + (*smoothed - new) * (1.0 - weight); // exactly the new one where its weight is 1
        }
        let mut predictions = best(&self.smoothed, self.settings.top);
        predictions.unsure =
            predictions.best().first().is_none_or(|first| first.probability < self.settings.unsure_below);
        predictions
    }
}

/// e^score / Σ e^score into `probabilities`; scores that are not numbers count as impossible.
pub fn softmax(scores: &[f32], probabilities: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (probability, &score) in probabilities.iter_mut().zip(scores) {
        let power = (score - largest).exp();
        *probability = if power.is_finite() { power } else { 0.0 };
        sum += *probability;
    }
    if sum > 0.0 {
        probabilities.iter_mut().for_each(|probability| *probability /= sum);
    }
}

/// The `top` largest, largest first; of equal ones the lower class first.
fn best(probabilities: &[f32], top: usize) -> Predictions {
    let mut predictions = Predictions::default();
    let top = top.clamp(1, MAX_GUESSES);
    for (class, &probability) in (0..).zip(probabilities) {
        let place =
            predictions.best[..predictions.len].partition_point(|prediction| prediction.probability >= probability);
        if place < top {
            predictions.len = (predictions.len + 1).min(top);
            predictions.best.copy_within(place..predictions.len - 1, place + 1);
            predictions.best[place] = Prediction { class, probability };
        }
    }
    predictions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postprocessor(smoothing_ms: u64) -> Postprocessor {
        let smoothing = Duration::from_millis(smoothing_ms);
        Postprocessor::new(Settings { top: 3, unsure_below: 0.5, smoothing }, 5)
    }

    #[test]
    fn the_best_come_first_and_of_equal_ones_the_lower_class() {
        let predictions = best(&[0.1, 0.3, 0.2, 0.3, 0.1], 4);
        assert_eq!(predictions.best().iter().map(|prediction| prediction.class).collect::<Vec<_>>(), [1, 3, 2, 0]);
        assert_eq!(best(&[0.5, 0.5], 10).best().len(), 2);
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
    fn below_the_threshold_it_is_unsure() {
        let now = Instant::now();
        assert!(postprocessor(0).predict(&[0.0, 0.1, 0.0, 0.0, 0.0], now, 0).unsure);
        assert!(!postprocessor(0).predict(&[0.0, 9.0, 0.0, 0.0, 0.0], now, 0).unsure);
    }

    #[test]
    fn one_odd_frame_does_not_flicker_but_a_new_picture_takes_over() {
        let (cat, dog) = ([9.0, 0.0, 0.0, 0.0, 0.0], [0.0, 9.0, 0.0, 0.0, 0.0]);
        let start = Instant::now();
        let mut postprocessor = postprocessor(300);
        postprocessor.predict(&cat, start, 0);
        let odd = postprocessor.predict(&dog, start + Duration::from_millis(33), 0);
        assert_eq!(odd.best()[0].class, 0, "a single frame at 30 a second is not enough");
        let later = postprocessor.predict(&dog, start + Duration::from_millis(1500), 0);
        assert_eq!(later.best()[0].class, 1);
        assert!(later.best()[0].probability > 0.98);
    }

    #[test]
    fn another_scene_begins_anew_however_soon_it_comes() {
        let start = Instant::now();
        let mut postprocessor = postprocessor(300);
        let alone = postprocessor.predict(&[0.0, 9.0, 0.0, 0.0, 0.0], start, 1);
        postprocessor.predict(&[9.0, 0.0, 0.0, 0.0, 0.0], start, 2);
        assert_eq!(postprocessor.predict(&[0.0, 9.0, 0.0, 0.0, 0.0], start + Duration::from_millis(1), 3), alone);
    }
}
