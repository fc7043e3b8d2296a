//! Screen content: the newest frame, the newest classification, faults and toasts.

use std::fmt::Write;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::classify::Classification;
use crate::overlay::{LayerCanvas, Overlay, Scene, StaleFrame};
use crate::status::{Fault, Faults};
use phicam_display::{FrameLayer, FramePlacement, ScreenUpdate};
use phicam_frame::canvas::Canvas;
use phicam_frame::{Frame, FramePool, Rect, Size};

mod staleness;
use staleness::StalenessMonitor;

/// Duration of a toast: an estimate of the time to read one line twice.
const TOAST_DURATION: Duration = Duration::from_secs(4);

/// Snapshot of the content: leases, no pixels.
#[derive(Clone, Default)]
pub struct ViewState {
    frame: Option<Frame>,
    classification: Option<Classification>,
    toast: Option<(Instant, std::sync::Arc<str>)>,
    faults: Faults,
    /// Set if the frame is older than the staleness limit.
    stale: Option<StaleFrame>,
    /// Whether no snapshot had this classification before.
    new_answer: bool,
    /// Whether no snapshot had these faults or this staleness before.
    new_fault: bool,
    /// Whether anything has changed since the last snapshot.
    has_changed: bool,
}

impl ViewState {
    /// Returns whether anything has changed since the last snapshot.
    pub fn is_new(&self) -> bool {
        self.has_changed
    }
}

#[derive(Default)]
struct State {
    view: ViewState,
    staleness: StalenessMonitor,
    /// Whether [`Screen::wait`] has to return at once.
    has_changed: bool,
    is_closed: bool,
}

/// Content of the screen, shared by all threads. Writers never wait for drawing.
#[derive(Default)]
pub struct Screen {
    state: Mutex<State>,
    changed: Condvar,
}

impl Screen {
    pub fn set_frame(&self, frame: Frame) {
        let mut state = self.state.lock();
        state.staleness.record_frame(frame.captured);
        state.view.stale = None;
        drop(state);
        self.change(|view| view.frame = Some(frame));
    }

    /// Replaces the frame by a copy, so that the buffers of a lost camera return to its driver.
    pub fn detach_frame(&self) {
        self.change(|view| view.frame = view.frame.take().map(|frame| FramePool::default().copy(&frame)));
    }

    pub fn set_classification(&self, classification: Classification) {
        self.change(|view| {
            view.classification = Some(classification);
            view.new_answer = true;
        });
    }

    /// Shows `text` for four seconds.
    pub fn show_toast(&self, text: String) {
        self.change(|view| view.toast = Some((Instant::now(), text.into())));
    }

    /// Shows the message of a fault until it is cleared with `None`.
    pub fn set_fault(&self, kind: Fault, message: Option<String>) {
        if self.state.lock().view.faults.set(kind, message.as_deref()) {
            self.change(|view| view.new_fault = true);
        }
    }

    /// Returns the messages of the current faults, the most severe first.
    pub fn faults(&self) -> Vec<String> {
        self.state.lock().view.faults.messages().map(String::from).collect()
    }

    /// Announces that no more content follows. The last change is still shown.
    pub fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Waits up to `limit` for a change and returns a snapshot, changed or not. Returns `None` if the screen is closed
    /// and the last change was returned before.
    pub fn wait(&self, limit: Duration) -> Option<ViewState> {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| !state.has_changed && !state.is_closed, limit);
        if state.is_closed && !state.has_changed {
            return None;
        }
        state.has_changed = false;
        if state.view.toast.as_ref().is_some_and(|(since, _)| since.elapsed() >= TOAST_DURATION) {
            state.view.toast = None;
            state.view.has_changed = true;
        }
        // Only a camera frame, which has no source, becomes stale; the age of an image from a file has no meaning.
        let camera_frame = state.view.frame.as_ref().filter(|frame| frame.source.is_none());
        let stale = camera_frame.and_then(|frame| state.staleness.evaluate(frame.captured.elapsed()));
        if stale != state.view.stale {
            // The age in seconds changes, so that a stale frame is redrawn every second.
            state.view.stale = stale;
            state.view.new_fault = true;
            state.view.has_changed = true;
        }
        let view = state.view.clone();
        state.view.new_answer = false;
        state.view.new_fault = false;
        state.view.has_changed = false;
        Some(view)
    }

    fn change(&self, change: impl FnOnce(&mut ViewState)) {
        let mut state = self.state.lock();
        change(&mut state.view);
        state.view.has_changed = true;
        state.has_changed = true;
        drop(state);
        self.changed.notify_all();
    }
}

/// Renderer of view states for one display.
pub struct DisplayRenderer {
    overlay: Overlay,
    canvas: Canvas,
    layer: LayerCanvas,
    damage: Vec<Rect>,
    /// Whether the display refused the last update, so that the next one is complete.
    was_refused: bool,
    caption: String,
}

impl Default for DisplayRenderer {
    fn default() -> DisplayRenderer {
        DisplayRenderer {
            overlay: Overlay::default(),
            canvas: Canvas::new(Size::new(0, 0)),
            layer: LayerCanvas::default(),
            damage: Vec::new(),
            was_refused: false,
            caption: String::new(),
        }
    }
}

impl DisplayRenderer {
    /// Returns the area of the frame of `view` on a display of `size`; `None` if there is nothing to show of a frame.
    pub fn frame_area(&mut self, view: &ViewState, size: Size) -> Option<Rect> {
        self.overlay.frame_area(view.frame.as_ref()?, size)
    }

    /// Draws `view` for a display of `size`, with the frame at `placement`.
    pub fn draw(&mut self, view: &ViewState, size: Size, placement: FramePlacement) -> ScreenUpdate<'_> {
        if self.canvas.size() != size {
            self.canvas = Canvas::new(size);
        }
        let scene = Scene {
            frame: view.frame.as_ref(),
            stale: view.stale,
            classification: view.classification.as_ref(),
            faults: &view.faults,
            toast: view.toast.as_ref().map(|(_, text)| &**text),
            now: Instant::now(),
        };
        self.overlay.redraw_layered(&mut self.canvas, &mut self.layer, &scene, &mut self.damage, placement);
        if std::mem::take(&mut self.was_refused) {
            self.damage.clear();
            self.damage.push(self.canvas.area());
            self.layer.is_new = true;
        }
        self.caption.clear();
        if let Some(classification) = scene.classification {
            write_caption(&mut self.caption, classification);
        }
        let LayerCanvas { canvas: ref layer_canvas, area, is_new } = self.layer;
        ScreenUpdate {
            canvas: &self.canvas,
            damage: &self.damage,
            layer: area.map(|area| FrameLayer { canvas: layer_canvas, area, is_new }),
            caption: &self.caption,
            new_answer: view.new_answer,
            new_fault: view.new_fault,
        }
    }

    /// Records that the display refused the last update.
    pub fn mark_refused(&mut self) {
        self.was_refused = true;
    }
}

/// Writes a caption such as `dog.jpg: German shepherd 87 %, malinois 5 % · lite2@320 φ 1.66, 71.0 ms`.
fn write_caption(caption: &mut String, classification: &Classification) {
    let model = &classification.model;
    // Writing to a string cannot fail.
    if let Some(source) = &classification.source {
        let _ = write!(caption, "{source}: ");
    }
    if classification.predictions.unsure {
        caption.push_str("unsure, perhaps ");
    }
    for (index, prediction) in classification.predictions.best().iter().take(2).enumerate() {
        let separator = if index > 0 { ", " } else { "" };
        let label = model.labels.label(prediction.class);
        let _ = write!(caption, "{separator}{label} {:.0} %", prediction.probability * 100.0);
    }
    let (variant, total_ms) = (&model.variant, classification.times.total_ms());
    let _ = write!(caption, " · {} {}, {total_ms:.1} ms", variant.name, variant.phi_display());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_change_is_returned_after_close() {
        let screen = Screen::default();
        assert!(!screen.wait(Duration::ZERO).unwrap().is_new(), "nothing has changed");
        screen.show_toast("no camera".into());
        screen.close();
        let view = screen.wait(Duration::from_secs(600)).unwrap();
        assert!(view.is_new());
        assert!(view.toast.is_some());
        assert!(screen.wait(Duration::from_secs(600)).is_none());
    }
}
