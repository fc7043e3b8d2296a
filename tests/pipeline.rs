//! The line as a whole: nothing waits for anything slower, nothing is lost without being counted, nothing is allocated.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::pipeline::{Counting, classifier, fast_camera, watched};
use phicam_camera::{Camera, Next, Pattern};
use phicam_display::Display;
use phicam_frame::Rect;
use phicam_frame::Size;
use phicam_frame::mailbox::{Mailbox, Taken};
use phicam_pipeline::Pipeline;
use phicam_pipeline::display_state::{Drawing, Screen};

#[test]
fn capture_does_not_wait_for_a_slow_model_and_every_dropped_frame_is_counted() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let mut sequence = Vec::new();
    let slow = classifier("lite0@96", Duration::from_millis(20), u64::MAX);
    pipeline
        .run(&mut watched(fast_camera()), slow, &mut [], Some(10), &mut |told| sequence.push(told.answer.frame))
        .unwrap();
    let counts = pipeline.metrics();
    assert_eq!((sequence.len(), counts.answers), (10, 10));
    assert!(sequence.windows(2).all(|pair| pair[0] < pair[1]), "{sequence:?}");
    let last = sequence[9];
    assert!(last >= 20, "at a thousand frames a second and 20 ms an answer, frames must be passed over: {sequence:?}");
    // What came before the last answered frame was either answered or dropped.
    assert!(counts.dropped >= last - 9, "{} dropped up to frame {last}", counts.dropped);
    assert_eq!(counts.frames, counts.answers + counts.dropped, "every frame is in one count");
}

#[test]
fn a_better_model_takes_over_between_two_frames() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let mut models = Vec::new();
    let first = classifier("lite0@96", Duration::ZERO, u64::MAX);
    pipeline
        .run(&mut watched(fast_camera()), first, &mut [], Some(10), &mut |told| {
            models.push(told.answer.model.variant.name.clone());
            if models.len() == 4 {
                pipeline.next_model.put(classifier("lite0@128", Duration::ZERO, u64::MAX));
            }
        })
        .unwrap();
    assert_eq!(models[..4], ["lite0@96"; 4]);
    assert_eq!(models[4..], ["lite0@128"; 6]);
}

#[test]
fn while_an_engine_is_built_and_takes_over_every_frame_is_shown_and_none_goes_unanswered() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let display = Counting::default();
    let shown = display.shown;
    let mut displays: [Box<dyn Display>; 1] = [Box::new(display)];
    let mut camera = watched(Pattern::new(Size::new(64, 48), 10.0));
    let first = classifier("lite0@96", Duration::from_millis(3), u64::MAX);
    let (mut answered, mut models) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(1500)); // as TensorRT, but for minutes
            pipeline.next_model.put(classifier("lite0@128", Duration::from_millis(3), u64::MAX));
        });
        pipeline
            .run(&mut camera, first, &mut displays, Some(30), &mut |told| {
                answered.push(told.answer.frame);
                models.push(told.answer.model.variant.name.clone());
            })
            .unwrap();
    });
    let place = models.iter().position(|model| model == "lite0@128").expect("it took over");
    assert!((5..25).contains(&place), "it took over at {place}");
    assert_eq!(pipeline.metrics().switches, 1);
    // At most one inference's gap: the frame that came meanwhile.
    let gaps: Vec<u64> = answered.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap <= 2), "{gaps:?}");
    let frames = pipeline.metrics().frames;
    assert!(
        shown.0.load(Ordering::Relaxed) >= frames - 1,
        "{} pictures of {frames} frames",
        shown.0.load(Ordering::Relaxed)
    );
}

/// Allocations of `work` on this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

#[test]
fn in_steady_state_nothing_but_the_resizing_library_allocates() {
    assert_steady(|_| None);
    assert_steady(|Rect { width, height, .. }| Some(Size::new(width / 2, height / 2))); // the frame as a layer
}

fn assert_steady(give: fn(Rect) -> Option<Size>) {
    let mut camera = Pattern::new(Size::new(640, 480), 1000.0);
    let mut classifier = classifier("lite0@224", Duration::ZERO, u64::MAX);
    let (mailbox, screen, mut drawing) = (Mailbox::default(), Screen::default(), Drawing::default());
    let size = Size::new(1280, 720);
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
            (answered.times.preprocess_ms, answered.times.postprocess_ms) = (0.0, 0.0);
            answered.times.infer_ms = [123.4, 567.8, 90.0][round % 3]; // every digit, whatever the clock shows later
        }
        let put = allocations(|| screen.set_answer(answered.take().unwrap()));
        let draw = allocations(|| {
            let seen = screen.wait(Duration::ZERO).expect("something changed");
            drawing.draw(&seen, size, give);
        });
        // The first rounds make the buffers, and the glyphs of every digit and label.
        if round >= 50 {
            let expected = [0, resizers_tables(224, 224), 0, 0];
            assert_eq!([capture, answer, put, draw], expected, "capture, answer, put, draw");
        }
    }
}

/// fast_image_resize makes a small table for each column and each row of its result, and three more for each direction,
/// anew at each call.
fn resizers_tables(width: u32, height: u32) -> u64 {
    u64::from(width + height) + 2 * 3
}
