//! Classifier: a loaded model variant with preprocess, engine and postprocess.

use std::sync::Arc;
use std::time::Instant;

use crop::CropMode;
use phicam_engine::{Engine, EngineError, ExecutionConfig};
use phicam_frame::{Frame, Rect, Size};
use phicam_model::catalog::{CatalogError, Variant};
use phicam_model::labels::{LabelError, Labels};
use postprocess::{Postprocessor, Predictions};
use preprocess::{Preprocess, PreprocessError};

pub mod crop;
pub mod postprocess;
pub mod preprocess;

/// Failure to load a model variant.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Labels(#[from] LabelError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Failure to classify a frame.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Settings of a classifier that do not depend on the model variant.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub view: CropMode,
    pub prediction: postprocess::Settings,
    pub config: ExecutionConfig,
    /// Whether packed weights are cached in the state folder, for a faster restart.
    pub cache_packed_weights: bool,
}

/// Result of the classification of one frame.
#[derive(Clone, Debug)]
pub struct Classification {
    /// Sequence number of the frame.
    pub frame: u64,
    /// File of the frame; `None` for a camera frame.
    pub source: Option<Arc<str>>,
    /// Time of capture, from which the age of the classification counts.
    pub captured: Instant,
    /// Most probable first, smoothed over the frames of the scene.
    pub predictions: Predictions,
    /// Size of the frame in pixels.
    pub frame_size: Size,
    /// Region of the frame that the model received, in pixels of the frame.
    pub region: Rect,
    pub model: Arc<Model>,
    pub times: Times,
}

/// Time of one classification by stage, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Crop, resize and normalisation.
    pub preprocess_ms: f64,
    /// Inference by the engine.
    pub infer_ms: f64,
    /// Softmax, temporal smoothing and top-k.
    pub postprocess_ms: f64,
}

impl Times {
    /// Returns the latency: the time from a decoded frame to its predictions.
    pub fn total_ms(&self) -> f64 {
        self.preprocess_ms + self.infer_ms + self.postprocess_ms
    }
}

/// Description of a loaded model.
#[derive(Debug)]
pub struct Model {
    pub variant: Variant,
    pub config: ExecutionConfig,
    /// Description of the engine, with the software that runs the operators.
    pub engine_description: String,
    /// Name of each class.
    pub labels: Labels,
}

/// Model variant that is ready to classify frames.
pub struct Classifier {
    model: Arc<Model>,
    preprocess: Preprocess,
    engine: Box<dyn Engine>,
    postprocessor: Postprocessor,
}

impl Classifier {
    /// Creates a classifier for `variant`, whose network is loaded in `engine`.
    pub fn with_engine(variant: &Variant, labels: Labels, engine: Box<dyn Engine>, settings: &Settings) -> Classifier {
        let postprocessor = Postprocessor::new(settings.prediction, engine.classes());
        let preprocess = Preprocess::new(variant.input.clone(), variant.side, settings.view);
        let variant = variant.clone();
        let model = Model { variant, config: engine.config(), engine_description: engine.description(), labels };
        Classifier { model: Arc::new(model), preprocess, engine, postprocessor }
    }

    /// Returns the loaded model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Runs inference once on an arbitrary input, so that caches fill and threads start.
    pub fn warm_up(&mut self) -> Result<(), EngineError> {
        self.engine.infer().map(|_| ())
    }

    /// Classifies `frame`.
    pub fn classify(&mut self, frame: &Frame) -> Result<Classification, ClassifyError> {
        let start = Instant::now();
        let region = self.preprocess.run(frame, self.engine.input())?;
        let preprocessed = Instant::now();
        let scores = self.engine.infer()?;
        let inferred = Instant::now();
        let predictions = self.postprocessor.predict(scores, frame.captured, frame.scene);
        let elapsed_ms = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e3;
        let times = Times {
            preprocess_ms: elapsed_ms(start, preprocessed),
            infer_ms: elapsed_ms(preprocessed, inferred),
            postprocess_ms: elapsed_ms(inferred, Instant::now()),
        };
        Ok(Classification {
            frame: frame.sequence,
            source: frame.source.clone(),
            captured: frame.captured,
            predictions,
            frame_size: self.preprocess.frame_size(),
            region,
            model: self.model.clone(),
            times,
        })
    }

    /// Returns the scores (before softmax) and the input, as RGB levels, of the last classified frame. It runs
    /// inference again.
    pub fn last_scores_and_input(&mut self) -> Result<(Vec<f32>, &[u8]), EngineError> {
        let scores = self.engine.infer()?.to_vec();
        Ok((scores, self.preprocess.input_levels()))
    }
}
