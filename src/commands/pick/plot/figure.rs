//! Figure of a pick: latency over MACs for each candidate, the latency models, and the budget.

use crate::plot::{Axis, BLUE, Colour, Figure, GREEN, Marker, ORANGE, Panel, Point, Series};
use phicam_engine::ExecutionConfig;
use phicam_policy::picker::{ComputeCost, LatencyModel, Pick, Verdict, explain, required_ms};

const RED: Colour = (200, 30, 60);
/// Colours and markers of the execution configs, in turn.
const STYLES: [(Colour, Marker); 3] = [(BLUE, Marker::Circle), (ORANGE, Marker::Square), (GREEN, Marker::Diamond)];

pub fn figure(pick: &Pick) -> Figure {
    let mut configs: Vec<ExecutionConfig> = pick.candidates.iter().map(|candidate| candidate.config).collect();
    configs.sort();
    configs.dedup();
    let mut series = Vec::new();
    for (config, (colour, marker)) in configs.iter().zip(STYLES.into_iter().cycle()) {
        series.extend(config_series(pick, *config, colour, marker));
    }
    let macs = || pick.candidates.iter().map(|candidate| candidate.variant.million_macs);
    let min_macs = macs().fold(f64::INFINITY, f64::min);
    let max_macs = macs().fold(0.0, f64::max);
    let x_range = (min_macs * 0.8, max_macs * 1.35); // room for the labels
    if let Some(limit) = pick.budget.frame_ms {
        let ends = vec![Point::new(x_range.0, limit, ""), Point::new(x_range.1, limit, "")];
        series.push(dashed_line(format!("budget, {limit:.1} ms"), RED, ends));
    }
    let picked =
        Point::new(pick.variant.million_macs, required_ms(pick.measurement.total_ms.p95), pick.variant.name.clone());
    let picked = dashed_line("picked".into(), RED, vec![picked]);
    series.push(Series { marker: Marker::Diamond, has_line: false, ..picked });
    let times = || series.iter().flat_map(|series| &series.points).map(|point| point.y);
    let min_ms = times().fold(f64::INFINITY, f64::min);
    let max_ms = times().fold(0.0, f64::max);
    let y = Axis::logarithmic(
        "latency in ms, 95th percentile, with headroom for camera and display",
        (min_ms * 0.7, max_ms * 1.5),
        |ms| format!("{ms}"),
    );
    Figure {
        title: format!("{} is the largest that fits", pick.variant.name),
        subtitle: explain(pick).replace(" → ", ": "), // the font has no arrows
        x: Axis::logarithmic("million multiply-accumulates (MACs) of one inference", x_range, |macs| format!("{macs}")),
        panels: vec![Panel { y, height_ratio: 1.0, series }],
    }
}

/// Returns the latency model of `config` as a curve, and its candidates as points: hollow if predicted, not measured.
fn config_series(pick: &Pick, config: ExecutionConfig, colour: Colour, marker: Marker) -> Vec<Series> {
    let candidates = || pick.candidates.iter().filter(|candidate| candidate.config == config);
    let measured = || {
        candidates().filter_map(|candidate| {
            Some((ComputeCost::from_variant(&candidate.variant), candidate.measurement.as_ref()?))
        })
    };
    let Some(latency_model) = LatencyModel::fit(measured()) else { return Vec::new() };
    let points = candidates().filter(|candidate| !matches!(candidate.verdict, Verdict::Failed(_))).map(|candidate| {
        let measured_p95 = candidate.measurement.as_ref().map(|measurement| measurement.total_ms.p95);
        let p95 = measured_p95.unwrap_or_else(|| latency_model.p95_ms(&ComputeCost::from_variant(&candidate.variant)));
        let label = if candidate.verdict == Verdict::Picked { String::new() } else { candidate.variant.name.clone() };
        let point = Point::new(candidate.variant.million_macs, required_ms(p95), label);
        Point { is_hollow: measured_p95.is_none(), ..point }
    });
    let points: Vec<Point> = points.collect();
    let curve = candidates().map(|candidate| {
        let predicted_p95 = latency_model.p95_ms(&ComputeCost::from_variant(&candidate.variant));
        Point::new(candidate.variant.million_macs, required_ms(predicted_p95), "")
    });
    let mut curve: Vec<Point> = curve.collect();
    curve.sort_by(|a, b| a.x.total_cmp(&b.x));
    let name = format!("{config} (hollow: predicted, not measured)");
    vec![
        dashed_line(format!("its latency model, ± {:.1} %", latency_model.residual * 100.0), colour, curve),
        Series { marker, has_line: false, ..dashed_line(name, colour, points) },
    ]
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
        for text in
            ["lite0@224", "budget, 66.0 ms", "its latency model", "picked", "is the largest that fits", "hollow"]
        {
            assert!(svg.contains(text), "`{text}` is missing");
        }
    }
}
