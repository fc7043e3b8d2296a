//! Fakes around a pipeline: an engine with a fixed latency, and a display that counts updates.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use phicam_camera::reconnect::ReconnectingCamera;
use phicam_camera::{Camera, TestPattern};
use phicam_display::{Display, DisplayError, ScreenUpdate};
use phicam_engine::{Engine, EngineError, ExecutionConfig};
use phicam_frame::Size;
use phicam_model::labels::Labels;
use phicam_pipeline::classify::{Classifier, Settings};

/// Engine with a fixed latency that fails after a number of runs. The first input value selects the class.
pub struct FakeEngine {
    input: Vec<f32>,
    scores: Vec<f32>,
    latency: Duration,
    fails_after: u64,
    runs: u64,
}

impl Engine for FakeEngine {
    fn config(&self) -> ExecutionConfig {
        ExecutionConfig::tract(1)
    }

    fn description(&self) -> String {
        "a fake engine".into()
    }

    fn classes(&self) -> usize {
        self.scores.len()
    }

    fn input(&mut self) -> &mut [f32] {
        &mut self.input
    }

    fn infer(&mut self) -> Result<&[f32], EngineError> {
        std::thread::sleep(self.latency);
        self.runs += 1;
        if self.runs > self.fails_after {
            return Err(EngineError::Run { model: "fake".into(), cause: "on purpose".into() });
        }
        let class = (self.input[0].abs() * 8.0) as usize % self.scores.len();
        self.scores.fill(0.0);
        self.scores[class] = 9.0;
        Ok(&self.scores)
    }
}

/// Returns a classifier with a [`FakeEngine`] of eight classes.
pub fn classifier(variant: &str, latency: Duration, fails_after: u64) -> Classifier {
    let variant = super::catalog().variant(variant).unwrap().clone();
    let labels = Labels::parse(b"one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n", "labels".as_ref()).unwrap();
    let input = vec![0.0; 3 * (variant.side * variant.side) as usize];
    let engine = FakeEngine { input, scores: vec![0.0; 8], latency, fails_after, runs: 0 };
    let settings = Settings {
        view: Default::default(),
        prediction: Default::default(),
        config: ExecutionConfig::tract(1),
        cache_packed_weights: false,
    };
    Classifier::with_engine(&variant, labels, Box::new(engine), &settings)
}

/// Display that counts updates, and refuses them if `refuses` is set.
#[derive(Default)]
pub struct CountingDisplay {
    pub updates: &'static Counter,
    pub refuses: bool,
}

/// Counter that outlives the object that counts.
#[derive(Default)]
pub struct Counter(pub AtomicU64);

impl Default for &'static Counter {
    fn default() -> Self {
        Box::leak(Box::default())
    }
}

impl Display for CountingDisplay {
    fn name(&self) -> String {
        "counting".into()
    }

    fn size(&self) -> Size {
        Size::new(64, 48)
    }

    fn show(&mut self, _: &ScreenUpdate) -> Result<(), DisplayError> {
        self.updates.0.fetch_add(1, Ordering::Relaxed);
        if self.refuses {
            return Err(DisplayError::Terminal("refused on purpose".into()));
        }
        Ok(())
    }
}

/// Returns a test pattern with 1,000 frames per second.
pub fn fast_camera() -> TestPattern {
    TestPattern::new(Size::new(64, 48), 1000.0)
}

/// Wraps a camera that is not reopened when it is lost.
pub fn reconnecting(camera: impl Camera + 'static) -> ReconnectingCamera<'static> {
    ReconnectingCamera::new(Box::new(camera), None)
}
