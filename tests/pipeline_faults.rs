//! What goes wrong around a line: a camera lost, a display that refuses, an engine that fails, a thread that panics.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::pipeline::{AtomicU64Holder, Counting, classifier, fast_camera, watched};
use phicam_camera::reconnect::{Open, ReconnectingCamera, ReopenPolicy};
use phicam_camera::{Camera, CameraError, Next};
use phicam_display::Display;
use phicam_frame::{Frame, FrameInfo, Layout, Memory, Size};
use phicam_pipeline::{Pipeline, PipelineError};

#[test]
fn a_display_that_fails_is_counted_and_the_line_goes_on() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let (good, bad) = (Counting::default(), Counting { refuses: true, ..Counting::default() });
    let shown = good.shown;
    let mut displays: [Box<dyn Display>; 2] = [Box::new(bad), Box::new(good)];
    let model = classifier("lite0@96", Duration::from_millis(2), u64::MAX);
    pipeline.run(&mut watched(fast_camera()), model, &mut displays, Some(20), &mut |_| {}).unwrap();
    assert_eq!(pipeline.metrics().answers, 20);
    assert!(pipeline.metrics().not_shown > 0);
    assert!(shown.0.load(Ordering::Relaxed) > 0);
}

#[test]
fn an_engine_that_fails_ends_the_line_with_its_reason() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let ended = pipeline.run(
        &mut watched(fast_camera()),
        classifier("lite0@96", Duration::ZERO, 3),
        &mut [],
        None,
        &mut |_| {},
    );
    assert!(
        matches!(&ended, Err(PipelineError::Classification(error)) if error.to_string().contains("on purpose")),
        "{ended:?}"
    );
    assert_eq!(pipeline.metrics().answers, 3);
}

#[test]
fn where_an_engine_fails_the_next_goes_on_announced_and_counted() {
    let stop = AtomicBool::new(false);
    let mut pipeline = Pipeline::new(&stop);
    pipeline.rescue = Some(Box::new(|failed| {
        (failed.variant.name == "lite0@96").then(|| classifier("lite0@128", Duration::ZERO, 5))
    }));
    let first = classifier("lite0@96", Duration::ZERO, 3);
    let mut models = Vec::new();
    let ended = pipeline.run(&mut watched(fast_camera()), first, &mut [], None, &mut |told| {
        models.push(told.answer.model.variant.name.clone());
    });
    assert_eq!(models, [["lite0@96"; 3].as_slice(), &["lite0@128"; 5]].concat());
    assert_eq!(pipeline.metrics().engines_lost, 1);
    assert!(matches!(&ended, Err(PipelineError::Classification(_))), "the second has none behind it: {ended:?}");
}

/// A camera that ends, gives nothing for ever, or breaks.
struct Scripted(Vec<Result<Next, CameraError>>, &'static AtomicU64Holder);

impl Camera for Scripted {
    fn next_frame(&mut self, _: Duration) -> Result<Next, CameraError> {
        self.1.0.fetch_add(1, Ordering::Relaxed);
        if self.0.is_empty() { Ok(Next::Nothing) } else { self.0.remove(0) }
    }

    fn describe(&self) -> String {
        "scripted".into()
    }
}

#[test]
fn the_last_frame_is_answered_before_the_line_ends_with_its_camera() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let frame = common::frame(Size::new(4, 4), &[9; 48]);
    let camera = Scripted(vec![Ok(Next::Frame(frame)), Ok(Next::Finished)], Default::default());
    let slow = classifier("lite0@96", Duration::from_millis(30), u64::MAX);
    pipeline.run(&mut watched(camera), slow, &mut [], None, &mut |_| {}).unwrap();
    assert_eq!(pipeline.metrics().answers, 1);
}

#[test]
fn a_bad_picture_is_skipped_and_counted_but_a_lost_camera_ends_the_line() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let bad = CameraError::BadPicture {
        path: "a.jpg".into(),
        cause: phicam_frame::decode::DecodeError::Truncated { bytes: 3 }.into(),
    };
    let lost = CameraError::NoPictures { what: "camera".into() };
    let frame = common::frame(Size::new(4, 4), &[9; 48]);
    let camera = Scripted(vec![Err(bad), Ok(Next::Frame(frame)), Err(lost)], Default::default());
    let ended = pipeline.run(
        &mut watched(camera),
        classifier("lite0@96", Duration::ZERO, u64::MAX),
        &mut [],
        None,
        &mut |_| {},
    );
    assert!(matches!(ended, Err(PipelineError::Camera(_))), "{ended:?}");
    let counts = pipeline.metrics();
    assert_eq!((counts.bad_pictures, counts.answers), (1, 1));
}

#[test]
fn a_camera_that_gives_nothing_does_not_keep_the_line_from_being_stopped() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let calls = <&AtomicU64Holder>::default();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            let model = classifier("lite0@96", Duration::ZERO, u64::MAX);
            pipeline.run(&mut watched(Scripted(Vec::new(), calls)), model, &mut [], None, &mut |_| {})
        });
        while calls.0.load(Ordering::Relaxed) < 3 {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        running.join().unwrap().unwrap();
    });
    assert_eq!(pipeline.metrics().answers, 0);
}

/// Memory of a driver that gives its camera to nobody else while a frame of it is held.
struct Driver(Vec<u8>, Arc<AtomicU64>);

impl Memory for Driver {
    fn part(&self, _: usize) -> &[u8] {
        &self.0
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

fn driver_frame(held: &Arc<AtomicU64>) -> Next {
    held.fetch_add(1, Ordering::Relaxed);
    let size = Size::new(4, 4);
    let info = FrameInfo { size, sequence: 0, captured: Instant::now(), source: None, scene: 0 };
    Next::Frame(Frame::new(Arc::new(Driver(vec![9; 48], held.clone())), Layout::packed_rgb(size), info))
}

#[test]
fn a_lost_camera_gets_its_buffers_back_and_is_opened_again_while_the_line_goes_on() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let held = Arc::new(AtomicU64::new(0));
    let gone = || Err(CameraError::Gone { what: "the camera".into(), cause: "pulled".into() });
    let first = Scripted(vec![Ok(driver_frame(&held)), gone()], Default::default());
    let (mut busy, held_by_line) = (0, held.clone());
    let open: Open = Box::new(move |_: &phicam_camera::Settings| match held_by_line.load(Ordering::Relaxed) {
        0 => {
            let frames = vec![Ok(driver_frame(&held_by_line)), Ok(Next::Finished)];
            Ok(Box::new(Scripted(frames, Default::default())))
        }
        held => {
            busy += 1;
            assert!(busy < 5, "{held} frames are held for good");
            Err(format!("{held} frames are held"))
        }
    });
    let mut watch = ReconnectingCamera::over(
        Box::new(first),
        Some(ReopenPolicy { settings: phicam_camera::Settings::default(), open }),
    );
    let mut displays: [Box<dyn Display>; 1] = [Box::new(Counting::default())];
    let model = classifier("lite0@96", Duration::ZERO, u64::MAX);
    pipeline.run(&mut watch, model, &mut displays, None, &mut |_| {}).unwrap();
    let counts = pipeline.metrics();
    assert_eq!((counts.frames, counts.camera_lost), (2, 1));
    assert_eq!(counts.camera.as_deref(), Some("scripted"));
    assert!(pipeline.screen.faults().is_empty(), "{:?}", pipeline.screen.faults());
}

/// A camera whose driver has a fault.
struct Panicking;

impl Camera for Panicking {
    fn next_frame(&mut self, _: Duration) -> Result<Next, CameraError> {
        panic!("on purpose")
    }

    fn describe(&self) -> String {
        "panicking".into()
    }
}

#[test]
fn a_panic_in_one_thread_ends_the_line_instead_of_leaving_the_others_waiting() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let model = classifier("lite0@96", Duration::ZERO, u64::MAX);
    let run = || pipeline.run(&mut watched(Panicking), model, &mut [], None, &mut |_| {});
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
}
