//! Display thread: draws the screen's content for every display.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::error;

use super::{MEASURING_PAUSE, POLL_INTERVAL, Pipeline};
use crate::display_state::DisplayRenderer;
use phicam_display::{Display, DisplayError, FramePlacement};

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

impl Pipeline<'_> {
    /// Shows the newest frame with the newest classification whenever either changes, until the screen is closed.
    pub(super) fn show(&self, displays: &mut [Box<dyn Display>]) {
        let mut outputs: Vec<Output> = displays.iter().map(|_| Output::default()).collect();
        while let Some(view) = self.screen.wait(POLL_INTERVAL) {
            for (display, output) in displays.iter_mut().zip(&mut outputs) {
                if !view.is_new() && !display.needs_redraw() {
                    let result = display.idle();
                    self.record_result(&display.name(), result, &mut output.last_message);
                    continue;
                }
                let start = Instant::now();
                let size = display.size();
                let area = output.renderer.frame_area(&view, size);
                let placement = area.map_or(FramePlacement::Canvas, |area| display.place_frame(area));
                let update = output.renderer.draw(&view, size, placement);
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
