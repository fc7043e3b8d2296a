//! Drawing of one panel: axes, series, labels and legend.

use plotters::prelude::DrawingBackend;

use super::canvas::{CAP_HEIGHT, Canvas, GREY, GRID, TEXT};
use super::label_placement::{Bounds, LabelRequest, Obstacles, sample_line};
use super::{Axis, Colour, Marker, Panel, PlotError, Series};

/// Pixels between the axes of a panel.
#[derive(Clone, Copy)]
pub struct PlotArea {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

/// Parts that only some panels have.
#[derive(Clone, Copy)]
pub struct Extras {
    pub legend: bool,
    /// Numbers below the x axis.
    pub x_numbers: bool,
}

// Sizes in pixels, chosen by eye for a figure of 1600 × 1000.
const RADIUS: f64 = 7.2;
const LABEL_EM: f64 = 18.5;
const TICK_EM: f64 = 18.5;
const TITLE_EM: f64 = 20.0;
const LEGEND_EM: f64 = 19.0;

/// Draws `panel` into `area`.
pub fn draw<B: DrawingBackend>(
    canvas: &Canvas<B>,
    panel: &Panel,
    x: &Axis,
    area: PlotArea,
    extras: Extras,
) -> Result<(), PlotError> {
    let PlotArea { left, right, top, bottom } = area;
    let to_pixel = |value_x: f64, value_y: f64| {
        (left + (right - left) * x.position(value_x), bottom - (bottom - top) * panel.y.position(value_y))
    };
    canvas.text((left, top - 14.0), -1.0, TITLE_EM, TEXT, &panel.y.title)?;
    for (value, text) in &panel.y.ticks {
        let (_, y) = to_pixel(x.from, *value);
        canvas.line(&[(left, y), (right, y)], GRID, 1.0)?;
        canvas.text((left - 10.0, y + TICK_EM * CAP_HEIGHT / 2.0), 1.0, TICK_EM, GREY, text)?;
    }
    for (value, text) in &x.ticks {
        let (x, _) = to_pixel(*value, panel.y.from);
        canvas.line(&[(x, top), (x, bottom)], GRID, 1.0)?;
        if extras.x_numbers {
            canvas.text((x, bottom + 27.0), 0.0, TICK_EM, GREY, text)?;
        }
    }
    canvas.line(&[(left, bottom), (right, bottom)], GREY, 1.3)?;

    let positions: Vec<Vec<(f64, f64)>> = panel
        .series
        .iter()
        .map(|series| series.points.iter().map(|point| to_pixel(point.x, point.y)).collect())
        .collect();
    let mut boxes = Vec::new();
    let mut line_points = Vec::new();
    for (series, positions) in panel.series.iter().zip(&positions) {
        if series.marker != Marker::None {
            boxes.extend(positions.iter().map(|centre| Bounds::centred_at(*centre, RADIUS + 2.0, RADIUS + 2.0)));
        }
        if series.has_line {
            line_points
                .extend(positions.windows(2).flat_map(|ends| sample_line(&[ends[0], ends[1]]).collect::<Vec<_>>()));
        }
        match (series.has_line, series.marker) {
            (true, Marker::None) => canvas.dashed_line(positions, series.colour, 2.0, 8.0)?,
            (true, _) => canvas.line(positions, lighter(series.colour), 2.2)?,
            (false, _) => {}
        }
    }
    if extras.legend {
        boxes.push(draw_legend(canvas, &panel.series, area)?);
    }
    let obstacles = Obstacles { area: Bounds { left, top, right, bottom }, boxes, line_points };
    draw_labels(canvas, &panel.series, &positions, obstacles)?;
    for (series, positions) in panel.series.iter().zip(&positions) {
        for (point, &position) in series.points.iter().zip(positions) {
            canvas.marker(series.marker, position, RADIUS, series.colour, point.is_hollow)?;
        }
    }
    Ok(())
}

/// Draws the label of each point, with a leader line if the label is not beside it.
fn draw_labels<B: DrawingBackend>(
    canvas: &Canvas<B>,
    series: &[Series],
    positions: &[Vec<(f64, f64)>],
    obstacles: Obstacles,
) -> Result<(), PlotError> {
    let mut texts = Vec::new();
    let mut requests = Vec::new();
    for (series, positions) in series.iter().zip(positions) {
        for (point, &position) in series.points.iter().zip(positions).filter(|(point, _)| !point.label.is_empty()) {
            let size = (canvas.text_width(LABEL_EM, &point.label)? + 4.0, LABEL_EM * CAP_HEIGHT + 6.0);
            requests.push(LabelRequest { point: position, size, direction: series.label_direction });
            texts.push((&point.label, series.colour));
        }
    }
    for ((text, colour), label) in texts.into_iter().zip(obstacles.place(&requests)) {
        if let Some(leader) = label.leader {
            canvas.line(&leader, lighter(colour), 1.3)?;
        }
        canvas.text((label.bounds.left + 2.0, label.bounds.bottom - 3.0), -1.0, LABEL_EM, colour, text)?;
    }
    Ok(())
}

/// Draws the names of the series at the lower right. Returns the bounds of the legend.
fn draw_legend<B: DrawingBackend>(canvas: &Canvas<B>, series: &[Series], area: PlotArea) -> Result<Bounds, PlotError> {
    const LINE_HEIGHT: f64 = 32.0;
    let entries: Vec<&Series> = series.iter().filter(|series| !series.name.is_empty()).collect();
    let mut widest: f64 = 0.0;
    for series in &entries {
        widest = widest.max(canvas.text_width(LEGEND_EM, &series.name)?);
    }
    let left = area.right - widest - 50.0;
    let top = area.bottom - LINE_HEIGHT * entries.len() as f64;
    // Lines must not cross the text.
    canvas.clear_box((left - 20.0, top - LINE_HEIGHT / 2.0), (area.right, area.bottom - 1.0))?;
    for (index, series) in entries.iter().enumerate() {
        let y = top + LINE_HEIGHT * index as f64;
        let ends = [(left - 16.0, y), (left + 16.0, y)];
        match (series.has_line, series.marker) {
            (true, Marker::None) => canvas.dashed_line(&ends, series.colour, 2.0, 8.0)?,
            (true, _) => canvas.line(&ends, lighter(series.colour), 2.2)?,
            (false, _) => {}
        }
        let is_hollow = !series.points.is_empty() && series.points.iter().all(|point| point.is_hollow);
        canvas.marker(series.marker, (left, y), RADIUS, series.colour, is_hollow)?;
        canvas.text((left + 26.0, y + LEGEND_EM * CAP_HEIGHT / 2.0), -1.0, LEGEND_EM, TEXT, &series.name)?;
    }
    Ok(Bounds { left: left - 20.0, top: top - LINE_HEIGHT / 2.0, right: area.right, bottom: area.bottom })
}

/// Returns the colour half way to white.
fn lighter((red, green, blue): Colour) -> Colour {
    let lighter = |value: u8| 255 - (255 - value) / 2;
    (lighter(red), lighter(green), lighter(blue))
}
