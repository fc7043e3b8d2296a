//! States of the screen: what each shows, by its pixels.

use super::*;

#[test]
fn answer_has_its_percentage_and_rule_in_the_accent() {
    let frame = grey_hd_frame();
    for size in SIZES.into_iter().filter(|size| size.0.min(size.1) > 128) {
        let words = sure("red panda");
        let canvas = drawn(size, &scene(Some(&frame), &words));
        assert!(count(&canvas, ACCENT) > 30, "{size:?}");
        assert!(count(&canvas, INK) > 30, "{size:?}");
        assert_eq!(count(&canvas, FAULT), 0, "{size:?}");
    }
}

#[test]
fn tiny_screen_has_two_colours() {
    let frame = grey_hd_frame();
    for size in [(128, 32), (128, 64), (128, 128)] {
        for words in [sure("red panda"), answer(Certainty::Unsure, "unsure", 4, &[("ram", 4)])] {
            let canvas = drawn(size, &scene(Some(&frame), &words));
            let inked = count(&canvas, INK);
            assert_eq!(inked + count(&canvas, PAPER), (size.0 * size.1) as usize, "{size:?}");
            assert!(inked > 100, "{size:?}: {inked} pixels of letters");
        }
    }
}

#[test]
fn unsure_answer_has_no_accent() {
    let frame = grey_hd_frame();
    for size in SIZES {
        let words = answer(Certainty::Unsure, "unsure", 14, &[("ram", 14), ("bighorn", 9)]);
        assert_eq!(count(&drawn(size, &scene(Some(&frame), &words)), ACCENT), 0, "{size:?}");
    }
}

#[test]
fn picture_is_darker_outside_of_the_region_alone() {
    let frame = grey_hd_frame();
    let words = ScreenWords::default();
    let canvas = drawn((1280, 720), &scene(Some(&frame), &words));
    let at = |x: u32, y: u32| canvas.row(x, y, 1)[0];
    assert_eq!(at(640, 360), 0x646464, "inside");
    assert!(at(100, 360) < 0x404040, "left of it");
    assert!(at(640, 10) < 0x404040, "above it");
}

#[test]
fn region_has_four_marks_and_no_box() {
    let frame = grey_hd_frame();
    let words = ScreenWords::default();
    let canvas = drawn((1280, 720), &scene(Some(&frame), &words));
    let middle = canvas.row(0, 360, 1280);
    assert!(!middle.contains(&pixel(INK)), "no line beside the middle of the picture");
    let corner_rows = [46, 673].map(|y| canvas.row(0, y, 1280).iter().filter(|&&found| found == pixel(INK)).count());
    assert!(corner_rows.iter().all(|&count| count > 60), "two arms each: {corner_rows:?}");
}

#[test]
fn mark_below_the_label_is_left_out() {
    let frame = grey_hd_frame();
    let words = sure("red panda");
    let canvas = drawn((1280, 720), &scene(Some(&frame), &words));
    let row = canvas.row(0, 673, 1280);
    let marks = row.iter().filter(|&&found| found == pixel(INK)).count();
    assert!((30..60).contains(&marks), "one arm at the right: {marks}");
}

#[test]
fn whole_frame_has_no_marks() {
    let frame = grey_frame(Size::new(640, 480), 0, None);
    let words = ScreenWords::default();
    let whole = Rect { left: 0, top: 0, width: 640, height: 480 };
    let canvas = drawn((1280, 720), &Scene { region: Some(whole), ..scene(Some(&frame), &words) });
    assert_eq!(count(&canvas, INK), 0);
}

#[test]
fn stale_picture_is_dimmed_and_says_so() {
    let frame = grey_hd_frame();
    let words = ScreenWords {
        kind: MessageKind::Stale,
        title: "No new picture for 12 s".into(),
        hints: vec!["last seen: macaw".into()],
        ..ScreenWords::default()
    };
    for size in SIZES.into_iter().filter(|size| size.0.min(size.1) > 128) {
        let canvas = drawn(size, &scene(Some(&frame), &words));
        assert!(canvas.row(size.0 / 2, 5, 1)[0] < 0x202020, "{size:?}");
        assert!(count(&canvas, INK) > 30, "{size:?}");
    }
}

#[test]
fn missing_camera_hides_the_last_picture() {
    let frame = grey_hd_frame();
    let words = ScreenWords {
        kind: MessageKind::NoCamera,
        title: "No camera".into(),
        hints: vec!["Plug one in; the picture starts by itself.".into()],
        ..ScreenWords::default()
    };
    for size in SIZES {
        let canvas = drawn(size, &scene(Some(&frame), &words));
        assert!(!canvas.pixels().contains(&0x646464), "{size:?}");
        assert!(count(&canvas, INK) > 20, "{size:?}");
    }
}

#[test]
fn fault_has_its_colour_and_a_sign() {
    let frame = grey_hd_frame();
    let notice = |is_fault| Some(NoticeWords { wordings: vec!["Too little power".into()], is_fault });
    for size in SIZES.into_iter().filter(|size| size.0.min(size.1) > 128) {
        let fault = ScreenWords { notice: notice(true), ..sure("red panda") };
        assert!(count(&drawn(size, &scene(Some(&frame), &fault)), FAULT) > 20, "{size:?}");
        let message = ScreenWords { notice: notice(false), ..sure("red panda") };
        assert_eq!(count(&drawn(size, &scene(Some(&frame), &message)), FAULT), 0, "{size:?}");
    }
}

#[test]
fn old_picture_is_said_on_small_screens_too() {
    let frame = grey_hd_frame();
    let old = ScreenWords { time: "3 s old".into(), is_late: true, ..sure("red panda") };
    let live = sure("red panda");
    for size in [(240, 240), (320, 240), (240, 320)] {
        let strip = |words| drawn(size, &scene(Some(&frame), words)).row(0, 3, 200).to_vec();
        assert_eq!(strip(&old)[3], pixel(PAPER), "{size:?}");
        assert_ne!(strip(&live)[3], pixel(PAPER), "{size:?}");
    }
}

#[test]
fn details_show_the_known_rows() {
    let frame = grey_hd_frame();
    let row = |name, value: &str| phicam_display::words::Detail { name, value: value.into() };
    let words = ScreenWords { details: vec![row("Model", "lite2@260"), row("Limit", "100 ms")], ..sure("red panda") };
    let mut text = Text::default();
    for size in SIZES.into_iter().filter(|size| size.0.min(size.1) > 128) {
        let details = Scene { page: Page::Details, ..scene(Some(&frame), &words) };
        let list = composed(size, &details, &mut text);
        assert!(list.text.contains("Modellite2@260Limit100 ms"), "{size:?}: {}", list.text);
    }
}

#[test]
fn tiny_canvas_is_no_error() {
    let frame = grey_hd_frame();
    let message = |kind| ScreenWords { kind, hints: vec!["a hint that is long".into()], ..sure("No picture") };
    let notice = Some(NoticeWords { wordings: vec!["Too little power".into()], is_fault: true });
    let words = [
        sure("red panda"),
        answer(Certainty::NotClear, "hen", 40, &[("cock", 30)]),
        ScreenWords { notice, ..answer(Certainty::Unsure, "unsure", 3, &[("cock", 3)]) },
        message(MessageKind::Stale),
        message(MessageKind::NoCamera),
        ScreenWords::default(),
    ];
    for size in [(1, 1), (3, 200), (200, 3), (130, 130), (129, 4000), (1, 4000)] {
        for words in &words {
            for page in [Page::Answer, Page::Details] {
                for is_round in [false, true] {
                    drawn(size, &Scene { page, is_round, ..scene(Some(&frame), words) });
                }
            }
        }
    }
}

#[test]
fn notice_covers_no_label_on_tiny_screens() {
    let notice = Some(NoticeWords { wordings: vec!["Hot, 84 °C".into()], is_fault: true });
    let mut text = Text::default();
    for words in [
        sure("red panda"),
        answer(Certainty::NotClear, "hen", 40, &[("cock", 30)]),
        answer(Certainty::Unsure, "unsure", 3, &[("cock", 3)]),
    ] {
        let title = words.title.clone();
        let words = ScreenWords { notice: notice.clone(), ..words };
        for size in [(128, 64), (128, 32)] {
            let list = composed(size, &scene(None, &words), &mut text);
            let strip = list.panels[1].area;
            let label = list.items(&list.panels[0]).iter().find(|item| match &item.content {
                Content::Text { text, .. } => list.text[text.clone()] == title,
                _ => false,
            });
            let Some(Content::Text { cap_height, origin, .. }) = label.map(|label| &label.content) else {
                panic!("{title} at {size:?} has no label");
            };
            let capitals = Rect { left: 0, top: origin.1 - cap_height, width: size.0, height: *cap_height };
            assert_eq!(capitals.intersection(strip).height, 0, "{title} at {size:?}");
        }
    }
}
