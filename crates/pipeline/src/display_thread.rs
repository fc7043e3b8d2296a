//! The line's end: what is to be seen, on every display.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::error;

use super::{LIMIT, Pipeline, WHILE_MEASURING};
use crate::display_state::Drawing;
use phicam_display::{Display, DisplayError};

/// A display that goes on failing is told of no oftener than this: the log may go to the same full disk.
const TELL_AGAIN: Duration = Duration::from_secs(60);

impl Pipeline<'_> {
    /// Screen → overlay → displays: the newest frame with the newest answer, as often as either changes.
    pub(super) fn show(&self, displays: &mut [Box<dyn Display>]) {
        let mut drawings: Vec<(Drawing, Option<Instant>)> = displays.iter().map(|_| Default::default()).collect();
        while let Some(scene) = self.screen.wait(LIMIT) {
            for (display, (drawing, told)) in displays.iter_mut().zip(&mut drawings) {
                if !scene.is_new() && !display.wants_picture() {
                    let result = display.idle();
                    self.settle(&display.name(), result, told);
                    continue;
                }
                let start = Instant::now();
                let shown = drawing.draw(&scene, display.size(), |area| display.layer(area));
                let drawn = Instant::now();
                let result = display.show(&shown);
                let mut counts = self.metrics();
                counts.draw.record(drawn - start);
                counts.show.record(drawn.elapsed());
                drop(counts); // the log may be slow, and the other threads count too
                if result.is_err() {
                    drawing.not_taken();
                }
                self.settle(&display.name(), result, told);
            }
            if self.measuring.load(Ordering::Relaxed) {
                std::thread::sleep(WHILE_MEASURING);
            }
        }
        for (display, (_, told)) in displays.iter_mut().zip(&mut drawings) {
            let result = display.close();
            self.settle(&display.name(), result, told);
        }
    }

    /// Counts what a display did not take, and announces it now and then.
    fn settle(&self, display: &str, result: Result<(), DisplayError>, told: &mut Option<Instant>) {
        let Err(error) = result else { return };
        if matches!(error, DisplayError::Closed) {
            // As with any program in a pipe: whoever read has seen enough.
            return self.stop.store(true, Ordering::Relaxed);
        }
        self.metrics().not_shown += 1;
        if matches!(error, DisplayError::StillLost { .. }) {
            return;
        }
        if matches!(error, DisplayError::Lost { .. }) {
            return error!("display {error}");
        }
        if told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            error!("display {display} failed, trying again at each picture: {error}");
            *told = Some(Instant::now());
        }
    }
}
