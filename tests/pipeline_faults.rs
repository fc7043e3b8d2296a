//! Faults around a pipeline: a lost camera, a display that refuses updates, an engine that fails, a thread that panics.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::pipeline::{Counter, CountingDisplay, classifier, fast_camera, reconnecting};
use phicam_camera::reconnect::{Open, ReconnectingCamera, ReopenPolicy};
use phicam_camera::{Camera, CameraError, Next};
use phicam_display::Display;
use phicam_frame::{Frame, FrameInfo, Layout, Memory, Size};
use phicam_pipeline::{Pipeline, PipelineError};

#[test]
fn failing_display_is_counted_and_does_not_end_the_pipeline() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let working = CountingDisplay::default();
    let failing = CountingDisplay { refuses: true, ..CountingDisplay::default() };
    let updates = working.updates;
    let mut displays: [Box<dyn Display>; 2] = [Box::new(failing), Box::new(working)];
    let model = classifier("lite0@96", Duration::from_millis(2), u64::MAX);
    pipeline.run(&mut reconnecting(fast_camera()), model, &mut displays, Some(20), &mut |_| {}).unwrap();
    assert_eq!(pipeline.metrics().answers, 20);
    assert!(pipeline.metrics().display_errors > 0);
    assert!(updates.0.load(Ordering::Relaxed) > 0);
}

#[test]
fn failing_engine_ends_the_pipeline_with_its_error() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let ended = pipeline.run(
        &mut reconnecting(fast_camera()),
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
fn fallback_replaces_a_failing_engine_and_is_counted() {
    let stop = AtomicBool::new(false);
    let mut pipeline = Pipeline::new(&stop);
    pipeline.engine_fallback = Some(Box::new(|failed| {
        (failed.variant.name == "lite0@96").then(|| classifier("lite0@128", Duration::ZERO, 5))
    }));
    let first = classifier("lite0@96", Duration::ZERO, 3);
    let mut models = Vec::new();
    let ended = pipeline.run(&mut reconnecting(fast_camera()), first, &mut [], None, &mut |event| {
        models.push(event.classification.model.variant.name.clone());
    });
    assert_eq!(models, [["lite0@96"; 3].as_slice(), &["lite0@128"; 5]].concat());
    assert_eq!(pipeline.metrics().engine_failures, 1);
    assert!(matches!(&ended, Err(PipelineError::Classification(_))), "the fallback has no fallback: {ended:?}");
}

/// Camera with a list of results, and a counter of calls; it delivers nothing after the last result.
struct ScriptedCamera(Vec<Result<Next, CameraError>>, &'static Counter);

impl Camera for ScriptedCamera {
    fn next_frame(&mut self, _: Duration) -> Result<Next, CameraError> {
        self.1.0.fetch_add(1, Ordering::Relaxed);
        if self.0.is_empty() { Ok(Next::Nothing) } else { self.0.remove(0) }
    }

    fn describe(&self) -> String {
        "scripted".into()
    }
}

#[test]
fn last_frame_is_classified_before_the_pipeline_ends() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let frame = common::frame(Size::new(4, 4), &[9; 48]);
    let camera = ScriptedCamera(vec![Ok(Next::Frame(frame)), Ok(Next::Finished)], Default::default());
    let slow = classifier("lite0@96", Duration::from_millis(30), u64::MAX);
    pipeline.run(&mut reconnecting(camera), slow, &mut [], None, &mut |_| {}).unwrap();
    assert_eq!(pipeline.metrics().answers, 1);
}

#[test]
fn unreadable_frame_is_skipped_but_lost_camera_ends_the_run() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let unreadable = CameraError::BadPicture {
        path: "a.jpg".into(),
        cause: phicam_frame::decode::DecodeError::Truncated { bytes: 3 }.into(),
    };
    let lost = CameraError::NoPictures { path: "camera".into() };
    let frame = common::frame(Size::new(4, 4), &[9; 48]);
    let camera = ScriptedCamera(vec![Err(unreadable), Ok(Next::Frame(frame)), Err(lost)], Default::default());
    let ended = pipeline.run(
        &mut reconnecting(camera),
        classifier("lite0@96", Duration::ZERO, u64::MAX),
        &mut [],
        None,
        &mut |_| {},
    );
    assert!(matches!(ended, Err(PipelineError::Camera(_))), "{ended:?}");
    let metrics = pipeline.metrics();
    assert_eq!((metrics.bad_pictures, metrics.answers), (1, 1));
}

#[test]
fn pipeline_stops_while_the_camera_delivers_nothing() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let calls = <&Counter>::default();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            let model = classifier("lite0@96", Duration::ZERO, u64::MAX);
            pipeline.run(&mut reconnecting(ScriptedCamera(Vec::new(), calls)), model, &mut [], None, &mut |_| {})
        });
        while calls.0.load(Ordering::Relaxed) < 3 {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        running.join().unwrap().unwrap();
    });
    assert_eq!(pipeline.metrics().answers, 0);
}

/// Buffer of a driver that cannot be opened again while frames are leased. It counts the leased frames.
struct DriverBuffer(Vec<u8>, Arc<AtomicU64>);

impl Memory for DriverBuffer {
    fn part(&self, _: usize) -> &[u8] {
        &self.0
    }
}

impl Drop for DriverBuffer {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

fn driver_frame(leased: &Arc<AtomicU64>) -> Next {
    leased.fetch_add(1, Ordering::Relaxed);
    let size = Size::new(4, 4);
    let info = FrameInfo { size, sequence: 0, captured: Instant::now(), source: None, scene: 0 };
    Next::Frame(Frame::new(Arc::new(DriverBuffer(vec![9; 48], leased.clone())), Layout::packed_rgb(size), info))
}

#[test]
fn lost_camera_gets_its_buffers_back_and_is_reopened() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let leased = Arc::new(AtomicU64::new(0));
    let gone = || Err(CameraError::Gone { camera: "the camera".into(), cause: "pulled".into() });
    let first = ScriptedCamera(vec![Ok(driver_frame(&leased)), gone()], Default::default());
    let mut refusals = 0;
    let open: Open = Box::new(move |_: &phicam_camera::Settings| match leased.load(Ordering::Relaxed) {
        0 => {
            let frames = vec![Ok(driver_frame(&leased)), Ok(Next::Finished)];
            Ok(Box::new(ScriptedCamera(frames, Default::default())))
        }
        count => {
            refusals += 1;
            assert!(refusals < 5, "{count} frames are never returned");
            Err(format!("{count} frames are leased"))
        }
    });
    let mut camera = ReconnectingCamera::new(
        Box::new(first),
        Some(ReopenPolicy { settings: phicam_camera::Settings::default(), open }),
    );
    let mut displays: [Box<dyn Display>; 1] = [Box::new(CountingDisplay::default())];
    let model = classifier("lite0@96", Duration::ZERO, u64::MAX);
    pipeline.run(&mut camera, model, &mut displays, None, &mut |_| {}).unwrap();
    let metrics = pipeline.metrics();
    assert_eq!((metrics.frames, metrics.camera_lost), (2, 1));
    assert_eq!(metrics.camera.as_deref(), Some("scripted"));
    assert!(pipeline.screen.faults().is_empty(), "{:?}", pipeline.screen.faults());
}

/// Camera whose driver panics.
struct PanickingCamera;

impl Camera for PanickingCamera {
    fn next_frame(&mut self, _: Duration) -> Result<Next, CameraError> {
        panic!("on purpose")
    }

    fn describe(&self) -> String {
        "panicking".into()
    }
}

#[test]
fn panic_in_a_thread_ends_the_pipeline() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let model = classifier("lite0@96", Duration::ZERO, u64::MAX);
    let run = || pipeline.run(&mut reconnecting(PanickingCamera), model, &mut [], None, &mut |_| {});
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
}
