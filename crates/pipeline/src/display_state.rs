//! Screen content: the newest frame, the answer, faults and notices.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::classify::Classification;
use crate::overlay::{LayerCanvas, Overlay, Page, Scene};
use crate::screen_words::{Readings, write_words};
use crate::status::{CameraState, Fault, Faults, Notice};
use phicam_display::words::ScreenWords;
use phicam_display::{CanvasContent, Display, FrameLayer, FramePlacement, ScreenUpdate};
use phicam_frame::canvas::Canvas;
use phicam_frame::{Frame, FramePool, Rect, Size};

mod answer_tracker;
mod staleness;
pub use answer_tracker::{AnswerTracker, ShownAnswer};
pub use staleness::StaleFrame;
use staleness::StalenessMonitor;

/// Duration of a notice: an estimate of the time to see it and to read it twice.
const NOTICE_DURATION: Duration = Duration::from_secs(8);
/// Interval of redrawing while nothing changes but durations such as "for 3 min".
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);

/// Snapshot of the content: leases, no pixels.
#[derive(Clone, Default)]
pub struct ViewState {
    frame: Option<Frame>,
    answers: AnswerTracker,
    /// Region that the model saw of the last classified frame, and the size of that frame.
    region: Option<(Rect, Size)>,
    notice: Option<(Instant, Notice)>,
    camera: CameraState,
    faults: Faults,
    /// Whether models are measured.
    is_measuring: bool,
    page: Page,
    is_round: bool,
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

    pub fn camera(&self) -> CameraState {
        self.camera
    }

    pub fn page(&self) -> Page {
        self.page
    }

    pub fn stale(&self) -> Option<StaleFrame> {
        self.stale
    }

    /// Returns the answer to show; `None` before the first one.
    pub fn answer(&self) -> Option<&ShownAnswer> {
        self.answers.shown()
    }

    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    pub fn notice(&self) -> Option<Notice> {
        self.notice.map(|(_, notice)| notice)
    }

    pub fn is_measuring(&self) -> bool {
        self.is_measuring
    }

    /// Returns the capture of the newest frame, if it is from a camera.
    pub fn frame_captured(&self) -> Option<Instant> {
        self.frame.as_ref().filter(|frame| frame.source.is_none()).map(|frame| frame.captured)
    }

    /// Returns the time since the capture of the newest frame, if it is from a camera.
    pub fn frame_age(&self) -> Option<Duration> {
        self.frame.as_ref().filter(|frame| frame.source.is_none()).map(|frame| frame.captured.elapsed())
    }
}

/// Readings of the board for the screen; `None` for what it does not report.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BoardReadings {
    /// Temperature of the hottest zone, in °C.
    pub celsius: Option<f64>,
    /// Latency budget, in milliseconds.
    pub limit_ms: Option<f64>,
}

#[derive(Default)]
struct State {
    view: ViewState,
    staleness: StalenessMonitor,
    board: BoardReadings,
    /// Time of the last snapshot with changes.
    last_change: Option<Instant>,
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
            view.answers.record(&classification);
            view.region = Some((classification.region, classification.frame_size));
            view.new_answer = true;
        });
    }

    /// Shows `notice` for eight seconds.
    pub fn show_notice(&self, notice: Notice) {
        self.change(|view| view.notice = Some((Instant::now(), notice)));
    }

    /// Shows that there is no camera, or no longer that.
    pub fn set_camera(&self, camera: CameraState) {
        if self.state.lock().view.camera != camera {
            self.change(|view| {
                view.camera = camera;
                // The next pictures may show another scene.
                (view.answers, view.region) = (AnswerTracker::default(), None);
            });
        }
    }

    pub fn is_measuring(&self) -> bool {
        self.state.lock().view.is_measuring
    }

    /// Shows, or no longer, that models are measured.
    pub fn set_measuring(&self, is_measuring: bool) {
        if self.state.lock().view.is_measuring != is_measuring {
            self.change(|view| view.is_measuring = is_measuring);
        }
    }

    /// Takes new readings of the board, which the screen shows with its next change.
    pub fn set_board(&self, board: BoardReadings) {
        self.state.lock().board = board;
    }

    /// Copies the readings of the board.
    pub fn read_board(&self, readings: &mut Readings) {
        let BoardReadings { celsius, limit_ms } = self.state.lock().board;
        (readings.celsius, readings.limit_ms) = (celsius, limit_ms);
    }

    /// Shows the other page on all screens.
    pub fn toggle_page(&self) {
        self.change(|view| {
            view.page = match view.page {
                Page::Answer => Page::Details,
                Page::Details => Page::Answer,
            };
        });
    }

    /// Sets the page of all screens, and whether they are circles.
    pub fn set_layout(&self, page: Page, is_round: bool) {
        self.change(|view| (view.page, view.is_round) = (page, is_round));
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
        if state.view.notice.is_some_and(|(since, _)| since.elapsed() >= NOTICE_DURATION) {
            state.view.notice = None;
            state.view.has_changed = true;
        }
        // Durations and ages on the screen go on although nothing else changes.
        state.view.has_changed |= state.last_change.is_some_and(|last| last.elapsed() >= CLOCK_INTERVAL);
        // Only a camera frame, which has no source, becomes stale; the age of an image from a file has no meaning.
        let camera_frame = state.view.frame.as_ref().filter(|frame| frame.source.is_none());
        let stale = camera_frame.and_then(|frame| state.staleness.evaluate(frame.captured.elapsed()));
        if stale != state.view.stale {
            // The age in seconds changes, so that a stale frame is redrawn every second.
            state.view.stale = stale;
            state.view.new_fault = true;
            state.view.has_changed = true;
        }
        if state.view.has_changed {
            state.last_change = Some(Instant::now());
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

/// Properties of a display that decide how its canvas is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surface {
    pub size: Size,
    pub content: CanvasContent,
    /// Whether the screen is a circle.
    pub is_round: bool,
}

impl Surface {
    /// Returns the surface of a rectangular screen with frame and words.
    pub fn screen(size: Size) -> Surface {
        Surface { size, content: CanvasContent::Screen, is_round: false }
    }

    /// Returns the surface of `display` now; `view` knows whether screens are round.
    pub fn new(display: &dyn Display, view: &ViewState) -> Surface {
        Surface { size: display.size(), content: display.canvas_content(), is_round: view.is_round }
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
    words: ScreenWords,
}

impl Default for DisplayRenderer {
    fn default() -> DisplayRenderer {
        DisplayRenderer {
            overlay: Overlay::default(),
            canvas: Canvas::new(Size::new(0, 0)),
            layer: LayerCanvas::default(),
            damage: Vec::new(),
            was_refused: false,
            words: ScreenWords::default(),
        }
    }
}

impl DisplayRenderer {
    /// Composes the words of `view`, and returns the area of its frame on `surface`; `None` if no live frame is shown.
    pub fn compose(&mut self, view: &ViewState, readings: &Readings, surface: Surface) -> Option<Rect> {
        write_words(&mut self.words, view, readings, Instant::now());
        let DisplayRenderer { overlay, words, .. } = self;
        overlay.frame_area(&scene(view, words, surface), surface.size)
    }

    /// Draws `view`, whose words were composed before, with the frame at `placement`.
    pub fn draw(&mut self, view: &ViewState, surface: Surface, placement: FramePlacement) -> ScreenUpdate<'_> {
        if self.canvas.size() != surface.size {
            self.canvas = Canvas::new(surface.size);
        }
        let DisplayRenderer { overlay, canvas, layer, damage, words, .. } = self;
        overlay.redraw_layered(canvas, layer, &scene(view, words, surface), damage, placement);
        if std::mem::take(&mut self.was_refused) {
            self.damage.clear();
            self.damage.push(self.canvas.area());
            self.layer.is_new = true;
        }
        let LayerCanvas { canvas: ref layer_canvas, area, ref holes, is_new, .. } = self.layer;
        ScreenUpdate {
            canvas: &self.canvas,
            damage: &self.damage,
            layer: area.map(|area| FrameLayer { canvas: layer_canvas, area, holes, is_new }),
            words: &self.words,
            new_answer: view.new_answer,
            new_fault: view.new_fault,
        }
    }

    /// Records that the display refused the last update.
    pub fn mark_refused(&mut self) {
        self.was_refused = true;
    }
}

/// Returns what the model will see of a frame of size `to`, if it saw `region` of one of size `from`. A picture of another
/// size then has its place before it is classified.
fn region_in(region: Rect, from: Size, to: Size) -> Rect {
    if from == to {
        return region;
    }
    let scale = |pixels: u32, from: u32, to: u32| (u64::from(pixels) * u64::from(to) / u64::from(from.max(1))) as u32;
    if region.width == region.height {
        // A square from the middle keeps its share of the shorter side.
        let side = scale(region.width, from.width.min(from.height), to.width.min(to.height));
        return Rect { left: (to.width - side) / 2, top: (to.height - side) / 2, width: side, height: side };
    }
    let (left, right) =
        (scale(region.left, from.width, to.width), scale(region.left + region.width, from.width, to.width));
    let (top, bottom) =
        (scale(region.top, from.height, to.height), scale(region.top + region.height, from.height, to.height));
    Rect { left, top, width: right - left, height: bottom - top }
}

fn scene<'a>(view: &'a ViewState, words: &'a ScreenWords, surface: Surface) -> Scene<'a> {
    let frame = view.frame.as_ref();
    let region = view.region.zip(frame).map(|((region, size), frame)| region_in(region, size, frame.size()));
    Scene {
        frame,
        region,
        words,
        page: view.page,
        is_round: surface.is_round,
        is_picture_only: surface.content == CanvasContent::Picture,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_of_another_frame_size_is_known_before_its_answer() {
        let rect = |left, top, width, height| Rect { left, top, width, height };
        let square = rect(110, 30, 420, 420);
        let (vga, hd) = (Size::new(640, 480), Size::new(1280, 720));
        assert_eq!(region_in(square, vga, vga), square);
        assert_eq!(region_in(square, vga, hd), rect(325, 45, 630, 630));
        assert_eq!(region_in(rect(0, 0, 640, 480), vga, hd), rect(0, 0, 1280, 720), "the whole frame");
        assert_eq!(region_in(rect(320, 0, 320, 480), vga, hd), rect(640, 0, 640, 720), "the right half");
    }

    #[test]
    fn last_change_is_returned_after_close() {
        let screen = Screen::default();
        assert!(!screen.wait(Duration::ZERO).unwrap().is_new(), "nothing has changed");
        screen.show_notice(Notice::CameraBack);
        screen.close();
        let view = screen.wait(Duration::from_secs(600)).unwrap();
        assert!(view.is_new());
        assert_eq!(view.notice(), Some(Notice::CameraBack));
        assert!(screen.wait(Duration::from_secs(600)).is_none());
    }
}
