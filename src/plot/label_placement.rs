//! Where labels go: near their points, and on nothing else.

/// Pixels, with x to the right and y down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Box2 {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Box2 {
    pub fn around((x, y): (f64, f64), half_width: f64, half_height: f64) -> Box2 {
        Box2 { left: x - half_width, top: y - half_height, right: x + half_width, bottom: y + half_height }
    }

    pub fn overlaps(&self, other: &Box2) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn wider(&self, by: f64) -> Box2 {
        Box2 { left: self.left - by, top: self.top - by, right: self.right + by, bottom: self.bottom + by }
    }

    fn holds(&self, (x, y): (f64, f64)) -> bool {
        (self.left..self.right).contains(&x) && (self.top..self.bottom).contains(&y)
    }

    fn within(&self, other: &Box2) -> bool {
        self.left >= other.left && self.right <= other.right && self.top >= other.top && self.bottom <= other.bottom
    }

    fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom))
    }
}

/// What labels keep off.
pub struct Surroundings {
    /// No label leaves it.
    pub field: Box2,
    /// Marks and the legend: no label covers them.
    pub taken: Vec<Box2>,
    /// Points of lines: a label covers them only where there is no other room.
    pub lines: Vec<(f64, f64)>,
}

/// A label to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub point: (f64, f64),
    /// Width and height.
    pub size: (f64, f64),
    /// A direction from the point, if nothing speaks against it.
    pub towards: (f64, f64),
}

/// Where a label went.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    pub place: Box2,
    /// From the point to the label, where the label is not beside it.
    pub leader: Option<[(f64, f64); 2]>,
}

/// From the point's centre to the nearest edge of a label beside it, in pixels.
const BESIDE: f64 = 12.0;
const DISTANCES: [f64; 9] = [BESIDE, 26.0, 42.0, 60.0, 80.0, 104.0, 130.0, 160.0, 190.0];
/// Farther than that a line leads to the label.
const LEADER_FROM: f64 = 16.0;
/// What a place on the other side costs, in pixels of distance.
const AGAINST: f64 = 90.0;
const DIRECTIONS: u32 = 32;
/// How often each label is placed anew among the others: the first ones did not know of the last.
const ROUNDS: usize = 3;

impl Surroundings {
    /// A place for each label: near its point, and on nothing else as far as there is room.
    pub fn place(&self, wanted: &[Wanted]) -> Vec<Placed> {
        // Where it is crowded, who comes first decides much.
        let forwards: Vec<usize> = (0..wanted.len()).collect();
        let backwards: Vec<usize> = forwards.iter().rev().copied().collect();
        let tried = [forwards, backwards].map(|order| self.in_order(wanted, &order));
        let [first, second] = tried.map(|placed| (placed.iter().map(|(estimate, _)| estimate).sum::<f64>(), placed));
        let best = if second.0 < first.0 { second.1 } else { first.1 };
        best.into_iter().map(|(_, placed)| placed).collect()
    }

    /// The same with the cost of each, the labels taken in that order.
    fn in_order(&self, wanted: &[Wanted], order: &[usize]) -> Vec<(f64, Placed)> {
        let mut placed: Vec<Option<(f64, Placed)>> = vec![None; wanted.len()];
        for _ in 0..ROUNDS {
            for &at in order {
                placed[at] = None;
                let others: Vec<Placed> = placed.iter().flatten().map(|(_, placed)| *placed).collect();
                placed[at] = Some(self.best(&wanted[at], &others));
            }
        }
        placed.into_iter().flatten().collect()
    }

    fn best(&self, wanted: &Wanted, others: &[Placed]) -> (f64, Placed) {
        let Wanted { point, size: (width, height), towards } = *wanted;
        let mut best: Option<(f64, Placed)> = None;
        for distance in DISTANCES {
            for direction in 0..DIRECTIONS {
                let angle = std::f64::consts::TAU * f64::from(direction) / f64::from(DIRECTIONS);
                let (cos, sin) = (angle.cos(), angle.sin());
                let centre = (
                    point.0 + cos * distance + cos.clamp(-0.7, 0.7) / 0.7 * width / 2.0,
                    point.1 + sin * distance + sin.clamp(-0.7, 0.7) / 0.7 * height / 2.0,
                );
                let place = Box2::around(centre, width / 2.0, height / 2.0);
                if !place.within(&self.field) {
                    continue;
                }
                let leader = (distance > LEADER_FROM).then(|| [point, place.nearest(point)]);
                let turned = 1.0 - (cos * towards.0 + sin * towards.1) / towards.0.hypot(towards.1).max(1e-9);
                let against = 40.0 * turned + if turned > 1.0 { AGAINST } else { 0.0 };
                if best.is_some_and(|(least, _)| distance + against >= least) {
                    continue; // what it covers can only add to that
                }
                let estimate = distance + against + self.estimate(point, &Placed { place, leader }, others);
                if best.is_none_or(|(least, _)| estimate < least) {
                    best = Some((estimate, Placed { place, leader }));
                }
            }
        }
        let nowhere = Placed { place: Box2::around(point, width / 2.0, height / 2.0), leader: None };
        best.unwrap_or((0.0, nowhere))
    }

    /// What it covers and crosses, in pixels of distance that it would be worth to avoid that.
    fn estimate(&self, point: (f64, f64), Placed { place, leader }: &Placed, others: &[Placed]) -> f64 {
        let taken = || self.taken.iter().chain(others.iter().map(|other| &other.place));
        let leaders = || others.iter().filter_map(|other| other.leader);
        let covered = taken().filter(|taken| taken.overlaps(place)).count();
        let lines = self.lines.iter().filter(|at| place.holds(**at)).count();
        let led_over = leaders().filter(|leader| along(leader).any(|at| place.holds(at))).count();
        // A label as near to another mark seems to be that one's.
        let near = place.wider(6.0);
        let doubtful = self.taken.iter().filter(|taken| taken.overlaps(&near) && !taken.holds(point)).count();
        let mut estimate =
            45.0 * doubtful as f64 + 2000.0 * covered as f64 + 25.0 * lines as f64 + 500.0 * led_over as f64;
        if let Some(leader) = leader {
            let others_taken = || taken().filter(|taken| !taken.holds(point));
            let hit = others_taken().filter(|taken| along(leader).any(|at| taken.holds(at))).count();
            let crossed = leaders().filter(|other| cross(leader, other)).count();
            let near = |at: (f64, f64)| self.lines.iter().any(|(x, y)| (x - at.0).hypot(y - at.1) < STEP);
            let through_line = along(leader).skip(3).any(near); // the point itself may be on a line
            estimate += 15.0 + 300.0 * hit as f64 + 400.0 * crossed as f64 + if through_line { 60.0 } else { 0.0 };
        }
        estimate
    }
}

/// Pixels between the points that stand for a line.
const STEP: f64 = 4.0;

/// Points along a line.
pub fn along(line: &[(f64, f64); 2]) -> impl Iterator<Item = (f64, f64)> {
    let [(x, y), (to_x, to_y)] = *line;
    let pieces = ((to_x - x).hypot(to_y - y) / STEP).ceil().max(1.0);
    (0..=pieces as u32).map(move |at| {
        let part = f64::from(at) / pieces;
        (x + (to_x - x) * part, y + (to_y - y) * part)
    })
}

/// Whether two lines cross.
fn cross(a: &[(f64, f64); 2], b: &[(f64, f64); 2]) -> bool {
    let side = |line: &[(f64, f64); 2], (x, y): (f64, f64)| {
        let [(from_x, from_y), (to_x, to_y)] = *line;
        (to_x - from_x) * (y - from_y) - (to_y - from_y) * (x - from_x)
    };
    side(a, b[0]) * side(a, b[1]) < 0.0 && side(b, a[0]) * side(b, a[1]) < 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: Box2 = Box2 { left: 0.0, top: 0.0, right: 600.0, bottom: 400.0 };

    fn wanted(point: (f64, f64), towards: (f64, f64)) -> Wanted {
        Wanted { point, size: (70.0, 14.0), towards }
    }

    #[test]
    fn labels_of_crowded_points_cover_neither_each_other_nor_the_marks() {
        let points: Vec<(f64, f64)> = (0..8).map(|at| (300.0 + 9.0 * f64::from(at), 200.0)).collect();
        let taken: Vec<Box2> = points.iter().map(|point| Box2::around(*point, 7.0, 7.0)).collect();
        let surroundings = Surroundings { field: FIELD, taken, lines: vec![] };
        let wanted: Vec<Wanted> = points.iter().map(|&point| wanted(point, (0.0, 1.0))).collect();
        let places: Vec<Box2> = surroundings.place(&wanted).iter().map(|placed| placed.place).collect();
        assert_eq!(places.len(), 8);
        for (at, place) in places.iter().enumerate() {
            assert!(place.within(&FIELD), "{place:?}");
            assert!(!surroundings.taken.iter().any(|mark| mark.overlaps(place)), "{place:?}");
            assert!(!places[..at].iter().any(|other| other.overlaps(place)), "{places:?}");
        }
    }

    #[test]
    fn a_lone_label_is_beside_its_point_where_it_is_wanted() {
        let surroundings = Surroundings { field: FIELD, taken: vec![], lines: vec![] };
        let placed = surroundings.place(&[wanted((300.0, 200.0), (1.0, 0.0)), wanted((595.0, 20.0), (1.0, 0.0))]);
        assert!(placed[0].leader.is_none(), "{placed:?}");
        assert!(placed[0].place.left > 305.0, "{placed:?}");
        assert!(placed[1].place.within(&FIELD), "at the edge it goes to the other side: {placed:?}");
    }

    #[test]
    fn lines_cross_where_they_do() {
        assert!(cross(&[(0.0, 0.0), (2.0, 2.0)], &[(0.0, 2.0), (2.0, 0.0)]));
        assert!(!cross(&[(0.0, 0.0), (2.0, 2.0)], &[(3.0, 2.0), (5.0, 0.0)]));
    }
}
