//! Details page and the quiet line: numbers for people who set the board up.

use std::time::Duration;

use phicam_display::words::Detail;

use super::{append, row};

/// Numbers of the running pipeline and its board. Unknown ones have no row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// Name of the active model variant; empty before the first answer.
    pub model: String,
    pub phi: Option<f64>,
    /// Latency of recent answers, in milliseconds.
    pub recent_ms: Option<f64>,
    /// Latency budget, in milliseconds.
    pub limit_ms: Option<f64>,
    pub answers_per_s: Option<f64>,
    /// Age of the newest frame, if it is from a camera.
    pub frame_age: Option<Duration>,
    /// Temperature of the hottest zone, in °C.
    pub celsius: Option<f64>,
    /// Frames that were not classified.
    pub dropped: u64,
    pub frames: u64,
}

/// Writes the quiet line: model, latency and rate.
pub fn write_status(text: &mut String, readings: &Readings) {
    text.clear();
    if readings.model.is_empty() {
        return;
    }
    append(text, format_args!("{}", readings.model));
    if let Some(ms) = readings.recent_ms {
        append(text, format_args!(", {ms:.0} ms"));
    }
    if let Some(rate) = readings.answers_per_s {
        append(text, format_args!(", {} a second", Rate(rate)));
    }
}

/// Writes the rows of the details page.
pub fn write(rows: &mut Vec<Detail>, readings: &Readings) {
    let mut count = 0;
    let mut next = |name: &'static str, write: &mut dyn FnMut(&mut String)| {
        write(row(rows, count, name));
        count += 1;
    };
    if !readings.model.is_empty() {
        next("Model", &mut |text| text.push_str(&readings.model));
    }
    if let Some(phi) = readings.phi {
        next("Size (φ)", &mut |text| append(text, format_args!("{phi:.2}")));
    }
    if let Some(ms) = readings.recent_ms {
        next("One answer", &mut |text| append(text, format_args!("{ms:.0} ms")));
    }
    if let Some(ms) = readings.limit_ms {
        next("Limit", &mut |text| append(text, format_args!("{ms:.0} ms")));
    }
    if let Some(rate) = readings.answers_per_s {
        next("Answers", &mut |text| append(text, format_args!("{} a second", Rate(rate))));
    }
    if let Some(age) = readings.frame_age {
        next("Picture is", &mut |text| append(text, format_args!("{:.1} s old", age.as_secs_f64())));
    }
    if let Some(celsius) = readings.celsius {
        next("Temperature", &mut |text| append(text, format_args!("{celsius:.0} °C")));
    }
    if readings.frames > 0 {
        let (dropped, frames) = (readings.dropped, readings.frames);
        next("Pictures left out", &mut |text| append(text, format_args!("{dropped} of {frames}")));
    }
    rows.truncate(count);
}

/// Rate that is written with one decimal below ten.
struct Rate(f64);

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        if self.0 < 9.95 { write!(f, "{:.1}", self.0) } else { write!(f, "{:.0}", self.0) }
    }
}
