//! A picture of points over a shared axis, in panels, as PNG or SVG. It knows nothing of networks.

use std::sync::Once;

use image::imageops::FilterType;
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::drawing::IntoDrawingArea;
use plotters::style::{FontStyle, register_font};

mod axis;
mod canvas;
mod label_placement;
mod panel;
pub use axis::Axis;
use canvas::{BITMAP_TEXT, Canvas, FONT, GREY, INK, SVG_TEXT};

/// Pixels of a PNG, and the size that an SVG asks for.
pub const SIZE: (u32, u32) = (1600, 1000);
/// Lines and glyphs have whole coordinates: they are drawn this much larger.
const FINER: u32 = 3;

/// Red, green, blue. The first three of Okabe and Ito's palette that also differ in lightness.
pub type Colour = (u8, u8, u8);
pub const BLUE: Colour = (0, 114, 178);
pub const ORANGE: Colour = (213, 94, 0);
pub const GREEN: Colour = (0, 158, 115);

/// What is drawn.
pub struct Figure {
    pub title: String,
    /// A line below it.
    pub subtitle: String,
    /// Shared by the panels.
    pub x: Axis,
    /// From top to bottom; the legend is in the first.
    pub panels: Vec<Panel>,
}

/// A field with an axis of its own.
pub struct Panel {
    pub y: Axis,
    /// Of the height, relative to the other panels.
    pub share: f64,
    pub series: Vec<Series>,
}

/// Points that belong together.
pub struct Series {
    /// For the legend; without a name it is not in it.
    pub name: String,
    pub colour: Colour,
    pub mark: Mark,
    /// Whether a line goes through the points.
    pub joined: bool,
    /// Where labels go if there is room: right and down, in pixels.
    pub label_towards: (f64, f64),
    pub points: Vec<Point>,
}

/// How a point looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing but the line through the points, dashed.
    Nothing,
    Circle,
    Square,
    Diamond,
}

/// One of a series, in the units of the axes.
#[derive(Clone, Debug)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    /// May be empty.
    pub label: String,
    /// Drawn with a white middle.
    pub hollow: bool,
}

impl Point {
    /// A full mark.
    pub fn new(x: f64, y: f64, label: impl Into<String>) -> Point {
        Point { x, y, label: label.into(), hollow: false }
    }
}

/// A picture that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the picture cannot be drawn: {0}")]
pub struct PlotError(String);

impl PlotError {
    fn new(cause: impl std::fmt::Display) -> PlotError {
        PlotError(cause.to_string())
    }
}

impl Figure {
    /// Bytes of a PNG of [`SIZE`] pixels.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        register();
        let (width, height) = (SIZE.0 * FINER, SIZE.1 * FINER);
        let mut pixels = vec![255; (width * height * 3) as usize];
        {
            let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
            self.draw(&Canvas::new(&area, BITMAP_TEXT, f64::from(FINER)))?;
            area.present().map_err(PlotError::new)?;
        }
        let fine = RgbImage::from_raw(width, height, pixels).ok_or_else(|| PlotError::new("too few pixels"))?;
        let picture = image::imageops::resize(&fine, SIZE.0, SIZE.1, FilterType::Triangle);
        let mut png = Vec::new();
        image::codecs::png::PngEncoder::new(&mut png)
            .write_image(picture.as_raw(), SIZE.0, SIZE.1, ExtendedColorType::Rgb8)
            .map_err(PlotError::new)?;
        Ok(png)
    }

    /// The same as an SVG document.
    pub fn svg(&self) -> Result<String, PlotError> {
        register();
        let (width, height) = (SIZE.0 * FINER, SIZE.1 * FINER);
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
            self.draw(&Canvas::new(&area, SVG_TEXT, f64::from(FINER)))?;
            area.present().map_err(PlotError::new)?;
        }
        let size = |width: u32, height: u32| format!("<svg width=\"{width}\" height=\"{height}\"");
        Ok(svg.replacen(&size(width, height), &size(SIZE.0, SIZE.1), 1))
    }

    fn draw<B: plotters::prelude::DrawingBackend>(&self, canvas: &Canvas<B>) -> Result<(), PlotError> {
        const LEFT: f64 = 92.0;
        const RIGHT: f64 = 36.0;
        const TOP: f64 = 146.0;
        const BOTTOM: f64 = 75.0;
        const GAP: f64 = 54.0;
        let (width, height) = (f64::from(SIZE.0), f64::from(SIZE.1));
        canvas.clear()?;
        canvas.text((LEFT, 50.0), -1.0, 34.0, INK, &self.title)?;
        canvas.text((LEFT, 86.0), -1.0, 20.0, GREY, &self.subtitle)?;
        let shares: f64 = self.panels.iter().map(|panel| panel.share).sum();
        let room = height - TOP - BOTTOM - GAP * (self.panels.len().saturating_sub(1)) as f64;
        let mut top = TOP;
        for (at, panel) in self.panels.iter().enumerate() {
            let bottom = top + room * panel.share / shares;
            let field = panel::Field { left: LEFT, right: width - RIGHT, top, bottom };
            let last = at + 1 == self.panels.len();
            panel::draw(canvas, panel, &self.x, field, at == 0, last)?;
            top = bottom + GAP;
        }
        canvas.text(((LEFT + width - RIGHT) / 2.0, height - 20.0), 0.0, 20.0, INK, &self.x.title)
    }
}

/// Makes the font known to plotters, once.
fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let registered = register_font(FONT, FontStyle::Normal, phicam_pipeline::overlay::NOTO_SANS);
        assert!(registered.is_ok(), "the font is built in, and a test draws with it");
    });
}
