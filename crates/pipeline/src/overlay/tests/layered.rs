//! The frame in a picture of its own: over the other picture it is what a single picture shows.

use super::*;

/// Lays the layer over the picture, as a display does that does not scale.
fn composed(picture: &Canvas, layer: &Layer) -> Canvas {
    let mut all = picture.clone();
    if let Some(area) = layer.area {
        assert_eq!(layer.picture.size(), Size::new(area.width, area.height));
        for y in 0..area.height {
            let row = layer.picture.row(0, y, area.width);
            all.row_mut(area.left, area.top + y, area.width).copy_from_slice(row);
        }
    }
    all
}

fn unscaled(area: Rect) -> Option<Size> {
    Some(Size::new(area.width, area.height))
}

#[test]
fn layer_and_picture_together_equal_the_single_picture() {
    for size in &SIZES[..5] {
        let mut picture = Canvas::new(Size::new(size.0, size.1));
        let (mut overlay, mut changing, mut damage) = (Overlay::default(), Changing::new(), Vec::new());
        let (mut layer, mut gives, mut layered) = (Layer::default(), true, 0);
        for round in 0..80 {
            // A display may begin and cease to take layers at any time.
            gives ^= changing.dice.below(5) == 0;
            let mut give = |area| if gives { unscaled(area) } else { None };
            let scene = changing.change();
            let (before, layer_before) = (picture.clone(), layer.picture.clone());
            overlay.redraw_layered(&mut picture, &mut layer, &scene, &mut damage, &mut give);
            assert_changed_within(&before, &picture, &damage);
            assert!(layer.is_new || layer.picture.pixels() == layer_before.pixels(), "changed, and does not say so");
            assert_eq!(layer.area.is_some(), gives && scene.frame.is_some());
            if let Some(Rect { left, top, width, height }) = layer.area {
                layered += 1;
                let below = (top..top + height).flat_map(|y| picture.row(left, y, width));
                assert!(
                    below.copied().all(|pixel| pixel == 0x101216),
                    "{size:?}, round {round}: paper below the frame"
                );
            }
            let mut single = Canvas::new(picture.size());
            Overlay::default().draw(&mut single, &scene);
            assert!(composed(&picture, &layer).pixels() == single.pixels(), "{size:?}, round {round}");
            overlay.redraw_layered(&mut picture, &mut layer, &scene, &mut damage, &mut give);
            assert!(damage.is_empty() && !layer.is_new, "{size:?}, round {round}: the same scene again");
        }
        assert!((20..70).contains(&layered), "{layered} of 80 rounds have a layer");
    }
}

#[test]
fn another_frame_damages_nothing_of_the_picture() {
    let faults = Faults::default();
    let mut picture = Canvas::new(Size::new(800, 480));
    let (mut overlay, mut layer, mut damage) = (Overlay::default(), Layer::default(), Vec::new());
    let frames: Vec<Frame> = (0..3).map(|n| grey_frame(Size::new(64, 48), n, None)).collect();
    for (round, frame) in frames.iter().enumerate() {
        let now = Instant::now();
        let scene = Scene { frame: Some(frame), stale: None, answer: None, faults: &faults, notice: None, now };
        overlay.redraw_layered(&mut picture, &mut layer, &scene, &mut damage, &mut unscaled);
        assert!(layer.is_new && damage.is_empty() == (round > 0), "round {round}: {damage:?}");
    }
}

#[test]
fn what_is_over_a_smaller_frame_is_as_large_in_proportion() {
    let (frame, faults) = (frame(), Faults::default());
    let answer = answer(&frame, "hen of the north", true);
    let mut picture = Canvas::new(Size::new(1920, 1080));
    let (mut overlay, mut layer, mut damage) = (Overlay::default(), Layer::default(), Vec::new());
    let stale = Some(Stale { age_s: 7, dim: true });
    let now = Instant::now();
    let scene = Scene { frame: Some(&frame), stale, answer: Some(&answer), faults: &faults, notice: None, now };
    let mut third = |area: Rect| Some(Size::new(area.width / 3, area.height / 3));
    overlay.redraw_layered(&mut picture, &mut layer, &scene, &mut damage, &mut third);
    let mut single = Canvas::new(picture.size());
    Overlay::default().draw(&mut single, &scene);
    let area = layer.area.unwrap();
    // The words are the brightest. A third of them stands in a third of the place.
    let (large, small) = (inked(&single, area), inked(&layer.picture, layer.picture.area()));
    for (large, small, start) in [(large.0, small.0, area.top), (large.1, small.1, area.left)] {
        for (large, small) in [(large[0], small[0]), (large[large.len() - 1], small[small.len() - 1])] {
            let expected = (large - start) / 3;
            assert!(small.abs_diff(expected) <= 4, "{small} and not {expected}");
        }
    }
}

#[test]
fn a_still_picture_is_not_made_smaller_than_it_is_shown() {
    let faults = Faults::default();
    let mut picture = Canvas::new(Size::new(1920, 1080));
    let (mut overlay, mut layer, mut damage) = (Overlay::default(), Layer::default(), Vec::new());
    let mut half = |area: Rect| Some(Size::new(area.width / 2, area.height / 2));
    for (source, is_layer) in [(None, true), (Some("a.jpg"), false), (None, true)] {
        let (frame, now) = (grey_frame(Size::new(64, 48), 5, source), Instant::now());
        let scene = Scene { frame: Some(&frame), stale: None, answer: None, faults: &faults, notice: None, now };
        overlay.redraw_layered(&mut picture, &mut layer, &scene, &mut damage, &mut half);
        assert_eq!((layer.area.is_some(), layer.is_new), (is_layer, is_layer), "{source:?}");
    }
}

#[test]
#[ignore = "only tells times: cargo test --release --lib times_of_a_preview -- --ignored --nocapture"]
fn times_of_a_preview() {
    use phicam_frame::{Coding, Plane, Range};
    let size = Size::new(1280, 720);
    let layout = |format: PixelFormat| {
        let plane = Plane { stride: format.row_bytes(0, 1280), ..Plane::default() };
        let range = if format == PixelFormat::Rgb8 { Range::Full } else { Range::Limited };
        let coding = Coding { range, ..Coding::RGB };
        phicam_frame::Layout { size, format, coding, planes: [plane, Plane::default(), Plane::default()] }
    };
    for format in [PixelFormat::Yuyv, PixelFormat::Rgb8] {
        let memory: Vec<u8> = (0..1280 * 720 * 3).map(|byte| (byte * 7 % 251) as u8).collect();
        let memory = Arc::new(memory);
        for (width, height) in [(800, 480), (1920, 1080)] {
            let mut picture = Canvas::new(Size::new(width, height));
            let ms = [(Some("still.jpg"), false), (None, false), (None, true)].map(|(source, is_layered)| {
                let (mut overlay, mut damage, faults) = (Overlay::default(), Vec::new(), Faults::default());
                let mut layer = Layer::default();
                let mut give = |_| is_layered.then_some(Size::new(640, 360));
                let mut times: Vec<f64> = (0..40)
                    .map(|sequence| {
                        let (captured, source) = (Instant::now(), source.map(Arc::from));
                        let info = FrameInfo { size, sequence, captured, source, scene: 0 };
                        let frame = Frame::new(memory.clone(), layout(format), info);
                        let answer = Classification { frame_size: size, ..answer(&frame, "hen of the north", true) };
                        let (frame, answer) = (Some(&frame), Some(&answer));
                        let scene = Scene { frame, stale: None, answer, faults: &faults, notice: None, now: captured };
                        let start = Instant::now();
                        overlay.redraw_layered(&mut picture, &mut layer, &scene, &mut damage, &mut give);
                        start.elapsed().as_secs_f64() * 1e3
                    })
                    .collect();
                times.sort_by(f64::total_cmp);
                times[times.len() / 2]
            });
            println!(
                "1280×720 {format} onto {width}×{height}: still {:.2} ms, moving {:.2} ms, as a layer {:.2} ms",
                ms[0], ms[1], ms[2]
            );
        }
    }
}
