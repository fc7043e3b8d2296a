//! Figure of a pick: latency over MACs for each candidate, the latency models, and the budget.

use crate::plot::{Axis, BLUE, Colour, Figure, GREEN, Marker, ORANGE, Panel, Point, Series};
use phicam_engine::ExecutionConfig;
use phicam_policy::picker::reason::{Finding, Reason};
use phicam_policy::picker::{Candidate, ComputeCost, LatencyModel, Pick, explain, required_ms};

const RED: Colour = (200, 30, 60);
const COLOURS: [Colour; 3] = [BLUE, ORANGE, GREEN];
const MARKERS: [Marker; 3] = [Marker::Circle, Marker::Square, Marker::Diamond];

/// Returns the colour and the marker of an execution config. Nine configs differ, as many as three engines have.
fn style(index: usize) -> (Colour, Marker) {
    (COLOURS[index % COLOURS.len()], MARKERS[(index + index / COLOURS.len()) % MARKERS.len()])
}

pub fn figure(pick: &Pick) -> Figure {
    let mut configs: Vec<ExecutionConfig> = pick.candidates.iter().map(|candidate| candidate.config).collect();
    configs.sort();
    configs.dedup();
    let mut series = Vec::new();
    for (index, config) in configs.iter().enumerate() {
        series.extend(config_series(pick, *config, style(index)));
    }
    let limit_macs = pick.budget.million_macs;
    let macs = || pick.candidates.iter().map(|candidate| candidate.variant.million_macs);
    let min_macs = macs().fold(f64::INFINITY, f64::min);
    let max_macs = macs().fold(0.0, f64::max);
    let x_range = (min_macs * 0.8, max_macs * 1.35); // room for the labels
    if let Some(limit) = pick.budget.frame_ms {
        let ends = vec![Point::new(x_range.0, limit, ""), Point::new(x_range.1, limit, "")];
        series.push(dashed_line(format!("latency limit, {limit:.1} ms"), RED, ends));
    }
    let picked = Point::new(pick.variant.million_macs, required_ms(pick.measurement.total_ms.p95), &*pick.variant.name);
    series.push(points("picked".into(), RED, Marker::Diamond, vec![picked]));
    let times = || series.iter().flat_map(|series| &series.points).map(|point| point.y);
    let (min_ms, max_ms) = (times().fold(f64::INFINITY, f64::min) * 0.7, times().fold(0.0, f64::max) * 1.5);
    if let Some(limit) = limit_macs.filter(|limit| (x_range.0..x_range.1).contains(limit)) {
        let ends = vec![Point::new(limit, min_ms, ""), Point::new(limit, max_ms, "")];
        series.push(dashed_line(format!("limit of {limit:.0} M MACs"), RED, ends));
    }
    let y = Axis::logarithmic(
        "latency in ms, 95th percentile, with headroom for camera and display",
        (min_ms, max_ms),
        |ms| format!("{ms}"),
    );
    Figure {
        title: Reason::new(pick).headline(),
        subtitle: explain(pick).replace(" → ", ": "), // the font has no arrows
        x: Axis::logarithmic("million multiply-accumulates (MACs) of one inference", x_range, |macs| format!("{macs}")),
        panels: vec![Panel { y, height_ratio: 1.0, series }],
    }
}

/// Returns the latency model of `config` as a curve, its measured candidates as points, and the others as hollow points.
fn config_series(pick: &Pick, config: ExecutionConfig, (colour, marker): (Colour, Marker)) -> Vec<Series> {
    let candidates = || pick.candidates.iter().filter(|candidate| candidate.config == config);
    let cost = |candidate: &Candidate| ComputeCost::from_variant(&candidate.variant);
    let measured = || candidates().filter_map(|candidate| Some((cost(candidate), candidate.measurement.as_ref()?)));
    let Some(latency_model) = LatencyModel::fit(measured()) else { return Vec::new() };
    let (mut filled, mut hollow, mut curve) = (Vec::new(), Vec::new(), Vec::new());
    for candidate in candidates() {
        let macs = candidate.variant.million_macs;
        let predicted_p95_ms = latency_model.p95_ms(&cost(candidate));
        curve.push(Point::new(macs, required_ms(predicted_p95_ms), ""));
        let finding = Finding::new(candidate, pick);
        match &candidate.measurement {
            // The pick has a series of its own.
            _ if finding == Finding::Picked => {}
            _ if matches!(finding, Finding::Failed { .. }) => {}
            Some(measurement) => {
                filled.push(Point::new(macs, required_ms(measurement.total_ms.p95), label(candidate, &finding)));
            }
            None => {
                let point = Point::new(macs, required_ms(predicted_p95_ms), label(candidate, &finding));
                hollow.push(Point { is_hollow: true, ..point });
            }
        }
    }
    curve.sort_by(|a, b| a.x.total_cmp(&b.x));
    let mut all = vec![dashed_line(
        format!("latency model of {config}, ± {:.1} %", latency_model.residual * 100.0),
        colour,
        curve,
    )];
    if !filled.is_empty() {
        all.push(points(format!("{config}: measured"), colour, marker, filled));
    }
    if !hollow.is_empty() {
        all.push(points(format!("{config}: predicted, not measured"), colour, marker, hollow));
    }
    all
}

/// Returns the name of a candidate, with the reason that its place in the figure does not show.
fn label(candidate: &Candidate, finding: &Finding) -> String {
    let name = &candidate.variant.name;
    match finding {
        Finding::NotFaster { points, .. } if *points > 0.0 => format!("{name}: ties, slower"),
        Finding::TooMuchMemory { .. } | Finding::PredictedTooMuchMemory { .. } => format!("{name}: too much memory"),
        Finding::WithinHysteresis { .. } => format!("{name}: within hysteresis"),
        Finding::PredictedNotFaster { .. } => format!("{name}: ties, predicted slower"),
        _ => name.clone(),
    }
}

fn points(name: String, colour: Colour, marker: Marker, points: Vec<Point>) -> Series {
    Series { marker, has_line: false, ..dashed_line(name, colour, points) }
}

fn dashed_line(name: String, colour: Colour, points: Vec<Point>) -> Series {
    Series { name, colour, marker: Marker::None, has_line: true, label_direction: (0.8, 1.0), points }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_model::catalog::Variant;
    use phicam_policy::budget::Budget;
    use phicam_policy::picker::{PickRequest, pick};
    use phicam_test_fixtures::measurement;
    use phicam_test_fixtures::variant;

    #[test]
    fn figure_has_candidates_model_budget_and_pick() {
        let sides = [(96, 72.0, 37.5), (160, 197.0, 66.2), (224, 385.0, 74.85), (288, 636.0, 76.0), (320, 786.0, 77.0)];
        let variants = sides.map(|(side, macs, top1)| variant("lite0", side, macs, top1));
        let variants: Vec<&Variant> = variants.iter().collect();
        let budget = Budget { frame_ms: Some(66.0), ..Budget::default() };
        let measure = |variant: &Variant| measurement(variant, variant.million_macs * 0.12, 60.0);
        let picked = pick(
            PickRequest::new(&variants, &[ExecutionConfig::tract(2)], budget),
            |_, _| None,
            |variant, _, _| Ok(measure(variant)),
        )
        .unwrap();
        let svg = figure(&picked).to_svg().unwrap();
        for text in [
            "lite0@224",
            "latency limit, 66.0 ms",
            "latency model of",
            "tract f32, 2 threads: measured",
            "picked",
            "lite0@224 is the most accurate variant that fits",
        ] {
            assert!(svg.contains(text), "`{text}` is missing");
        }
    }

    #[test]
    fn legend_explains_hollow_points_only_if_there_are_any() {
        let picked = |frame_ms| phicam_test_fixtures::picked(phicam_test_fixtures::ms(frame_ms)).unwrap();
        let legends = [39.0, 20.0].map(|frame_ms| {
            let pick = picked(frame_ms);
            let is_unmeasured = pick.candidates.iter().any(|candidate| candidate.measurement.is_none());
            let svg = figure(&pick).to_svg().unwrap();
            assert_eq!(svg.contains("predicted, not measured"), is_unmeasured, "{frame_ms} ms");
            is_unmeasured
        });
        assert!(legends.contains(&true), "no budget leaves a candidate unmeasured");
    }
}
