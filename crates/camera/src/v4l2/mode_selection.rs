//! Mode selection: the smallest mode with the short side that models need and a fluent rate of decoded frames.
//!
//! It is independent of drivers, and tested by tables of modes.

use std::cmp::Reverse;

use super::fourcc::FourCc;
use phicam_frame::{PixelFormat, Size};

/// Time for decoding a JPEG on a Raspberry Pi 4, in ms per megapixel, an estimate: six times the 4.3 ms measured on one
/// core of an AMD Zen 4 with zune-jpeg and a photograph at quality 85.
///
/// The measurement is the ignored benchmark of a 720-line JPEG in crates/pipeline/src/classify/preprocess/tests.rs.
pub const JPEG_MS_PER_MEGAPIXEL: f64 = 26.0;
/// Requested frame rate, an estimate: more frames per second help neither model nor viewer.
const TARGET_FPS: f64 = 30.0;
/// Least fluent frame rate, an estimate: below it another size is preferred.
const MIN_FLUENT_FPS: f64 = 15.0;

/// Frame interval in seconds, as numerator and denominator.
pub type Interval = (u32, u32);

/// Returns the frame rate in frames per second.
pub fn fps((numerator, denominator): Interval) -> f64 {
    f64::from(denominator) / f64::from(numerator.max(1))
}

/// Frame intervals of a mode.
#[derive(Clone, Debug, PartialEq)]
pub enum Intervals {
    Discrete(Vec<Interval>),
    /// Any interval between the two.
    Range(Interval, Interval),
    /// The driver enumerates no intervals.
    Unknown,
}

/// Pixel format at a size, with its frame intervals.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    pub fourcc: FourCc,
    pub size: Size,
    pub intervals: Intervals,
}

/// Mode that the user requests; the fields without a value are free.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModeRequest {
    pub fourcc: Option<FourCc>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub fps: Option<f64>,
    /// Least length of the shorter side in pixels, if a mode has it.
    pub short_side: u32,
}

/// Selected mode with the frame interval to request.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectedMode {
    pub fourcc: FourCc,
    pub size: Size,
    /// `None` if the driver enumerates no intervals.
    pub interval: Option<Interval>,
}

impl SelectedMode {
    fn fps(&self) -> f64 {
        self.interval.map_or(MIN_FLUENT_FPS, fps)
    }

    fn is_jpeg(&self) -> bool {
        self.fourcc.readable().is_some_and(|readable| readable.format == PixelFormat::Jpeg)
    }

    /// Returns the rate of decoded frames in frames per second, capped at `target_fps`.
    fn decoded_fps(&self, target_fps: f64) -> f64 {
        let megapixels = f64::from(self.size.width) * f64::from(self.size.height) / 1e6;
        let decoder_fps = if self.is_jpeg() { 1000.0 / (JPEG_MS_PER_MEGAPIXEL * megapixels) } else { f64::INFINITY };
        self.fps().min(decoder_fps).min(target_fps)
    }

    /// Returns a sort key, best mode last: large enough, fluent, then small, fast and cheap to convert.
    fn rank(&self, request: &ModeRequest) -> impl Ord + use<> {
        let Size { width, height } = self.size;
        let target_fps = request.fps.unwrap_or(TARGET_FPS);
        let in_tenths = |fps: f64| (fps * 10.0).round() as u64; // 29.97 counts as 30
        let rate = in_tenths(self.decoded_fps(target_fps));
        let pixels = u64::from(width) * u64::from(height);
        let is_large = width.min(height) >= request.short_side;
        let is_fluent = rate >= in_tenths(MIN_FLUENT_FPS.min(target_fps));
        let by_size = match (is_large, is_fluent) {
            (true, true) => (0, Reverse(pixels), rate),
            // Too slow: the fastest, then the smallest. Too small: the largest.
            (true, false) => (rate, Reverse(pixels), 0),
            (false, true) => (pixels, Reverse(0), rate),
            (false, false) => (rate, Reverse(0), pixels),
        };
        let format = self.fourcc.readable().map(|readable| readable.format);
        let is_grey = format == Some(PixelFormat::Grey);
        let format_rank = match format {
            Some(PixelFormat::Jpeg) | None => 0,
            Some(PixelFormat::Grey) => 1, // models need colours
            Some(_) => 2,
        };
        // Grey ranks as too slow: colour at any fluent rate is better.
        (is_large, is_fluent && !is_grey, by_size, format_rank)
    }
}

impl std::fmt::Display for SelectedMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.fourcc, self.size)?;
        match self.interval {
            Some(interval) => write!(f, " at {} fps", format_fps(fps(interval))),
            None => Ok(()),
        }
    }
}

/// Formats a frame rate with one decimal, or none for whole numbers.
fn format_fps(fps: f64) -> String {
    let text = format!("{fps:.1}");
    text.strip_suffix(".0").map_or(text.clone(), String::from)
}

/// Returns the interval with the highest rate up to `target_fps`, otherwise the one with the lowest rate.
fn select_interval(intervals: &Intervals, target_fps: f64) -> Option<Interval> {
    let within_target = |interval: &Interval| fps(*interval) <= target_fps + 0.05;
    match intervals {
        Intervals::Unknown => None,
        Intervals::Discrete(intervals) => {
            let by_fps = |a: &&Interval, b: &&Interval| fps(**a).total_cmp(&fps(**b));
            let fastest = intervals.iter().filter(|interval| within_target(interval)).max_by(by_fps);
            fastest.or_else(|| intervals.iter().min_by(by_fps)).copied()
        }
        &Intervals::Range(a, b) => {
            let (fast, slow) = if fps(a) >= fps(b) { (a, b) } else { (b, a) };
            Some(if within_target(&fast) {
                fast
            } else if within_target(&slow) {
                (1000, (target_fps * 1000.0) as u32)
            } else {
                slow
            })
        }
    }
}

/// Returns the best mode and the best one in another pixel format; `None` if no mode matches the request.
///
/// The mode in another format is for the log. It has the selected size if possible.
pub fn select(modes: &[Mode], request: &ModeRequest) -> Option<(SelectedMode, Option<SelectedMode>)> {
    let matches = |mode: &&Mode| {
        mode.fourcc.readable().is_some()
            && request.fourcc.is_none_or(|fourcc| fourcc == mode.fourcc)
            && request.width.is_none_or(|width| width == mode.size.width)
            && request.height.is_none_or(|height| height == mode.size.height)
    };
    let target_fps = request.fps.unwrap_or(TARGET_FPS);
    let with_interval = |mode: &Mode| {
        let interval = select_interval(&mode.intervals, target_fps);
        SelectedMode { fourcc: mode.fourcc, size: mode.size, interval }
    };
    let mut candidates: Vec<SelectedMode> = modes.iter().filter(matches).map(with_interval).collect();
    candidates.sort_by_key(|mode| Reverse(mode.rank(request))); // stable: keeps the driver's order among equals
    let best = candidates.first()?.clone();
    let others = || candidates.iter().filter(|other| other.fourcc != best.fourcc);
    let runner_up = others().find(|other| other.size == best.size).or_else(|| others().next()).cloned();
    Some((best, runner_up))
}

/// Describes the modes: one line for the formats with equal sizes, and one for the formats that cannot be read.
pub fn mode_lines(modes: &[Mode]) -> Vec<String> {
    let mut formats: Vec<(FourCc, Vec<String>)> = Vec::new();
    for Mode { fourcc, size, intervals } in modes {
        let range = match intervals {
            Intervals::Unknown => None,
            Intervals::Discrete(intervals) => {
                let rates = || intervals.iter().map(|interval| fps(*interval));
                rates().min_by(f64::total_cmp).zip(rates().max_by(f64::total_cmp))
            }
            Intervals::Range(a, b) => Some((fps(*a).min(fps(*b)), fps(*a).max(fps(*b)))),
        };
        let mode = match range.map(|(slow, fast)| (format_fps(slow), format_fps(fast))) {
            None => size.to_string(),
            Some((slow, fast)) if slow == fast => format!("{size} at {fast} fps"),
            Some((slow, fast)) => format!("{size} at {slow} to {fast} fps"),
        };
        match formats.iter_mut().find(|(other, _)| other == fourcc) {
            Some((_, modes)) => modes.push(mode),
            None => formats.push((*fourcc, vec![mode])),
        }
    }
    let (readable, others): (Vec<_>, Vec<_>) = formats.into_iter().partition(|(fourcc, _)| fourcc.readable().is_some());
    let mut lines: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for (fourcc, modes) in readable {
        match lines.iter_mut().find(|(_, same)| *same == modes) {
            Some((formats, _)) => formats.push(fourcc.to_string()),
            None => lines.push((vec![fourcc.to_string()], modes)),
        }
    }
    let to_line =
        |(formats, modes): (Vec<String>, Vec<String>)| format!("{}: {}", formats.join(", "), modes.join("; "));
    let mut lines: Vec<String> = lines.into_iter().map(to_line).collect();
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|(fourcc, _)| fourcc.to_string()).collect();
        lines.push(format!("formats that cannot be read: {}", others.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests;
