//! What a line has done, and how long it took.

use std::sync::Arc;
use std::time::Instant;

use crate::classify::Model;
use phicam_camera::CameraCounts;
use phicam_engine::latency::Stage;

/// What a line has done.
pub struct Metrics {
    /// The camera in words; nothing while there is none.
    pub camera: Option<String>,
    /// How often a camera was lost.
    pub camera_lost: u64,
    /// What became of frames before they came here.
    pub camera_stats: CameraCounts,
    /// How often another model or engine took over.
    pub switches: u64,
    /// How often an engine failed and another went on in its place.
    pub engines_lost: u64,
    /// When the camera gave its last frame, and the model its last answer.
    pub last_frame: Option<Instant>,
    pub last_answer: Option<Instant>,
    /// What gave the last answer.
    pub model: Option<Arc<Model>>,
    /// What an answer took lately, in milliseconds: each new one counts a tenth.
    pub recent_ms: Option<f64>,
    /// Frames that the camera gave.
    pub frames: u64,
    /// Frames that were answered.
    pub answers: u64,
    /// Frames that no one took, because a newer one came first.
    pub dropped: u64,
    /// Pictures that could not be read or prepared.
    pub bad_pictures: u64,
    /// Pictures that a display did not take.
    pub not_shown: u64,
    /// From capture (for files: decoded) until the frame was taken.
    pub wait: Stage,
    /// CropMode, crop, resize, normalise.
    pub preprocess: Stage,
    /// The engine.
    pub infer: Stage,
    /// Softmax, smoothing, the best few.
    pub prediction: Stage,
    /// One picture for one display.
    pub draw: Stage,
    /// Until that display has taken it.
    pub show: Stage,
}

impl Default for Metrics {
    /// Of a line that has not begun.
    fn default() -> Metrics {
        let stage = Stage::new;
        let [wait, preprocess, infer] = [stage("wait"), stage("preprocess"), stage("infer")];
        let [prediction, draw, show] = [stage("postprocess"), stage("draw"), stage("show")];
        let (camera, camera_lost, last_frame, last_answer) = (None, 0, None, None);
        let (frames, answers, dropped, bad_pictures, not_shown) = (0, 0, 0, 0, 0);
        Metrics {
            camera,
            camera_lost,
            camera_stats: CameraCounts::default(),
            switches: 0,
            engines_lost: 0,
            last_frame,
            last_answer,
            model: None,
            recent_ms: None,
            frames,
            answers,
            dropped,
            bad_pictures,
            not_shown,
            wait,
            preprocess,
            infer,
            prediction,
            draw,
            show,
        }
    }
}

impl Metrics {
    /// Counts an answer that took `total_ms` in [`Counts::recent_ms`].
    pub fn took(&mut self, total_ms: f64) {
        let before = self.recent_ms.unwrap_or(total_ms);
        self.recent_ms = Some(before + (total_ms - before) / 10.0);
    }

    /// The stages in the order of the line.
    pub fn stages(&self) -> [&Stage; 6] {
        [&self.wait, &self.preprocess, &self.infer, &self.prediction, &self.draw, &self.show]
    }
}
