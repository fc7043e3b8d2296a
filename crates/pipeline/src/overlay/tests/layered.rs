//! Frame layer: composed with the main canvas, it equals a canvas that has everything.

use super::*;

/// Composes canvas and layer, like a display that does not scale.
fn composed(canvas: &Canvas, layer: &LayerCanvas) -> Canvas {
    let mut composed = canvas.clone();
    if let Some(area) = layer.area {
        assert_eq!(layer.canvas.size(), Size::new(area.width, area.height));
        for y in 0..area.height {
            let row = layer.canvas.row(0, y, area.width);
            composed.row_mut(area.left, area.top + y, area.width).copy_from_slice(row);
        }
    }
    composed
}

/// Places the frame on a layer with 1/`divisor` of the width and height of its area.
fn layer_placement(overlay: &mut Overlay, scene: &Scene, size: Size, divisor: u32) -> FramePlacement {
    let area = scene.frame.and_then(|frame| overlay.frame_area(frame, size));
    area.map_or(FramePlacement::Canvas, |area| {
        FramePlacement::Layer(Size::new(area.width / divisor, area.height / divisor))
    })
}

#[test]
fn composed_layer_equals_a_single_canvas() {
    for size in &SIZES[..5] {
        let mut canvas = Canvas::new(Size::new(size.0, size.1));
        let mut overlay = Overlay::default();
        let mut random_scene = RandomScene::new();
        let mut damage = Vec::new();
        let mut layer = LayerCanvas::default();
        let mut has_layer = true;
        let mut layered = 0;
        for round in 0..80 {
            // A display may offer or withdraw its layer at any time.
            has_layer ^= random_scene.random.below(5) == 0;
            let scene = random_scene.change();
            let placement = if has_layer {
                layer_placement(&mut overlay, &scene, canvas.size(), 1)
            } else {
                FramePlacement::Canvas
            };
            let before = canvas.clone();
            let layer_before = layer.canvas.clone();
            overlay.redraw_layered(&mut canvas, &mut layer, &scene, &mut damage, placement);
            assert_changed_within(&before, &canvas, &damage);
            assert!(
                layer.is_new || layer.canvas.pixels() == layer_before.pixels(),
                "the layer has changed, but `is_new` is false"
            );
            assert_eq!(layer.area.is_some(), has_layer && scene.frame.is_some());
            if let Some(Rect { left, top, width, height }) = layer.area {
                layered += 1;
                let below = (top..top + height).flat_map(|y| canvas.row(left, y, width));
                assert!(
                    below.copied().all(|pixel| pixel == 0x101216),
                    "{size:?}, round {round}: the canvas below the frame is not background"
                );
            }
            let mut single = Canvas::new(canvas.size());
            Overlay::default().draw(&mut single, &scene);
            assert!(composed(&canvas, &layer).pixels() == single.pixels(), "{size:?}, round {round}");
            overlay.redraw_layered(&mut canvas, &mut layer, &scene, &mut damage, placement);
            assert!(damage.is_empty(), "{size:?}, round {round}: an equal scene causes damage");
            assert!(!layer.is_new, "{size:?}, round {round}: an equal scene changes the layer");
        }
        assert!((20..70).contains(&layered), "{layered} of 80 rounds have a layer");
    }
}

#[test]
fn new_frame_on_a_layer_causes_no_damage() {
    let faults = Faults::default();
    let mut canvas = Canvas::new(Size::new(800, 480));
    let (mut overlay, mut layer, mut damage) = (Overlay::default(), LayerCanvas::default(), Vec::new());
    let frames: Vec<Frame> = (0..3).map(|n| grey_frame(Size::new(64, 48), n, None)).collect();
    for (round, frame) in frames.iter().enumerate() {
        let now = Instant::now();
        let scene = Scene { frame: Some(frame), stale: None, classification: None, faults: &faults, toast: None, now };
        let placement = layer_placement(&mut overlay, &scene, canvas.size(), 1);
        overlay.redraw_layered(&mut canvas, &mut layer, &scene, &mut damage, placement);
        assert!(layer.is_new, "round {round}");
        assert_eq!(damage.is_empty(), round > 0, "round {round}: {damage:?}");
    }
}

#[test]
fn notice_is_scaled_with_its_layer() {
    let (frame, faults) = (vga_frame(), Faults::default());
    let classification = classification(&frame, "hen of the north", true);
    let mut canvas = Canvas::new(Size::new(1920, 1080));
    let (mut overlay, mut layer, mut damage) = (Overlay::default(), LayerCanvas::default(), Vec::new());
    let stale = Some(StaleFrame { age_s: 7, is_dimmed: true });
    let now = Instant::now();
    let classification = Some(&classification);
    let scene = Scene { frame: Some(&frame), stale, classification, faults: &faults, toast: None, now };
    let placement = layer_placement(&mut overlay, &scene, canvas.size(), 3);
    overlay.redraw_layered(&mut canvas, &mut layer, &scene, &mut damage, placement);
    let mut single = Canvas::new(canvas.size());
    Overlay::default().draw(&mut single, &scene);
    let area = layer.area.unwrap();
    // The notice has the brightest pixels. On a layer of a third of the size it has a third of its position and size.
    let large = text_rows_and_columns(&single, area);
    let small = text_rows_and_columns(&layer.canvas, layer.canvas.area());
    for (large, small, start) in [(large.0, small.0, area.top), (large.1, small.1, area.left)] {
        for (large, small) in [(large[0], small[0]), (large[large.len() - 1], small[small.len() - 1])] {
            let expected = (large - start) / 3;
            assert!(small.abs_diff(expected) <= 4, "{small} instead of {expected}");
        }
    }
}

#[test]
fn still_image_is_not_drawn_onto_a_smaller_layer() {
    let faults = Faults::default();
    let mut canvas = Canvas::new(Size::new(1920, 1080));
    let (mut overlay, mut layer, mut damage) = (Overlay::default(), LayerCanvas::default(), Vec::new());
    for (source, is_layer) in [(None, true), (Some("a.jpg"), false), (None, true)] {
        let (frame, now) = (grey_frame(Size::new(64, 48), 5, source), Instant::now());
        let scene = Scene { frame: Some(&frame), stale: None, classification: None, faults: &faults, toast: None, now };
        let placement = layer_placement(&mut overlay, &scene, canvas.size(), 2);
        overlay.redraw_layered(&mut canvas, &mut layer, &scene, &mut damage, placement);
        assert_eq!((layer.area.is_some(), layer.is_new), (is_layer, is_layer), "{source:?}");
    }
}

#[test]
#[ignore = "benchmark: cargo test --release -p phicam-pipeline draw_times -- --ignored --nocapture"]
fn draw_times_are_printed() {
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
            let mut canvas = Canvas::new(Size::new(width, height));
            let ms = [(Some("still.jpg"), false), (None, false), (None, true)].map(|(source, is_layered)| {
                let (mut overlay, mut damage, faults) = (Overlay::default(), Vec::new(), Faults::default());
                let mut layer = LayerCanvas::default();
                let placement =
                    if is_layered { FramePlacement::Layer(Size::new(640, 360)) } else { FramePlacement::Canvas };
                let mut times: Vec<f64> = (0..40)
                    .map(|sequence| {
                        let (captured, source) = (Instant::now(), source.map(Arc::from));
                        let info = FrameInfo { size, sequence, captured, source, scene: 0 };
                        let frame = Frame::new(memory.clone(), layout(format), info);
                        let classification =
                            Classification { frame_size: size, ..classification(&frame, "hen of the north", true) };
                        let (frame, classification) = (Some(&frame), Some(&classification));
                        let scene =
                            Scene { frame, stale: None, classification, faults: &faults, toast: None, now: captured };
                        let start = Instant::now();
                        overlay.redraw_layered(&mut canvas, &mut layer, &scene, &mut damage, placement);
                        start.elapsed().as_secs_f64() * 1e3
                    })
                    .collect();
                times.sort_by(f64::total_cmp);
                times[times.len() / 2]
            });
            println!(
                "1280×720 {format} onto {width}×{height}: still image {:.2} ms, camera {:.2} ms, on a layer {:.2} ms",
                ms[0], ms[1], ms[2]
            );
        }
    }
}
