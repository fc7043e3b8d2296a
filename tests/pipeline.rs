//! Pipeline: no thread waits for a slower one, every frame is counted, and the steady state allocates nothing.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::pipeline::{CountingDisplay, classifier, fast_camera, reconnecting};
use phicam_camera::{Camera, Next, TestPattern};
use phicam_display::{Display, FramePlacement};
use phicam_frame::Size;
use phicam_frame::mailbox::{Mailbox, TakeResult};
use phicam_pipeline::Pipeline;
use phicam_pipeline::display_state::{DisplayRenderer, Screen, Surface};
use phicam_pipeline::screen_words::Readings;

#[test]
fn capture_does_not_wait_for_a_slow_model() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let mut classified = Vec::new();
    let slow = classifier("lite0@96", Duration::from_millis(20), u64::MAX);
    pipeline
        .run(&mut reconnecting(fast_camera()), slow, &mut [], Some(10), &mut |event| {
            classified.push(event.classification.frame);
        })
        .unwrap();
    let metrics = pipeline.metrics();
    assert_eq!(classified.len(), 10);
    assert_eq!(metrics.answers, 10);
    assert!(classified.windows(2).all(|pair| pair[0] < pair[1]), "{classified:?}");
    let last = classified[9];
    assert!(last >= 20, "no frames were dropped at 1,000 frames per second and 20 ms per frame: {classified:?}");
    // Every frame before the last classified one was either classified or dropped.
    assert!(metrics.dropped >= last - 9, "{} dropped up to frame {last}", metrics.dropped);
    assert_eq!(metrics.frames, metrics.answers + metrics.dropped, "every frame is in one counter");
}

#[test]
fn next_model_takes_over_between_two_frames() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let mut models = Vec::new();
    let first = classifier("lite0@96", Duration::ZERO, u64::MAX);
    pipeline
        .run(&mut reconnecting(fast_camera()), first, &mut [], Some(10), &mut |event| {
            models.push(event.classification.model.variant.name.clone());
            if models.len() == 4 {
                pipeline.next_model.put(classifier("lite0@128", Duration::ZERO, u64::MAX));
            }
        })
        .unwrap();
    assert_eq!(models[..4], ["lite0@96"; 4]);
    assert_eq!(models[4..], ["lite0@128"; 6]);
}

#[test]
fn switch_of_engines_skips_no_frame() {
    let stop = AtomicBool::new(false);
    let pipeline = Pipeline::new(&stop);
    let display = CountingDisplay::default();
    let updates = display.updates;
    let mut displays: [Box<dyn Display>; 1] = [Box::new(display)];
    let mut camera = reconnecting(TestPattern::new(Size::new(64, 48), 10.0));
    let first = classifier("lite0@96", Duration::from_millis(3), u64::MAX);
    let mut classified = Vec::new();
    let mut models = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(1500)); // TensorRT takes minutes.
            pipeline.next_model.put(classifier("lite0@128", Duration::from_millis(3), u64::MAX));
        });
        pipeline
            .run(&mut camera, first, &mut displays, Some(30), &mut |event| {
                classified.push(event.classification.frame);
                models.push(event.classification.model.variant.name.clone());
            })
            .unwrap();
    });
    let switched_at = models.iter().position(|model| model == "lite0@128").expect("the next model takes over");
    assert!((5..25).contains(&switched_at), "it took over at frame {switched_at}");
    assert_eq!(pipeline.metrics().switches, 1);
    // At most one frame is dropped: the one that arrives during an inference.
    let gaps: Vec<u64> = classified.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap <= 2), "{gaps:?}");
    let frames = pipeline.metrics().frames;
    let updates = updates.0.load(Ordering::Relaxed);
    assert!(updates >= frames - 1, "{updates} updates for {frames} frames");
}

/// Returns the number of allocations of `work` on this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

#[test]
fn only_the_resize_library_allocates_in_steady_state() {
    assert_steady(false);
    assert_steady(true);
}

fn assert_steady(has_layer: bool) {
    let mut camera = TestPattern::new(Size::new(640, 480), 1000.0);
    let mut classifier = classifier("lite0@224", Duration::ZERO, u64::MAX);
    let (mailbox, screen, mut renderer) = (Mailbox::default(), Screen::default(), DisplayRenderer::default());
    let mut first_frame = None;
    for round in 0..60 {
        let mut frame = None;
        let capture = allocations(|| {
            if let Next::Frame(next) = camera.next_frame(Duration::from_secs(60)).unwrap() {
                mailbox.put(next.clone());
                screen.set_frame(next);
            }
            if let TakeResult::Newest(taken) = mailbox.take(Duration::ZERO) {
                frame = Some(taken);
            }
        });
        let frame = frame.expect("the pattern never ends");
        // Always the first frame: smoothing depends on the clock, and another label may need new glyphs.
        let frame = first_frame.get_or_insert(frame);
        let mut classification = None;
        let classify = allocations(|| classification = Some(classifier.classify(frame).unwrap()));
        if round < 10
            && let Some(classification) = &mut classification
        {
            classification.times.preprocess_ms = 0.0;
            classification.times.postprocess_ms = 0.0;
            // All digits are drawn early, whatever the clock shows later.
            classification.times.infer_ms = [123.4, 567.8, 90.0][round % 3];
        }
        let set = allocations(|| screen.set_classification(classification.take().unwrap()));
        let draw = allocations(|| {
            let view = screen.wait(Duration::ZERO).expect("the screen has changed");
            let surface = Surface::screen(Size::new(1280, 720));
            let area = renderer.compose(&view, &Readings::default(), surface).filter(|_| has_layer);
            let placement = area.map_or(FramePlacement::Canvas, |area| {
                FramePlacement::Layer(Size::new(area.width / 2, area.height / 2))
            });
            renderer.draw(&view, surface, placement);
        });
        // The first rounds allocate the buffers, and the glyphs of all digits and labels.
        if round >= 50 {
            let expected = [0, resize_allocations(224, 224), 0, 0];
            assert_eq!([capture, classify, set, draw], expected, "capture, classify, set, draw");
        }
    }
}

/// Returns the allocations of fast_image_resize: in each call one for each column and row of its result, and three for
/// each direction.
fn resize_allocations(width: u32, height: u32) -> u64 {
    u64::from(width + height) + 2 * 3
}
