//! Display thread: draws the screen's content for every display.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::error;

use super::{MEASURING_PAUSE, POLL_INTERVAL, Pipeline};
use crate::display_state::{DisplayRenderer, Surface};
use crate::screen_words::Readings;
use phicam_display::{Display, DisplayError, FramePlacement, Key};

/// Interval between messages about a display that keeps failing: an estimate, because the log may be on the disk that
/// is full.
const REPEAT_INTERVAL: Duration = Duration::from_secs(60);

/// State of one display.
#[derive(Default)]
struct Output {
    renderer: DisplayRenderer,
    /// Time of the last message about a failure.
    last_message: Option<Instant>,
}

/// Meter of the rate of answers, over intervals of about a second.
#[derive(Default)]
struct RateMeter {
    last: Option<(Instant, u64)>,
    answers_per_s: Option<f64>,
}

/// Interval of new numbers on the screen: an estimate of a legible rate.
const READINGS_INTERVAL: Duration = Duration::from_secs(1);

impl RateMeter {
    /// Returns whether the numbers are due, and measures the rate if they are. The first answer is shown at once.
    fn is_due(&mut self, answers: u64) -> bool {
        let now = Instant::now();
        let Some((then, before)) = self.last else {
            self.last = Some((now, answers));
            return true;
        };
        let elapsed = now - then;
        if elapsed < READINGS_INTERVAL && (before > 0 || answers == 0) {
            return false;
        }
        if elapsed >= READINGS_INTERVAL && answers > before {
            self.answers_per_s = Some((answers - before) as f64 / elapsed.as_secs_f64());
        }
        self.last = Some((now, answers));
        true
    }
}

impl Pipeline<'_> {
    /// Shows the newest frame with the newest classification whenever either changes, until the screen is closed.
    pub(super) fn show(&self, displays: &mut [Box<dyn Display>]) {
        let mut outputs: Vec<Output> = displays.iter().map(|_| Output::default()).collect();
        let mut readings = Readings::default();
        let mut rate = RateMeter::default();
        while let Some(view) = self.screen.wait(POLL_INTERVAL) {
            self.update_readings(&mut readings, &mut rate);
            readings.frame_age = view.frame_age();
            for (display, output) in displays.iter_mut().zip(&mut outputs) {
                match display.pressed() {
                    Some(Key::Quit) => self.stop.store(true, Ordering::Relaxed),
                    Some(Key::Details) => self.screen.toggle_page(),
                    None => {}
                }
                if !view.is_new() && !display.needs_redraw() {
                    let result = display.idle();
                    self.record_result(&display.name(), result, &mut output.last_message);
                    continue;
                }
                let start = Instant::now();
                let surface = Surface::new(&**display, &view);
                let area = output.renderer.compose(&view, &readings, surface);
                let placement = area.map_or(FramePlacement::Canvas, |area| display.place_frame(area));
                let update = output.renderer.draw(&view, surface, placement);
                let drawn = Instant::now();
                let result = display.show(&update);
                let mut metrics = self.metrics();
                metrics.draw.record(drawn - start);
                metrics.show.record(drawn.elapsed());
                drop(metrics); // The log may be slow, and the other threads need the metrics.
                if result.is_err() {
                    output.renderer.mark_refused();
                }
                self.record_result(&display.name(), result, &mut output.last_message);
            }
            if self.measuring.load(Ordering::Relaxed) {
                std::thread::sleep(MEASURING_PAUSE);
            }
        }
        for (display, output) in displays.iter_mut().zip(&mut outputs) {
            let result = display.close();
            self.record_result(&display.name(), result, &mut output.last_message);
        }
    }

    /// Reads the numbers for the screen, once a second so that they stay legible.
    fn update_readings(&self, readings: &mut Readings, rate: &mut RateMeter) {
        let metrics = self.metrics();
        if !rate.is_due(metrics.answers) {
            return;
        }
        readings.answers_per_s = rate.answers_per_s;
        readings.model.clear();
        if let Some(model) = &metrics.model {
            readings.model.push_str(&model.variant.name);
            readings.phi = model.variant.phi;
        }
        readings.recent_ms = metrics.recent_ms;
        (readings.frames, readings.dropped) = (metrics.frames, metrics.dropped);
        drop(metrics);
        self.screen.read_board(readings);
    }

    /// Counts a failure of a display, and logs it at intervals.
    fn record_result(&self, display: &str, result: Result<(), DisplayError>, last_message: &mut Option<Instant>) {
        let Err(error) = result else { return };
        if matches!(error, DisplayError::Closed) {
            // The reader of the pipe needs no more output, so the program ends.
            return self.stop.store(true, Ordering::Relaxed);
        }
        self.metrics().display_errors += 1;
        if matches!(error, DisplayError::StillLost { .. }) {
            return;
        }
        if matches!(error, DisplayError::Lost { .. }) {
            return error!("display {error}");
        }
        if last_message.is_none_or(|last| last.elapsed() >= REPEAT_INTERVAL) {
            error!("display {display} failed: {error}; trying again with each update");
            *last_message = Some(Instant::now());
        }
    }
}
