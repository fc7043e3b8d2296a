//! The line as a whole: nothing waits for anything slower, nothing is lost without being counted, nothing is allocated.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use phicam::camera::{Camera, CameraError, Next, Pattern};
use phicam::classifier::{Classifier, Settings};
use phicam::display::{Display, DisplayError, Shown};
use phicam::engine::{Engine, EngineError};
use phicam::frame::Size;
use phicam::labels::Labels;
use phicam::mailbox::{Mailbox, Taken};
use phicam::overlay::Layout;
use phicam::pipeline::{Line, LineError};
use phicam::screen::{Drawing, Screen};

/// An engine that takes as long as it is told, and fails when it is told. It finds a class by the first input value.
struct StandIn {
    input: Vec<f32>,
    scores: Vec<f32>,
    takes: Duration,
    fails_after: u64,
    runs: u64,
}

impl Engine for StandIn {
    fn name(&self) -> &'static str {
        "stand-in"
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

fn classifier(choice: &str, takes: Duration, fails_after: u64) -> Classifier {
    let choice = common::catalog().choice(choice).unwrap().clone();
    let labels = Labels::parse(b"one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n", "labels".as_ref()).unwrap();
    let input = vec![0.0; 3 * (choice.side * choice.side) as usize];
    let engine = StandIn { input, scores: vec![0.0; 8], takes, fails_after, runs: 0 };
    let settings = Settings { view: Default::default(), guess: Default::default(), threads: 1 };
    Classifier::with_engine(&choice, labels, Box::new(engine), &settings)
}

/// A display that counts what it is shown, or refuses it.
#[derive(Default)]
struct Counting {
    shown: &'static AtomicU64Holder,
    refuses: bool,
}

#[derive(Default)]
struct AtomicU64Holder(AtomicU64);

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

fn fast_camera() -> Pattern {
    Pattern::new(Size::new(64, 48), 1000.0)
}

#[test]
fn capture_does_not_wait_for_a_slow_model_and_every_dropped_frame_is_counted() {
    let stop = AtomicBool::new(false);
    let line = Line::new(&stop);
    let mut sequence = Vec::new();
    let slow = classifier("lite0@96", Duration::from_millis(20), u64::MAX);
    line.run(&mut fast_camera(), slow, &mut [], Some(10), &mut |told| sequence.push(told.answer.frame)).unwrap();
    let counts = line.counts();
    assert_eq!((sequence.len(), counts.answers), (10, 10));
    assert!(sequence.windows(2).all(|pair| pair[0] < pair[1]), "{sequence:?}");
    let last = sequence[9];
    assert!(last >= 20, "at a thousand frames a second and 20 ms an answer, frames must be passed over: {sequence:?}");
    // What came before the last answered frame was either answered or dropped.
    assert!(counts.dropped >= last - 9, "{} dropped up to frame {last}", counts.dropped);
    assert_eq!(counts.frames, counts.answers + counts.dropped, "every frame is in one count");
}

#[test]
fn a_display_that_fails_is_counted_and_the_line_goes_on() {
    let stop = AtomicBool::new(false);
    let line = Line::new(&stop);
    let (good, bad) = (Counting::default(), Counting { refuses: true, ..Counting::default() });
    let shown = good.shown;
    let mut displays: [Box<dyn Display>; 2] = [Box::new(bad), Box::new(good)];
    let model = classifier("lite0@96", Duration::from_millis(2), u64::MAX);
    line.run(&mut fast_camera(), model, &mut displays, Some(20), &mut |_| {}).unwrap();
    assert_eq!(line.counts().answers, 20);
    assert!(line.counts().not_shown > 0);
    assert!(shown.0.load(Ordering::Relaxed) > 0);
}

#[test]
fn an_engine_that_fails_ends_the_line_with_its_reason() {
    let stop = AtomicBool::new(false);
    let line = Line::new(&stop);
    let ended = line.run(&mut fast_camera(), classifier("lite0@96", Duration::ZERO, 3), &mut [], None, &mut |_| {});
    assert!(matches!(&ended, Err(LineError::Answer(error)) if error.to_string().contains("on purpose")), "{ended:?}");
    assert_eq!(line.counts().answers, 3);
}

#[test]
fn a_better_model_takes_over_between_two_frames() {
    let stop = AtomicBool::new(false);
    let line = Line::new(&stop);
    let mut models = Vec::new();
    let first = classifier("lite0@96", Duration::ZERO, u64::MAX);
    line.run(&mut fast_camera(), first, &mut [], Some(10), &mut |told| {
        models.push(told.answer.model.choice.name.clone());
        if models.len() == 4 {
            line.next_model.put(classifier("lite0@128", Duration::ZERO, u64::MAX));
        }
    })
    .unwrap();
    assert_eq!(models[..4], ["lite0@96"; 4]);
    assert_eq!(models[4..], ["lite0@128"; 6]);
}

/// A camera that ends, gives nothing for ever, or breaks.
struct Scripted(Vec<Result<Next, CameraError>>, &'static AtomicU64Holder);

impl Camera for Scripted {
    fn describe(&self) -> String {
        "scripted".into()
    }

    fn next_frame(&mut self, _: Duration) -> Result<Next, CameraError> {
        self.1.0.fetch_add(1, Ordering::Relaxed);
        if self.0.is_empty() { Ok(Next::Nothing) } else { self.0.remove(0) }
    }
}

#[test]
fn the_last_frame_is_answered_before_the_line_ends_with_its_camera() {
    let stop = AtomicBool::new(false);
    let line = Line::new(&stop);
    let frame = common::frame(Size::new(4, 4), &[9; 48]);
    let mut camera = Scripted(vec![Ok(Next::Frame(frame)), Ok(Next::Finished)], Default::default());
    let slow = classifier("lite0@96", Duration::from_millis(30), u64::MAX);
    line.run(&mut camera, slow, &mut [], None, &mut |_| {}).unwrap();
    assert_eq!(line.counts().answers, 1);
}

#[test]
fn a_bad_picture_is_skipped_and_counted_but_a_lost_camera_ends_the_line() {
    let stop = AtomicBool::new(false);
    let line = Line::new(&stop);
    let bad = CameraError::BadPicture {
        path: "a.jpg".into(),
        cause: phicam::decode::DecodeError::Truncated { bytes: 3 }.into(),
    };
    let lost = CameraError::NoPictures { what: "camera".into() };
    let frame = common::frame(Size::new(4, 4), &[9; 48]);
    let mut camera = Scripted(vec![Err(bad), Ok(Next::Frame(frame)), Err(lost)], Default::default());
    let ended = line.run(&mut camera, classifier("lite0@96", Duration::ZERO, u64::MAX), &mut [], None, &mut |_| {});
    assert!(matches!(ended, Err(LineError::Camera(_))), "{ended:?}");
    let counts = line.counts();
    assert_eq!((counts.bad_pictures, counts.answers), (1, 1));
}

#[test]
fn a_camera_that_gives_nothing_does_not_keep_the_line_from_being_stopped() {
    let stop = AtomicBool::new(false);
    let line = Line::new(&stop);
    let calls = <&AtomicU64Holder>::default();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            let model = classifier("lite0@96", Duration::ZERO, u64::MAX);
            line.run(&mut Scripted(Vec::new(), calls), model, &mut [], None, &mut |_| {})
        });
        while calls.0.load(Ordering::Relaxed) < 3 {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        running.join().unwrap().unwrap();
    });
    assert_eq!(line.counts().answers, 0);
}

/// A camera whose driver has a fault.
struct Panicking;

impl Camera for Panicking {
    fn describe(&self) -> String {
        "panicking".into()
    }

    fn next_frame(&mut self, _: Duration) -> Result<Next, CameraError> {
        panic!("on purpose")
    }
}

#[test]
fn a_panic_in_one_thread_ends_the_line_instead_of_leaving_the_others_waiting() {
    let stop = AtomicBool::new(false);
    let line = Line::new(&stop);
    let model = classifier("lite0@96", Duration::ZERO, u64::MAX);
    let run = || line.run(&mut Panicking, model, &mut [], None, &mut |_| {});
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
}

/// Allocations of `work` on this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

#[test]
fn in_steady_state_nothing_but_the_resizing_library_allocates() {
    let mut camera = Pattern::new(Size::new(640, 480), 1000.0);
    let mut classifier = classifier("lite0@224", Duration::ZERO, u64::MAX);
    let (mailbox, screen, mut drawing) = (Mailbox::default(), Screen::default(), Drawing::default());
    let size = Size::new(1280, 720);
    let drawn = Layout::new(size, Size::new(640, 480)).frame;
    let mut still = None;
    for round in 0..60 {
        let mut frame = None;
        let capture = allocations(|| {
            if let Next::Frame(next) = camera.next_frame(Duration::from_secs(60)).unwrap() {
                mailbox.put(next.clone());
                screen.set_frame(next);
            }
            if let Taken::Newest(taken) = mailbox.take(Duration::ZERO) {
                frame = Some(taken);
            }
        });
        let frame = frame.expect("the pattern never ends");
        // Always the first one: smoothing goes by the clock, and another label would have letters not drawn before.
        let frame = still.get_or_insert(frame);
        let mut answered = None;
        let answer = allocations(|| answered = Some(classifier.answer(frame).unwrap()));
        if round < 10
            && let Some(answered) = &mut answered
        {
            (answered.times.preprocess_ms, answered.times.guess_ms) = (0.0, 0.0);
            answered.times.infer_ms = [123.4, 567.8, 90.0][round % 3]; // every digit, whatever the clock shows later
        }
        let put = allocations(|| screen.set_answer(answered.take().unwrap()));
        let draw = allocations(|| {
            let seen = screen.wait(Duration::ZERO).expect("something changed");
            drawing.draw(&seen, size);
        });
        // The first rounds make the buffers, and the glyphs of every digit and label.
        if round >= 50 {
            let expected = [0, resizers_tables(224, 224), 0, resizers_tables(drawn.width, drawn.height)];
            assert_eq!([capture, answer, put, draw], expected, "capture, answer, put, draw");
        }
    }
}

/// fast_image_resize makes a small table for each column and each row of its result, and three more for each direction,
/// anew at each call.
fn resizers_tables(width: u32, height: u32) -> u64 {
    u64::from(width + height) + 2 * 3
}
