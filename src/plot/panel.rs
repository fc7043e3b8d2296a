//! One panel: its axes, its series, their labels, and the legend.

use plotters::prelude::DrawingBackend;

use super::canvas::{CAPITAL, Canvas, GREY, INK, RULE};
use super::label_placement::{Box2, Surroundings, Wanted, along};
use super::{Axis, Colour, Mark, Panel, PlotError, Series};

/// The pixels between the axes.
#[derive(Clone, Copy)]
pub struct Field {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

const RADIUS: f64 = 7.2;
const LABEL_EM: f64 = 18.5;
const TICK_EM: f64 = 18.5;
const TITLE_EM: f64 = 20.0;
const LEGEND_EM: f64 = 19.0;

/// Draws the panel into `field`; with the legend, and with numbers on the x axis, where that is said.
pub fn draw<B: DrawingBackend>(
    canvas: &Canvas<B>,
    panel: &Panel,
    x: &Axis,
    field: Field,
    legend: bool,
    numbers: bool,
) -> Result<(), PlotError> {
    let Field { left, right, top, bottom } = field;
    let pixel = |px: f64, py: f64| (left + (right - left) * x.place(px), bottom - (bottom - top) * panel.y.place(py));
    canvas.text((left, top - 14.0), -1.0, TITLE_EM, INK, &panel.y.title)?;
    for (value, name) in &panel.y.ticks {
        let (_, y) = pixel(x.from, *value);
        canvas.line(&[(left, y), (right, y)], RULE, 1.0)?;
        canvas.text((left - 10.0, y + TICK_EM * CAPITAL / 2.0), 1.0, TICK_EM, GREY, name)?;
    }
    for (value, name) in &x.ticks {
        let (at, _) = pixel(*value, panel.y.from);
        canvas.line(&[(at, top), (at, bottom)], RULE, 1.0)?;
        if numbers {
            canvas.text((at, bottom + 27.0), 0.0, TICK_EM, GREY, name)?;
        }
    }
    canvas.line(&[(left, bottom), (right, bottom)], GREY, 1.3)?;

    let places: Vec<Vec<(f64, f64)>> =
        panel.series.iter().map(|series| series.points.iter().map(|point| pixel(point.x, point.y)).collect()).collect();
    let mut taken = Vec::new();
    let mut lines = Vec::new();
    for (series, places) in panel.series.iter().zip(&places) {
        if series.mark != Mark::Nothing {
            taken.extend(places.iter().map(|place| Box2::around(*place, RADIUS + 2.0, RADIUS + 2.0)));
        }
        if series.joined {
            lines.extend(places.windows(2).flat_map(|ends| along(&[ends[0], ends[1]]).collect::<Vec<_>>()));
        }
        match (series.joined, series.mark) {
            (true, Mark::Nothing) => canvas.dashed(places, series.colour, 2.0, 8.0)?,
            (true, _) => canvas.line(places, lighter(series.colour), 2.2)?,
            (false, _) => {}
        }
    }
    if legend {
        taken.push(draw_legend(canvas, &panel.series, field)?);
    }
    draw_labels(
        canvas,
        &panel.series,
        &places,
        Surroundings { field: Box2 { left, top, right, bottom }, taken, lines },
    )?;
    for (series, places) in panel.series.iter().zip(&places) {
        for (point, &place) in series.points.iter().zip(places) {
            canvas.mark(series.mark, place, RADIUS, series.colour, point.hollow)?;
        }
    }
    Ok(())
}

/// Each point's label, with a line from the point where it is not beside it.
fn draw_labels<B: DrawingBackend>(
    canvas: &Canvas<B>,
    series: &[Series],
    places: &[Vec<(f64, f64)>],
    surroundings: Surroundings,
) -> Result<(), PlotError> {
    let (mut texts, mut wanted) = (Vec::new(), Vec::new());
    for (series, places) in series.iter().zip(places) {
        for (point, &place) in series.points.iter().zip(places).filter(|(point, _)| !point.label.is_empty()) {
            let size = (canvas.width(LABEL_EM, &point.label)? + 4.0, LABEL_EM * CAPITAL + 6.0);
            wanted.push(Wanted { point: place, size, towards: series.label_towards });
            texts.push((&point.label, series.colour));
        }
    }
    for ((text, colour), placed) in texts.into_iter().zip(surroundings.place(&wanted)) {
        if let Some(leader) = placed.leader {
            canvas.line(&leader, lighter(colour), 1.3)?;
        }
        canvas.text((placed.place.left + 2.0, placed.place.bottom - 3.0), -1.0, LABEL_EM, colour, text)?;
    }
    Ok(())
}

/// Names of the series at the lower right; gives what it covers.
fn draw_legend<B: DrawingBackend>(canvas: &Canvas<B>, series: &[Series], field: Field) -> Result<Box2, PlotError> {
    const LINE: f64 = 32.0;
    let named: Vec<&Series> = series.iter().filter(|series| !series.name.is_empty()).collect();
    let mut widest: f64 = 0.0;
    for series in &named {
        widest = widest.max(canvas.width(LEGEND_EM, &series.name)?);
    }
    let (left, top) = (field.right - widest - 50.0, field.bottom - LINE * named.len() as f64);
    for (at, series) in named.iter().enumerate() {
        let y = top + LINE * at as f64;
        if series.joined {
            canvas.line(&[(left - 16.0, y), (left + 16.0, y)], lighter(series.colour), 2.2)?;
        }
        canvas.mark(series.mark, (left, y), RADIUS, series.colour, false)?;
        canvas.text((left + 26.0, y + LEGEND_EM * CAPITAL / 2.0), -1.0, LEGEND_EM, INK, &series.name)?;
    }
    Ok(Box2 { left: left - 20.0, top: top - LINE / 2.0, right: field.right, bottom: field.bottom })
}

/// Half way to white.
fn lighter((red, green, blue): Colour) -> Colour {
    let lighter = |value: u8| 255 - (255 - value) / 2;
    (lighter(red), lighter(green), lighter(blue))
}
