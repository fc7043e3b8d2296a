//! What is to be seen now: the newest frame, the newest answer, and what has to be said.

use std::fmt::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::classify::Classification;
use crate::overlay::{Fault, Faults, Layer, Overlay, Scene, Stale};
use phicam_display::Shown;
use phicam_frame::Rect;
use phicam_frame::canvas::Canvas;
use phicam_frame::{Frame, FramePool, Size};

mod staleness;
use staleness::Pace;

/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(4);

/// A copy of what is to be seen: leases, no pixels.
#[derive(Clone, Default)]
pub struct Seen {
    frame: Option<Frame>,
    answer: Option<Classification>,
    notice: Option<(Instant, std::sync::Arc<str>)>,
    faults: Faults,
    /// Where the frame is older than it should be.
    stale: Option<Stale>,
    /// Whether no picture was drawn of this answer yet.
    new_answer: bool,
    /// Whether no picture was drawn of these faults yet, or of how stale the frame is.
    new_fault: bool,
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
    pace: Pace,
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
        let mut state = self.lock();
        state.pace.frame(frame.captured);
        state.seen.stale = None;
        drop(state);
        self.change(|seen| seen.frame = Some(frame));
    }

    /// Keeps showing the frame that is shown, from a copy: its camera is lost, and wants its buffers back.
    pub fn keep_frame(&self) {
        self.change(|seen| seen.frame = seen.frame.take().map(|frame| FramePool::default().copy(&frame)));
    }

    /// Shows `answer` from now on.
    pub fn set_answer(&self, answer: Classification) {
        self.change(|seen| {
            seen.answer = Some(answer);
            seen.new_answer = true;
        });
    }

    /// Shows `text` for a few seconds.
    pub fn notice(&self, text: String) {
        self.change(|seen| seen.notice = Some((Instant::now(), text.into())));
    }

    /// Shows what is wrong until it is taken back with `None`.
    pub fn set_fault(&self, kind: Fault, words: Option<String>) {
        if self.lock().seen.faults.set(kind, words.as_deref()) {
            self.change(|seen| seen.new_fault = true);
        }
    }

    /// What is wrong just now, in words, the gravest first.
    pub fn faults(&self) -> Vec<String> {
        self.lock().seen.faults.words().map(String::from).collect()
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
        // A picture from a file is as old as it is meant to be: only a camera's, which has no source, grows stale.
        let live = state.seen.frame.as_ref().filter(|frame| frame.source.is_none());
        let stale = live.and_then(|frame| state.pace.stale(frame.captured.elapsed()));
        if stale != state.seen.stale {
            // By this alone it is drawn again every second.
            (state.seen.stale, state.seen.new_fault, state.seen.changed) = (stale, true, true);
        }
        let seen = state.seen.clone();
        (state.seen.new_answer, state.seen.new_fault) = (false, false);
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

/// Draws what is to be seen, for one display.
pub struct Drawing {
    overlay: Overlay,
    picture: Canvas,
    layer: Layer,
    damage: Vec<Rect>,
    /// Whether the display took what was drawn last.
    taken: bool,
    caption: String,
}

impl Default for Drawing {
    fn default() -> Drawing {
        let (overlay, picture, layer) = (Overlay::default(), Canvas::new(Size::new(0, 0)), Layer::default());
        Drawing { overlay, picture, layer, damage: Vec::new(), taken: true, caption: String::new() }
    }
}

impl Drawing {
    /// The picture and the caption of `seen` for a display of `size`; the frame in a picture of its own where `give` gives
    /// a size for it, as [`phicam_display::Display::layer`] does.
    pub fn draw(&mut self, seen: &Seen, size: Size, mut give: impl FnMut(Rect) -> Option<Size>) -> Shown<'_> {
        if self.picture.size() != size {
            self.picture = Canvas::new(size);
        }
        let notice = seen.notice.as_ref().map(|(_, text)| &**text);
        let Seen { frame, answer, faults, stale, .. } = seen;
        let (frame, answer) = (frame.as_ref(), answer.as_ref());
        let scene = Scene { frame, stale: *stale, answer, faults, notice, now: Instant::now() };
        self.overlay.redraw_layered(&mut self.picture, &mut self.layer, &scene, &mut self.damage, &mut give);
        if !std::mem::replace(&mut self.taken, true) {
            self.damage.clear();
            self.damage.push(self.picture.area());
            self.layer.is_new = true;
        }
        self.caption.clear();
        if let Some(answer) = answer {
            caption(&mut self.caption, answer);
        }
        let Layer { ref picture, area, is_new } = self.layer;
        let layer = area.map(|area| phicam_display::Layer { picture, area, is_new });
        let (picture, damage, caption) = (&self.picture, &self.damage[..], &self.caption[..]);
        Shown { picture, damage, layer, caption, new_answer: seen.new_answer, new_fault: seen.new_fault }
    }

    /// Says that the display did not take what was drawn last.
    pub fn not_taken(&mut self) {
        self.taken = false;
    }
}

/// `dog.jpg: German shepherd 87 %, malinois 5 % · lite2@320 φ 1.66, 71.0 ms`
fn caption(caption: &mut String, answer: &Classification) {
    let model = &answer.model;
    if let Some(source) = &answer.source {
        let _ = write!(caption, "{source}: "); // writing into a string cannot fail, here and below
    }
    if answer.predictions.unsure {
        caption.push_str("unsure, perhaps ");
    }
    for (place, prediction) in answer.predictions.best().iter().take(2).enumerate() {
        let comma = if place > 0 { ", " } else { "" };
        let _ = write!(caption, "{comma}{} {:.0} %", model.labels.of(prediction.class), prediction.probability * 100.0);
    }
    let (variant, total_ms) = (&model.variant, answer.times.total_ms());
    let _ = write!(caption, " · {} {}, {total_ms:.1} ms", variant.name, variant.phi_in_words());
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
