//! Metrics: counters and times of the running pipeline.

use std::sync::Arc;
use std::time::Instant;

use crate::classify::Model;
use phicam_camera::CameraCounts;
use phicam_engine::latency::Stage;

/// Frames that [`Metrics::recent_ms`] averages: a new value has a weight of one tenth. An estimate: the average follows
/// a change within about a second.
const RECENT_FRAMES: f64 = 10.0;

/// Counters and times since the start of the pipeline.
pub struct Metrics {
    /// Description of the camera; `None` while it is lost.
    pub camera: Option<String>,
    /// Number of times that a camera was lost.
    pub camera_lost: u64,
    /// The camera's own counters of frames that did not reach the pipeline.
    pub camera_stats: CameraCounts,
    /// Switches to another model or engine.
    pub switches: u64,
    /// Engines that failed and were replaced by a fallback.
    pub engine_failures: u64,
    pub last_frame: Option<Instant>,
    pub last_answer: Option<Instant>,
    /// Model of the last answer.
    pub model: Option<Arc<Model>>,
    /// Exponential average of the latency, in milliseconds.
    pub recent_ms: Option<f64>,
    /// Frames from the camera.
    pub frames: u64,
    /// Classified frames.
    pub answers: u64,
    /// Frames that a newer one replaced in the mailbox.
    pub dropped: u64,
    /// Frames that could not be read or preprocessed.
    pub bad_pictures: u64,
    /// Updates that a display refused.
    pub display_errors: u64,
    /// Wait in the mailbox: from capture, or from decoding for files, until inference takes the frame.
    pub wait: Stage,
    /// Crop, resize and normalisation.
    pub preprocess: Stage,
    /// Inference by the engine.
    pub infer: Stage,
    /// Softmax, temporal smoothing and top-k.
    pub postprocess: Stage,
    /// Drawing of one update for one display.
    pub draw: Stage,
    /// Showing of one update by one display.
    pub show: Stage,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            camera: None,
            camera_lost: 0,
            camera_stats: CameraCounts::default(),
            switches: 0,
            engine_failures: 0,
            last_frame: None,
            last_answer: None,
            model: None,
            recent_ms: None,
            frames: 0,
            answers: 0,
            dropped: 0,
            bad_pictures: 0,
            display_errors: 0,
            wait: Stage::new("wait"),
            preprocess: Stage::new("preprocess"),
            infer: Stage::new("infer"),
            postprocess: Stage::new("postprocess"),
            draw: Stage::new("draw"),
            show: Stage::new("show"),
        }
    }
}

impl Metrics {
    /// Updates [`Metrics::recent_ms`] with the latency of a frame.
    pub fn record_latency(&mut self, total_ms: f64) {
        let previous = self.recent_ms.unwrap_or(total_ms);
        self.recent_ms = Some(previous + (total_ms - previous) / RECENT_FRAMES);
    }

    /// Returns the stages in the order of the pipeline.
    pub fn stages(&self) -> [&Stage; 6] {
        [&self.wait, &self.preprocess, &self.infer, &self.postprocess, &self.draw, &self.show]
    }
}
