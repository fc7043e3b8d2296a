//! Figure of points over a shared x axis, in panels, as PNG or SVG. It knows nothing of networks.

use std::path::Path;
use std::sync::Once;

use anyhow::Context;
use image::imageops::FilterType;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::drawing::IntoDrawingArea;
use plotters::style::{FontStyle, register_font};

use phicam_platform::paths;

mod axis;
mod canvas;
mod label_placement;
mod panel;
pub use axis::Axis;
use canvas::{BITMAP_FONT, Canvas, FONT_FAMILY, GREY, SVG_FONT, TEXT};

/// Width and height of a figure, in pixels.
pub const SIZE: (u32, u32) = (1600, 1000);
/// Supersampling factor: plotters has whole coordinates, and lines and glyphs need thirds of a pixel to look smooth.
const SUPERSAMPLING: u32 = 3;

/// Red, green, blue.
pub type Colour = (u8, u8, u8);
// Okabe and Ito's palette: its first three colours that also differ in lightness.
pub const BLUE: Colour = (0, 114, 178);
pub const ORANGE: Colour = (213, 94, 0);
pub const GREEN: Colour = (0, 158, 115);

/// Title, shared x axis and panels.
pub struct Figure {
    pub title: String,
    /// Wrapped at the width of the figure.
    pub subtitle: String,
    /// Shared by all panels.
    pub x: Axis,
    /// From top to bottom; the first one has the legend.
    pub panels: Vec<Panel>,
}

/// Plot area with its own y axis.
pub struct Panel {
    pub y: Axis,
    /// Height relative to the other panels.
    pub height_ratio: f64,
    pub series: Vec<Series>,
}

/// Points with one colour, marker and legend entry.
pub struct Series {
    /// Legend entry; an empty name has none.
    pub name: String,
    pub colour: Colour,
    pub marker: Marker,
    /// Whether a line connects the points.
    pub has_line: bool,
    /// Preferred direction from a point to its label: right and down, in pixels.
    pub label_direction: (f64, f64),
    pub points: Vec<Point>,
}

/// Shape that marks a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// No shape; the line through the points is dashed.
    None,
    Circle,
    Square,
    Diamond,
}

/// Point of a series, in the units of the axes.
#[derive(Clone, Debug)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    /// May be empty.
    pub label: String,
    /// Whether the marker has a white centre.
    pub is_hollow: bool,
}

impl Point {
    /// Returns a point with a filled marker.
    pub fn new(x: f64, y: f64, label: impl Into<String>) -> Point {
        Point { x, y, label: label.into(), is_hollow: false }
    }
}

/// Failure to draw a figure.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the figure: {0}")]
pub struct PlotError(String);

impl PlotError {
    fn new(cause: impl std::fmt::Display) -> PlotError {
        PlotError(cause.to_string())
    }
}

impl Figure {
    /// Writes the figure to `path`, as SVG if its name ends in `.svg`, else as PNG. Returns the file's bytes.
    pub fn write(&self, path: &Path) -> anyhow::Result<usize> {
        let is_svg = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
        let bytes = if is_svg { self.to_svg()?.into_bytes() } else { self.to_png()? };
        paths::atomic_write(path, &bytes).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(bytes.len())
    }

    /// Returns a PNG file of [`SIZE`] pixels.
    pub fn to_png(&self) -> Result<Vec<u8>, PlotError> {
        register_font_once();
        let (width, height) = (SIZE.0 * SUPERSAMPLING, SIZE.1 * SUPERSAMPLING);
        let mut pixels = vec![255; (width * height * 3) as usize];
        {
            let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
            self.draw(&Canvas::new(&area, BITMAP_FONT, f64::from(SUPERSAMPLING)))?;
            area.present().map_err(PlotError::new)?;
        }
        let supersampled = RgbImage::from_raw(width, height, pixels).ok_or_else(|| PlotError::new("too few pixels"))?;
        let image = image::imageops::resize(&supersampled, SIZE.0, SIZE.1, FilterType::Triangle);
        let mut png = Vec::new();
        image::codecs::png::PngEncoder::new(&mut png)
            .write_image(image.as_raw(), SIZE.0, SIZE.1, ExtendedColorType::Rgb8)
            .map_err(PlotError::new)?;
        Ok(png)
    }

    /// Returns an SVG document of [`SIZE`] pixels.
    pub fn to_svg(&self) -> Result<String, PlotError> {
        register_font_once();
        let (width, height) = (SIZE.0 * SUPERSAMPLING, SIZE.1 * SUPERSAMPLING);
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
            self.draw(&Canvas::new(&area, SVG_FONT, f64::from(SUPERSAMPLING)))?;
            area.present().map_err(PlotError::new)?;
        }
        let opening_tag = |width: u32, height: u32| format!("<svg width=\"{width}\" height=\"{height}\"");
        Ok(svg.replacen(&opening_tag(width, height), &opening_tag(SIZE.0, SIZE.1), 1))
    }

    fn draw<B: plotters::prelude::DrawingBackend>(&self, canvas: &Canvas<B>) -> Result<(), PlotError> {
        // Margins and gap in pixels: as much as the texts below need.
        const LEFT: f64 = 92.0;
        const RIGHT: f64 = 36.0;
        const TOP: f64 = 120.0; // and a line of the subtitle
        const BOTTOM: f64 = 75.0;
        const GAP: f64 = 54.0;
        const SUBTITLE_EM: f64 = 20.0;
        const SUBTITLE_LINE: f64 = 26.0;
        let (width, height) = (f64::from(SIZE.0), f64::from(SIZE.1));
        canvas.clear()?;
        canvas.text((LEFT, 50.0), -1.0, 34.0, TEXT, &self.title)?;
        let subtitle = canvas.wrap(SUBTITLE_EM, &self.subtitle, width - LEFT - RIGHT)?;
        for (index, line) in subtitle.iter().enumerate() {
            let baseline = 86.0 + SUBTITLE_LINE * index as f64;
            canvas.text((LEFT, baseline), -1.0, SUBTITLE_EM, GREY, line)?;
        }
        let subtitle_top = TOP + SUBTITLE_LINE * subtitle.len() as f64;
        let ratios: f64 = self.panels.iter().map(|panel| panel.height_ratio).sum();
        let panels_height = height - subtitle_top - BOTTOM - GAP * (self.panels.len().saturating_sub(1)) as f64;
        let mut top = subtitle_top;
        for (index, panel) in self.panels.iter().enumerate() {
            let bottom = top + panels_height * panel.height_ratio / ratios;
            let area = panel::PlotArea { left: LEFT, right: width - RIGHT, top, bottom };
            let is_last = index + 1 == self.panels.len();
            panel::draw(canvas, panel, &self.x, area, panel::Extras { legend: index == 0, x_numbers: is_last })?;
            top = bottom + GAP;
        }
        canvas.text(((LEFT + width - RIGHT) / 2.0, height - 20.0), 0.0, 20.0, TEXT, &self.x.title)
    }
}

/// Registers the built-in font with plotters, which has one registry for the process.
fn register_font_once() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let registered = register_font(FONT_FAMILY, FontStyle::Normal, phicam_pipeline::overlay::NOTO_SANS);
        assert!(registered.is_ok(), "the font is built in, and a test draws with it");
    });
}
