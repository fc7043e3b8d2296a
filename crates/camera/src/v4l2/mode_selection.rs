//! Which of a camera's modes is taken: by the frames a second that can be had decoded, at the side that models need.

use std::cmp::Reverse;

use super::fourcc::FourCc;
use phicam_frame::{PixelFormat, Size};

/// What decoding a JPEG takes on a Raspberry Pi 4, estimated: 4.3 ms a megapixel were measured (`a_jpeg_of_720_lines` in
/// src/preprocess/tests.rs: zune-jpeg, one core of an AMD Zen 4, a photograph at quality 85), and such a core is taken to
/// be six times as slow.
pub const JPEG_MS_PER_MEGAPIXEL: f64 = 26.0;
/// More frames a second than this are of no use to a model or an eye.
const ENOUGH_FPS: f64 = 30.0;
/// Fewer than this look like a slide show: a larger or smaller picture is taken instead.
const FLUENT_FPS: f64 = 15.0;

/// An interval between frames in seconds, as numerator and denominator.
pub type Interval = (u32, u32);

/// Frames a second.
pub fn fps((numerator, denominator): Interval) -> f64 {
    f64::from(denominator) / f64::from(numerator.max(1))
}

/// The intervals of a mode.
#[derive(Clone, Debug, PartialEq)]
pub enum Intervals {
    /// These.
    Each(Vec<Interval>),
    /// Any from the first to the second.
    Between(Interval, Interval),
    /// The driver does not tell.
    Untold,
}

/// A format at a size.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    pub fourcc: FourCc,
    pub size: Size,
    pub intervals: Intervals,
}

/// What the user asks for; the rest is chosen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    pub fourcc: Option<FourCc>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub fps: Option<f64>,
    /// The least that the shorter side should have, in pixels.
    pub short_side: u32,
}

/// A mode with the interval to ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectedMode {
    pub fourcc: FourCc,
    pub size: Size,
    /// Nothing where the driver does not tell which it has.
    pub interval: Option<Interval>,
}

impl SelectedMode {
    fn fps(&self) -> f64 {
        self.interval.map_or(FLUENT_FPS, fps)
    }

    fn is_jpeg(&self) -> bool {
        self.fourcc.known().is_some_and(|known| known.format == PixelFormat::Jpeg)
    }

    /// Frames a second that can be had decoded, up to `enough`.
    fn decoded_fps(&self, enough: f64) -> f64 {
        let megapixels = f64::from(self.size.width) * f64::from(self.size.height) / 1e6;
        let decoder = if self.is_jpeg() { 1000.0 / (JPEG_MS_PER_MEGAPIXEL * megapixels) } else { f64::INFINITY };
        self.fps().min(decoder).min(enough)
    }

    /// The larger, the better: large enough, fluent, small, fast, cheap.
    fn rank(&self, wish: &Wish) -> impl Ord + use<> {
        let Size { width, height } = self.size;
        let enough = wish.fps.unwrap_or(ENOUGH_FPS);
        let tenths = (self.decoded_fps(enough) * 10.0).round() as u64; // 29.97 is no less than 30
        let fluent = (FLUENT_FPS.min(enough) * 10.0).round() as u64;
        let pixels = u64::from(width) * u64::from(height);
        let (large, fluent) = (width.min(height) >= wish.short_side, tenths >= fluent);
        let by_size = match (large, fluent) {
            (true, true) => (0, Reverse(pixels), tenths),
            // As fast as it gets, then as small; with too small a picture, as large.
            (true, false) => (tenths, Reverse(pixels), 0),
            (false, true) => (pixels, Reverse(0), tenths),
            (false, false) => (tenths, Reverse(0), pixels),
        };
        let cheap = match self.fourcc.known().map(|known| known.format) {
            Some(PixelFormat::Jpeg) | None => 0,
            Some(PixelFormat::Grey) => 1, // the models want colours
            Some(_) => 2,
        };
        // Grey counts as slow: colour at any fluent rate is better.
        (large, fluent && cheap != 1, by_size, cheap)
    }
}

impl std::fmt::Display for SelectedMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.fourcc, self.size)?;
        match self.interval {
            Some(interval) => write!(f, " at {} fps", short(fps(interval))),
            None => Ok(()),
        }
    }
}

/// With one digit behind the point where it needs one.
fn short(fps: f64) -> String {
    let text = format!("{fps:.1}");
    text.strip_suffix(".0").map_or(text.clone(), String::from)
}

/// The interval with the most frames a second up to `enough`, else the one with the fewest.
fn interval(intervals: &Intervals, enough: f64) -> Option<Interval> {
    let slow_enough = |interval: &Interval| fps(*interval) <= enough + 0.05;
    match intervals {
        Intervals::Untold => None,
        Intervals::Each(each) => {
            let by_fps = |a: &&Interval, b: &&Interval| fps(**a).total_cmp(&fps(**b));
            let fastest = each.iter().filter(|interval| slow_enough(interval)).max_by(by_fps);
            fastest.or_else(|| each.iter().min_by(by_fps)).copied()
        }
        &Intervals::Between(a, b) => {
            let (fast, slow) = if fps(a) >= fps(b) { (a, b) } else { (b, a) };
            let wanted = (1000, (enough * 1000.0) as u32);
            Some(if slow_enough(&fast) {
                fast
            } else if slow_enough(&slow) {
                wanted
            } else {
                slow
            })
        }
    }
}

/// The best of `modes` and, of other formats, the next best; nothing where none is as the user asks.
pub fn choose(modes: &[Mode], wish: &Wish) -> Option<(SelectedMode, Option<SelectedMode>)> {
    let wanted = |mode: &&Mode| {
        mode.fourcc.known().is_some()
            && wish.fourcc.is_none_or(|fourcc| fourcc == mode.fourcc)
            && wish.width.is_none_or(|width| width == mode.size.width)
            && wish.height.is_none_or(|height| height == mode.size.height)
    };
    let enough = wish.fps.unwrap_or(ENOUGH_FPS);
    let selected = |mode: &Mode| {
        let interval = interval(&mode.intervals, enough);
        SelectedMode { fourcc: mode.fourcc, size: mode.size, interval }
    };
    let mut choices: Vec<SelectedMode> = modes.iter().filter(wanted).map(selected).collect();
    choices.sort_by_key(|selected| Reverse(selected.rank(wish))); // stable: the driver's first of equals
    let best = choices.first()?.clone();
    let others = || choices.iter().filter(|other| other.fourcc != best.fourcc);
    let second = others().find(|other| other.size == best.size).or_else(|| others().next()).cloned();
    Some((best, second))
}

/// All of them in a few words: a line for formats with the same sizes, one for those that cannot be read.
pub fn in_words(modes: &[Mode]) -> Vec<String> {
    let mut formats: Vec<(FourCc, Vec<String>)> = Vec::new();
    for Mode { fourcc, size, intervals } in modes {
        let ends = match intervals {
            Intervals::Untold => None,
            Intervals::Each(each) => {
                let rates = || each.iter().map(|each| fps(*each));
                rates().min_by(f64::total_cmp).zip(rates().max_by(f64::total_cmp))
            }
            Intervals::Between(a, b) => Some((fps(*a).min(fps(*b)), fps(*a).max(fps(*b)))),
        };
        let mode = match ends.map(|(slow, fast)| (short(slow), short(fast))) {
            None => size.to_string(),
            Some((slow, fast)) if slow == fast => format!("{size} at {fast} fps"),
            Some((slow, fast)) => format!("{size} at {slow} to {fast} fps"),
        };
        match formats.iter_mut().find(|(known, _)| known == fourcc) {
            Some((_, modes)) => modes.push(mode),
            None => formats.push((*fourcc, vec![mode])),
        }
    }
    let (readable, others): (Vec<_>, Vec<_>) = formats.into_iter().partition(|(fourcc, _)| fourcc.known().is_some());
    let mut lines: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for (fourcc, modes) in readable {
        match lines.iter_mut().find(|(_, same)| *same == modes) {
            Some((formats, _)) => formats.push(fourcc.to_string()),
            None => lines.push((vec![fourcc.to_string()], modes)),
        }
    }
    let line = |(formats, modes): (Vec<String>, Vec<String>)| format!("{}: {}", formats.join(", "), modes.join("; "));
    let mut lines: Vec<String> = lines.into_iter().map(line).collect();
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|(fourcc, _)| fourcc.to_string()).collect();
        lines.push(format!("formats that cannot be read: {}", others.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests;
