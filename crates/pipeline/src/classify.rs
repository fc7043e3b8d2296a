//! A variant ready to answer: preprocess → engine → guess, with its labels and its times.

use std::sync::Arc;
use std::time::Instant;

use crop::CropMode;
use phicam_engine::{Engine, EngineError, ExecutionConfig};
use phicam_frame::Rect;
use phicam_frame::{Frame, Size};
use phicam_model::catalog::{CatalogError, Variant};
use phicam_model::labels::{LabelError, Labels};
use postprocess::{Postprocessor, Predictions};
use preprocess::{Preprocess, PreprocessError};

pub mod crop;
pub mod postprocess;
pub mod preprocess;

/// A variant that could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Labels(#[from] LabelError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A frame that got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What is needed beside the variant itself.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub view: CropMode,
    pub prediction: postprocess::Settings,
    /// What runs it, and how.
    pub config: ExecutionConfig,
    /// Whether packed weights are kept in the state folder, for a quicker restart.
    pub keeps_packed: bool,
}

/// What a variant said of a frame.
#[derive(Clone, Debug)]
pub struct Classification {
    /// The frame's sequence number.
    pub frame: u64,
    /// The file that the frame came from, where it came from one.
    pub source: Option<Arc<str>>,
    /// Monotonic time of the frame's capture; the answer's age counts from it.
    pub captured: Instant,
    /// Best first, smoothed over the scene.
    pub predictions: Predictions,
    /// Of the frame, in pixels.
    pub frame_size: Size,
    /// The part of the frame that the model saw, in the frame's pixels.
    pub seen: Rect,
    /// What gave the answer.
    pub model: Arc<Model>,
    /// What it took.
    pub times: Times,
}

/// Milliseconds that an answer took, by stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// CropMode, crop, resize, normalise.
    pub preprocess_ms: f64,
    /// The engine.
    pub infer_ms: f64,
    /// Softmax, smoothing, the best few.
    pub postprocess_ms: f64,
}

impl Times {
    /// From a decoded frame to its guesses.
    pub fn total_ms(&self) -> f64 {
        self.preprocess_ms + self.infer_ms + self.postprocess_ms
    }
}

/// What an answer tells of the model that gave it.
#[derive(Debug)]
pub struct Model {
    pub variant: Variant,
    /// What runs it, and how.
    pub config: ExecutionConfig,
    /// What runs its operators, in words.
    pub engine_description: String,
    /// One a class.
    pub labels: Labels,
}

/// See the module.
pub struct Classifier {
    model: Arc<Model>,
    preprocess: Preprocess,
    engine: Box<dyn Engine>,
    postprocessor: Postprocessor,
}

impl Classifier {
    /// The same around an engine that is there already.
    pub fn with_engine(variant: &Variant, labels: Labels, engine: Box<dyn Engine>, settings: &Settings) -> Classifier {
        let postprocessor = Postprocessor::new(settings.prediction, engine.classes());
        let preprocess = Preprocess::new(variant.input.clone(), variant.side, settings.view);
        let variant = variant.clone();
        let model = Model { variant, config: engine.config(), engine_description: engine.description(), labels };
        Classifier { model: Arc::new(model), preprocess, engine, postprocessor }
    }

    /// What answers are given by.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Runs the engine once, on nothing: caches fill, threads wake.
    pub fn warm_up(&mut self) -> Result<(), EngineError> {
        self.engine.infer().map(|_| ())
    }

    /// Says what is on `frame`.
    pub fn answer(&mut self, frame: &Frame) -> Result<Classification, ClassifyError> {
        let start = Instant::now();
        let seen = self.preprocess.run(frame, self.engine.input())?;
        let preprocessed = Instant::now();
        let scores = self.engine.infer()?;
        let inferred = Instant::now();
        let predictions = self.postprocessor.predict(scores, frame.captured, frame.scene);
        let ms = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e3;
        let times = Times {
            preprocess_ms: ms(start, preprocessed),
            infer_ms: ms(preprocessed, inferred),
            postprocess_ms: ms(inferred, Instant::now()),
        };
        Ok(Classification {
            frame: frame.sequence,
            source: frame.source.clone(),
            captured: frame.captured,
            predictions,
            frame_size: self.preprocess.frame_size(),
            seen,
            model: self.model.clone(),
            times,
        })
    }

    /// The scores (before softmax) and the square of RGB levels behind the last answer's guesses.
    pub fn evidence(&mut self) -> Result<(Vec<f32>, &[u8]), EngineError> {
        let scores = self.engine.infer()?.to_vec();
        Ok((scores, self.preprocess.square()))
    }
}
