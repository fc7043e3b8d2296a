//! Lines, marks and text in pixels of the finished picture, on any of plotters' backends.

use plotters::coord::Shift;
use plotters::prelude::{
    Circle, DrawingArea, DrawingBackend, IntoFont, PathElement, Polygon, RGBColor, Rectangle, ShapeStyle, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, TextStyle};

use super::{Colour, Mark, PlotError};

/// Family of the built-in font; browsers without it take another without serifs.
pub const FONT: &str = "Noto Sans, sans-serif";
pub const INK: Colour = (32, 33, 36);
pub const GREY: Colour = (95, 99, 104);
pub const RULE: Colour = (226, 229, 233);
const WHITE: Colour = (255, 255, 255);

/// How a backend understands plotters' font size, in ems: what it must be, and how far below the top it puts the
/// baseline.
#[derive(Clone, Copy)]
pub struct TextRule {
    size: f64,
    baseline: f64,
}

/// plotters' ab_glyph takes the height from ascender to descender (1.362 em in Noto Sans), and half of it for the top.
pub const BITMAP_TEXT: TextRule = TextRule { size: 1.362, baseline: 0.681 };
/// plotters' SVG divides by 1.24 and moves down 0.76 em.
pub const SVG_TEXT: TextRule = TextRule { size: 1.24, baseline: 0.76 };
/// Height of capitals in ems.
pub const CAPITAL: f64 = 0.714;

/// Somewhere to draw.
pub struct Canvas<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    rule: TextRule,
    finer: f64,
}

impl<'a, B: DrawingBackend> Canvas<'a, B> {
    /// On `area`, which is `finer` times as large as the coordinates say.
    pub fn new(area: &'a DrawingArea<B, Shift>, rule: TextRule, finer: f64) -> Canvas<'a, B> {
        Canvas { area, rule, finer }
    }

    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.finer).round() as i32, (y * self.finer).round() as i32)
    }

    fn style(&self, (red, green, blue): Colour, width: f64) -> ShapeStyle {
        RGBColor(red, green, blue).stroke_width((width * self.finer).round().max(1.0) as u32)
    }

    /// White everywhere.
    pub fn clear(&self) -> Result<(), PlotError> {
        self.area.fill(&RGBColor(255, 255, 255)).map_err(PlotError::new)
    }

    /// Straight pieces from point to point.
    pub fn line(&self, points: &[(f64, f64)], colour: Colour, width: f64) -> Result<(), PlotError> {
        let points: Vec<_> = points.iter().map(|&point| self.at(point)).collect();
        self.area.draw(&PathElement::new(points, self.style(colour, width))).map_err(PlotError::new)
    }

    /// The same in dashes of `dash` pixels.
    pub fn dashed(&self, points: &[(f64, f64)], colour: Colour, width: f64, dash: f64) -> Result<(), PlotError> {
        let mut gone = 0.0;
        for piece in points.windows(2) {
            let [(x, y), (to_x, to_y)] = [piece[0], piece[1]];
            let length = (to_x - x).hypot(to_y - y);
            let at = |part: f64| (x + (to_x - x) * part / length, y + (to_y - y) * part / length);
            let mut done = 0.0;
            while done < length {
                let end = length.min(done + dash - gone % dash);
                if (gone / dash) as i64 % 2 == 0 {
                    self.line(&[at(done), at(end)], colour, width)?;
                }
                gone += (end - done).max(1e-6);
                done = end;
            }
        }
        Ok(())
    }

    /// A mark of `radius` around a point, with a white rim, and a white middle where it is hollow.
    pub fn mark(&self, mark: Mark, at: (f64, f64), radius: f64, colour: Colour, hollow: bool) -> Result<(), PlotError> {
        self.shape(mark, at, radius + 1.5, WHITE)?;
        self.shape(mark, at, radius, colour)?;
        if hollow { self.shape(mark, at, radius - 2.2, WHITE) } else { Ok(()) }
    }

    fn shape(&self, mark: Mark, (x, y): (f64, f64), radius: f64, colour: Colour) -> Result<(), PlotError> {
        let filled = self.style(colour, 1.0).filled();
        let drawn = match mark {
            Mark::Nothing => return Ok(()),
            Mark::Circle => self.area.draw(&Circle::new(self.at((x, y)), (radius * self.finer).round() as i32, filled)),
            Mark::Square => {
                let half = radius * 0.9;
                self.area.draw(&Rectangle::new([self.at((x - half, y - half)), self.at((x + half, y + half))], filled))
            }
            Mark::Diamond => {
                let half = radius * 1.25;
                let corners = [(x - half, y), (x, y - half), (x + half, y), (x, y + half)];
                self.area.draw(&Polygon::new(corners.map(|corner| self.at(corner)).to_vec(), filled))
            }
        };
        drawn.map_err(PlotError::new)
    }

    /// Text on a baseline, `em` pixels large; `align` −1 starts at the point, 0 is centred, 1 ends there.
    pub fn text(&self, at: (f64, f64), align: f64, em: f64, colour: Colour, text: &str) -> Result<(), PlotError> {
        let anchor = match align {
            ..-0.5 => HPos::Left,
            -0.5..=0.5 => HPos::Center,
            _ => HPos::Right,
        };
        let (red, green, blue) = colour;
        let font = (FONT, em * self.rule.size * self.finer).into_font();
        let colour = RGBColor(red, green, blue);
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(anchor, VPos::Top));
        let top = (at.0, at.1 - em * self.rule.baseline);
        self.area.draw(&Text::new(text, self.at(top), style)).map_err(PlotError::new)
    }

    /// Pixels that `text` is wide.
    pub fn width(&self, em: f64, text: &str) -> Result<f64, PlotError> {
        let font = (FONT, em * BITMAP_TEXT.size * self.finer).into_font();
        let ((left, _), (right, _)) = font.layout_box(text).map_err(PlotError::new)?;
        Ok(f64::from(right - left) / self.finer)
    }
}
