//! Stand-ins around a line: an engine that takes as long as it is told, a display that counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use phicam_camera::reconnect::ReconnectingCamera;
use phicam_camera::{Camera, Pattern};
use phicam_display::{Display, DisplayError, Shown};
use phicam_engine::{Engine, EngineError, ExecutionConfig};
use phicam_frame::Size;
use phicam_model::labels::Labels;
use phicam_pipeline::classify::{Classifier, Settings};

/// An engine that takes as long as it is told, and fails when it is told. It finds a class by the first input value.
pub struct StandIn {
    input: Vec<f32>,
    scores: Vec<f32>,
    takes: Duration,
    fails_after: u64,
    runs: u64,
}

impl Engine for StandIn {
    fn config(&self) -> ExecutionConfig {
        ExecutionConfig::tract(1)
    }

    fn description(&self) -> String {
        "a stand-in".into()
    }

    fn classes(&self) -> usize {
        self.scores.len()
    }

    fn input(&mut self) -> &mut [f32] {
        &mut self.input
    }

    fn infer(&mut self) -> Result<&[f32], EngineError> {
        std::thread::sleep(self.takes);
        self.runs += 1;
        if self.runs > self.fails_after {
            return Err(EngineError::Run { model: "stand-in".into(), cause: "on purpose".into() });
        }
        let class = (self.input[0].abs() * 8.0) as usize % self.scores.len();
        self.scores.fill(0.0);
        self.scores[class] = 9.0;
        Ok(&self.scores)
    }
}

pub fn classifier(variant: &str, takes: Duration, fails_after: u64) -> Classifier {
    let variant = super::catalog().variant(variant).unwrap().clone();
    let labels = Labels::parse(b"one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n", "labels".as_ref()).unwrap();
    let input = vec![0.0; 3 * (variant.side * variant.side) as usize];
    let engine = StandIn { input, scores: vec![0.0; 8], takes, fails_after, runs: 0 };
    let settings = Settings {
        view: Default::default(),
        prediction: Default::default(),
        config: ExecutionConfig::tract(1),
        keeps_packed: false,
    };
    Classifier::with_engine(&variant, labels, Box::new(engine), &settings)
}

/// A display that counts what it is shown, or refuses it.
#[derive(Default)]
pub struct Counting {
    pub shown: &'static AtomicU64Holder,
    pub refuses: bool,
}

#[derive(Default)]
pub struct AtomicU64Holder(pub AtomicU64);

impl Default for &'static AtomicU64Holder {
    fn default() -> Self {
        Box::leak(Box::default())
    }
}

impl Display for Counting {
    fn name(&self) -> String {
        "counting".into()
    }

    fn size(&self) -> Size {
        Size::new(64, 48)
    }

    fn show(&mut self, _: &Shown) -> Result<(), DisplayError> {
        self.shown.0.fetch_add(1, Ordering::Relaxed);
        match self.refuses {
            true => Err(DisplayError::Terminal("gone".into())),
            false => Ok(()),
        }
    }
}

pub fn fast_camera() -> Pattern {
    Pattern::new(Size::new(64, 48), 1000.0)
}

pub fn watched(camera: impl Camera + 'static) -> ReconnectingCamera<'static> {
    ReconnectingCamera::over(Box::new(camera), None)
}
