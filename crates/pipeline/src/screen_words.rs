//! Words of the screen: composed from the view state, in the words of people in front of the board.

use std::fmt::{Arguments, Write};
use std::time::{Duration, Instant};

use phicam_display::words::{Certainty, Detail, MessageKind, NoticeWords, ScreenWords};

use crate::classify::Classification;
use crate::display_state::{AnswerTracker, ShownAnswer, ViewState};
use crate::overlay::Page;
use crate::status::{CameraState, Connection};

mod details;
mod notices;
pub use details::Readings;

/// Hints for a camera on a ribbon cable, the longest first.
const RIBBON_HINTS: [&str; 2] = ["Switch off, seat the ribbon cable, switch on.", "Seat the ribbon."];
/// Age from which the screen says how old its answer is, if the model is not slow by itself.
const LATE: Duration = Duration::from_secs(1);
/// Number of latencies after which an answer is late: one passes during inference, one before the next answer, and one is
/// for frames that take longer.
const LATE_LATENCIES: f64 = 3.0;
/// Age of an answer, relative to the newest frame, from which it does not belong to that frame: an estimate.
const FOREIGN: Duration = Duration::from_secs(3);
/// Longest latency that delays the age, in milliseconds: an estimate, an hour as in the budget.
const MAX_LATENCY_MS: f64 = 3.6e6;
/// Age from which the age of a stale frame is said in steps of ten seconds.
const TENS_OF_SECONDS: u64 = 10;
/// Age from which durations are said in minutes, and in hours: in seconds.
const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 3600;

/// Writes the words of `view` at `now`. The memory of the last words is used again, because each frame has new ones.
pub fn write_words(words: &mut ScreenWords, view: &ViewState, readings: &Readings, now: Instant) {
    words.clear_candidates();
    words.title.clear();
    words.time.clear();
    words.source.clear();
    words.hints.clear();
    words.percent = 0;
    words.is_late = false;
    let patience =
        Duration::from_secs_f64(readings.recent_ms.unwrap_or(0.0).clamp(0.0, MAX_LATENCY_MS) * LATE_LATENCIES / 1e3);
    words.kind = kind(view, FOREIGN.max(patience));
    match words.kind {
        MessageKind::Waiting => {}
        MessageKind::Answer(_) => write_answer(words, view, LATE.max(patience), now),
        MessageKind::Stale => write_stale(words, view),
        MessageKind::NoCamera => write_no_camera(words, view),
    }
    notices::write(&mut words.notice, view, readings);
    details::write_status(&mut words.status, readings);
    match view.page() {
        Page::Details => details::write(&mut words.details, readings),
        Page::Answer => words.details.clear(),
    }
}

/// Returns the words of one answer alone, for output that shows no picture.
pub fn answer_words(classification: &Classification) -> ScreenWords {
    let mut tracker = AnswerTracker::default();
    tracker.record(classification);
    let mut words = ScreenWords::default();
    if let Some(answer) = tracker.shown() {
        words.kind = MessageKind::Answer(answer.certainty);
        write_label(&mut words, answer);
    }
    words
}

/// Returns the kind of message. An answer that is older than the newest frame by more than `max_lag` belongs to another
/// scene: the camera was away.
fn kind(view: &ViewState, max_lag: Duration) -> MessageKind {
    let is_foreign = |answer: &&ShownAnswer| {
        let captured = view.frame_captured();
        captured.is_some_and(|captured| captured.saturating_duration_since(answer.last_classified) > max_lag)
    };
    match (view.camera(), view.stale(), view.answer()) {
        (CameraState::Missing(_) | CameraState::Lost(_), ..) => MessageKind::NoCamera,
        (_, Some(stale), _) if stale.is_dimmed => MessageKind::Stale,
        (.., Some(answer)) if !is_foreign(&answer) => MessageKind::Answer(answer.certainty),
        _ => MessageKind::Waiting,
    }
}

fn write_answer(words: &mut ScreenWords, view: &ViewState, late: Duration, now: Instant) {
    let Some(answer) = view.answer() else { return };
    write_label(words, answer);
    if let Some(source) = &answer.source {
        words.source.push_str(source);
        return; // the age of a still image has no meaning
    }
    let age = now.saturating_duration_since(answer.last_classified);
    words.is_late = age >= late || view.stale().is_some();
    if words.is_late {
        append(&mut words.time, format_args!("{} s old", age.as_secs().max(1)));
    } else {
        write_duration(&mut words.time, now.saturating_duration_since(answer.since));
    }
}

fn write_label(words: &mut ScreenWords, answer: &ShownAnswer) {
    words.title.push_str(if answer.certainty == Certainty::Unsure { "unsure" } else { answer.label() });
    words.percent = answer.percent;
    for (label, percent) in answer.candidates() {
        words.add_candidate(label, percent);
    }
}

/// Writes "just now", or a duration such as "for 3 min". It needs no clock that somebody has set.
fn write_duration(text: &mut String, duration: Duration) {
    match duration.as_secs() {
        0..MINUTE_S => text.push_str("just now"),
        seconds @ MINUTE_S..HOUR_S => append(text, format_args!("for {} min", seconds / MINUTE_S)),
        seconds => append(text, format_args!("for {} h", seconds / HOUR_S)),
    }
}

fn write_stale(words: &mut ScreenWords, view: &ViewState) {
    let age_s = view.stale().map_or(0, |stale| stale.age_s);
    match age_s {
        0..TENS_OF_SECONDS => append(&mut words.title, format_args!("No new picture for {age_s} s")),
        TENS_OF_SECONDS..MINUTE_S => {
            append(
                &mut words.title,
                format_args!("No new picture for {} s", age_s / TENS_OF_SECONDS * TENS_OF_SECONDS),
            );
        }
        _ => append(&mut words.title, format_args!("No new picture for {} min", age_s / MINUTE_S)),
    }
    if let Some(answer) = view.answer().filter(|answer| answer.certainty != Certainty::Unsure) {
        words.hints.extend([format!("last seen: {}", answer.label()), format!("last: {}", answer.label())]);
    }
}

fn write_no_camera(words: &mut ScreenWords, view: &ViewState) {
    let (title, hints) = match view.camera() {
        CameraState::Lost(Connection::Ribbon) => ("Camera lost", RIBBON_HINTS),
        CameraState::Missing(Connection::Ribbon) => ("No camera", RIBBON_HINTS),
        CameraState::Lost(_) => {
            ("Camera lost", ["Check its cable; the picture comes back by itself.", "Check its cable."])
        }
        CameraState::Missing(Connection::Unknown) => {
            ("No camera", ["USB: plug one in. Ribbon cable: switch off first.", "Plug one in."])
        }
        CameraState::Missing(Connection::Cable) | CameraState::Present => {
            ("No camera", ["Plug one in; the picture starts by itself.", "Plug one in."])
        }
    };
    words.title.push_str(title);
    words.hints.extend(hints.map(String::from));
}

/// Appends to a string, which cannot fail.
fn append(text: &mut String, words: Arguments) {
    let _ = text.write_fmt(words);
}

/// Returns the row at `index`, and adds it if need be, so that its memory is used again.
fn row<'a>(rows: &'a mut Vec<Detail>, index: usize, name: &'static str) -> &'a mut String {
    if rows.len() <= index {
        rows.push(Detail::default());
    }
    let row = &mut rows[index];
    row.name = name;
    row.value.clear();
    &mut row.value
}

/// Replaces the wordings of `notice`, unless they are equal.
fn set_notice(notice: &mut Option<NoticeWords>, wordings: &[&str], is_fault: bool) {
    let is_equal = |notice: &NoticeWords| notice.is_fault == is_fault && notice.wordings == wordings;
    if !notice.as_ref().is_some_and(is_equal) {
        let wordings = wordings.iter().map(|wording| wording.to_string()).collect();
        *notice = Some(NoticeWords { wordings, is_fault });
    }
}

#[cfg(test)]
mod tests;
