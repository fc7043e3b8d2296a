//! Preview of the terminal display: each state of the screen for a few seconds, with a photograph or a test picture.
//!
//! `cargo run --release -p phicam-display --example terminal_preview -- samples/red_panda.jpg 3` shows each for 3 s. Its
//! output through a pipe, or with `TERM=dumb`, is lines of text.

use std::time::{Duration, Instant};

use image::imageops::FilterType;
use phicam_display::words::{Certainty, MessageKind, NoticeWords, ScreenWords};
use phicam_display::{Display, DisplayError, Key, ScreenUpdate, Terminal};
use phicam_frame::canvas::{Canvas, xrgb8888};
use phicam_frame::{Rect, Size};

/// Seconds of each state: an estimate of the time to look at it.
const DEFAULT_SECONDS: f32 = 3.0;

/// Returns words with this title.
fn words(kind: MessageKind, title: &str, percent: u8, candidates: &[(&str, u8)]) -> ScreenWords {
    let mut words = ScreenWords::default();
    (words.kind, words.percent) = (kind, percent);
    words.title = title.into();
    words.status = "lite2@260, 82 ms, 12 a second".into();
    candidates.iter().for_each(|(label, percent)| words.add_candidate(label, *percent));
    words
}

fn states() -> Vec<ScreenWords> {
    let sure = MessageKind::Answer(Certainty::Sure);
    let not_clear = MessageKind::Answer(Certainty::NotClear);
    let unsure = MessageKind::Answer(Certainty::Unsure);
    let mut states = vec![
        words(MessageKind::Waiting, "", 0, &[]),
        words(sure, "red panda", 95, &[]),
        words(not_clear, "Egyptian cat", 41, &[("tabby cat", 27), ("tiger cat", 12)]),
        words(unsure, "unsure", 0, &[("ram", 14), ("bighorn", 9), ("llama", 4)]),
        words(sure, "German short-haired pointer", 88, &[]),
        words(MessageKind::Stale, "No new picture for 12 s", 0, &[]),
        words(MessageKind::NoCamera, "No camera", 0, &[]),
    ];
    states[1].time = "for 3 min".into();
    states[4].notice = Some(NoticeWords { wordings: vec!["Too little power".into()], is_fault: true });
    states[5].hints = vec!["last seen: macaw".into()];
    states[6].hints = vec!["Plug one in; the picture starts by itself.".into()];
    states
}

/// Returns a canvas with the photograph, black at its sides, or with bands of colour if there is none.
fn picture(photo: Option<&image::RgbImage>, size: Size) -> Canvas {
    let mut canvas = Canvas::new(size);
    let Some(photo) = photo else {
        for y in 0..size.height {
            let colour = |x: u32| xrgb8888([(x * 255 / size.width) as u8, (y * 255 / size.height) as u8, 128]);
            canvas.row_mut(0, y, size.width).iter_mut().zip(0..).for_each(|(pixel, x)| *pixel = colour(x));
        }
        return canvas;
    };
    let area = Rect::letterbox(Size::new(photo.width(), photo.height()), size);
    let scaled = image::imageops::resize(photo, area.width, area.height, FilterType::Triangle);
    for (x, y, pixel) in scaled.enumerate_pixels() {
        canvas.row_mut(area.left + x, area.top + y, 1)[0] = xrgb8888(pixel.0);
    }
    canvas
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let photo = arguments.first().map(image::open).transpose()?.map(|photo| photo.into_rgb8());
    let seconds = arguments.get(1).map(|text| text.parse()).transpose()?.unwrap_or(DEFAULT_SECONDS);
    let mut display = Terminal::open();
    show_states(&mut display, photo.as_ref(), Duration::try_from_secs_f32(seconds)?)?;
    Ok(display.close()?)
}

fn show_states(display: &mut Terminal, photo: Option<&image::RgbImage>, time: Duration) -> Result<(), DisplayError> {
    for words in &states() {
        let start = Instant::now();
        let mut is_due = true;
        while start.elapsed() < time {
            if is_due || display.needs_redraw() {
                let canvas = &picture(photo, display.size());
                let damage = &[canvas.area()];
                display.show(&ScreenUpdate {
                    canvas,
                    damage,
                    layer: None,
                    words,
                    new_answer: true,
                    new_fault: false,
                })?;
            }
            is_due = false;
            if display.pressed() == Some(Key::Quit) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50)); // well below the time in which a key feels slow
        }
    }
    Ok(())
}
