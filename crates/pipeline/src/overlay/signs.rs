//! Signs: a warning triangle, and a camera with a line through it.

use embedded_graphics::geometry::{Point, Size as Extent};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{
    Circle, Line, PrimitiveStyle, PrimitiveStyleBuilder, Rectangle, RoundedRectangle, StrokeAlignment, Triangle,
};

use super::palette::{FAULT, PAPER, QUIET};
use super::screen_class::scaled;
use super::{fill, rectangle};
use phicam_frame::Rect;
use phicam_frame::canvas::Canvas;

/// Draws a warning triangle into `area`.
pub fn draw_warning(canvas: &mut Canvas, area: Rect) {
    let Rect { left, top, width, height } = area;
    let point = |x: u32, y: u32| Point::new(x as i32, y as i32);
    let triangle = Triangle::new(
        point(left + width / 2, top),
        point(left + width.saturating_sub(1), top + height.saturating_sub(1)),
        point(left, top + height.saturating_sub(1)),
    );
    let Ok(()) = triangle.into_styled(PrimitiveStyle::with_fill(FAULT)).draw(canvas);
    let stroke = (height / 7).max(1);
    let middle = left + (width - stroke.min(width)) / 2;
    fill(
        canvas,
        Rect { left: middle, top: top + scaled(height, 0.36), width: stroke, height: scaled(height, 0.3) },
        PAPER,
    );
    fill(canvas, Rect { left: middle, top: top + scaled(height, 0.75), width: stroke, height: stroke }, PAPER);
}

/// Draws a camera with a line through it into `area`.
pub fn draw_no_camera(canvas: &mut Canvas, area: Rect, line_width: u32) {
    let outline = PrimitiveStyleBuilder::new()
        .stroke_color(QUIET)
        .stroke_width(line_width)
        .stroke_alignment(StrokeAlignment::Inside)
        .build();
    let height = area.height;
    let body_width = scaled(height, 1.35).min(area.width);
    let body_left = area.left + (area.width - body_width) / 2;
    let body =
        Rect { left: body_left, top: area.top + scaled(height, 0.18), width: body_width, height: scaled(height, 0.82) };
    let rounded = RoundedRectangle::with_equal_corners(rectangle(body), Extent::new_equal(scaled(height, 0.08)));
    let Ok(()) = rounded.into_styled(outline).draw(canvas);
    let top_width = scaled(body_width, 0.32);
    let top_left = Point::new((body_left + (body_width - top_width) / 2) as i32, area.top as i32);
    let bump = Rectangle::new(top_left, Extent::new(top_width, scaled(height, 0.18) + line_width));
    let Ok(()) = bump.into_styled(outline).draw(canvas);
    let centre = Point::new((area.left + area.width / 2) as i32, (area.top + scaled(height, 0.59)) as i32);
    let Ok(()) = Circle::with_center(centre, scaled(height, 0.48)).into_styled(outline).draw(canvas);
    let from = Point::new(area.left as i32, (area.top + height) as i32 - 1);
    let to = Point::new((area.left + area.width) as i32 - 1, area.top as i32);
    for (colour, width) in [(PAPER, line_width * 4), (QUIET, line_width)] {
        draw_line(canvas, (from, to), colour, width);
    }
}

fn draw_line(canvas: &mut Canvas, (from, to): (Point, Point), colour: Rgb888, width: u32) {
    let Ok(()) = Line::new(from, to).into_styled(PrimitiveStyle::with_stroke(colour, width)).draw(canvas);
}
