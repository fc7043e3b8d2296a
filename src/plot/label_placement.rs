//! Placement of labels near their points, without overlaps as far as there is room.

/// Rectangle in pixels, with x to the right and y down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Bounds {
    pub fn centred_at((x, y): (f64, f64), half_width: f64, half_height: f64) -> Bounds {
        Bounds { left: x - half_width, top: y - half_height, right: x + half_width, bottom: y + half_height }
    }

    pub fn overlaps(&self, other: &Bounds) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn expanded_by(&self, margin: f64) -> Bounds {
        Bounds {
            left: self.left - margin,
            top: self.top - margin,
            right: self.right + margin,
            bottom: self.bottom + margin,
        }
    }

    fn contains(&self, (x, y): (f64, f64)) -> bool {
        (self.left..self.right).contains(&x) && (self.top..self.bottom).contains(&y)
    }

    fn is_inside(&self, other: &Bounds) -> bool {
        self.left >= other.left && self.right <= other.right && self.top >= other.top && self.bottom <= other.bottom
    }

    fn nearest_point(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom))
    }
}

/// Things that labels avoid.
pub struct Obstacles {
    /// Plot area, which no label leaves.
    pub area: Bounds,
    /// Markers and the legend, which no label covers.
    pub boxes: Vec<Bounds>,
    /// Samples of the lines, which a label covers only if there is no other room.
    pub line_points: Vec<(f64, f64)>,
}

/// Label to place.
#[derive(Clone, Copy, Debug)]
pub struct LabelRequest {
    pub point: (f64, f64),
    /// Width and height in pixels.
    pub size: (f64, f64),
    /// Preferred direction from the point.
    pub direction: (f64, f64),
}

/// Label with its place.
#[derive(Clone, Copy, Debug)]
pub struct PlacedLabel {
    pub bounds: Bounds,
    /// Line from the point to a label that is not beside it.
    pub leader: Option<[(f64, f64); 2]>,
}

// Distances, weights and counts were chosen by eye on the figures of `phicam scale --plot` and `phicam pick --explain`.

/// Distances from the point to the nearest edge of its label, in pixels; the first one is beside the point.
const DISTANCES: [f64; 9] = [12.0, 26.0, 42.0, 60.0, 80.0, 104.0, 130.0, 160.0, 190.0];
/// Distance in pixels from which a leader line connects point and label.
const MIN_LEADER_DISTANCE: f64 = 16.0;
/// Penalty of a place on the side away from the preferred direction, in pixels of distance.
const WRONG_SIDE_PENALTY: f64 = 90.0;
/// Directions to try, evenly spaced on a circle.
const DIRECTIONS: u32 = 32;
/// Passes over all labels: in the first one, early labels do not know the later ones.
const PASSES: usize = 3;

impl Obstacles {
    /// Returns a place for each label: near its point, and with few overlaps.
    pub fn place(&self, requests: &[LabelRequest]) -> Vec<PlacedLabel> {
        // If labels are crowded, their order decides much: try both and keep the better one.
        let forwards: Vec<usize> = (0..requests.len()).collect();
        let backwards: Vec<usize> = forwards.iter().rev().copied().collect();
        let attempts = [forwards, backwards].map(|order| self.place_in_order(requests, &order));
        let [first, second] = attempts.map(|labels| (labels.iter().map(|(penalty, _)| penalty).sum::<f64>(), labels));
        let best = if second.0 < first.0 { second.1 } else { first.1 };
        best.into_iter().map(|(_, label)| label).collect()
    }

    /// Places the labels one after the other in `order`. Returns each with its penalty.
    fn place_in_order(&self, requests: &[LabelRequest], order: &[usize]) -> Vec<(f64, PlacedLabel)> {
        let mut labels: Vec<Option<(f64, PlacedLabel)>> = vec![None; requests.len()];
        for _ in 0..PASSES {
            for &index in order {
                labels[index] = None;
                let others: Vec<PlacedLabel> = labels.iter().flatten().map(|(_, label)| *label).collect();
                labels[index] = Some(self.best_place(&requests[index], &others));
            }
        }
        labels.into_iter().flatten().collect()
    }

    /// Returns the place of least penalty, with that penalty.
    fn best_place(&self, request: &LabelRequest, others: &[PlacedLabel]) -> (f64, PlacedLabel) {
        let LabelRequest { point, size: (width, height), direction: preferred } = *request;
        let mut best: Option<(f64, PlacedLabel)> = None;
        for distance in DISTANCES {
            for direction in 0..DIRECTIONS {
                let angle = std::f64::consts::TAU * f64::from(direction) / f64::from(DIRECTIONS);
                let (cos, sin) = (angle.cos(), angle.sin());
                let centre = (
                    point.0 + cos * distance + cos.clamp(-0.7, 0.7) / 0.7 * width / 2.0,
                    point.1 + sin * distance + sin.clamp(-0.7, 0.7) / 0.7 * height / 2.0,
                );
                let bounds = Bounds::centred_at(centre, width / 2.0, height / 2.0);
                if !bounds.is_inside(&self.area) {
                    continue;
                }
                let leader = (distance > MIN_LEADER_DISTANCE).then(|| [point, bounds.nearest_point(point)]);
                // 0 in the preferred direction, 2 in the opposite one.
                let deviation =
                    1.0 - (cos * preferred.0 + sin * preferred.1) / preferred.0.hypot(preferred.1).max(1e-9);
                let direction_penalty = 40.0 * deviation + if deviation > 1.0 { WRONG_SIDE_PENALTY } else { 0.0 };
                if best.is_some_and(|(least, _)| distance + direction_penalty >= least) {
                    continue; // overlaps can only add to the penalty
                }
                let label = PlacedLabel { bounds, leader };
                let penalty = distance + direction_penalty + self.overlap_penalty(point, &label, others);
                if best.is_none_or(|(least, _)| penalty < least) {
                    best = Some((penalty, label));
                }
            }
        }
        let fallback = PlacedLabel { bounds: Bounds::centred_at(point, width / 2.0, height / 2.0), leader: None };
        best.unwrap_or((0.0, fallback))
    }

    /// Returns the penalty for everything that the label and its leader cover or cross, in pixels of distance.
    fn overlap_penalty(&self, point: (f64, f64), label: &PlacedLabel, others: &[PlacedLabel]) -> f64 {
        let PlacedLabel { bounds, leader } = label;
        let boxes = || self.boxes.iter().chain(others.iter().map(|other| &other.bounds));
        let leaders = || others.iter().filter_map(|other| other.leader);
        let covered_boxes = boxes().filter(|obstacle| obstacle.overlaps(bounds)).count();
        let covered_line_points = self.line_points.iter().filter(|point| bounds.contains(**point)).count();
        let covered_leaders =
            leaders().filter(|leader| sample_line(leader).any(|sample| bounds.contains(sample))).count();
        // A label close to another marker seems to belong to that one.
        let vicinity = bounds.expanded_by(6.0);
        let ambiguous =
            self.boxes.iter().filter(|obstacle| obstacle.overlaps(&vicinity) && !obstacle.contains(point)).count();
        let mut penalty = 45.0 * ambiguous as f64
            + 2000.0 * covered_boxes as f64
            + 25.0 * covered_line_points as f64
            + 500.0 * covered_leaders as f64;
        if let Some(leader) = leader {
            let foreign_boxes = || boxes().filter(|obstacle| !obstacle.contains(point));
            let hit_boxes =
                foreign_boxes().filter(|obstacle| sample_line(leader).any(|sample| obstacle.contains(sample))).count();
            let crossed_leaders = leaders().filter(|other| lines_cross(leader, other)).count();
            let is_on_line = |sample: (f64, f64)| {
                self.line_points.iter().any(|(x, y)| (x - sample.0).hypot(y - sample.1) < SAMPLE_STEP)
            };
            // The leader's first samples are skipped: the point itself may be on a line.
            let crosses_line = sample_line(leader).skip(3).any(is_on_line);
            penalty += 15.0
                + 300.0 * hit_boxes as f64
                + 400.0 * crossed_leaders as f64
                + if crosses_line { 60.0 } else { 0.0 };
        }
        penalty
    }
}

/// Distance between the samples of a line, in pixels.
const SAMPLE_STEP: f64 = 4.0;

/// Returns points along a line, at most [`SAMPLE_STEP`] apart, its ends included.
pub fn sample_line(line: &[(f64, f64); 2]) -> impl Iterator<Item = (f64, f64)> {
    let [(x, y), (to_x, to_y)] = *line;
    let steps = ((to_x - x).hypot(to_y - y) / SAMPLE_STEP).ceil().max(1.0);
    (0..=steps as u32).map(move |step| {
        let share = f64::from(step) / steps;
        (x + (to_x - x) * share, y + (to_y - y) * share)
    })
}

fn lines_cross(a: &[(f64, f64); 2], b: &[(f64, f64); 2]) -> bool {
    let side = |line: &[(f64, f64); 2], (x, y): (f64, f64)| {
        let [(from_x, from_y), (to_x, to_y)] = *line;
        (to_x - from_x) * (y - from_y) - (to_y - from_y) * (x - from_x)
    };
    side(a, b[0]) * side(a, b[1]) < 0.0 && side(b, a[0]) * side(b, a[1]) < 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Bounds = Bounds { left: 0.0, top: 0.0, right: 600.0, bottom: 400.0 };

    fn request(point: (f64, f64), direction: (f64, f64)) -> LabelRequest {
        LabelRequest { point, size: (70.0, 14.0), direction }
    }

    #[test]
    fn labels_of_crowded_points_do_not_overlap() {
        let points: Vec<(f64, f64)> = (0..8).map(|index| (300.0 + 9.0 * f64::from(index), 200.0)).collect();
        let boxes: Vec<Bounds> = points.iter().map(|point| Bounds::centred_at(*point, 7.0, 7.0)).collect();
        let obstacles = Obstacles { area: AREA, boxes, line_points: vec![] };
        let requests: Vec<LabelRequest> = points.iter().map(|&point| request(point, (0.0, 1.0))).collect();
        let labels: Vec<Bounds> = obstacles.place(&requests).iter().map(|label| label.bounds).collect();
        assert_eq!(labels.len(), 8);
        for (index, label) in labels.iter().enumerate() {
            assert!(label.is_inside(&AREA), "{label:?}");
            assert!(!obstacles.boxes.iter().any(|marker| marker.overlaps(label)), "{label:?}");
            assert!(!labels[..index].iter().any(|other| other.overlaps(label)), "{labels:?}");
        }
    }

    #[test]
    fn lone_label_is_in_the_preferred_direction() {
        let obstacles = Obstacles { area: AREA, boxes: vec![], line_points: vec![] };
        let labels = obstacles.place(&[request((300.0, 200.0), (1.0, 0.0)), request((595.0, 20.0), (1.0, 0.0))]);
        assert!(labels[0].leader.is_none(), "{labels:?}");
        assert!(labels[0].bounds.left > 305.0, "{labels:?}");
        assert!(labels[1].bounds.is_inside(&AREA), "at the edge it goes to the other side: {labels:?}");
    }

    #[test]
    fn crossing_lines_are_detected() {
        assert!(lines_cross(&[(0.0, 0.0), (2.0, 2.0)], &[(0.0, 2.0), (2.0, 0.0)]));
        assert!(!lines_cross(&[(0.0, 0.0), (2.0, 2.0)], &[(3.0, 2.0), (5.0, 0.0)]));
    }
}
