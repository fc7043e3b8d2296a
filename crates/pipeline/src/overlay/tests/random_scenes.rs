//! Random scenes: a redraw equals a full draw, and changes nothing outside of its damage.

use super::*;

/// Deterministic pseudorandom numbers (xorshift).
pub struct Random(u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn pick<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize].clone()
    }
}

/// Scene of which one random part changes in each step.
pub struct RandomScene {
    pub random: Random,
    frames: Vec<Frame>,
    frame: Option<Frame>,
    region: Option<Rect>,
    words: ScreenWords,
    page: Page,
    is_round: bool,
}

impl RandomScene {
    pub fn new() -> RandomScene {
        let mut random = Random(0x9e3779b97f4a7c15);
        let sizes = [Size::new(64, 48), Size::new(160, 90), Size::new(30, 90)];
        let sources = [None, None, Some("a.jpg")];
        let frames = (0..12).map(|n| grey_frame(random.pick(&sizes), n, random.pick(&sources))).collect();
        let words = ScreenWords::default();
        RandomScene { random, frames, frame: None, region: None, words, page: Page::Answer, is_round: false }
    }

    pub fn change(&mut self) -> Scene<'_> {
        let labels = ["ox", "Ågyptian jay", "soft-coated wheaten terrier of the longest name there is", "g"];
        let notices = [None, None, Some("Now a larger model"), Some("a notice that is longer than the screen is wide")];
        let random = &mut self.random;
        self.is_round = random.below(8) == 0;
        match random.below(9) {
            0 | 1 => self.frame = Some(random.pick(&self.frames)),
            2 => {
                let notice = random.pick(&notices);
                let is_fault = random.below(2) == 0;
                self.words.notice = notice.map(|words| NoticeWords { wordings: vec![words.into()], is_fault });
            }
            3 => self.page = random.pick(&[Page::Answer, Page::Answer, Page::Details]),
            4 => self.region = Some(Rect { left: 5, top: 3, width: 20, height: 20 + random.below(20) as u32 }),
            5 => self.words.percent = 1 + random.below(99) as u8,
            6 => {
                self.words.time = random.pick(&["", "just now", "for 3 min", "3 s old"]).into();
                self.words.is_late = self.words.time.ends_with("old");
            }
            _ => {
                let kinds = [
                    MessageKind::Waiting,
                    MessageKind::Answer(Certainty::Sure),
                    MessageKind::Answer(Certainty::NotClear),
                    MessageKind::Answer(Certainty::Unsure),
                    MessageKind::Stale,
                    MessageKind::NoCamera,
                ];
                self.words.kind = random.pick(&kinds);
                self.words.title = random.pick(&labels).into();
                self.words.clear_candidates();
                for _ in 0..random.below(4) {
                    self.words.add_candidate(random.pick(&labels), 2 + random.below(40) as u8);
                }
            }
        }
        Scene {
            frame: self.frame.as_ref(),
            region: self.region,
            words: &self.words,
            page: self.page,
            is_round: self.is_round,
            is_picture_only: false,
        }
    }
}

#[test]
fn redraw_equals_a_full_draw_and_stays_within_the_damage() {
    for size in &SIZES[..7] {
        let mut canvas = Canvas::new(Size::new(size.0, size.1));
        let mut overlay = Overlay::default();
        let mut random_scene = RandomScene::new();
        let mut damage = Vec::new();
        let mut small_changes = 0;
        for round in 0..100 {
            let scene = random_scene.change();
            let before = canvas.clone();
            overlay.redraw(&mut canvas, &scene, &mut damage);
            let mut complete = Canvas::new(canvas.size());
            Overlay::default().draw(&mut complete, &scene);
            assert!(canvas.pixels() == complete.pixels(), "{size:?}, round {round}: differs from a full draw");
            assert_changed_within(&before, &canvas, &damage);
            let damaged_pixels = damage.iter().map(|area| area.width * area.height).sum::<u32>();
            small_changes += u32::from(damaged_pixels < size.0 * size.1 / 3);
            overlay.redraw(&mut canvas, &scene, &mut damage);
            assert!(damage.is_empty(), "{size:?}, round {round}: an equal scene causes damage");
        }
        assert!(small_changes > 20, "{size:?}: {small_changes} of 100 rounds changed less than a third");
    }
}

#[track_caller]
pub fn assert_changed_within(before: &Canvas, after: &Canvas, damage: &[Rect]) {
    let width = after.size().width;
    for (index, (before, after)) in before.pixels().iter().zip(after.pixels()).enumerate() {
        let (x, y) = (index as u32 % width, index as u32 / width);
        let is_damaged = damage.iter().any(|area| area.contains(x, y));
        assert!(before == after || is_damaged, "{x}, {y} changed outside the damage");
    }
}

#[test]
fn new_percentage_damages_little() {
    let frame = grey_hd_frame();
    for size in [(320, 240), (800, 480)] {
        let mut canvas = Canvas::new(Size::new(size.0, size.1));
        let (mut overlay, mut damage) = (Overlay::default(), Vec::new());
        let mut words = sure("red panda");
        overlay.redraw(&mut canvas, &scene(Some(&frame), &words), &mut damage);
        words.percent = 88;
        overlay.redraw(&mut canvas, &scene(Some(&frame), &words), &mut damage);
        let pixels = damage.iter().map(|area| area.width * area.height).sum::<u32>();
        assert!(pixels * 10 < size.0 * size.1, "{size:?}: {pixels} pixels");
    }
}

#[test]
fn new_frame_does_not_touch_the_label() {
    let mut canvas = Canvas::new(Size::new(800, 480));
    let (mut overlay, mut damage) = (Overlay::default(), Vec::new());
    let words = sure("red panda");
    for sequence in 0..3 {
        let frame = grey_frame(Size::new(640, 360), sequence, None);
        overlay.redraw(&mut canvas, &scene(Some(&frame), &words), &mut damage);
        let label = overlay.holes[0];
        let touches = damage.iter().any(|area| area.intersection(label).width * area.intersection(label).height > 0);
        assert_eq!(touches, sequence == 0, "frame {sequence}: {damage:?}");
    }
}
