//! The line: camera → mailbox → preprocess, engine, guess → overlay → displays, on three threads that never wait for
//! each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{info, warn};

use crate::classify::{Classification, Classifier, ClassifyError, Model};
use crate::display_state::Screen;
use crate::overlay::Fault;
use phicam_camera::reconnect::{Event, ReconnectingCamera};
use phicam_camera::{CameraError, Next};
use phicam_display::Display;
use phicam_frame::Frame;
use phicam_frame::mailbox::{Mailbox, Taken};

pub mod answer_json;
pub mod classify;
pub mod display_state;
mod display_thread;
pub mod health;
mod metrics;
pub mod overlay;
mod recent_latencies;
pub use metrics::Metrics;
pub use recent_latencies::{LatencySample, RecentLatencies};

/// The longest that any thread waits before it looks whether to stop.
const LIMIT: Duration = Duration::from_millis(100);
/// While models are being timed the line answers at most this often, so as not to spoil the times.
const WHILE_MEASURING: Duration = Duration::from_millis(250);

/// Why a line ended that nobody stopped.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Camera(#[from] CameraError),
    #[error(transparent)]
    Classification(#[from] ClassifyError),
}

/// Finds another engine for a model whose own has failed.
pub type EngineFallback<'a> = Box<dyn Fn(&Model) -> Option<Classifier> + Send + Sync + 'a>;

/// What the threads of a line share.
pub struct Pipeline<'a> {
    /// The newest frame that waits for an answer.
    frames: Mailbox<Frame>,
    /// A better variant, ready to take over.
    pub next_model: Mailbox<Classifier>,
    /// What is on the screen.
    pub screen: Screen,
    /// Set by whoever wants the line to end.
    stop: &'a AtomicBool,
    ended: AtomicBool,
    /// Set while models are being timed beside the line.
    pub measuring: AtomicBool,
    /// What goes on when an engine fails; without it the line ends.
    pub rescue: Option<EngineFallback<'a>>,
    /// What the newest answers took.
    pub recent: RecentLatencies,
    counts: Mutex<Metrics>,
}

/// What is told of each answer, besides the answer.
pub struct ClassificationEvent<'a> {
    pub answer: &'a Classification,
    /// Since the frame was captured.
    pub age_ms: f64,
    /// Frames dropped so far.
    pub dropped: u64,
}

/// Ends the line when the thread that holds it panics: the others would wait for it for ever.
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
    /// A line that ends when `stop` is set, by whomever.
    pub fn new(stop: &'a AtomicBool) -> Pipeline<'a> {
        Pipeline {
            frames: Mailbox::default(),
            next_model: Mailbox::default(),
            screen: Screen::default(),
            stop,
            ended: AtomicBool::new(false),
            measuring: AtomicBool::new(false),
            rescue: None,
            recent: RecentLatencies::default(),
            counts: Mutex::new(Metrics::default()),
        }
    }

    /// Runs until the camera has no more, `most` frames are answered, or someone stops it; `tell` hears each answer.
    pub fn run(
        &self,
        camera: &mut ReconnectingCamera,
        classifier: Classifier,
        displays: &mut [Box<dyn Display>],
        most: Option<u64>,
        tell: &mut dyn FnMut(ClassificationEvent),
    ) -> Result<(), PipelineError> {
        self.metrics().camera = camera.describe();
        std::thread::scope(|scope| {
            let _ends = StopOnPanic(self);
            let capture = scope.spawn(|| {
                let _ends = StopOnPanic(self);
                self.capture(camera)
            });
            let show = scope.spawn(|| {
                let _ends = StopOnPanic(self);
                self.show(displays)
            });
            let answered = self.answer(classifier, most, tell);
            self.stop.store(true, Ordering::Relaxed);
            self.ended.store(true, Ordering::Relaxed);
            self.screen.close();
            let joined = (capture.join(), show.join());
            let (Ok(captured), Ok(())) = joined else {
                std::panic::resume_unwind(Box::new("a thread of the line died"))
            };
            let unseen = matches!(self.frames.take(Duration::ZERO), Taken::Newest(_));
            self.metrics().dropped = self.frames.replaced() + u64::from(unseen);
            answered.and(captured)
        })
    }

    /// What was done so far.
    pub fn metrics(&self) -> MutexGuard<'_, Metrics> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner) // counters are whole at any moment
    }

    /// Whether it runs no more.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Camera → mailbox and screen. It never waits for an answer or a display.
    fn capture(&self, camera: &mut ReconnectingCamera) -> Result<(), PipelineError> {
        let ended = loop {
            if self.stopped() {
                break Ok(());
            }
            match camera.next(LIMIT) {
                Event::Next(Next::Frame(frame)) => {
                    let mut counts = self.metrics();
                    counts.frames += 1;
                    counts.last_frame = Some(Instant::now());
                    counts.camera_stats = camera.counts();
                    drop(counts);
                    self.screen.set_frame(frame.clone());
                    self.frames.put(frame);
                }
                Event::Next(Next::Nothing) => {}
                Event::Next(Next::Finished) => break Ok(()),
                Event::Skipped(error) => self.skip(format!("skipped a picture: {error}")),
                Event::Lost(why) => self.lose_camera(why),
                Event::Back(name) => self.find_camera(name),
                Event::Ended(error) => break Err(error.into()),
            }
        };
        self.frames.close();
        ended
    }

    /// Lets go of the lost camera's buffers: its driver may not give it to anybody before that.
    fn lose_camera(&self, why: String) {
        let mut counts = self.metrics();
        counts.camera_lost += u64::from(counts.camera.is_some());
        counts.camera = None;
        drop(counts);
        warn!("camera: {why}");
        drop(self.frames.take(Duration::ZERO));
        self.screen.keep_frame();
        self.screen.set_fault(Fault::Camera, Some(format!("no camera: {why}")));
    }

    fn find_camera(&self, name: String) {
        info!("camera {name}");
        self.metrics().camera = Some(name);
        self.screen.set_fault(Fault::Camera, None);
    }

    /// Counts and announces a picture that gets no answer.
    fn skip(&self, why: String) {
        self.metrics().bad_pictures += 1;
        warn!("{why}");
        self.screen.notice(why);
    }

    /// What answers instead of an engine that failed, counted and announced.
    fn rescued(&self, failed: &Model, error: &ClassifyError) -> Option<Classifier> {
        let rescued = self.rescue.as_ref().and_then(|rescue| rescue(failed))?;
        self.metrics().engines_lost += 1;
        let (engine, next) = (failed.config.engine, rescued.model().config.engine);
        warn!("{error}; {next} goes on in the place of {engine}");
        self.screen.notice(format!("{engine} failed, now {next}"));
        Some(rescued)
    }

    /// Mailbox → preprocess, engine, guess → screen.
    fn answer(
        &self,
        mut classifier: Classifier,
        most: Option<u64>,
        tell: &mut dyn FnMut(ClassificationEvent),
    ) -> Result<(), PipelineError> {
        let mut answers = 0;
        while !self.stopped() && most.is_none_or(|most| answers < most) {
            let frame = match self.frames.take(LIMIT) {
                Taken::Newest(frame) => frame,
                Taken::Nothing => continue,
                Taken::Closed => break,
            };
            if let Taken::Newest(next) = self.next_model.take(Duration::ZERO) {
                classifier = next;
                let variant = &classifier.model().variant;
                let config = classifier.model().config;
                info!("{} ({}) takes over, by {config}", variant.name, variant.phi_in_words());
                self.screen.notice(format!("now {} by {}", variant.name, config.engine));
                self.metrics().switches += 1;
            }
            let waited = frame.captured.elapsed();
            let answer = match classifier.answer(&frame) {
                Ok(answer) => answer,
                Err(ClassifyError::Preprocess(error)) => {
                    self.skip(format!("skipped a frame: {error}"));
                    continue;
                }
                Err(error) => match self.rescued(classifier.model(), &error) {
                    Some(rescued) => {
                        classifier = rescued;
                        continue;
                    }
                    None => return Err(error.into()),
                },
            };
            answers += 1;
            let dropped = self.frames.replaced();
            let mut counts = self.metrics();
            counts.answers = answers;
            counts.last_answer = Some(Instant::now());
            counts.model = Some(answer.model.clone());
            counts.took(answer.times.total_ms());
            self.recent.put(LatencySample {
                at: Instant::now(),
                total_ms: answer.times.total_ms(),
                model: answer.model.clone(),
            });
            counts.dropped = dropped;
            counts.wait.record(waited);
            counts.preprocess.record_ms(answer.times.preprocess_ms);
            counts.infer.record_ms(answer.times.infer_ms);
            counts.prediction.record_ms(answer.times.postprocess_ms);
            drop(counts);
            let age_ms = answer.captured.elapsed().as_secs_f64() * 1e3;
            tell(ClassificationEvent { answer: &answer, age_ms, dropped });
            self.screen.set_answer(answer);
            if self.measuring.load(Ordering::Relaxed) {
                std::thread::sleep(WHILE_MEASURING);
            }
        }
        Ok(())
    }
}
