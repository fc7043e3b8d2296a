//! What gst-launch-1.0 says while it runs: the pictures' format, each picture's bytes, what went wrong.

use std::collections::VecDeque;
use std::time::Duration;

use phicam_frame::{Coding, Layout, Matrix, PixelFormat, Plane, Range, Size};

/// Names that the end of each pipeline has, see [`super::arguments`].
pub const CAPS_NAME: &str = "phicam";
pub const COUNTER_NAME: &str = "phicam-made";
/// GStreamer's names of the formats that can be read.
pub const FORMATS: &[(&str, PixelFormat)] = &[
    ("NV12", PixelFormat::Nv12),
    ("I420", PixelFormat::Yu12),
    ("YUY2", PixelFormat::Yuyv),
    ("UYVY", PixelFormat::Uyvy),
    ("NV21", PixelFormat::Nv21),
    ("RGB", PixelFormat::Rgb8),
    ("BGR", PixelFormat::Bgr8),
    ("GRAY8", PixelFormat::Grey),
];
/// Lines that are kept from the first error on, of the last, and letters of each.
const FIRST: usize = 3;
const LAST: usize = 3;
const LETTERS: usize = 240;
/// A longer line is no message of ours.
const LONGEST: usize = 16 << 10;

/// What the pictures are, as the pipeline agreed with itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawFrame {
    pub layout: Layout,
    /// Bytes that one takes, the padding of its rows included.
    pub bytes: usize,
    /// From one to the next; nothing where the pipeline does not say.
    pub interval: Option<Duration>,
}

/// One line of standard output that matters here.
#[derive(Debug, PartialEq)]
pub enum Message {
    /// The format from now on.
    RawFrame(RawFrame),
    /// A picture was made, of so many bytes.
    Made(usize),
}

/// Reads a line such as
/// `/GstPipeline:pipeline0/GstCapsFilter:phicam.GstPad:src: caps = video/x-raw, format=(string)NV12, …`, or
/// `/GstPipeline:pipeline0/GstIdentity:phicam-made: last-message = chain   ******* (phicam-made:sink) (1700 bytes, …`.
/// Both have been written so since GStreamer 1.0.
pub fn parse(line: &str) -> Option<Message> {
    let (object, said) = line.split_once(": ")?;
    let object = object.rsplit('/').next()?;
    if object.strip_prefix("GstCapsFilter:").and_then(|rest| rest.strip_suffix(".GstPad:src")) == Some(CAPS_NAME) {
        return picture(said.strip_prefix("caps = video/x-raw, ")?).map(Message::RawFrame);
    }
    if object.strip_prefix("GstIdentity:") == Some(COUNTER_NAME) {
        let rest = said.strip_prefix("last-message = chain ")?;
        let (before, _) = rest.split_once(" bytes, ")?;
        return before.rsplit('(').next()?.parse().ok().map(Message::Made);
    }
    None
}

/// The picture of caps: fields such as `width=(int)640`, apart by commas.
fn picture(caps: &str) -> Option<RawFrame> {
    let field = |name: &str| {
        let fields = caps.split([',', ';']).map(str::trim);
        let value = fields.filter_map(|field| field.split_once('=')).find(|(key, _)| *key == name)?.1;
        Some(value.rsplit(')').next()?.trim_matches('"'))
    };
    let number = |name: &str| field(name)?.parse::<u32>().ok();
    let (width, height) = (number("width")?, number("height")?);
    phicam_frame::check_size(width, height).ok()?;
    let name = field("format")?;
    let format = FORMATS.iter().find(|(known, _)| *known == name)?.1;
    let interval = field("framerate").and_then(|rate| {
        let (frames, seconds) = rate.split_once('/')?;
        let (frames, seconds): (f64, f64) = (frames.parse().ok()?, seconds.parse().ok()?);
        let interval_s = seconds / frames;
        (interval_s > 0.0 && interval_s < 3600.0).then(|| Duration::from_secs_f64(interval_s))
    });
    let size = Size::new(width, height);
    let (planes, bytes) = planes(format, width as usize, height as usize);
    let layout = Layout { size, format, coding: coding(format, height, field("colorimetry")), planes };
    Some(RawFrame { layout, bytes, interval })
}

/// Where the planes lie in a buffer that says nothing else (GstVideoInfo, "Raw video media types"): rows are rounded up
/// to four bytes, a plane of luminance with colours at half its size has an even number of rows.
fn planes(format: PixelFormat, width: usize, height: usize) -> ([Plane; 3], usize) {
    let four = |bytes: usize| bytes.next_multiple_of(4);
    let (even_width, even_height) = (width.next_multiple_of(2), height.next_multiple_of(2));
    // Bytes of a row, and rows, of each plane.
    let shapes = match format {
        PixelFormat::Nv12 | PixelFormat::Nv21 => {
            [(four(width), even_height), (four(even_width), even_height / 2), (0, 0)]
        }
        PixelFormat::Yu12 => {
            let half = (four(even_width / 2), even_height / 2);
            [(four(width), even_height), half, half]
        }
        _ => [(four(format.row_bytes(0, width)), height), (0, 0), (0, 0)],
    };
    let mut offset = 0;
    let planes = shapes.map(|(stride, rows)| {
        let plane = Plane { part: 0, offset, stride };
        offset += stride * rows;
        plane
    });
    let planes = std::array::from_fn(|index| if index < format.planes() { planes[index] } else { Plane::default() });
    (planes, offset)
}

/// What `colorimetry` says: a name, or numbers `range:matrix:…` of GstVideoColorRange and GstVideoColorMatrix. Without it,
/// GStreamer takes BT.601 up to 576 rows, BT.709 up to 2159, then BT.2020.
fn coding(format: PixelFormat, height: u32, colorimetry: Option<&str>) -> Coding {
    if matches!(format, PixelFormat::Rgb8 | PixelFormat::Bgr8) {
        return Coding::RGB;
    }
    let assumed = match height {
        ..=576 => Matrix::Bt601,
        577..=2159 => Matrix::Bt709,
        _ => Matrix::Bt2020,
    };
    let range = if format == PixelFormat::Grey { Range::Full } else { Range::Limited };
    let named = |matrix| Coding { matrix, range };
    match colorimetry {
        Some("bt601") => named(Matrix::Bt601),
        Some("bt709") => named(Matrix::Bt709),
        Some("bt2020" | "bt2020-10" | "bt2100-pq" | "bt2100-hlg") => named(Matrix::Bt2020),
        Some("smpte240m") => named(Matrix::Smpte240m),
        Some(numbers) => {
            let mut numbers = numbers.split(':');
            let range = match numbers.next() {
                Some("1") => Range::Full,
                Some("2") => Range::Limited,
                _ => range,
            };
            let matrix = match numbers.next() {
                Some("3") => Matrix::Bt709,
                Some("4") => Matrix::Bt601,
                Some("5") => Matrix::Smpte240m,
                Some("6") => Matrix::Bt2020,
                _ => assumed,
            };
            Coding { matrix, range }
        }
        None => named(assumed),
    }
}

/// What went wrong: the first lines from the first error on, which have the cause, and the last ones.
#[derive(Clone, Debug, Default)]
pub struct Said {
    first: Vec<String>,
    last: VecDeque<String>,
}

impl Said {
    /// Keeps a line, unless it only tells where in GStreamer's source something happened.
    pub fn keep(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() || line == "Additional debug info:" || (line.contains(" (): ") && line.ends_with(':')) {
            return;
        }
        let line: String = line.chars().filter(|letter| !letter.is_control()).take(LETTERS).collect();
        if self.first.len() < FIRST && (is_error(&line) || line.contains("erroneous") || !self.first.is_empty()) {
            return self.first.push(line);
        }
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        let last = self.last.iter().filter(|line| !self.first.contains(line));
        self.first.iter().chain(last).map(String::as_str)
    }

    /// All that was kept, in one line.
    pub fn in_words(&self) -> String {
        let words = self.lines().collect::<Vec<_>>().join("; ");
        if words.is_empty() { "it said nothing".into() } else { words }
    }

    /// Whether the pipeline could not even be made.
    pub fn is_erroneous_pipeline(&self) -> bool {
        self.lines().any(|line| line.contains("erroneous pipeline") || line.contains("could not be constructed"))
    }

    /// Whether gst-launch-1.0 or Argus said an error, whatever the exit code: Argus fails so that gst-launch-1.0 takes it
    /// for the end. Libraries complain of much that does not matter.
    pub fn has_error(&self) -> bool {
        let of_argus = |line: &str| line.to_lowercase().contains("argus") || line.contains("CONSUMER: ");
        self.lines().any(|line| line.starts_with("ERROR") || (is_error(line) && of_argus(line)))
    }
}

/// Whether a line tells of an error.
pub fn is_error(line: &str) -> bool {
    ["ERROR", "Error", "error", "CRITICAL"].iter().any(|word| line.contains(word))
}

/// Cuts what is read into lines, without allocating once the longest was seen.
#[derive(Default)]
pub struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Gives each line that `bytes` end to `take`.
    pub fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.rest.len() + part.len() <= LONGEST {
                self.rest.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                take(String::from_utf8_lossy(&self.rest).trim_end());
                self.rest.clear();
            }
        }
    }

    /// Gives what has no end of line yet.
    pub fn finish(&mut self, mut take: impl FnMut(&str)) {
        if !self.rest.is_empty() {
            take(&String::from_utf8_lossy(&self.rest));
            self.rest.clear();
        }
    }
}

#[cfg(test)]
mod tests;
