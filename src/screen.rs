//! What is to be seen now: the newest frame, the newest answer, and what has to be said.

use std::fmt::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::classifier::Answer;
use crate::display::Shown;
use crate::frame::{Frame, Size};
use crate::overlay::{Overlay, Scene};
use crate::picture::Picture;

/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(4);

/// A copy of what is to be seen: leases, no pixels.
#[derive(Clone, Default)]
pub struct Seen {
    frame: Option<Frame>,
    answer: Option<Answer>,
    notice: Option<(Instant, std::sync::Arc<str>)>,
    /// Whether no picture was drawn of this answer yet.
    new_answer: bool,
    /// Whether anything is new.
    changed: bool,
}

impl Seen {
    /// Whether there is anything new in it.
    pub fn is_new(&self) -> bool {
        self.changed
    }
}

#[derive(Default)]
struct State {
    seen: Seen,
    changed: bool,
    closed: bool,
}

/// Where the other threads put what is to be seen. Putting never waits for drawing.
#[derive(Default)]
pub struct Screen {
    state: Mutex<State>,
    wake: Condvar,
}

impl Screen {
    /// Shows `frame` from now on.
    pub fn set_frame(&self, frame: Frame) {
        self.change(|seen| seen.frame = Some(frame));
    }

    /// Keeps showing the frame that is shown, from a copy: its camera is lost, and wants its buffers back.
    pub fn keep_frame(&self) {
        self.change(|seen| seen.frame = seen.frame.take().map(|frame| frame.detached()));
    }

    /// Shows `answer` from now on.
    pub fn set_answer(&self, answer: Answer) {
        self.change(|seen| {
            seen.answer = Some(answer);
            seen.new_answer = true;
        });
    }

    /// Shows `text` for a few seconds.
    pub fn notice(&self, text: String) {
        self.change(|seen| seen.notice = Some((Instant::now(), text.into())));
    }

    /// Says that nothing more will come. What is there is still shown.
    pub fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// Waits for a change up to `limit` and gives what is to be seen, changed or not; nothing once it is closed and all
    /// was given.
    pub fn wait(&self, limit: Duration) -> Option<Seen> {
        let state = self.lock();
        let waited = self.wake.wait_timeout_while(state, limit, |state| !state.changed && !state.closed);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closed && !state.changed {
            return None;
        }
        state.changed = false;
        if state.seen.notice.as_ref().is_some_and(|(since, _)| since.elapsed() >= NOTICE) {
            state.seen.notice = None;
            state.seen.changed = true; // it has to go from the screen
        }
        let seen = state.seen.clone();
        state.seen.new_answer = false;
        state.seen.changed = false;
        Some(seen)
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        let mut state = self.lock();
        change(&mut state.seen);
        state.seen.changed = true;
        state.changed = true;
        drop(state);
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each change leaves it whole
    }
}

/// Draws what is to be seen, for displays of any sizes; a picture is kept for each size.
#[derive(Default)]
pub struct Drawing {
    overlay: Overlay,
    pictures: Vec<Picture>,
    damage: Vec<crate::view::Area>,
    caption: String,
}

impl Drawing {
    /// The picture and the caption of `seen` for a display of `size`.
    pub fn draw(&mut self, seen: &Seen, size: Size) -> Shown<'_> {
        let known = self.pictures.iter().position(|picture| picture.size() == size);
        let index = known.unwrap_or_else(|| {
            self.pictures.push(Picture::new(size));
            self.pictures.len() - 1
        });
        let now = Instant::now();
        let notice = seen.notice.as_ref().map(|(_, text)| &**text);
        let scene = Scene { frame: seen.frame.as_ref(), answer: seen.answer.as_ref(), notice, now };
        self.overlay.draw(&mut self.pictures[index], &scene);
        self.damage.clear();
        self.damage.push(self.pictures[index].area());
        self.caption.clear();
        if let Some(answer) = &seen.answer {
            caption(&mut self.caption, answer);
        }
        Shown {
            picture: &self.pictures[index],
            damage: &self.damage,
            caption: &self.caption,
            new_answer: seen.new_answer,
        }
    }
}

/// `dog.jpg: German shepherd 87 %, malinois 5 % · lite2@320 φ 1.66, 71.0 ms`
fn caption(caption: &mut String, answer: &Answer) {
    let model = &answer.model;
    if let Some(source) = &answer.source {
        let _ = write!(caption, "{source}: "); // writing into a string cannot fail, here and below
    }
    if answer.guesses.unsure {
        caption.push_str("unsure, perhaps ");
    }
    for (place, guess) in answer.guesses.best().iter().take(2).enumerate() {
        let comma = if place > 0 { ", " } else { "" };
        let _ = write!(caption, "{comma}{} {:.0} %", model.labels.of(guess.class), guess.probability * 100.0);
    }
    let (choice, total_ms) = (&model.choice, answer.times.total_ms());
    let _ = write!(caption, " · {} {}, {total_ms:.1} ms", choice.name, choice.phi_in_words());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_before_closing_is_still_given_and_then_no_more() {
        let screen = Screen::default();
        assert!(!screen.wait(Duration::ZERO).unwrap().is_new(), "nothing happened");
        screen.notice("no camera".into());
        screen.close();
        let seen = screen.wait(Duration::from_secs(600)).unwrap();
        assert!(seen.is_new() && seen.notice.is_some());
        assert!(screen.wait(Duration::from_secs(600)).is_none());
    }
}
