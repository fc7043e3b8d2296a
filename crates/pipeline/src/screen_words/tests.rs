use super::*;
use crate::classify::postprocess::{Postprocessor, Settings};
use crate::classify::{Classification, Model, Times};
use crate::display_state::Screen;
use crate::status::{Fault, Notice};
use phicam_engine::ExecutionConfig;
use phicam_frame::{Frame, FrameInfo, FramePool, Rect, Size};
use phicam_model::labels::Labels;

fn frame(captured: Instant, source: Option<&str>) -> Frame {
    let info = FrameInfo { size: Size::new(8, 8), sequence: 0, captured, source: source.map(Into::into), scene: 0 };
    let fill = |bytes: &mut Vec<u8>| {
        bytes.resize(8 * 8 * 3, 100);
        Ok::<_, ()>(info)
    };
    FramePool::default().fill(fill).unwrap()
}

fn classification(captured: Instant, source: Option<&str>, scores: [f32; 3]) -> Classification {
    let settings = Settings { min_confidence: 0.4, ..Settings::default() };
    Classification {
        frame: 0,
        source: source.map(Into::into),
        captured,
        predictions: Postprocessor::new(settings, 3).predict(&scores, captured, 0),
        frame_size: Size::new(8, 8),
        region: Rect { left: 0, top: 0, width: 8, height: 8 },
        model: std::sync::Arc::new(Model {
            variant: phicam_test_fixtures::variant("lite2", 320, 1175.2, 77.8),
            config: ExecutionConfig::tract(2),
            engine_description: String::new(),
            labels: Labels::parse(b"red panda\nhen\nox\n", "labels.txt".as_ref()).unwrap(),
        }),
        times: Times::default(),
    }
}

const SURE: [f32; 3] = [5.0, 0.0, 0.0];
const UNSURE: [f32; 3] = [0.1, 0.0, 0.0];

/// Returns the words of `screen`, as seen `later` than now.
fn words(screen: &Screen, readings: &Readings, later: Duration) -> ScreenWords {
    let view = screen.wait(Duration::ZERO).unwrap();
    let mut words = ScreenWords::default();
    write_words(&mut words, &view, readings, Instant::now() + later);
    words
}

fn screen_with_answer(source: Option<&str>, scores: [f32; 3]) -> Screen {
    let screen = Screen::default();
    let now = Instant::now();
    screen.set_frame(frame(now, source));
    screen.set_classification(classification(now, source, scores));
    screen
}

#[test]
fn first_picture_has_no_words() {
    let screen = Screen::default();
    screen.set_frame(frame(Instant::now(), None));
    let words = words(&screen, &Readings::default(), Duration::ZERO);
    assert_eq!((words.kind, words.title.as_str()), (MessageKind::Waiting, ""));
}

#[test]
fn unsure_answer_hides_its_first_label() {
    let words = words(&screen_with_answer(None, UNSURE), &Readings::default(), Duration::ZERO);
    assert_eq!((words.kind, words.title.as_str()), (MessageKind::Answer(Certainty::Unsure), "unsure"));
    assert_eq!(words.candidates()[0].label, "red panda");
}

#[test]
fn age_is_said_from_a_second_up() {
    let screen = screen_with_answer(None, SURE);
    let times = [0, 900, 3100].map(|ms| words(&screen, &Readings::default(), Duration::from_millis(ms)).time);
    assert_eq!(times, ["just now", "just now", "3 s old"]);
}

#[test]
fn still_image_has_no_age() {
    let words = words(&screen_with_answer(Some("a.jpg"), SURE), &Readings::default(), Duration::from_secs(60));
    assert_eq!((words.source.as_str(), words.time.as_str()), ("a.jpg", ""));
}

#[test]
fn durations_are_said_in_one_unit() {
    let said = [0, 59, 60, 3599, 3600, 90_000].map(|seconds| {
        let mut text = String::new();
        write_duration(&mut text, Duration::from_secs(seconds));
        text
    });
    assert_eq!(said, ["just now", "just now", "for 1 min", "for 59 min", "for 1 h", "for 25 h"]);
}

#[test]
fn stale_picture_says_its_age_and_the_last_answer() {
    let screen = Screen::default();
    let then = Instant::now().checked_sub(Duration::from_secs(27)).unwrap();
    screen.set_frame(frame(then, None));
    screen.set_classification(classification(then, None, SURE));
    let words = words(&screen, &Readings::default(), Duration::ZERO);
    assert_eq!((words.kind, words.title.as_str()), (MessageKind::Stale, "No new picture for 20 s"));
    assert_eq!(words.hints, ["last seen: red panda", "last: red panda"]);
}

#[test]
fn missing_camera_says_what_to_do() {
    let titles = [
        (CameraState::Missing(Connection::Cable), "Plug one in."),
        (CameraState::Missing(Connection::Unknown), "Plug one in."),
        (CameraState::Missing(Connection::Ribbon), "Seat the ribbon."),
        (CameraState::Lost(Connection::Cable), "Check its cable."),
        (CameraState::Lost(Connection::Ribbon), "Seat the ribbon."),
    ];
    for (state, hint) in titles {
        let screen = screen_with_answer(None, SURE);
        screen.set_camera(state);
        let words = words(&screen, &Readings::default(), Duration::ZERO);
        assert_eq!(words.kind, MessageKind::NoCamera);
        assert_eq!(words.hints[1], hint);
    }
}

#[test]
fn gravest_fault_is_said_first() {
    let screen = screen_with_answer(None, SURE);
    screen.show_notice(Notice::LargerModel);
    let said = |screen: &Screen, readings: &Readings| words(screen, readings, Duration::ZERO).notice.unwrap();
    assert_eq!(said(&screen, &Readings::default()).wordings, ["Now a larger model"]);
    screen.set_fault(Fault::Hot, Some("hot: 84 °C".into()));
    let readings = Readings { celsius: Some(84.2), ..Readings::default() };
    assert_eq!(said(&screen, &readings).wordings[1], "Hot, 84 °C");
    screen.set_fault(Fault::Power, Some("power: under-voltage".into()));
    let notice = said(&screen, &readings);
    assert_eq!((notice.wordings[1].as_str(), notice.is_fault), ("Too little power", true));
}

#[test]
fn unknown_readings_have_no_row() {
    let screen = screen_with_answer(None, SURE);
    screen.set_layout(Page::Details, false);
    let readings =
        Readings { model: "lite2@260".into(), recent_ms: Some(82.4), answers_per_s: Some(12.0), ..Readings::default() };
    let words = words(&screen, &readings, Duration::ZERO);
    assert_eq!(words.status, "lite2@260, 82 ms, 12 a second");
    let names: Vec<&str> = words.details.iter().map(|row| row.name).collect();
    assert_eq!(names, ["Model", "One answer", "Answers"]);
}
