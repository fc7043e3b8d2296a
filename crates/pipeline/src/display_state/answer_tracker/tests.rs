use super::*;
use crate::classify::Times;
use crate::classify::postprocess::{Postprocessor, Settings};
use phicam_engine::ExecutionConfig;
use phicam_frame::{Rect, Size};
use phicam_model::labels::Labels;

/// Source of classifications of one scene, by probabilities of three classes.
struct Source {
    start: Instant,
    model: Arc<Model>,
}

impl Source {
    fn new() -> Source {
        let labels = Labels::parse(b"ox\nhen\ncastle\njay\n", "labels.txt".as_ref()).unwrap();
        let model = Arc::new(Model {
            variant: phicam_test_fixtures::variant("lite2", 320, 1175.2, 77.8),
            config: ExecutionConfig::tract(2),
            engine_description: String::new(),
            labels,
        });
        Source { start: Instant::now(), model }
    }

    fn classification(&self, ms: u64, probabilities: [f32; 4], source: Option<&str>) -> Classification {
        let captured = self.start + Duration::from_millis(ms);
        let scores = probabilities.map(|probability| probability.max(1e-6).ln());
        let settings = Settings { min_confidence: 0.3, ..Settings::default() };
        Classification {
            frame: 0,
            source: source.map(Arc::from),
            captured,
            predictions: Postprocessor::new(settings, 4).predict(&scores, captured, 0),
            frame_size: Size::new(640, 480),
            region: Rect { left: 0, top: 0, width: 480, height: 480 },
            model: self.model.clone(),
            times: Times::default(),
        }
    }
}

const OX: [f32; 4] = [0.9, 0.05, 0.03, 0.02];
const HEN: [f32; 4] = [0.1, 0.8, 0.06, 0.04];
const OX_OR_HEN: [f32; 4] = [0.48, 0.40, 0.08, 0.04];
const NOTHING: [f32; 4] = [0.28, 0.26, 0.24, 0.22];

/// Returns the shown label and certainty after each answer.
fn shown(answers: &[(u64, [f32; 4])]) -> Vec<(String, Certainty)> {
    let (source, mut tracker) = (Source::new(), AnswerTracker::default());
    let record = |&(ms, probabilities): &(u64, [f32; 4])| {
        tracker.record(&source.classification(ms, probabilities, None));
        let answer = tracker.shown().unwrap();
        (answer.label().to_string(), answer.certainty)
    };
    answers.iter().map(record).collect()
}

fn labels(answers: &[(u64, [f32; 4])]) -> Vec<String> {
    shown(answers).into_iter().map(|(label, _)| label).collect()
}

#[test]
fn label_changes_when_answers_half_a_second_apart_agree() {
    let answers = [(0, OX), (100, HEN), (200, HEN), (599, HEN), (600, HEN)];
    assert_eq!(labels(&answers), ["ox", "ox", "ox", "ox", "hen"]);
}

#[test]
fn answer_that_disagrees_starts_the_wait_again() {
    let answers = [(0, OX), (100, HEN), (400, OX), (500, HEN), (900, HEN), (1000, HEN)];
    assert_eq!(labels(&answers), ["ox", "ox", "ox", "ox", "ox", "hen"]);
}

#[test]
fn answer_after_a_pause_is_shown_at_once() {
    assert_eq!(labels(&[(0, OX), (2999, HEN)]), ["ox", "ox"]);
    assert_eq!(labels(&[(0, OX), (3000, HEN)]), ["ox", "hen"]);
}

#[test]
fn certainty_follows_the_two_most_probable_classes() {
    let certainties = [OX, OX_OR_HEN, NOTHING].map(|probabilities| shown(&[(0, probabilities)])[0].1);
    assert_eq!(certainties, [Certainty::Sure, Certainty::NotClear, Certainty::Unsure]);
}

#[test]
fn sure_answer_has_at_least_70_percent() {
    let certainty = |first: f32| shown(&[(0, [first, 1.0 - first, 0.0, 0.0])])[0].1;
    assert_eq!(certainty(0.69), Certainty::NotClear);
    assert_eq!(certainty(0.71), Certainty::Sure);
}

#[test]
fn candidates_have_at_least_five_percent() {
    let (source, mut tracker) = (Source::new(), AnswerTracker::default());
    tracker.record(&source.classification(0, OX_OR_HEN, None));
    let candidates: Vec<_> = tracker.shown().unwrap().candidates().collect();
    assert_eq!(candidates, [("hen", 40), ("castle", 8)], "the third has 4 %");
}

#[test]
fn unsure_answer_names_its_guesses() {
    let (source, mut tracker) = (Source::new(), AnswerTracker::default());
    tracker.record(&source.classification(0, NOTHING, None));
    let candidates: Vec<_> = tracker.shown().unwrap().candidates().collect();
    assert_eq!(candidates, [("ox", 28), ("hen", 26), ("castle", 24)]);
}

#[test]
fn still_image_is_shown_at_once() {
    let (source, mut tracker) = (Source::new(), AnswerTracker::default());
    let mut shown = Vec::new();
    for (ms, probabilities, file) in [(0, OX, "a.jpg"), (10, HEN, "b.jpg"), (20, OX, "c.jpg")] {
        tracker.record(&source.classification(ms, probabilities, Some(file)));
        shown.push(tracker.shown().unwrap().label().to_string());
    }
    assert_eq!(shown, ["ox", "hen", "ox"]);
}

#[test]
fn percentage_changes_twice_a_second_at_most() {
    let (source, mut tracker) = (Source::new(), AnswerTracker::default());
    let mut shown = Vec::new();
    for (ms, first) in [(0, 0.9), (100, 0.8), (499, 0.8), (500, 0.8), (900, 0.7)] {
        tracker.record(&source.classification(ms, [first, 1.0 - first, 0.0, 0.0], None));
        shown.push(tracker.shown().unwrap().percent);
    }
    assert_eq!(shown, [90, 90, 90, 80, 80]);
}

#[test]
fn certain_answer_has_99_percent() {
    let (source, mut tracker) = (Source::new(), AnswerTracker::default());
    tracker.record(&source.classification(0, [1.0, 0.0, 0.0, 0.0], None));
    assert_eq!(tracker.shown().unwrap().percent, 99);
}

#[test]
fn answer_counts_from_the_first_frame_with_its_label() {
    let (source, mut tracker) = (Source::new(), AnswerTracker::default());
    for (ms, probabilities) in [(0, OX), (1000, HEN), (1600, HEN), (2000, HEN)] {
        tracker.record(&source.classification(ms, probabilities, None));
    }
    let answer = tracker.shown().unwrap();
    assert_eq!(answer.since - source.start, Duration::from_millis(1000));
    assert_eq!(answer.last_classified - source.start, Duration::from_millis(2000));
}

#[test]
fn label_keeps_its_time_when_only_the_certainty_changes() {
    let (source, mut tracker) = (Source::new(), AnswerTracker::default());
    for (ms, probabilities) in [(0, OX), (1000, OX_OR_HEN), (1600, OX_OR_HEN)] {
        tracker.record(&source.classification(ms, probabilities, None));
    }
    let answer = tracker.shown().unwrap();
    assert_eq!((answer.certainty, answer.since), (Certainty::NotClear, source.start));
}

#[test]
fn labels_in_turn_do_not_make_a_live_picture_old() {
    let (source, mut tracker) = (Source::new(), AnswerTracker::default());
    for (index, ms) in (0..2400).step_by(200).enumerate() {
        tracker.record(&source.classification(ms, [OX, HEN, NOTHING][index % 3], None));
    }
    assert_eq!(tracker.shown().unwrap().last_classified - source.start, Duration::from_millis(2200));
}
