//! Drawing of lines, markers and text in pixels of the figure, on any plotters backend.

use plotters::coord::Shift;
use plotters::prelude::{
    Circle, DrawingArea, DrawingBackend, IntoFont, PathElement, Polygon, RGBColor, Rectangle, ShapeStyle, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, TextStyle};

use super::{Colour, Marker, PlotError};

/// Family of the built-in font; a browser without it uses its sans-serif font.
pub const FONT_FAMILY: &str = "Noto Sans, sans-serif";
pub const TEXT: Colour = (32, 33, 36);
pub const GREY: Colour = (95, 99, 104);
pub const GRID: Colour = (226, 229, 233);
const WHITE: Colour = (255, 255, 255);

/// Interpretation of plotters' font size by a backend, in ems.
#[derive(Clone, Copy)]
pub struct FontMetrics {
    /// Font size to request for one em.
    size: f64,
    /// Distance from the top of the text to its baseline.
    baseline: f64,
}

/// plotters' ab_glyph scales to the height from ascender to descender, 1.362 em in Noto Sans; half of it is the top.
pub const BITMAP_FONT: FontMetrics = FontMetrics { size: 1.362, baseline: 0.681 };
/// plotters' SVG backend divides the size by 1.24 and moves the text down by 0.76 em.
pub const SVG_FONT: FontMetrics = FontMetrics { size: 1.24, baseline: 0.76 };
/// Height of capitals in ems, from Noto Sans.
pub const CAP_HEIGHT: f64 = 0.714;

/// Drawing area of a backend, in pixels of the figure.
pub struct Canvas<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    font: FontMetrics,
    scale: f64,
}

impl<'a, B: DrawingBackend> Canvas<'a, B> {
    /// Returns a canvas on `area`, which has `scale` backend pixels for each pixel of the figure.
    pub fn new(area: &'a DrawingArea<B, Shift>, font: FontMetrics, scale: f64) -> Canvas<'a, B> {
        Canvas { area, font, scale }
    }

    fn to_backend(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn style(&self, (red, green, blue): Colour, width: f64) -> ShapeStyle {
        RGBColor(red, green, blue).stroke_width((width * self.scale).round().max(1.0) as u32)
    }

    /// Fills the canvas with white.
    pub fn clear(&self) -> Result<(), PlotError> {
        self.area.fill(&RGBColor(255, 255, 255)).map_err(PlotError::new)
    }

    /// Draws straight segments from point to point.
    pub fn line(&self, points: &[(f64, f64)], colour: Colour, width: f64) -> Result<(), PlotError> {
        let points: Vec<_> = points.iter().map(|&point| self.to_backend(point)).collect();
        self.area.draw(&PathElement::new(points, self.style(colour, width))).map_err(PlotError::new)
    }

    /// Draws straight segments from point to point, in dashes and gaps of `dash` pixels.
    pub fn dashed_line(&self, points: &[(f64, f64)], colour: Colour, width: f64, dash: f64) -> Result<(), PlotError> {
        let mut distance = 0.0; // from the first point
        for segment in points.windows(2) {
            let [(x, y), (to_x, to_y)] = [segment[0], segment[1]];
            let length = (to_x - x).hypot(to_y - y);
            let point_at = |offset: f64| (x + (to_x - x) * offset / length, y + (to_y - y) * offset / length);
            let mut offset = 0.0;
            while offset < length {
                let end = length.min(offset + dash - distance % dash);
                if (distance / dash) as i64 % 2 == 0 {
                    self.line(&[point_at(offset), point_at(end)], colour, width)?;
                }
                distance += (end - offset).max(1e-6); // rounding must not stop the progress
                offset = end;
            }
        }
        Ok(())
    }

    /// Draws a marker of `radius` with a white rim; a hollow one has a white centre.
    pub fn marker(
        &self,
        marker: Marker,
        centre: (f64, f64),
        radius: f64,
        colour: Colour,
        is_hollow: bool,
    ) -> Result<(), PlotError> {
        self.shape(marker, centre, radius + 1.5, WHITE)?;
        self.shape(marker, centre, radius, colour)?;
        if is_hollow { self.shape(marker, centre, radius - 2.2, WHITE) } else { Ok(()) }
    }

    fn shape(&self, marker: Marker, (x, y): (f64, f64), radius: f64, colour: Colour) -> Result<(), PlotError> {
        let filled = self.style(colour, 1.0).filled();
        let drawn = match marker {
            Marker::None => return Ok(()),
            Marker::Circle => {
                let radius = (radius * self.scale).round() as i32;
                self.area.draw(&Circle::new(self.to_backend((x, y)), radius, filled))
            }
            Marker::Square => {
                let half = radius * 0.9;
                let corners = [(x - half, y - half), (x + half, y + half)];
                self.area.draw(&Rectangle::new(corners.map(|corner| self.to_backend(corner)), filled))
            }
            Marker::Diamond => {
                let half = radius * 1.25;
                let corners = [(x - half, y), (x, y - half), (x + half, y), (x, y + half)];
                self.area.draw(&Polygon::new(corners.map(|corner| self.to_backend(corner)).to_vec(), filled))
            }
        };
        drawn.map_err(PlotError::new)
    }

    /// Draws text of `em` pixels on a baseline; `align` −1 starts at the point, 0 is centred, 1 ends there.
    pub fn text(
        &self,
        baseline: (f64, f64),
        align: f64,
        em: f64,
        (red, green, blue): Colour,
        text: &str,
    ) -> Result<(), PlotError> {
        let anchor = match align {
            ..-0.5 => HPos::Left,
            -0.5..=0.5 => HPos::Center,
            _ => HPos::Right,
        };
        let font = (FONT_FAMILY, em * self.font.size * self.scale).into_font();
        let colour = RGBColor(red, green, blue);
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(anchor, VPos::Top));
        let top = (baseline.0, baseline.1 - em * self.font.baseline);
        self.area.draw(&Text::new(text, self.to_backend(top), style)).map_err(PlotError::new)
    }

    /// Fills a rectangle with white.
    pub fn clear_box(&self, left_top: (f64, f64), right_bottom: (f64, f64)) -> Result<(), PlotError> {
        let corners = [left_top, right_bottom].map(|corner| self.to_backend(corner));
        self.area.draw(&Rectangle::new(corners, self.style(WHITE, 1.0).filled())).map_err(PlotError::new)
    }

    /// Breaks `text` at spaces into lines of at most `max_width` pixels; a longer word keeps a line of its own.
    pub fn wrap(&self, em: f64, text: &str, max_width: f64) -> Result<Vec<String>, PlotError> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            if let Some(line) = lines.last_mut() {
                let longer = format!("{line} {word}");
                if self.text_width(em, &longer)? <= max_width {
                    *line = longer;
                    continue;
                }
            }
            lines.push(word.into());
        }
        Ok(lines)
    }

    /// Returns the width of `text` in pixels.
    pub fn text_width(&self, em: f64, text: &str) -> Result<f64, PlotError> {
        let font = (FONT_FAMILY, em * BITMAP_FONT.size * self.scale).into_font();
        let ((left, _), (right, _)) = font.layout_box(text).map_err(PlotError::new)?;
        Ok(f64::from(right - left) / self.scale)
    }
}
