//! Every state of the screen at every size, drawn into contact sheets:
//! `cargo run --release -p phicam-pipeline --example screens -- PHOTOGRAPHS FOLDER`

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use phicam_display::words::{Certainty, Detail, MessageKind, NoticeWords, ScreenWords};
use phicam_frame::canvas::Canvas;
use phicam_frame::{Frame, FrameInfo, FramePool, Rect, Size};
use phicam_pipeline::overlay::{Overlay, Page, Scene};

const SIZES: [(u32, u32, bool); 10] = [
    (128, 32, false),
    (128, 64, false),
    (240, 240, false),
    (240, 240, true),
    (320, 240, false),
    (480, 800, false),
    (800, 480, false),
    (1024, 600, false),
    (1280, 720, false),
    (1920, 1080, false),
];

/// Space between two screens of a sheet, and its colour.
const GAP: u32 = 8;
const SHEET: u8 = 0x2a;
/// Largest width of a sheet, in pixels: two screens of 1280 × 720 beside each other.
const SHEET_WIDTH: u32 = 2600;

/// Quality of the JPEG files, at which small letters have no visible seams.
const QUALITY: u8 = 90;

struct State {
    photograph: &'static str,
    words: ScreenWords,
    page: Page,
}

fn answer(photograph: &'static str, certainty: Certainty, title: &str, percent: u8, others: &[(&str, u8)]) -> State {
    let mut words = ScreenWords {
        kind: MessageKind::Answer(certainty),
        title: title.into(),
        percent,
        time: "for 3 min".into(),
        ..ScreenWords::default()
    };
    others.iter().for_each(|(label, percent)| words.add_candidate(label, *percent));
    State { photograph, words, page: Page::Answer }
}

fn with_notice(state: State, wordings: &[&str], is_fault: bool) -> State {
    let wordings = wordings.iter().map(|words| words.to_string()).collect();
    State { words: ScreenWords { notice: Some(NoticeWords { wordings, is_fault }), ..state.words }, ..state }
}

fn message(photograph: &'static str, kind: MessageKind, title: &str, hints: &[&str]) -> State {
    let hints = hints.iter().map(|words| words.to_string()).collect();
    State {
        photograph,
        words: ScreenWords { kind, title: title.into(), hints, ..ScreenWords::default() },
        page: Page::Answer,
    }
}

fn states() -> Vec<State> {
    use Certainty::{NotClear, Sure, Unsure};
    let rows = [
        ("Model", "lite2@260"),
        ("Size (φ)", "1.03"),
        ("One answer", "82 ms"),
        ("Limit", "100 ms"),
        ("Answers", "12 a second"),
        ("Picture is", "0.1 s old"),
        ("Temperature", "61 °C"),
        ("Pictures left out", "3 of 18204"),
    ];
    let details = answer("lemur", Sure, "ring-tailed lemur", 93, &[]);
    let rows = rows.map(|(name, value)| Detail { name, value: value.into() });
    let old = answer("panda", Sure, "giant panda", 97, &[]);
    vec![
        answer("red_panda", Sure, "red panda", 95, &[]),
        answer("chelsea", NotClear, "Egyptian cat", 41, &[("tabby cat", 27), ("tiger cat", 12)]),
        answer("sheep", Unsure, "unsure", 14, &[("ram", 14), ("bighorn", 9), ("llama", 4)]),
        answer("dog", Sure, "German short-haired pointer", 88, &[]),
        answer("jaguar", Sure, "African hunting dog, hyena dog", 73, &[]),
        with_notice(
            answer("panda", Sure, "giant panda", 97, &[]),
            &["Finding the best model for this board", "Finding the best model", "measuring"],
            false,
        ),
        with_notice(
            answer("polar_bear", Sure, "ice bear", 90, &[]),
            &["Too little power: use a stronger supply", "Too little power"],
            true,
        ),
        State { words: ScreenWords { time: "3 s old".into(), is_late: true, ..old.words }, ..old },
        message("scarlet_macaw", MessageKind::Stale, "No new picture for 10 s", &["last seen: macaw", "last: macaw"]),
        message(
            "koala",
            MessageKind::NoCamera,
            "No camera",
            &["Plug one in; the picture starts by itself.", "Plug one in."],
        ),
        State { words: ScreenWords { details: rows.to_vec(), ..details.words }, page: Page::Details, ..details },
    ]
}

/// Reads a photograph, cut to 16 : 9 like a camera's frame.
fn photograph(folder: &Path, name: &str) -> Result<Frame, Box<dyn std::error::Error>> {
    let picture = image::open(folder.join(format!("{name}.jpg")))?.into_rgb8();
    let (width, height) = (picture.width(), picture.height().min(picture.width() * 9 / 16));
    let top = (picture.height() - height) / 4;
    let cut = image::imageops::crop_imm(&picture, 0, top, width, height).to_image();
    let info = FrameInfo {
        size: Size::new(width, height),
        sequence: 0,
        captured: Instant::now(),
        source: Some(Arc::from(name)),
        scene: 0,
    };
    let fill = |bytes: &mut Vec<u8>| {
        *bytes = cut.into_raw();
        Ok::<_, std::io::Error>(info)
    };
    Ok(FramePool::default().fill(fill)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(photographs), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: screens PHOTOGRAPHS FOLDER".into());
    };
    std::fs::create_dir_all(&folder)?;
    let states = states();
    let mut overlay = Overlay::default();
    for (width, height, is_round) in SIZES {
        let columns = (SHEET_WIDTH / (width + GAP)).clamp(1, 4).min(states.len() as u32);
        let rows = (states.len() as u32).div_ceil(columns);
        let size = (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP);
        let mut sheet = image::RgbImage::from_pixel(size.0, size.1, image::Rgb([SHEET; 3]));
        for (index, state) in (0..).zip(&states) {
            let frame = photograph(Path::new(&photographs), state.photograph)?;
            let Size { width: w, height: h } = frame.size();
            let side = h * 7 / 8;
            let region = Rect { left: (w - side) / 2, top: (h - side) / 2, width: side, height: side };
            let scene = Scene {
                frame: Some(&frame),
                region: Some(region),
                words: &state.words,
                page: state.page,
                is_round,
                is_picture_only: false,
            };
            let mut canvas = Canvas::new(Size::new(width, height));
            overlay.draw(&mut canvas, &scene);
            let mut rgb = Vec::new();
            canvas.to_rgb(&mut rgb);
            let mut screen = image::RgbImage::from_raw(width, height, rgb).ok_or("a canvas has too few pixels")?;
            if is_round {
                cut_circle(&mut screen);
            }
            let (column, row) = (index % columns, index / columns);
            let (left, top) = (GAP + column * (width + GAP), GAP + row * (height + GAP));
            image::imageops::replace(&mut sheet, &screen, left.into(), top.into());
        }
        let round = if is_round { "-round" } else { "" };
        let file = Path::new(&folder).join(format!("screens-{width}x{height}{round}"));
        if width.min(height) <= 128 {
            sheet.save(file.with_extension("png"))?; // letters of whole pixels
            continue;
        }
        // Photographs are a tenth as large in a JPEG, and large sheets are looked at in half their size.
        if width * height > 320 * 240 {
            let (width, height) = (sheet.width() / 2, sheet.height() / 2);
            sheet = image::imageops::resize(&sheet, width, height, image::imageops::FilterType::Triangle);
        }
        let out = std::io::BufWriter::new(std::fs::File::create(file.with_extension("jpg"))?);
        image::codecs::jpeg::JpegEncoder::new_with_quality(out, QUALITY).encode_image(&sheet)?;
    }
    Ok(())
}

/// Paints the corners of a round screen, which nobody sees, in the colour of the sheet.
fn cut_circle(screen: &mut image::RgbImage) {
    let radius = f64::from(screen.width()) / 2.0;
    for (x, y, pixel) in screen.enumerate_pixels_mut() {
        if (f64::from(x) + 0.5 - radius).hypot(f64::from(y) + 0.5 - radius) > radius {
            *pixel = image::Rgb([SHEET; 3]);
        }
    }
}
