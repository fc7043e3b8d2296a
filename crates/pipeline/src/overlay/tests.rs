use std::sync::Arc;
use std::time::Instant;

use super::palette::{ACCENT, FAULT, INK};
use super::*;
use phicam_display::words::{Certainty, NoticeWords, ScreenWords};
use phicam_frame::{FrameInfo, FramePool, PixelFormat, Size};

mod counts;
mod layered;
mod random_scenes;
mod states;

/// Sizes of common screens: OLED and SPI modules, phones, HDMI.
const SIZES: [(u32, u32); 10] = [
    (128, 32),
    (128, 64),
    (240, 240),
    (320, 240),
    (240, 320),
    (480, 800),
    (800, 480),
    (1024, 600),
    (1280, 720),
    (1920, 1080),
];

/// Returns a grey frame of 16 : 9.
fn grey_hd_frame() -> Frame {
    grey_frame(Size::new(640, 360), 0, None)
}

/// Returns a frame of one grey level. A frame with a source is a still image, which is scaled with a filter.
fn grey_frame(size: Size, sequence: u64, source: Option<&str>) -> Frame {
    let info = FrameInfo { size, sequence, captured: Instant::now(), source: source.map(Arc::from), scene: 0 };
    let fill = |bytes: &mut Vec<u8>| {
        bytes.resize((size.width * size.height * 3) as usize, 100 + (sequence * 37) as u8 % 100);
        Ok::<_, ()>(info)
    };
    FramePool::default().fill(fill).unwrap()
}

/// Returns what a model sees of a frame: a centred square of 7/8 of its height.
fn square_region(size: Size) -> Rect {
    let side = size.width.min(size.height) * 7 / 8;
    Rect { left: (size.width - side) / 2, top: (size.height - side) / 2, width: side, height: side }
}

fn answer(certainty: Certainty, title: &str, percent: u8, candidates: &[(&str, u8)]) -> ScreenWords {
    let mut words = ScreenWords {
        kind: MessageKind::Answer(certainty),
        title: title.into(),
        percent,
        time: "for 3 min".into(),
        ..ScreenWords::default()
    };
    candidates.iter().for_each(|(label, percent)| words.add_candidate(label, *percent));
    words
}

fn sure(title: &str) -> ScreenWords {
    answer(Certainty::Sure, title, 95, &[])
}

fn scene<'a>(frame: Option<&'a Frame>, words: &'a ScreenWords) -> Scene<'a> {
    let region = frame.map(|frame| square_region(frame.size()));
    Scene { frame, region, words, page: Page::Answer, is_round: false, is_picture_only: false }
}

fn drawn(size: (u32, u32), scene: &Scene) -> Canvas {
    let mut canvas = Canvas::new(Size::new(size.0, size.1));
    Overlay::default().draw(&mut canvas, scene);
    canvas
}

fn pixel(colour: Rgb888) -> u32 {
    phicam_frame::canvas::xrgb8888([colour.r(), colour.g(), colour.b()])
}

fn count(canvas: &Canvas, colour: Rgb888) -> usize {
    canvas.pixels().iter().filter(|&&found| found == pixel(colour)).count()
}

/// Returns the draw list of `scene` on a screen of `size`.
fn composed(size: (u32, u32), scene: &Scene, text: &mut Text) -> DrawList {
    let mut list = DrawList::default();
    let class = ScreenClass::new(Size::new(size.0, size.1), scene.is_round);
    compose(&mut list, text, scene, scene.frame, &class);
    list
}
