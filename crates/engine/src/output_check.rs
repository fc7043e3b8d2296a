//! Whether two engines say the same of a picture: an engine counts only once it agrees with the CPU engine.

use super::Precision;

/// The largest difference of two lists of scores, in parts of the first one's range; infinite where they cannot be compared.
pub fn difference(expected: &[f32], found: &[f32]) -> f32 {
    let ends = |(least, most): (f32, f32), value: &f32| (least.min(*value), most.max(*value));
    let (least, most) = expected.iter().fold((f32::INFINITY, f32::NEG_INFINITY), ends);
    let range = most - least;
    if expected.len() != found.len() || !(range > 0.0 && range.is_finite()) {
        return f32::INFINITY;
    }
    let apart = expected.iter().zip(found).map(|(a, b)| (a - b).abs());
    // A value that is no number would be lost in a maximum.
    apart.fold(0.0, |most: f32, apart| if apart.is_finite() { most.max(apart) } else { f32::INFINITY }) / range
}

/// How far an engine's scores may be from the CPU engine's, in parts of their range.
///
/// In single precision engines differ by 1e-6 to 1e-4. Half precision has 11 bits, and some dozen layers of it were seen to move
/// scores by up to 1 %; quantised values are rounded to 8 bits at each layer, in an order of each engine's own.
pub fn tolerance(precision: Precision) -> f32 {
    match precision {
        Precision::F32 => 1e-3,
        Precision::F16 => 2e-2,
        Precision::Int8 => 1e-1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_compared_in_parts_of_their_range() {
        assert_eq!(difference(&[-1.0, 0.0, 3.0], &[-1.0, 0.2, 2.9]), 0.05);
        assert_eq!(difference(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
    }

    #[test]
    fn what_cannot_be_compared_never_agrees() {
        for found in [&[1.0, f32::NAN][..], &[1.0], &[f32::INFINITY, 2.0], &[]] {
            assert_eq!(difference(&[1.0, 2.0], found), f32::INFINITY, "{found:?}");
        }
        assert_eq!(difference(&[1.0, 1.0], &[1.0, 1.0]), f32::INFINITY, "scores without a range say nothing");
        assert_eq!(difference(&[], &[]), f32::INFINITY);
    }
}
