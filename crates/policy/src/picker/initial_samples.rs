//! Initial samples of an execution config: the smallest size, the largest and one between, to fit a latency model.

/// Number of initial samples: two points define a line, the third shows whether the line fits.
pub const INITIAL_SAMPLES: usize = 3;

/// Largest ratio of proportionally extrapolated latency to the limit at which a size is still plausible as the largest
/// initial sample. Estimate: the fixed part of a latency makes a proportional extrapolation too high.
pub(super) const MAX_EXTRAPOLATION: f64 = 4.0;

/// Scale on which the size between two others is halfway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Midpoint {
    /// Mean of the MACs: the point that tells most about a line through the two others.
    Arithmetic,
    /// Geometric mean of the MACs: a smaller size, which takes less time to measure.
    Geometric,
}

/// Returns the index whose MACs are closest to the midpoint of `min` and `max`; the first of equals.
pub fn closest_to_midpoint(
    sizes: impl Iterator<Item = (usize, f64)>,
    (min, max): (f64, f64),
    midpoint: Midpoint,
) -> Option<usize> {
    let distance = |macs: f64| match midpoint {
        Midpoint::Arithmetic => (macs - (min + max) / 2.0).abs(),
        Midpoint::Geometric => (macs / (min * max).sqrt()).ln().abs(),
    };
    sizes.min_by(|a, b| distance(a.1).total_cmp(&distance(b.1))).map(|(index, _)| index)
}

/// Returns the indices of the smallest, one between and the largest of `million_macs`, which ascend; all of up to
/// three.
pub fn spread(million_macs: &[f64], midpoint: Midpoint) -> Vec<usize> {
    let count = million_macs.len();
    if count <= INITIAL_SAMPLES {
        return (0..count).collect();
    }
    let ends = (million_macs[0], million_macs[count - 1]);
    let inner = (1..count - 1).map(|index| (index, million_macs[index]));
    [Some(0), closest_to_midpoint(inner, ends, midpoint), Some(count - 1)].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_has_both_ends_and_the_midpoint() {
        let sizes = [72.0, 127.0, 385.0, 600.0, 1175.0];
        assert_eq!(spread(&sizes, Midpoint::Arithmetic), [0, 3, 4]);
        assert_eq!(spread(&sizes, Midpoint::Geometric), [0, 2, 4]);
    }

    #[test]
    fn spread_of_few_sizes_is_all_of_them() {
        assert_eq!(spread(&[72.0, 127.0, 385.0], Midpoint::Geometric), [0, 1, 2]);
        assert!(spread(&[], Midpoint::Geometric).is_empty());
    }
}
