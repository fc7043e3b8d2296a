use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::classify::Classification;
use crate::classify::postprocess::{Postprocessor, Settings};
use crate::classify::{Model, Times};
use phicam_engine::ExecutionConfig;
use phicam_frame::{FrameInfo, FramePool, PixelFormat, Size};
use phicam_model::labels::Labels;

const SIZES: [(u32, u32); 7] = [(128, 32), (128, 64), (320, 240), (240, 320), (800, 480), (1280, 720), (1920, 1080)];

fn frame() -> Frame {
    let (size, now) = (Size::new(640, 480), Instant::now());
    let grey = |bytes: &mut Vec<u8>| {
        bytes.resize(640 * 480 * 3, 100);
        Ok::<_, ()>(FrameInfo { size, sequence: 0, captured: now, source: None, scene: 0 })
    };
    FramePool::default().fill(grey).unwrap()
}

/// An answer of `label`, sure of it or not.
fn answer(frame: &Frame, label: &str, sure: bool) -> Classification {
    let labels = Labels::parse(format!("{label}\nhen\ncastle\n").as_bytes(), "l".as_ref()).unwrap();
    let settings = Settings { unsure_below: 0.9, ..Settings::default() };
    let scores = if sure { [9.0, 0.0, 0.0] } else { [0.1, 0.0, 0.0] };
    let variant = phicam_test_fixtures::variant("lite2", 320, 1175.2, 77.8);
    Classification {
        frame: 0,
        source: None,
        captured: frame.captured,
        predictions: Postprocessor::new(settings, 3).predict(&scores, frame.captured, 0),
        frame_size: frame.size(),
        seen: Rect { left: 110, top: 30, width: 420, height: 420 },
        model: Arc::new(Model {
            variant,
            config: ExecutionConfig::tract(2),
            engine_description: String::new(),
            labels,
        }),
        times: Times::default(),
    }
}

fn drawn(size: (u32, u32), frame: Option<&Frame>, answer: Option<&Classification>, notice: Option<&str>) -> Canvas {
    let mut picture = Canvas::new(Size::new(size.0, size.1));
    let faults = Faults::default();
    let scene = Scene { frame, stale: None, answer, faults: &faults, notice, now: Instant::now() };
    Overlay::default().draw(&mut picture, &scene);
    picture
}

/// Rows and columns of an area that hold bright, grey ink.
fn inked(picture: &Canvas, area: Rect) -> (Vec<u32>, Vec<u32>) {
    let width = picture.size().width;
    let is_ink = |x: u32, y: u32| picture.pixels()[(y * width + x) as usize] & 0xff > 0x90;
    let (columns, rows) = (area.left..area.left + area.width, area.top..area.top + area.height);
    let inked_rows = rows.clone().filter(|&y| columns.clone().any(|x| is_ink(x, y))).collect();
    let inked_columns = columns.filter(|&x| rows.clone().any(|y| is_ink(x, y))).collect();
    (inked_rows, inked_columns)
}

#[test]
fn the_labels_capitals_have_a_twelfth_of_the_height_at_every_size() {
    let frame = frame();
    let answer = answer(&frame, "HIEN", true);
    for size in SIZES {
        let picture = drawn(size, Some(&frame), Some(&answer), None);
        let area = Layout::new(picture.size(), frame.size()).label;
        let (rows, _) = inked(&picture, area);
        assert!(rows.len() as u32 * 12 >= size.1, "{size:?}: {} rows", rows.len());
        assert!(rows[rows.len() - 1] < size.1 - 1, "{size:?}: cut off below");
    }
}

#[test]
fn the_tails_of_letters_are_drawn_whole_in_every_line() {
    let words = "gypsy, Qj";
    for (width, height) in SIZES.into_iter().filter(|size| size.1 > 64) {
        let layout = Layout::new(Size::new(width, height), Size::new(4, 3));
        let picture = drawn((width, height), None, None, Some(words));
        let mut free = Canvas::new(picture.size());
        let Ok(()) = free.clear(PAPER);
        let (at, capital) = ((layout.column.left, layout.column.top + layout.small_capital), layout.small_capital);
        Text::default().draw(&mut free, at, words, capital, RED, picture.area());
        let below = |picture: &Canvas| {
            let rows = at.1 * width..(at.1 + capital) * width;
            picture.pixels()[rows.start as usize..rows.end as usize].to_vec()
        };
        assert!(below(&free).iter().any(|&pixel| pixel != below(&free)[0]), "there are tails at {width}×{height}");
        assert!(below(&picture) == below(&free), "tails are cut at {width}×{height}");
    }
}

#[test]
fn the_longest_label_stays_inside() {
    let frame = frame();
    let answer = answer(&frame, "soft-coated wheaten terrier of the longest name there is", true);
    for size in SIZES {
        let picture = drawn(size, Some(&frame), Some(&answer), None);
        let area = Layout::new(picture.size(), frame.size()).label;
        let (_, columns) = inked(&picture, area);
        assert!(columns[0] > 0 && columns[columns.len() - 1] < size.0 - 1, "{size:?}");
    }
}

#[test]
fn what_the_model_saw_is_bright_and_boxed_and_the_rest_is_dark() {
    let frame = frame();
    let answer = answer(&frame, "hen of the north", true);
    let picture = drawn((1280, 720), Some(&frame), Some(&answer), None);
    let area = Layout::new(picture.size(), frame.size()).frame;
    let at = |share_x: f64, share_y: f64| {
        let x = area.left + (share_x * f64::from(area.width)) as u32;
        let y = area.top + (share_y * f64::from(area.height)) as u32;
        picture.pixels()[(y * 1280 + x) as usize]
    };
    assert_eq!(at(0.5, 0.5), 0x646464, "inside, the frame as it is");
    assert!(at(0.05, 0.5) < 0x646464 && at(0.5, 0.02) < 0x646464, "outside, darker");
    let edge = (area.left..area.left + area.width)
        .map(|x| picture.pixels()[((area.top + area.height / 2) * 1280 + x) as usize])
        .filter(|&pixel| pixel == 0xffc400)
        .count();
    assert!(edge >= 4, "a box of at least two pixels on both sides: {edge}");
}

#[test]
fn an_unsure_answer_is_drawn_otherwise_than_a_sure_one() {
    let frame = frame();
    let label = |answer: &Classification| {
        let picture = drawn((320, 240), Some(&frame), Some(answer), None);
        let area = Layout::new(picture.size(), frame.size()).label;
        let rows = area.top..area.top + area.height;
        rows.flat_map(|y| picture.pixels()[(y * 320) as usize..][..320].to_vec()).collect::<Vec<u32>>()
    };
    let (sure, unsure) = (label(&answer(&frame, "unsure", true)), label(&answer(&frame, "unsure", false)));
    assert!(sure != unsure, "the same word, but quiet");
    let other = label(&answer(&frame, "hen of the south", false));
    assert!(unsure == other, "whatever the best guess is, the label says unsure");
}

#[test]
fn a_notice_is_drawn_and_a_screen_without_anything_is_no_error() {
    let frame = frame();
    let quiet = drawn((800, 480), Some(&frame), None, None);
    let said = drawn((800, 480), Some(&frame), None, Some("no camera: plug one in"));
    assert!(quiet.pixels() != said.pixels());
    for size in SIZES {
        drawn(size, None, None, Some("a notice that is longer than the column is wide"));
    }
    drawn((1, 1), Some(&frame), Some(&answer(&frame, "hen of the west", true)), Some("x"));
}

mod layered;

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn variant<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }
}

/// A frame of one grey level; where it has a source it is scaled in another way.
fn grey_frame(size: Size, sequence: u64, source: Option<&str>) -> Frame {
    let info = FrameInfo { size, sequence, captured: Instant::now(), source: source.map(Arc::from), scene: 0 };
    let fill = |bytes: &mut Vec<u8>| {
        bytes.resize((size.width * size.height * 3) as usize, (sequence * 37) as u8);
        Ok::<_, ()>(info)
    };
    FramePool::default().fill(fill).unwrap()
}

/// What there is to draw, another thing of it each time.
struct Changing {
    dice: Dice,
    frames: Vec<Frame>,
    frame: Option<Frame>,
    answer: Option<Classification>,
    notice: Option<&'static str>,
    stale: Option<Stale>,
    faults: Faults,
    start: Instant,
}

impl Changing {
    fn new() -> Changing {
        let mut dice = Dice(0x9e3779b97f4a7c15);
        let sizes = [Size::new(64, 48), Size::new(160, 90), Size::new(30, 90)];
        let sources = [None, None, Some("a.jpg")];
        let frames = (0..12).map(|n| grey_frame(dice.variant(&sizes), n, dice.variant(&sources))).collect();
        let (start, faults) = (Instant::now(), Faults::default());
        Changing { dice, frames, frame: None, answer: None, notice: None, stale: None, faults, start }
    }

    fn change(&mut self) -> Scene<'_> {
        let labels = ["ox", "Ågyptian jay", "soft-coated wheaten terrier of the longest name there is", "g"];
        let notices = [None, None, Some("now lite2@320"), Some("a notice that is longer than the column is wide")];
        let words = [None, None, Some("no camera: plug one in"), Some("hot: 85 °C")];
        let stale = [None, None, Some(Stale { age_s: 2, dim: false }), Some(Stale { age_s: 7, dim: true })];
        let dice = &mut self.dice;
        match dice.below(6) {
            0 | 1 => self.frame = Some(dice.variant(&self.frames)),
            2 => self.notice = dice.variant(&notices),
            3 => self.stale = dice.variant(&stale),
            4 => drop(self.faults.set(dice.variant(&[Fault::Camera, Fault::Hot]), dice.variant(&words))),
            _ => {
                let (of, label, sure) = (dice.variant(&self.frames), dice.variant(&labels), dice.below(3) > 0);
                let mut new = answer(&of, label, sure);
                new.seen = Rect { left: 5, top: 3, width: 20, height: 20 + dice.below(20) as u32 };
                new.times.infer_ms = dice.below(3) as f64;
                self.answer = (dice.below(8) > 0).then_some(new);
            }
        }
        let now = self.start + std::time::Duration::from_millis(dice.below(40_000));
        let Changing { frame, answer, notice, stale, faults, .. } = self;
        Scene { frame: frame.as_ref(), stale: *stale, answer: answer.as_ref(), faults, notice: *notice, now }
    }
}

#[test]
fn what_is_redrawn_equals_what_is_drawn_anew_and_nothing_changes_outside_the_damage() {
    for size in &SIZES[..5] {
        let mut picture = Canvas::new(Size::new(size.0, size.1));
        let (mut overlay, mut changing, mut damage) = (Overlay::default(), Changing::new(), Vec::new());
        let mut small = 0;
        for round in 0..60 {
            let scene = changing.change();
            let before = picture.clone();
            overlay.redraw(&mut picture, &scene, &mut damage);
            let mut anew = Canvas::new(picture.size());
            Overlay::default().draw(&mut anew, &scene);
            assert!(picture.pixels() == anew.pixels(), "{size:?}, round {round}: not what is drawn anew");
            assert_changed_within(&before, &picture, &damage);
            let covered = damage.iter().map(|area| area.width * area.height).sum::<u32>();
            small += u32::from(covered < size.0 * size.1 / 4);
            assert_eq!(damage.contains(&picture.area()), round == 0, "the whole at first, and never again");
            overlay.redraw(&mut picture, &scene, &mut damage);
            assert!(damage.is_empty(), "{size:?}, round {round}: the same scene again changes nothing");
        }
        assert!(small > 5, "{size:?}: {small} of 60 rounds changed less than a quarter");
    }
}

#[track_caller]
fn assert_changed_within(before: &Canvas, after: &Canvas, damage: &[Rect]) {
    let width = after.size().width;
    for (at, (before, after)) in before.pixels().iter().zip(after.pixels()).enumerate() {
        let (x, y) = (at as u32 % width, at as u32 / width);
        let is_damaged = damage.iter().any(|area| area.contains(x, y));
        assert!(before == after || is_damaged, "{x}, {y} changed outside");
    }
}

#[test]
fn a_frozen_frame_does_not_look_live() {
    let frame = frame();
    let faults = Faults::default();
    let drawn = |stale| {
        let mut picture = Canvas::new(Size::new(800, 480));
        let scene =
            Scene { frame: Some(&frame), stale, answer: None, faults: &faults, notice: None, now: Instant::now() };
        Overlay::default().draw(&mut picture, &scene);
        picture
    };
    let is_red = |picture: &Canvas| picture.pixels().contains(&0xff6e50);
    let live = drawn(None);
    let corner = |picture: &Canvas| picture.pixels()[800 * 20 + 20];
    assert!(!is_red(&live) && corner(&live) == 0x646464);
    let old = drawn(Some(Stale { age_s: 1, dim: false }));
    assert!(is_red(&old) && corner(&old) == 0x646464, "its age is red");
    let frozen = drawn(Some(Stale { age_s: 7, dim: true }));
    assert!(is_red(&frozen) && corner(&frozen) < 0x303030, "it is dark");
    let area = Layout::new(frozen.size(), frame.size()).frame;
    assert!(!inked(&frozen, area).0.is_empty() && inked(&drawn(None), area).0.is_empty(), "and says so");
}
