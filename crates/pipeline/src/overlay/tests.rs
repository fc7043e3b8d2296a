use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::classify::Classification;
use crate::classify::postprocess::{Postprocessor, Settings};
use crate::classify::{Model, Times};
use crate::status::{Fault, Faults};
use phicam_engine::ExecutionConfig;
use phicam_frame::{FrameInfo, FramePool, PixelFormat, Size};
use phicam_model::labels::Labels;

const SIZES: [(u32, u32); 7] = [(128, 32), (128, 64), (320, 240), (240, 320), (800, 480), (1280, 720), (1920, 1080)];

/// Returns a grey VGA frame.
fn vga_frame() -> Frame {
    let (size, now) = (Size::new(640, 480), Instant::now());
    let grey = |bytes: &mut Vec<u8>| {
        bytes.resize(640 * 480 * 3, 100);
        Ok::<_, ()>(FrameInfo { size, sequence: 0, captured: now, source: None, scene: 0 })
    };
    FramePool::default().fill(grey).unwrap()
}

/// Returns a classification with `label` first; its confidence is below the threshold if `is_sure` is false.
fn classification(frame: &Frame, label: &str, is_sure: bool) -> Classification {
    let labels = Labels::parse(format!("{label}\nhen\ncastle\n").as_bytes(), "l".as_ref()).unwrap();
    let settings = Settings { min_confidence: 0.9, ..Settings::default() };
    let scores = if is_sure { [9.0, 0.0, 0.0] } else { [0.1, 0.0, 0.0] };
    let variant = phicam_test_fixtures::variant("lite2", 320, 1175.2, 77.8);
    Classification {
        frame: 0,
        source: None,
        captured: frame.captured,
        predictions: Postprocessor::new(settings, 3).predict(&scores, frame.captured, 0),
        frame_size: frame.size(),
        region: Rect { left: 110, top: 30, width: 420, height: 420 },
        model: Arc::new(Model {
            variant,
            config: ExecutionConfig::tract(2),
            engine_description: String::new(),
            labels,
        }),
        times: Times::default(),
    }
}

fn drawn(
    size: (u32, u32),
    frame: Option<&Frame>,
    classification: Option<&Classification>,
    toast: Option<&str>,
) -> Canvas {
    let mut canvas = Canvas::new(Size::new(size.0, size.1));
    let faults = Faults::default();
    let scene = Scene { frame, stale: None, classification, faults: &faults, toast, now: Instant::now() };
    Overlay::default().draw(&mut canvas, &scene);
    canvas
}

/// Returns the rows and columns of an area with bright grey pixels, as text has.
fn text_rows_and_columns(canvas: &Canvas, area: Rect) -> (Vec<u32>, Vec<u32>) {
    let width = canvas.size().width;
    let is_text = |x: u32, y: u32| canvas.pixels()[(y * width + x) as usize] & 0xff > 0x90;
    let (columns, rows) = (area.left..area.left + area.width, area.top..area.top + area.height);
    let text_rows = rows.clone().filter(|&y| columns.clone().any(|x| is_text(x, y))).collect();
    let text_columns = columns.filter(|&x| rows.clone().any(|y| is_text(x, y))).collect();
    (text_rows, text_columns)
}

#[test]
fn label_capitals_have_a_twelfth_of_the_height() {
    let frame = vga_frame();
    let classification = classification(&frame, "HIEN", true);
    for size in SIZES {
        let canvas = drawn(size, Some(&frame), Some(&classification), None);
        let area = Layout::new(canvas.size(), frame.size()).label;
        let (rows, _) = text_rows_and_columns(&canvas, area);
        assert!(rows.len() as u32 * 12 >= size.1, "{size:?}: {} rows", rows.len());
        assert!(rows[rows.len() - 1] < size.1 - 1, "{size:?}: cut off below");
    }
}

#[test]
fn descenders_are_not_cut_off() {
    let text = "gypsy, Qj";
    for (width, height) in SIZES.into_iter().filter(|size| size.1 > 64) {
        let layout = Layout::new(Size::new(width, height), Size::new(4, 3));
        let canvas = drawn((width, height), None, None, Some(text));
        let mut unclipped = Canvas::new(canvas.size());
        let Ok(()) = unclipped.clear(BACKGROUND);
        let cap_height = layout.small_cap_height;
        let origin = (layout.column.left, layout.column.top + cap_height);
        let style = TextStyle { cap_height, colour: WARNING, clip: canvas.area() };
        Text::default().draw(&mut unclipped, origin, text, style);
        let below_baseline = |canvas: &Canvas| {
            let rows = origin.1 * width..(origin.1 + cap_height) * width;
            canvas.pixels()[rows.start as usize..rows.end as usize].to_vec()
        };
        let expected = below_baseline(&unclipped);
        assert!(expected.iter().any(|&pixel| pixel != expected[0]), "no descenders at {width}×{height}");
        assert!(below_baseline(&canvas) == expected, "descenders are cut off at {width}×{height}");
    }
}

#[test]
fn long_label_stays_inside_its_area() {
    let frame = vga_frame();
    let classification = classification(&frame, "soft-coated wheaten terrier of the longest name there is", true);
    for size in SIZES {
        let canvas = drawn(size, Some(&frame), Some(&classification), None);
        let area = Layout::new(canvas.size(), frame.size()).label;
        let (_, columns) = text_rows_and_columns(&canvas, area);
        assert!(columns[0] > 0, "{size:?}");
        assert!(columns[columns.len() - 1] < size.0 - 1, "{size:?}");
    }
}

#[test]
fn region_is_boxed_and_the_rest_is_darkened() {
    let frame = vga_frame();
    let classification = classification(&frame, "hen of the north", true);
    let canvas = drawn((1280, 720), Some(&frame), Some(&classification), None);
    let area = Layout::new(canvas.size(), frame.size()).frame;
    let pixel_at = |share_x: f64, share_y: f64| {
        let x = area.left + (share_x * f64::from(area.width)) as u32;
        let y = area.top + (share_y * f64::from(area.height)) as u32;
        canvas.pixels()[(y * 1280 + x) as usize]
    };
    assert_eq!(pixel_at(0.5, 0.5), 0x646464, "the frame is unchanged in the region");
    assert!(pixel_at(0.05, 0.5) < 0x646464, "the frame is darker left of the region");
    assert!(pixel_at(0.5, 0.02) < 0x646464, "the frame is darker above the region");
    let box_pixels = (area.left..area.left + area.width)
        .map(|x| canvas.pixels()[((area.top + area.height / 2) * 1280 + x) as usize])
        .filter(|&pixel| pixel == 0xffc400)
        .count();
    assert!(box_pixels >= 4, "a box of at least two pixels on both sides: {box_pixels}");
}

#[test]
fn unsure_label_differs_from_a_class_of_that_name() {
    let frame = vga_frame();
    let label_pixels = |classification: &Classification| {
        let canvas = drawn((320, 240), Some(&frame), Some(classification), None);
        let area = Layout::new(canvas.size(), frame.size()).label;
        let rows = area.top..area.top + area.height;
        rows.flat_map(|y| canvas.pixels()[(y * 320) as usize..][..320].to_vec()).collect::<Vec<u32>>()
    };
    let sure = label_pixels(&classification(&frame, "unsure", true));
    let unsure = label_pixels(&classification(&frame, "unsure", false));
    assert!(sure != unsure, "the text is equal, the colour is not");
    let other = label_pixels(&classification(&frame, "hen of the south", false));
    assert!(unsure == other, "an unsure label does not depend on the first prediction");
}

#[test]
fn toast_is_drawn_and_tiny_canvases_are_no_error() {
    let frame = vga_frame();
    let without_toast = drawn((800, 480), Some(&frame), None, None);
    let with_toast = drawn((800, 480), Some(&frame), None, Some("no camera: plug one in"));
    assert!(without_toast.pixels() != with_toast.pixels());
    for size in SIZES {
        drawn(size, None, None, Some("a toast that is longer than the column is wide"));
    }
    drawn((1, 1), Some(&frame), Some(&classification(&frame, "hen of the west", true)), Some("x"));
}

mod layered;

/// Deterministic pseudorandom numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn pick<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize].clone()
    }
}

/// Returns a frame of one grey level. A frame with a source is a still image, which is scaled with a filter.
fn grey_frame(size: Size, sequence: u64, source: Option<&str>) -> Frame {
    let info = FrameInfo { size, sequence, captured: Instant::now(), source: source.map(Arc::from), scene: 0 };
    let fill = |bytes: &mut Vec<u8>| {
        bytes.resize((size.width * size.height * 3) as usize, (sequence * 37) as u8);
        Ok::<_, ()>(info)
    };
    FramePool::default().fill(fill).unwrap()
}

/// Scene of which one random part changes in each step.
struct RandomScene {
    random: Random,
    frames: Vec<Frame>,
    frame: Option<Frame>,
    classification: Option<Classification>,
    toast: Option<&'static str>,
    stale: Option<StaleFrame>,
    faults: Faults,
    start: Instant,
}

impl RandomScene {
    fn new() -> RandomScene {
        let mut random = Random(0x9e3779b97f4a7c15);
        let sizes = [Size::new(64, 48), Size::new(160, 90), Size::new(30, 90)];
        let sources = [None, None, Some("a.jpg")];
        let frames = (0..12).map(|n| grey_frame(random.pick(&sizes), n, random.pick(&sources))).collect();
        RandomScene {
            random,
            frames,
            frame: None,
            classification: None,
            toast: None,
            stale: None,
            faults: Faults::default(),
            start: Instant::now(),
        }
    }

    fn change(&mut self) -> Scene<'_> {
        let labels = ["ox", "Ågyptian jay", "soft-coated wheaten terrier of the longest name there is", "g"];
        let toasts = [None, None, Some("now lite2@320"), Some("a toast that is longer than the column is wide")];
        let messages = [None, None, Some("no camera: plug one in"), Some("hot: 85 °C")];
        let stale = [
            None,
            None,
            Some(StaleFrame { age_s: 2, is_dimmed: false }),
            Some(StaleFrame { age_s: 7, is_dimmed: true }),
        ];
        let random = &mut self.random;
        match random.below(6) {
            0 | 1 => self.frame = Some(random.pick(&self.frames)),
            2 => self.toast = random.pick(&toasts),
            3 => self.stale = random.pick(&stale),
            4 => drop(self.faults.set(random.pick(&[Fault::Camera, Fault::Hot]), random.pick(&messages))),
            _ => {
                let frame = random.pick(&self.frames);
                let label = random.pick(&labels);
                let mut new = classification(&frame, label, random.below(3) > 0);
                new.region = Rect { left: 5, top: 3, width: 20, height: 20 + random.below(20) as u32 };
                new.times.infer_ms = random.below(3) as f64;
                self.classification = (random.below(8) > 0).then_some(new);
            }
        }
        let now = self.start + std::time::Duration::from_millis(random.below(40_000));
        Scene {
            frame: self.frame.as_ref(),
            stale: self.stale,
            classification: self.classification.as_ref(),
            faults: &self.faults,
            toast: self.toast,
            now,
        }
    }
}

#[test]
fn redraw_equals_a_full_draw_and_stays_within_the_damage() {
    for size in &SIZES[..5] {
        let mut canvas = Canvas::new(Size::new(size.0, size.1));
        let mut overlay = Overlay::default();
        let mut random_scene = RandomScene::new();
        let mut damage = Vec::new();
        let mut small_changes = 0;
        for round in 0..60 {
            let scene = random_scene.change();
            let before = canvas.clone();
            overlay.redraw(&mut canvas, &scene, &mut damage);
            let mut complete = Canvas::new(canvas.size());
            Overlay::default().draw(&mut complete, &scene);
            assert!(canvas.pixels() == complete.pixels(), "{size:?}, round {round}: differs from a full draw");
            assert_changed_within(&before, &canvas, &damage);
            let damaged_pixels = damage.iter().map(|area| area.width * area.height).sum::<u32>();
            small_changes += u32::from(damaged_pixels < size.0 * size.1 / 4);
            assert_eq!(damage.contains(&canvas.area()), round == 0, "only the first damage is complete");
            overlay.redraw(&mut canvas, &scene, &mut damage);
            assert!(damage.is_empty(), "{size:?}, round {round}: an equal scene causes damage");
        }
        assert!(small_changes > 5, "{size:?}: {small_changes} of 60 rounds changed less than a quarter");
    }
}

#[track_caller]
fn assert_changed_within(before: &Canvas, after: &Canvas, damage: &[Rect]) {
    let width = after.size().width;
    for (index, (before, after)) in before.pixels().iter().zip(after.pixels()).enumerate() {
        let (x, y) = (index as u32 % width, index as u32 / width);
        let is_damaged = damage.iter().any(|area| area.contains(x, y));
        assert!(before == after || is_damaged, "{x}, {y} changed outside the damage");
    }
}

#[test]
fn stale_frame_does_not_look_live() {
    let frame = vga_frame();
    let faults = Faults::default();
    let drawn = |stale| {
        let mut canvas = Canvas::new(Size::new(800, 480));
        let scene = Scene {
            frame: Some(&frame),
            stale,
            classification: None,
            faults: &faults,
            toast: None,
            now: Instant::now(),
        };
        Overlay::default().draw(&mut canvas, &scene);
        canvas
    };
    let has_warning = |canvas: &Canvas| canvas.pixels().contains(&0xff6e50);
    let live = drawn(None);
    let corner = |canvas: &Canvas| canvas.pixels()[800 * 20 + 20];
    assert!(!has_warning(&live));
    assert_eq!(corner(&live), 0x646464);
    let old = drawn(Some(StaleFrame { age_s: 1, is_dimmed: false }));
    assert!(has_warning(&old), "its age has the warning colour");
    assert_eq!(corner(&old), 0x646464);
    let frozen = drawn(Some(StaleFrame { age_s: 7, is_dimmed: true }));
    assert!(has_warning(&frozen));
    assert!(corner(&frozen) < 0x303030, "it is dimmed");
    let area = Layout::new(frozen.size(), frame.size()).frame;
    assert!(!text_rows_and_columns(&frozen, area).0.is_empty(), "it has a notice");
    assert!(text_rows_and_columns(&drawn(None), area).0.is_empty(), "a live frame has none");
}
