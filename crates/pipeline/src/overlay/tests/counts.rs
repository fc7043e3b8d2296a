//! Counts over the labels that ship: are names whole, and all words on the screen?

use super::*;
use crate::overlay::label_card::fitted_name;
use crate::overlay::tiny_label::is_whole;
use draw_list::Content;

/// Labels of ImageNet in plain words, as the catalog has them.
fn labels() -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/imagenet/labels.txt");
    let labels: Vec<String> = std::fs::read_to_string(path).unwrap().lines().map(String::from).collect();
    assert_eq!(labels.len(), 1000);
    labels
}

#[test]
fn names_are_whole_at_every_size() {
    let mut text = Text::default();
    let labels = labels();
    for size in SIZES.into_iter().chain([(480, 480), (720, 1280), (400, 1280), (320, 1480), (480, 1920), (240, 536)]) {
        let class = ScreenClass::new(Size::new(size.0, size.1), false);
        let whole = |text: &mut Text, name: &str| match class.shape {
            Shape::Tiny => is_whole(text, name, class.size),
            _ => fitted_name(text, &class, &sure(name)).is_whole,
        };
        let count = labels.iter().filter(|name| whole(&mut text, name)).count();
        println!("{size:?}: {count} of 1000 names are whole");
        assert!(count >= 990, "{size:?}: {count} of 1000 names are whole");
    }
    let class = ScreenClass::new(Size::new(240, 240), true);
    let count = labels.iter().filter(|name| fitted_name(&mut text, &class, &sure(name)).is_whole).count();
    assert!(count >= 990, "round: {count} of 1000 names are whole");
}

/// Returns the pixels of all texts of `list`: left, right, top of capitals, baseline.
fn text_boxes(list: &DrawList, text: &mut Text) -> Vec<(u32, u32, u32, u32)> {
    let items = list.panels.iter().flat_map(|panel| list.items(panel));
    let boxes = items.filter_map(|item| match &item.content {
        Content::Text { text: range, cap_height, origin, is_one_bit, .. } => {
            Some((list.text[range.clone()].to_string(), *cap_height, *origin, *is_one_bit))
        }
        _ => None,
    });
    let boxes: Vec<_> = boxes.collect();
    boxes
        .into_iter()
        .map(|(words, cap, (x, baseline), is_one_bit)| {
            let width = text.styled_width(&words, cap, is_one_bit);
            (x, x + width, baseline.saturating_sub(cap), baseline)
        })
        .collect()
}

fn for_each_state(name: &str, check: &mut dyn FnMut(&ScreenWords)) {
    let other = format!("{name} too");
    check(&sure(name));
    check(&answer(Certainty::NotClear, name, 41, &[(name, 27), (&other, 12)]));
    check(&answer(Certainty::Unsure, "unsure", 14, &[(name, 14), (name, 9), (&other, 4)]));
    let notice = NoticeWords { wordings: vec!["Too little power".into(), "power".into()], is_fault: true };
    check(&ScreenWords { notice: Some(notice.clone()), ..sure(name) });
    let not_clear = answer(Certainty::NotClear, name, 41, &[(name, 27), (&other, 12)]);
    check(&ScreenWords { notice: Some(notice.clone()), ..not_clear });
    check(&ScreenWords { notice: Some(notice), ..answer(Certainty::Unsure, "unsure", 14, &[(name, 14), (name, 9)]) });
    let hints = vec![format!("last seen: {name}"), format!("last: {name}")];
    let title = "No new picture for 59 min".into();
    check(&ScreenWords { kind: MessageKind::Stale, title, hints, ..ScreenWords::default() });
}

#[test]
fn words_are_on_the_screen_and_do_not_overlap() {
    let (mut text, frame) = (Text::default(), grey_hd_frame());
    // Every eighth label and the longest ones: each is drawn in three states at ten sizes.
    let mut labels = labels();
    labels.sort_by_key(|label| std::cmp::Reverse(label.len()));
    let (longest, rest) = labels.split_at(30);
    for name in longest.iter().chain(rest.iter().step_by(8)) {
        for size in SIZES {
            for_each_state(name, &mut |words| {
                let list = composed(size, &scene(Some(&frame), words), &mut text);
                let boxes = text_boxes(&list, &mut text);
                for &(left, right, top, bottom) in &boxes {
                    let is_inside = right <= size.0 && bottom <= size.1 && left < right && top < bottom;
                    assert!(is_inside, "{name} at {size:?}: {left}..{right}, {top}..{bottom}");
                }
                for (index, a) in boxes.iter().enumerate() {
                    for b in &boxes[index + 1..] {
                        let is_apart = a.1 <= b.0 || b.1 <= a.0 || a.3 <= b.2 || b.3 <= a.2;
                        assert!(is_apart, "{name} at {size:?}, {}: {a:?} and {b:?}", list.text);
                    }
                }
            });
        }
    }
}

#[test]
fn words_stay_inside_the_circle() {
    let (mut text, frame) = (Text::default(), grey_hd_frame());
    let radius = 120.0;
    let (mut outside, mut count) = (0, 0);
    for name in labels() {
        for_each_state(&name, &mut |words| {
            let round = Scene { is_round: true, ..scene(Some(&frame), words) };
            let list = composed((240, 240), &round, &mut text);
            for (left, right, top, bottom) in text_boxes(&list, &mut text) {
                count += 1;
                let is_in = |x: u32, y: u32| (f64::from(x) - radius).hypot(f64::from(y) - radius) <= radius;
                let corners = [(left, top), (left, bottom), (right, top), (right, bottom)];
                outside += u32::from(!corners.iter().all(|&(x, y)| is_in(x, y)));
            }
        });
    }
    assert!(outside * 200 <= count, "{outside} of {count} texts touch the edge");
}
