//! Frame layer: composed with the main canvas, it equals a canvas that has everything.

use super::random_scenes::{RandomScene, assert_changed_within};
use super::*;

/// Composes canvas and layer, like a display that does not scale.
fn compose_layer(canvas: &Canvas, layer: &LayerCanvas) -> Canvas {
    let mut composed = canvas.clone();
    if let Some(area) = layer.area {
        assert_eq!(layer.canvas.size(), Size::new(area.width, area.height));
        for y in 0..area.height {
            for x in (0..area.width).filter(|&x| !layer.holes.iter().any(|hole| hole.contains(x, y))) {
                composed.row_mut(area.left + x, area.top + y, 1)[0] = layer.canvas.row(x, y, 1)[0];
            }
        }
    }
    composed
}

/// Places the frame on a layer with 1/`divisor` of the width and height of its area.
fn layer_placement(overlay: &mut Overlay, scene: &Scene, size: Size, divisor: u32) -> FramePlacement {
    overlay.frame_area(scene, size).map_or(FramePlacement::Canvas, |area| {
        FramePlacement::Layer(Size::new((area.width / divisor).max(1), (area.height / divisor).max(1)))
    })
}

#[test]
fn composed_layer_equals_a_single_canvas() {
    for size in &SIZES[..7] {
        let mut canvas = Canvas::new(Size::new(size.0, size.1));
        let mut overlay = Overlay::default();
        let mut random_scene = RandomScene::new();
        let mut damage = Vec::new();
        let mut layer = LayerCanvas::default();
        let mut has_layer = true;
        let mut layered = 0;
        for round in 0..120 {
            // A display may offer or withdraw its layer at any time.
            has_layer ^= random_scene.random.below(5) == 0;
            let scene = random_scene.change();
            let placement = match has_layer {
                true => layer_placement(&mut overlay, &scene, canvas.size(), 1),
                false => FramePlacement::Canvas,
            };
            let before = canvas.clone();
            let layer_before = layer.canvas.clone();
            overlay.redraw_layered(&mut canvas, &mut layer, &scene, &mut damage, placement);
            assert_changed_within(&before, &canvas, &damage);
            assert!(
                layer.is_new || layer.canvas.pixels() == layer_before.pixels(),
                "the layer has changed, but `is_new` is false"
            );
            layered += u32::from(layer.area.is_some());
            let mut single = Canvas::new(canvas.size());
            Overlay::default().draw(&mut single, &scene);
            assert!(compose_layer(&canvas, &layer).pixels() == single.pixels(), "{size:?}, round {round}");
            overlay.redraw_layered(&mut canvas, &mut layer, &scene, &mut damage, placement);
            assert!(damage.is_empty(), "{size:?}, round {round}: an equal scene causes damage");
            assert!(!layer.is_new, "{size:?}, round {round}: an equal scene changes the layer");
        }
        let expected = if size.0.min(size.1) <= 128 { 0..1 } else { 15..110 };
        assert!(expected.contains(&layered), "{size:?}: {layered} of 120 rounds have a layer");
    }
}

#[test]
fn new_frame_on_a_layer_causes_no_damage() {
    let mut canvas = Canvas::new(Size::new(800, 480));
    let (mut overlay, mut layer, mut damage) = (Overlay::default(), LayerCanvas::default(), Vec::new());
    let words = sure("red panda");
    for round in 0..3 {
        let frame = grey_frame(Size::new(64, 48), round, None);
        let scene = scene(Some(&frame), &words);
        let placement = layer_placement(&mut overlay, &scene, canvas.size(), 1);
        overlay.redraw_layered(&mut canvas, &mut layer, &scene, &mut damage, placement);
        assert!(layer.is_new, "round {round}");
        assert_eq!(damage.is_empty(), round > 0, "round {round}: {damage:?}");
    }
}

#[test]
fn hole_of_a_small_layer_lies_inside_the_label() {
    let frame = grey_hd_frame();
    let words = sure("red panda");
    let scene = scene(Some(&frame), &words);
    let mut canvas = Canvas::new(Size::new(1920, 1080));
    let (mut overlay, mut layer, mut damage) = (Overlay::default(), LayerCanvas::default(), Vec::new());
    let placement = layer_placement(&mut overlay, &scene, canvas.size(), 3);
    overlay.redraw_layered(&mut canvas, &mut layer, &scene, &mut damage, placement);
    let (label, hole) = (overlay.holes[0], layer.holes[0]);
    assert_eq!((hole.left, hole.top + hole.height), (0, layer.canvas.size().height));
    let (right, top) = (hole.left + hole.width, hole.top);
    assert!(right * 3 <= label.left + label.width, "{hole:?}, {label:?}");
    assert!(right * 3 + 3 > label.left + label.width, "{hole:?}, {label:?}");
    assert!(top * 3 >= label.top, "{hole:?}, {label:?}");
    assert!(top * 3 < label.top + 3, "{hole:?}, {label:?}");
}

#[test]
fn still_image_is_not_drawn_onto_a_smaller_layer() {
    let mut canvas = Canvas::new(Size::new(1920, 1080));
    let (mut overlay, mut layer, mut damage) = (Overlay::default(), LayerCanvas::default(), Vec::new());
    let words = sure("red panda");
    for (source, is_layer) in [(None, true), (Some("a.jpg"), false), (None, true)] {
        let frame = grey_frame(Size::new(64, 48), 5, source);
        let scene = scene(Some(&frame), &words);
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
    let words = sure("hen of the north");
    for format in [PixelFormat::Yuyv, PixelFormat::Rgb8] {
        let memory: Vec<u8> = (0..1280 * 720 * 3).map(|byte| (byte * 7 % 251) as u8).collect();
        let memory = Arc::new(memory);
        for (width, height) in [(800, 480), (1280, 720), (1920, 1080)] {
            let mut canvas = Canvas::new(Size::new(width, height));
            let ms = [(Some("still.jpg"), false), (None, false), (None, true)].map(|(source, is_layered)| {
                let (mut overlay, mut damage) = (Overlay::default(), Vec::new());
                let mut layer = LayerCanvas::default();
                let placement =
                    if is_layered { FramePlacement::Layer(Size::new(640, 360)) } else { FramePlacement::Canvas };
                let mut times: Vec<f64> = (0..40)
                    .map(|sequence| {
                        let (captured, source) = (Instant::now(), source.map(Arc::from));
                        let info = FrameInfo { size, sequence, captured, source, scene: 0 };
                        let frame = Frame::new(memory.clone(), layout(format), info);
                        let scene = scene(Some(&frame), &words);
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
