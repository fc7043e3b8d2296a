//! Parser for the output of gst-launch-1.0: the format, the size of each frame, and errors.

use std::collections::VecDeque;
use std::time::Duration;

use phicam_frame::{Coding, Layout, Matrix, PixelFormat, Plane, Range, Size};

/// Names of the elements that end each pipeline, see [`super::launch_arguments`].
pub const CAPS_NAME: &str = "phicam";
pub const COUNTER_NAME: &str = "phicam-made";
/// GStreamer's names of the readable formats.
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
/// Lines that an [`ErrorLog`] keeps from the first error on, enough for its cause.
const FIRST_LINES: usize = 3;
/// Lines that an [`ErrorLog`] keeps from the end.
const LAST_LINES: usize = 3;
/// Characters that an [`ErrorLog`] keeps of a line.
const LINE_CHARS: usize = 240;
/// Longest line in bytes, an estimate above every message that is parsed; it bounds the memory.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Negotiated format of the pipeline's frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawFormat {
    pub layout: Layout,
    /// Bytes of a frame, with the padding of its rows.
    pub frame_bytes: usize,
    /// Frame interval; `None` if the pipeline states no rate.
    pub interval: Option<Duration>,
}

impl std::fmt::Display for RawFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let RawFormat { layout, interval, .. } = self;
        write!(f, "{} {}", layout.size, layout.format)?;
        let Some(interval) = interval else { return Ok(()) };
        let fps = format!("{:.4}", 1.0 / interval.as_secs_f64());
        write!(f, " at {} fps", fps.strip_suffix(".0000").unwrap_or(&fps))
    }
}

/// Message on standard output about the format or a frame.
#[derive(Debug, PartialEq)]
pub enum Message {
    /// Format of the following frames.
    Format(RawFormat),
    /// The pipeline produced a frame of this many bytes.
    Produced(usize),
}

/// Parses a line such as
/// `/GstPipeline:pipeline0/GstCapsFilter:phicam.GstPad:src: caps = video/x-raw, format=(string)NV12, …`, or
/// `/GstPipeline:pipeline0/GstIdentity:phicam-made: last-message = chain   ******* (phicam-made:sink) (1700 bytes, …`.
/// Returns `None` for other lines. Both forms exist since GStreamer 1.0.
pub fn parse(line: &str) -> Option<Message> {
    let (object, text) = line.split_once(": ")?;
    let object = object.rsplit('/').next()?;
    if object.strip_prefix("GstCapsFilter:").and_then(|rest| rest.strip_suffix(".GstPad:src")) == Some(CAPS_NAME) {
        return parse_caps(text.strip_prefix("caps = video/x-raw, ")?).map(Message::Format);
    }
    if object.strip_prefix("GstIdentity:") == Some(COUNTER_NAME) {
        let rest = text.strip_prefix("last-message = chain ")?;
        let (before, _) = rest.split_once(" bytes, ")?;
        return before.rsplit('(').next()?.parse().ok().map(Message::Produced);
    }
    None
}

/// Parses caps: fields such as `width=(int)640`, separated by commas.
fn parse_caps(caps: &str) -> Option<RawFormat> {
    let field = |name: &str| {
        let fields = caps.split([',', ';']).map(str::trim);
        let value = fields.filter_map(|field| field.split_once('=')).find(|(key, _)| *key == name)?.1;
        Some(value.rsplit(')').next()?.trim_matches('"'))
    };
    let number = |name: &str| field(name)?.parse::<u32>().ok();
    let (width, height) = (number("width")?, number("height")?);
    phicam_frame::check_size(width, height).ok()?;
    let name = field("format")?;
    let format = FORMATS.iter().find(|(gst_name, _)| *gst_name == name)?.1;
    let interval = field("framerate").and_then(|rate| {
        let (frames, seconds) = rate.split_once('/')?;
        let (frames, seconds): (f64, f64) = (frames.parse().ok()?, seconds.parse().ok()?);
        let interval_s = seconds / frames;
        (interval_s > 0.0 && interval_s < 3600.0).then(|| Duration::from_secs_f64(interval_s))
    });
    let size = Size::new(width, height);
    let (planes, frame_bytes) = default_planes(format, width as usize, height as usize);
    let layout = Layout { size, format, coding: coding(format, height, field("colorimetry")), planes };
    Some(RawFormat { layout, frame_bytes, interval })
}

/// Returns GStreamer's default planes and the bytes of a frame (GstVideoInfo, "Raw video media types").
///
/// Rows are rounded up to four bytes. The luminance plane of a subsampled format has an even number of rows.
fn default_planes(format: PixelFormat, width: usize, height: usize) -> ([Plane; 3], usize) {
    let align4 = |bytes: usize| bytes.next_multiple_of(4);
    let even_width = width.next_multiple_of(2);
    let even_height = height.next_multiple_of(2);
    // (stride, rows) of each plane
    let shapes = match format {
        PixelFormat::Nv12 | PixelFormat::Nv21 => {
            [(align4(width), even_height), (align4(even_width), even_height / 2), (0, 0)]
        }
        PixelFormat::Yu12 => {
            let half = (align4(even_width / 2), even_height / 2);
            [(align4(width), even_height), half, half]
        }
        _ => [(align4(format.row_bytes(0, width)), height), (0, 0), (0, 0)],
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

/// Returns the colour coding of `colorimetry`: a name, or `range:matrix:…` by the numbers of GstVideoColorRange and
/// GstVideoColorMatrix.
///
/// Without colorimetry, GStreamer assumes BT.601 up to 576 rows, BT.709 up to 2159, and BT.2020 above.
fn coding(format: PixelFormat, height: u32, colorimetry: Option<&str>) -> Coding {
    if matches!(format, PixelFormat::Rgb8 | PixelFormat::Bgr8) {
        return Coding::RGB;
    }
    let default_matrix = match height {
        ..=576 => Matrix::Bt601,
        577..=2159 => Matrix::Bt709,
        _ => Matrix::Bt2020,
    };
    let range = if format == PixelFormat::Grey { Range::Full } else { Range::Limited };
    let with_range = |matrix| Coding { matrix, range };
    match colorimetry {
        Some("bt601") => with_range(Matrix::Bt601),
        Some("bt709") => with_range(Matrix::Bt709),
        Some("bt2020" | "bt2020-10" | "bt2100-pq" | "bt2100-hlg") => with_range(Matrix::Bt2020),
        Some("smpte240m") => with_range(Matrix::Smpte240m),
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
                _ => default_matrix,
            };
            Coding { matrix, range }
        }
        None => with_range(default_matrix),
    }
}

/// Error output: the lines from the first error on, which state the cause, and the last lines.
#[derive(Clone, Debug, Default)]
pub struct ErrorLog {
    first: Vec<String>,
    last: VecDeque<String>,
}

impl ErrorLog {
    /// Records a line, unless it only states a position in GStreamer's source.
    pub fn push(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() || line == "Additional debug info:" || (line.contains(" (): ") && line.ends_with(':')) {
            return;
        }
        let line: String = line.chars().filter(|letter| !letter.is_control()).take(LINE_CHARS).collect();
        if self.first.len() < FIRST_LINES && (is_error(&line) || line.contains("erroneous") || !self.first.is_empty()) {
            return self.first.push(line);
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        let last = self.last.iter().filter(|line| !self.first.contains(line));
        self.first.iter().chain(last).map(String::as_str)
    }

    /// Returns whether gst-launch-1.0 could not build the pipeline.
    pub fn is_erroneous_pipeline(&self) -> bool {
        self.lines().any(|line| line.contains("erroneous pipeline") || line.contains("could not be constructed"))
    }

    /// Returns whether gst-launch-1.0 or Argus reported an error.
    ///
    /// gst-launch-1.0 takes errors of Argus for the end of the stream and exits with 0. Errors of other libraries are
    /// ignored, because many are harmless.
    pub fn has_error(&self) -> bool {
        let is_argus = |line: &str| line.to_lowercase().contains("argus") || line.contains("CONSUMER: ");
        self.lines().any(|line| line.starts_with("ERROR") || (is_error(line) && is_argus(line)))
    }
}

impl std::fmt::Display for ErrorLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines = self.lines().collect::<Vec<_>>().join("; ");
        f.write_str(if lines.is_empty() { "it printed no message" } else { &lines })
    }
}

/// Returns whether a line reports an error.
pub fn is_error(line: &str) -> bool {
    ["ERROR", "Error", "error", "CRITICAL"].iter().any(|word| line.contains(word))
}

/// Splitter of a byte stream into lines; it allocates only while its longest line grows.
#[derive(Default)]
pub struct LineSplitter {
    partial: Vec<u8>,
}

impl LineSplitter {
    /// Passes each line that `bytes` complete to `take`; a line over 16 KiB loses its excess.
    pub fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.partial.len() + part.len() <= MAX_LINE_BYTES {
                self.partial.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                take(String::from_utf8_lossy(&self.partial).trim_end());
                self.partial.clear();
            }
        }
    }

    /// Passes the last line without a line feed to `take`.
    pub fn finish(&mut self, mut take: impl FnMut(&str)) {
        if !self.partial.is_empty() {
            take(&String::from_utf8_lossy(&self.partial));
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests;
