//! Pipeline from camera to display: preprocess, inference, postprocess and overlay.
//!
//! Three threads, for capture, inference and display, never wait for each other. The pipeline knows nothing of budgets
//! or of picking a model: a new model arrives in the mailbox [`Pipeline::next_model`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::{info, warn};
use parking_lot::{Mutex, MutexGuard};

use crate::classify::{Classification, Classifier, ClassifyError, Model};
use crate::display_state::Screen;
use crate::status::{CameraState, Connection, Fault, Notice};
use phicam_camera::reconnect::{Event, ReconnectingCamera};
use phicam_camera::{CameraError, Next};
use phicam_display::Display;
use phicam_frame::Frame;
use phicam_frame::mailbox::{Mailbox, TakeResult};

pub mod answer_json;
pub mod classify;
pub mod display_state;
mod display_thread;
pub mod health;
mod metrics;
pub mod overlay;
mod recent_latencies;
pub mod screen_words;
pub mod status;
pub use metrics::Metrics;
pub use recent_latencies::{LatencySample, RecentLatencies};

/// Longest wait of a thread before it checks whether to stop: an estimate, at which Ctrl-C seems immediate.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Pause after each frame while models are measured, so that the pipeline disturbs the measurements less: an estimate.
const MEASURING_PAUSE: Duration = Duration::from_millis(250);

/// Failure that ended the pipeline.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Camera(#[from] CameraError),
    #[error(transparent)]
    Classification(#[from] ClassifyError),
}

/// Opens a classifier with another engine for a model whose engine has failed; returns `None` if there is no other.
pub type EngineFallback<'a> = Box<dyn Fn(&Model) -> Option<Classifier> + Send + Sync + 'a>;

/// State that the threads of the pipeline share.
pub struct Pipeline<'a> {
    /// Newest frame that waits for inference.
    frames: Mailbox<Frame>,
    /// Loaded model that replaces the active one before the next frame.
    pub next_model: Mailbox<Classifier>,
    pub screen: Screen,
    /// Set by any thread to end the pipeline.
    stop: &'a AtomicBool,
    has_ended: AtomicBool,
    /// Set while models are measured, during which the pipeline slows down.
    pub measuring: AtomicBool,
    /// Replacement for an engine that fails; the pipeline ends without one.
    pub engine_fallback: Option<EngineFallback<'a>>,
    pub recent_latencies: RecentLatencies,
    metrics: Mutex<Metrics>,
}

/// Classification of one frame, as reported to the caller of [`Pipeline::run`].
pub struct ClassificationEvent<'a> {
    pub classification: &'a Classification,
    /// Time since the frame was captured, in milliseconds.
    pub age_ms: f64,
    /// Frames dropped since the start.
    pub dropped: u64,
}

/// Guard that ends the pipeline if its thread panics, because the other threads would wait for it for ever.
struct StopOnPanic<'a, 'b>(&'a Pipeline<'b>);

impl Drop for StopOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop.store(true, Ordering::Relaxed);
            self.0.frames.close();
            self.0.screen.close();
        }
    }
}

impl<'a> Pipeline<'a> {
    /// Creates a pipeline that ends when `stop` is set.
    pub fn new(stop: &'a AtomicBool) -> Pipeline<'a> {
        Pipeline {
            frames: Mailbox::default(),
            next_model: Mailbox::default(),
            screen: Screen::default(),
            stop,
            has_ended: AtomicBool::new(false),
            measuring: AtomicBool::new(false),
            engine_fallback: None,
            recent_latencies: RecentLatencies::default(),
            metrics: Mutex::new(Metrics::default()),
        }
    }

    /// Runs until the camera ends, `max_frames` are classified, or `stop` is set. Calls `on_classified` for each frame.
    pub fn run(
        &self,
        camera: &mut ReconnectingCamera,
        classifier: Classifier,
        displays: &mut [Box<dyn Display>],
        max_frames: Option<u64>,
        on_classified: &mut dyn FnMut(ClassificationEvent),
    ) -> Result<(), PipelineError> {
        self.metrics().camera = camera.describe();
        std::thread::scope(|scope| {
            let _guard = StopOnPanic(self);
            let capture = scope.spawn(|| {
                let _guard = StopOnPanic(self);
                self.capture(camera)
            });
            let display = scope.spawn(|| {
                let _guard = StopOnPanic(self);
                self.show(displays)
            });
            let classified = self.classify_frames(classifier, max_frames, on_classified);
            self.stop.store(true, Ordering::Relaxed);
            self.has_ended.store(true, Ordering::Relaxed);
            self.screen.close();
            let joined = (capture.join(), display.join());
            let (Ok(captured), Ok(())) = joined else {
                std::panic::resume_unwind(Box::new("a thread of the pipeline panicked"))
            };
            let is_frame_left = matches!(self.frames.take(Duration::ZERO), TakeResult::Newest(_));
            self.metrics().dropped = self.frames.replaced() + u64::from(is_frame_left);
            classified.and(captured)
        })
    }

    /// Locks and returns the metrics. The other threads wait while the guard is held.
    pub fn metrics(&self) -> MutexGuard<'_, Metrics> {
        self.metrics.lock()
    }

    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Moves frames from the camera to the mailbox and the screen. It never waits for inference or a display.
    fn capture(&self, camera: &mut ReconnectingCamera) -> Result<(), PipelineError> {
        let ended = loop {
            if self.is_stopping() {
                break Ok(());
            }
            match camera.next(POLL_INTERVAL) {
                Event::Next(Next::Frame(frame)) => {
                    let mut metrics = self.metrics();
                    metrics.frames += 1;
                    metrics.last_frame = Some(Instant::now());
                    metrics.camera_stats = camera.counts();
                    drop(metrics);
                    self.screen.set_frame(frame.clone());
                    self.frames.put(frame);
                }
                Event::Next(Next::Nothing) => {}
                Event::Next(Next::Finished) => break Ok(()),
                Event::Skipped(error) => self.skip_frame(format!("skipped an unreadable frame: {error}")),
                Event::Lost(reason) => self.handle_camera_loss(reason, camera.connection()),
                Event::Reconnected(name) => self.handle_camera_return(name),
                Event::Ended(error) => break Err(error.into()),
            }
        };
        self.frames.close();
        ended
    }

    /// Releases the buffers of the lost camera, because its driver may not allow to open it again before.
    fn handle_camera_loss(&self, reason: String, connection: Connection) {
        let mut metrics = self.metrics();
        let had_frames = metrics.frames > 0;
        metrics.camera_lost += u64::from(metrics.camera.is_some());
        metrics.camera = None;
        drop(metrics);
        warn!("no camera: {reason}");
        drop(self.frames.take(Duration::ZERO));
        self.screen.detach_frame();
        let lost = CameraState::Lost(connection);
        self.screen.set_camera(if had_frames { lost } else { CameraState::Missing(connection) });
        self.screen.set_fault(Fault::Camera, Some(format!("no camera: {reason}")));
    }

    fn handle_camera_return(&self, name: String) {
        info!("camera connected: {name}");
        self.metrics().camera = Some(name);
        self.screen.set_camera(CameraState::Present);
        self.screen.set_fault(Fault::Camera, None);
        if self.metrics().frames > 0 {
            self.screen.show_notice(Notice::CameraBack);
        }
    }

    /// Counts, logs and shows that a frame was not classified.
    fn skip_frame(&self, message: String) {
        self.metrics().bad_pictures += 1;
        warn!("{message}");
        self.screen.show_notice(Notice::UnreadablePicture);
    }

    /// Returns the replacement of a failed engine, if there is one, and reports the change.
    fn fall_back(&self, failed: &Model, error: &ClassifyError) -> Option<Classifier> {
        let replacement = self.engine_fallback.as_ref().and_then(|fallback| fallback(failed))?;
        self.metrics().engine_failures += 1;
        let (engine, next) = (failed.config.engine, replacement.model().config.engine);
        warn!("{error}; falling back from {engine} to {next}");
        self.screen.show_notice(Notice::OtherEngine);
        Some(replacement)
    }

    /// Classifies the newest frame in the mailbox until the pipeline stops: preprocess, inference, postprocess, screen.
    fn classify_frames(
        &self,
        mut classifier: Classifier,
        max_frames: Option<u64>,
        on_classified: &mut dyn FnMut(ClassificationEvent),
    ) -> Result<(), PipelineError> {
        let mut answers = 0;
        while !self.is_stopping() && max_frames.is_none_or(|max| answers < max) {
            let frame = match self.frames.take(POLL_INTERVAL) {
                TakeResult::Newest(frame) => frame,
                TakeResult::TimedOut => continue,
                TakeResult::Closed => break,
            };
            if let TakeResult::Newest(next) = self.next_model.take(Duration::ZERO) {
                self.screen.show_notice(size_notice(classifier.model(), next.model()));
                classifier = next;
                let variant = &classifier.model().variant;
                let config = classifier.model().config;
                info!("switched to {} ({}), {config}", variant.name, variant.phi_display());
                self.metrics().switches += 1;
            }
            let waited = frame.captured.elapsed();
            let classification = match classifier.classify(&frame) {
                Ok(classification) => classification,
                Err(ClassifyError::Preprocess(error)) => {
                    self.skip_frame(format!("skipped a frame: {error}"));
                    continue;
                }
                Err(error) => match self.fall_back(classifier.model(), &error) {
                    Some(replacement) => {
                        classifier = replacement;
                        continue;
                    }
                    None => return Err(error.into()),
                },
            };
            answers += 1;
            let dropped = self.frames.replaced();
            self.record(&classification, answers, dropped, waited);
            let age_ms = classification.captured.elapsed().as_secs_f64() * 1e3;
            on_classified(ClassificationEvent { classification: &classification, age_ms, dropped });
            self.screen.set_classification(classification);
            if self.measuring.load(Ordering::Relaxed) {
                std::thread::sleep(MEASURING_PAUSE);
            }
        }
        Ok(())
    }

    fn record(&self, classification: &Classification, answers: u64, dropped: u64, waited: Duration) {
        let times = classification.times;
        let now = Instant::now();
        let mut metrics = self.metrics();
        metrics.answers = answers;
        metrics.last_answer = Some(now);
        metrics.model = Some(classification.model.clone());
        metrics.record_latency(times.total_ms());
        metrics.dropped = dropped;
        metrics.wait.record(waited);
        metrics.preprocess.record_ms(times.preprocess_ms);
        metrics.infer.record_ms(times.infer_ms);
        metrics.postprocess.record_ms(times.postprocess_ms);
        let model = classification.model.clone();
        self.recent_latencies.put(LatencySample { at: now, total_ms: times.total_ms(), model });
    }
}

/// Returns the notice of a switch between two models.
fn size_notice(before: &Model, now: &Model) -> Notice {
    match now.variant.million_macs.total_cmp(&before.variant.million_macs) {
        std::cmp::Ordering::Greater => Notice::LargerModel,
        std::cmp::Ordering::Less => Notice::FasterModel,
        std::cmp::Ordering::Equal => Notice::OtherModel,
    }
}
