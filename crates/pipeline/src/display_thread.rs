//! Display thread: draws the screen's content for every display.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::error;

use super::{MEASURING_PAUSE, POLL_INTERVAL, Pipeline};
use crate::display_state::{DisplayRenderer, Surface, ViewState};
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
    /// Time and count of the last new answers.
    last: Option<(Instant, u64)>,
    answers_per_s: Option<f64>,
    /// Time of the last numbers on the screen.
    shown: Option<Instant>,
}

/// Interval of new numbers on the screen: an estimate of a legible rate.
const READINGS_INTERVAL: Duration = Duration::from_secs(1);
/// Time without an answer after which the rate is unknown: an estimate, longer than the slowest board needs for one.
const RATE_EXPIRY: Duration = Duration::from_secs(10);

impl RateMeter {
    /// Returns whether the numbers are due at `now`, and measures the rate if they are. The first answer is shown at once.
    fn is_due(&mut self, answers: u64, now: Instant) -> bool {
        let (then, before) = *self.last.get_or_insert((now, answers));
        let is_first_answer = before == 0 && answers > 0;
        let is_due = self.shown.is_none_or(|shown| now - shown >= READINGS_INTERVAL);
        if !is_due && !is_first_answer {
            return false;
        }
        self.shown = Some(now);
        let elapsed = now - then;
        if is_first_answer {
            self.last = Some((now, answers));
        } else if answers > before && elapsed >= READINGS_INTERVAL {
            self.answers_per_s = Some((answers - before) as f64 / elapsed.as_secs_f64());
            self.last = Some((now, answers));
        } else if elapsed >= RATE_EXPIRY {
            self.answers_per_s = None;
        }
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
            self.update_readings(&mut readings, &mut rate, &view);
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
    fn update_readings(&self, readings: &mut Readings, rate: &mut RateMeter, view: &ViewState) {
        let metrics = self.metrics();
        if !rate.is_due(metrics.answers, Instant::now()) {
            return;
        }
        // Files are shown for as long as a person looks: their rate says nothing of the machine.
        readings.answers_per_s = rate.answers_per_s.filter(|_| view.frame_captured().is_some());
        readings.frame_age = view.frame_age();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_of_a_slow_board_counts_all_the_time_between() {
        let (mut meter, start) = (RateMeter::default(), Instant::now());
        // An answer every three seconds.
        for second in 0..=12 {
            meter.is_due(1 + second / 3, start + Duration::from_secs(second));
        }
        assert_eq!(meter.answers_per_s.map(|rate| (rate * 100.0).round()), Some(33.0));
    }

    #[test]
    fn rate_is_unknown_after_ten_seconds_without_an_answer() {
        let (mut meter, start) = (RateMeter::default(), Instant::now());
        meter.is_due(1, start);
        meter.is_due(13, start + Duration::from_secs(1));
        assert_eq!(meter.answers_per_s, Some(12.0));
        meter.is_due(13, start + Duration::from_secs(12));
        assert_eq!(meter.answers_per_s, None);
    }
}
