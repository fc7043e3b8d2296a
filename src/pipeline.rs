//! The line: camera → mailbox → preprocess, engine, guess → overlay → displays, on three threads that never wait for
//! each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{error, info, warn};

use crate::camera::{CameraError, Next};
use crate::classifier::{Answer, AnswerError, Classifier};
use crate::display::{Display, DisplayError};
use crate::frame::Frame;
use crate::mailbox::{Mailbox, Taken};
use crate::overlay::Fault;
use crate::screen::{Drawing, Screen};
use crate::watch::{Event, Watch};

mod counts;
pub use counts::Counts;

/// The longest that any thread waits before it looks whether to stop.
const LIMIT: Duration = Duration::from_millis(100);
/// While models are being timed the line answers at most this often, so as not to spoil the times.
const WHILE_MEASURING: Duration = Duration::from_millis(250);

/// A display that goes on failing is told of no oftener than this: the log may go to the same full disk.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Why a line ended that nobody stopped.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error(transparent)]
    Camera(#[from] CameraError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

/// What the threads of a line share.
pub struct Line<'a> {
    /// The newest frame that waits for an answer.
    frames: Mailbox<Frame>,
    /// A better choice, ready to take over.
    pub next_model: Mailbox<Classifier>,
    /// What is on the screen.
    pub screen: Screen,
    /// Set by whoever wants the line to end.
    stop: &'a AtomicBool,
    ended: AtomicBool,
    /// Set while models are being timed beside the line.
    pub measuring: AtomicBool,
    counts: Mutex<Counts>,
}

/// What is told of each answer, besides the answer.
pub struct Told<'a> {
    pub answer: &'a Answer,
    /// Since the frame was captured.
    pub age_ms: f64,
    /// Frames dropped so far.
    pub dropped: u64,
}

/// Ends the line when the thread that holds it panics: the others would wait for it for ever.
struct Ends<'a, 'b>(&'a Line<'b>);

impl Drop for Ends<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop.store(true, Ordering::Relaxed);
            self.0.frames.close();
            self.0.screen.close();
        }
    }
}

impl<'a> Line<'a> {
    /// A line that ends when `stop` is set, by whomever.
    pub fn new(stop: &'a AtomicBool) -> Line<'a> {
        Line {
            frames: Mailbox::default(),
            next_model: Mailbox::default(),
            screen: Screen::default(),
            stop,
            ended: AtomicBool::new(false),
            measuring: AtomicBool::new(false),
            counts: Mutex::new(Counts::default()),
        }
    }

    /// Runs until the camera has no more, `most` frames are answered, or someone stops it; `tell` hears each answer.
    pub fn run(
        &self,
        camera: &mut Watch,
        classifier: Classifier,
        displays: &mut [Box<dyn Display>],
        most: Option<u64>,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(), LineError> {
        self.counts().camera = camera.describe();
        std::thread::scope(|scope| {
            let _ends = Ends(self);
            let capture = scope.spawn(|| {
                let _ends = Ends(self);
                self.capture(camera)
            });
            let show = scope.spawn(|| {
                let _ends = Ends(self);
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
            self.counts().dropped = self.frames.replaced() + u64::from(unseen);
            answered.and(captured)
        })
    }

    /// What was done so far.
    pub fn counts(&self) -> MutexGuard<'_, Counts> {
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
    fn capture(&self, camera: &mut Watch) -> Result<(), LineError> {
        let ended = loop {
            if self.stopped() {
                break Ok(());
            }
            match camera.next(LIMIT) {
                Event::Next(Next::Frame(frame)) => {
                    let mut counts = self.counts();
                    counts.frames += 1;
                    counts.last_frame = Some(Instant::now());
                    counts.by_camera = camera.counts();
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
        let mut counts = self.counts();
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
        self.counts().camera = Some(name);
        self.screen.set_fault(Fault::Camera, None);
    }

    /// Counts and announces a picture that gets no answer.
    fn skip(&self, why: String) {
        self.counts().bad_pictures += 1;
        warn!("{why}");
        self.screen.notice(why);
    }

    /// Mailbox → preprocess, engine, guess → screen.
    fn answer(
        &self,
        mut classifier: Classifier,
        most: Option<u64>,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(), LineError> {
        let mut answers = 0;
        while !self.stopped() && most.is_none_or(|most| answers < most) {
            let frame = match self.frames.take(LIMIT) {
                Taken::Newest(frame) => frame,
                Taken::Nothing => continue,
                Taken::Closed => break,
            };
            if let Taken::Newest(next) = self.next_model.take(Duration::ZERO) {
                classifier = next;
                let choice = &classifier.model().choice;
                info!("{} ({}) takes over", choice.name, choice.phi_in_words());
                self.screen.notice(format!("now {}", choice.name));
            }
            let waited = frame.captured.elapsed();
            let answer = match classifier.answer(&frame) {
                Ok(answer) => answer,
                Err(AnswerError::Preprocess(error)) => {
                    self.skip(format!("skipped a frame: {error}"));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            answers += 1;
            let dropped = self.frames.replaced();
            let mut counts = self.counts();
            counts.answers = answers;
            counts.last_answer = Some(Instant::now());
            counts.model = Some(answer.model.clone());
            counts.took(answer.times.total_ms());
            counts.dropped = dropped;
            counts.wait.record(waited);
            counts.preprocess.record_ms(answer.times.preprocess_ms);
            counts.infer.record_ms(answer.times.infer_ms);
            counts.guess.record_ms(answer.times.guess_ms);
            drop(counts);
            let age_ms = answer.captured.elapsed().as_secs_f64() * 1e3;
            tell(Told { answer: &answer, age_ms, dropped });
            self.screen.set_answer(answer);
            if self.measuring.load(Ordering::Relaxed) {
                std::thread::sleep(WHILE_MEASURING);
            }
        }
        Ok(())
    }

    /// Screen → overlay → displays: the newest frame with the newest answer, as often as either changes.
    fn show(&self, displays: &mut [Box<dyn Display>]) {
        let mut drawings: Vec<(Drawing, Option<Instant>)> = displays.iter().map(|_| Default::default()).collect();
        while let Some(scene) = self.screen.wait(LIMIT) {
            for (display, (drawing, told)) in displays.iter_mut().zip(&mut drawings) {
                if !scene.is_new() && !display.wants_picture() {
                    let result = display.idle();
                    self.settle(&display.name(), result, told);
                    continue;
                }
                let start = Instant::now();
                let shown = drawing.draw(&scene, display.size(), |area| display.layer(area));
                let drawn = Instant::now();
                let result = display.show(&shown);
                let mut counts = self.counts();
                counts.draw.record(drawn - start);
                counts.show.record(drawn.elapsed());
                drop(counts); // the log may be slow, and the other threads count too
                if result.is_err() {
                    drawing.not_taken();
                }
                self.settle(&display.name(), result, told);
            }
            if self.measuring.load(Ordering::Relaxed) {
                std::thread::sleep(WHILE_MEASURING);
            }
        }
        for (display, (_, told)) in displays.iter_mut().zip(&mut drawings) {
            let result = display.close();
            self.settle(&display.name(), result, told);
        }
    }

    /// Counts what a display did not take, and announces it now and then.
    fn settle(&self, display: &str, result: Result<(), DisplayError>, told: &mut Option<Instant>) {
        let Err(error) = result else { return };
        if matches!(error, DisplayError::Closed) {
            // As with any program in a pipe: whoever read has seen enough.
            return self.stop.store(true, Ordering::Relaxed);
        }
        self.counts().not_shown += 1;
        if matches!(error, DisplayError::StillLost { .. }) {
            return;
        }
        if matches!(error, DisplayError::Lost { .. }) {
            return error!("display {error}");
        }
        if told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            error!("display {display} failed, trying again at each picture: {error}");
            *told = Some(Instant::now());
        }
    }
}
