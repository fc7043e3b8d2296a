//! The pick as a picture: what each variant takes over its work, the laws, and the budget.

use std::path::Path;

use anyhow::Context;

use crate::plot::{Axis, BLUE, Colour, Figure, GREEN, Mark, ORANGE, Panel, Point, Series};
use phicam_engine::ExecutionConfig;
use phicam_platform::paths;
use phicam_policy::picker::{ComputeCost, LatencyModel, Pick, Verdict, explain, required_ms};

const RED: Colour = (200, 30, 60);
/// One for each way, in turn.
const COLOURS: [(Colour, Mark); 3] = [(BLUE, Mark::Circle), (ORANGE, Mark::Square), (GREEN, Mark::Diamond)];

/// Writes it to `path`, as SVG where that is what its name ends in, else as PNG.
pub fn write(pick: &Pick, path: &Path) -> anyhow::Result<()> {
    let picture = picture(pick);
    let svg = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("svg"));
    let bytes = if svg { picture.svg()?.into_bytes() } else { picture.png()? };
    paths::atomic_write(path, &bytes).with_context(|| format!("{} cannot be written", path.display()))
}

fn picture(pick: &Pick) -> Figure {
    let mut configs: Vec<ExecutionConfig> = pick.candidates.iter().map(|candidate| candidate.config).collect();
    configs.sort();
    configs.dedup();
    let mut series = Vec::new();
    for (config, (colour, mark)) in configs.iter().zip(COLOURS.into_iter().cycle()) {
        series.extend(of_config(pick, *config, colour, mark));
    }
    let macs = || pick.candidates.iter().map(|candidate| candidate.variant.million_macs);
    let (least, most) = (macs().fold(f64::INFINITY, f64::min), macs().fold(0.0, f64::max));
    let ends = (least * 0.8, most * 1.35);
    if let Some(limit) = pick.budget.frame_ms {
        let line = |x: f64| Point::new(x, limit, "");
        series.push(plain(format!("the budget, {limit:.1} ms"), RED, vec![line(ends.0), line(ends.1)]));
    }
    let picked =
        Point::new(pick.variant.million_macs, required_ms(pick.measurement.total_ms.p95), pick.variant.name.clone());
    let chosen = Series { mark: Mark::Diamond, joined: false, ..plain("picked".into(), RED, vec![picked]) };
    series.push(chosen);
    let times = || series.iter().flat_map(|series| &series.points).map(|point| point.y);
    let (quickest, slowest) = (times().fold(f64::INFINITY, f64::min), times().fold(0.0, f64::max));
    let y = Axis::logarithmic(
        "milliseconds a frame, 95th percentile, with room for the line",
        (quickest * 0.7, slowest * 1.5),
        |ms| format!("{ms}"),
    );
    Figure {
        title: format!("{} is the largest that fits", pick.variant.name),
        subtitle: explain(pick).replace(" → ", ": "), // the font has no arrows
        x: Axis::logarithmic("work of a picture, million multiply-accumulates", ends, |macs| format!("{macs}")),
        panels: vec![Panel { y, share: 1.0, series }],
    }
}

/// What was measured in one way, what is expected of the others (hollow), and the law.
fn of_config(pick: &Pick, config: ExecutionConfig, colour: Colour, mark: Mark) -> Vec<Series> {
    let candidates = || pick.candidates.iter().filter(|candidate| candidate.config == config);
    let measured = || {
        candidates()
            .filter_map(|candidate| Some((ComputeCost::of(&candidate.variant), candidate.measurement.as_ref()?)))
    };
    let Some(latency_model) = LatencyModel::through(measured()) else { return Vec::new() };
    let points = candidates().filter(|candidate| !matches!(candidate.verdict, Verdict::Failed(_))).map(|candidate| {
        let known = candidate.measurement.as_ref().map(|found| found.total_ms.p95);
        let ms = required_ms(known.unwrap_or_else(|| latency_model.p95_ms(&ComputeCost::of(&candidate.variant))));
        let label = if candidate.verdict == Verdict::Picked { String::new() } else { candidate.variant.name.clone() };
        Point { hollow: known.is_none(), ..Point::new(candidate.variant.million_macs, ms, label) }
    });
    let points: Vec<Point> = points.collect();
    let curve = candidates().map(|candidate| {
        Point::new(
            candidate.variant.million_macs,
            required_ms(latency_model.p95_ms(&ComputeCost::of(&candidate.variant))),
            "",
        )
    });
    let mut curve: Vec<Point> = curve.collect();
    curve.sort_by(|a, b| a.x.total_cmp(&b.x));
    let named = format!("{config} (hollow: expected, not measured)");
    vec![
        plain(format!("its law, ± {:.1} %", latency_model.residual * 100.0), colour, curve),
        Series { mark, joined: false, ..plain(named, colour, points) },
    ]
}

/// A dashed line.
fn plain(name: String, colour: Colour, points: Vec<Point>) -> Series {
    Series { name, colour, mark: Mark::Nothing, joined: true, label_towards: (0.8, 1.0), points }
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
    fn the_picture_has_each_candidate_the_law_the_budget_and_the_pick() {
        let sides = [(96, 72.0, 37.5), (160, 197.0, 66.2), (224, 385.0, 74.85), (288, 636.0, 76.0), (320, 786.0, 77.0)];
        let variants = sides.map(|(side, macs, top1)| variant("lite0", side, macs, top1));
        let variants: Vec<&Variant> = variants.iter().collect();
        let budget = Budget { frame_ms: Some(66.0), ..Budget::default() };
        let took = |variant: &Variant| measurement(variant, variant.million_macs * 0.12, 60.0);
        let picked =
            pick(PickRequest::new(&variants, &[ExecutionConfig::tract(2)], budget), |_, _| None, |variant, _, _| {
                Ok(took(variant))
            })
            .unwrap();
        let svg = picture(&picked).svg().unwrap();
        for text in ["lite0@224", "the budget, 66.0 ms", "its law", "picked", "is the largest that fits", "hollow"] {
            assert!(svg.contains(text), "`{text}` is missing");
        }
    }
}
