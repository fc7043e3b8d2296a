use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::layout::Layout;
use super::page::Page;
use super::palette::ColourDepth;
use super::picture;
use crate::words::{Certainty, Detail, MessageKind, NoticeWords, ScreenWords};
use phicam_frame::Size;
use phicam_frame::canvas::{Canvas, xrgb8888};

/// Returns the labels that the program has.
fn labels() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/imagenet/labels.txt");
    std::fs::read_to_string(path).unwrap().lines().map(String::from).collect()
}

/// Returns `words` after a change.
pub fn changed(mut words: ScreenWords, change: impl FnOnce(&mut ScreenWords)) -> ScreenWords {
    change(&mut words);
    words
}

pub fn words(kind: MessageKind, title: &str, percent: u8, candidates: &[(&str, u8)]) -> ScreenWords {
    changed(ScreenWords::default(), |words| {
        (words.kind, words.percent) = (kind, percent);
        words.title = title.into();
        words.status = "lite2@260, 82 ms, 12 a second".into();
        candidates.iter().for_each(|(label, percent)| words.add_candidate(label, *percent));
    })
}

pub fn sure(title: &str, percent: u8) -> ScreenWords {
    let sure = words(MessageKind::Answer(Certainty::Sure), title, percent, &[]);
    changed(sure, |words| words.time = "for 3 min".into())
}

fn not_clear() -> ScreenWords {
    let candidates = [("tabby cat", 27), ("American Staffordshire terrier", 12)];
    words(MessageKind::Answer(Certainty::NotClear), "Egyptian cat", 41, &candidates)
}

/// Returns a message of each state, with its name.
fn states() -> Vec<(&'static str, ScreenWords)> {
    let unsure = [("ram", 14), ("bighorn", 9), ("llama", 4)];
    let hints = |hints: &[&str]| hints.iter().map(|&hint| hint.into()).collect();
    let stale = words(MessageKind::Stale, "No new picture for 12 s", 0, &[]);
    let no_camera = words(MessageKind::NoCamera, "No camera", 0, &[]);
    let fault = ["Too little power: use a stronger supply", "Too little power"];
    let notice = NoticeWords { wordings: hints(&fault), is_fault: true };
    vec![
        ("sure", sure("red panda", 95)),
        ("not clear", not_clear()),
        ("unsure", words(MessageKind::Answer(Certainty::Unsure), "unsure", 0, &unsure)),
        ("long name, fault", changed(sure("German short-haired pointer", 88), |words| words.notice = Some(notice))),
        ("no camera", changed(no_camera, |words| words.hints = hints(&["Plug one in; the picture starts by itself."]))),
        ("stale", changed(stale, |words| words.hints = hints(&["last seen: macaw"]))),
    ]
}

/// Returns a frame that gets brighter from left to right.
fn gradient(size: Size) -> Canvas {
    let mut canvas = Canvas::new(size);
    for y in 0..size.height {
        for (x, pixel) in canvas.row_mut(0, y, size.width).iter_mut().enumerate() {
            *pixel = xrgb8888([(x as u32 * 255 / size.width) as u8; 3]);
        }
    }
    canvas
}

fn render(columns: u16, rows: u16, depth: ColourDepth, words: &ScreenWords) -> Buffer {
    let layout = Layout::new(columns, rows);
    let mut page = Page::new(depth, false);
    page.has_keys = true;
    let mut buffer = Buffer::empty(layout.window);
    page.draw(&mut buffer, &layout, words);
    if Page::has_picture(words) {
        let canvas = gradient(Size::new(u32::from(layout.picture.width), 2 * u32::from(layout.picture.height)));
        picture::draw(&mut buffer, layout.picture, &canvas, depth);
    }
    page.draw_log(&mut buffer, layout.log, &["info: camera /dev/video0".into(), "warn: disk nearly full".into()]);
    buffer
}

/// Returns the rows of an area without their styles.
fn lines(buffer: &Buffer, area: Rect) -> Vec<String> {
    let line = |y| (area.x..area.right()).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_string();
    (area.y..area.bottom()).map(line).collect()
}

/// Returns all rows; equal rows in sequence are counted.
fn text(buffer: &Buffer) -> String {
    let lines = lines(buffer, buffer.area);
    let mut text = String::new();
    for same in lines.chunk_by(|a, b| a == b) {
        text += &format!("{:2} |{}\n", same.len(), same[0]);
    }
    text
}

fn snapshot(columns: u16, rows: u16, depth: ColourDepth) {
    let page =
        |(name, words): &(&str, ScreenWords)| format!("{name}\n{}\n", text(&render(columns, rows, depth, words)));
    let pages: String = states().iter().map(page).collect();
    let colours = if depth == ColourDepth::Monochrome { "_no_color" } else { "" };
    insta::assert_snapshot!(format!("terminal_{columns}x{rows}{colours}"), pages);
}

#[test]
fn window_of_each_size_shows_each_state() {
    for (columns, rows) in [(40, 12), (80, 24), (100, 30), (120, 40), (200, 50), (250, 70), (60, 50)] {
        snapshot(columns, rows, ColourDepth::True);
    }
}

#[test]
fn window_without_colours_shows_shades() {
    snapshot(40, 12, ColourDepth::Monochrome);
    snapshot(80, 24, ColourDepth::Monochrome);
}

#[test]
fn details_take_the_place_of_candidates() {
    let detail = |name, value: &str| Detail { name, value: value.into() };
    let details = vec![detail("Model", "lite2@260"), detail("Size", "φ 1.03"), detail("Temperature", "61 °C")];
    let words = changed(not_clear(), |words| words.details = details);
    let shown = text(&render(80, 24, ColourDepth::True, &words));
    assert!(shown.contains("Temperature       61 °C"), "{shown}");
    assert!(!shown.contains("tabby"), "{shown}");
}

#[test]
fn long_notice_has_its_shorter_wording() {
    let wordings =
        ["Finding the best model for this board: 6 of 18", "Finding the best model: 6 of 18", "model 6 of 18"];
    let notice = NoticeWords { wordings: wordings.map(String::from).to_vec(), is_fault: false };
    let words = changed(sure("hen", 93), |words| words.notice = Some(notice));
    let rows = |columns, rows| text(&render(columns, rows, ColourDepth::True, &words));
    assert!(rows(80, 24).contains("for this board: 6 of 18"));
    assert!(rows(40, 12).contains("model: 6 of 18"));
}

#[test]
fn smallest_windows_do_not_panic() {
    for columns in (0..=22).chain(58..=61) {
        for rows in 0..=21 {
            for (_, words) in states() {
                render(columns, rows, ColourDepth::True, &words);
            }
        }
    }
}

#[test]
fn name_and_percentage_survive_in_tiny_windows() {
    for (columns, rows) in [(20, 2), (20, 5), (29, 3), (40, 6)] {
        let shown = text(&render(columns, rows, ColourDepth::True, &sure("red panda", 95)));
        assert!(shown.contains("red panda"), "{columns}x{rows}: {shown}");
        assert!(shown.contains("95 %"), "{columns}x{rows}: {shown}");
    }
}

#[test]
fn percentage_survives_a_name_that_fills_the_window() {
    for (columns, rows) in [(12, 2), (12, 3), (8, 4)] {
        let shown = text(&render(columns, rows, ColourDepth::True, &sure("German short-haired pointer", 88)));
        assert!(shown.contains("88 %"), "{columns}x{rows}: {shown}");
    }
}

#[test]
fn name_longer_than_the_window_wraps_in_bold() {
    let name = "a name of a class of a model that somebody added, longer than any name of ImageNet";
    let layout = Layout::new(60, 20);
    let shown = lines(&render(60, 20, ColourDepth::True, &sure(name, 88)), layout.name);
    assert_eq!(shown.join(" ").trim(), name);
}

/// Returns the number of half blocks in `area`, two for a full block.
fn half_blocks(buffer: &Buffer, area: Rect) -> usize {
    let blocks = lines(buffer, area).concat();
    blocks.chars().map(|symbol| if symbol == '█' { 2 } else { usize::from(matches!(symbol, '▀' | '▄')) }).sum()
}

#[test]
fn every_label_is_whole_in_80_columns() {
    let layout = Layout::new(80, 24);
    let page = Page::new(ColourDepth::True, false);
    let mut in_letters = 0;
    for label in labels() {
        let buffer = render(80, 24, ColourDepth::True, &sure(&label, 88));
        match page.largest_letters(&label, layout.name) {
            Some(letters) => {
                in_letters += 1;
                assert_eq!(half_blocks(&buffer, layout.name), letters.lines[0].drawn_pixels(), "{label}");
            }
            None => assert_eq!(lines(&buffer, layout.name).join(" ").trim(), label),
        }
        assert!(lines(&buffer, layout.rule)[0].ends_with("─ 88 %"), "{label}");
    }
    println!("{in_letters} of 1,000 labels are in block letters at 80 columns");
    assert!(in_letters >= 930, "{in_letters}"); // the design counts 947, without the gap between letters
}

#[test]
fn every_label_is_whole_in_40_columns() {
    for label in labels() {
        let buffer = render(40, 12, ColourDepth::True, &sure(&label, 88));
        let side = lines(&buffer, Layout::new(40, 12).side);
        let shown = side.join(" ").replace(' ', "");
        assert!(shown.contains(&label.replace(' ', "")), "{label}: {side:?}");
        assert!(shown.contains("88%"), "{label}: {side:?}");
    }
}

#[test]
fn candidates_are_whole_in_80_columns() {
    let mut cut = Vec::new();
    for label in labels() {
        let words = words(MessageKind::Answer(Certainty::NotClear), "hen", 41, &[(&label, 27), (&label, 12)]);
        let side = lines(&render(80, 24, ColourDepth::True, &words), Layout::new(80, 24).side).join(" ");
        if side.contains('…') {
            cut.push(label);
        }
    }
    println!("candidates cut at 80 columns: {cut:?}");
    assert!(cut.len() <= 10, "{cut:?}"); // issue 20: the label is whole for 99 % of the 1,000 names
}
