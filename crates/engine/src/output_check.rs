//! Output check: an engine is used only if its scores agree with those of the CPU engine.

use super::Precision;

/// Returns the largest difference between two lists of scores, as a share of the range of `expected`.
///
/// Returns infinity if the lengths differ, `expected` has no range, or a value is not finite.
pub fn difference(expected: &[f32], found: &[f32]) -> f32 {
    let min = expected.iter().copied().fold(f32::INFINITY, f32::min);
    let max = expected.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let range = max - min;
    if expected.len() != found.len() || !(range > 0.0 && range.is_finite()) {
        return f32::INFINITY;
    }
    let differences = expected.iter().zip(found).map(|(a, b)| (a - b).abs());
    // `f32::max` ignores NaN, so a value that is not finite becomes infinity.
    let largest = differences.fold(0.0, |max: f32, next| if next.is_finite() { max.max(next) } else { f32::INFINITY });
    largest / range
}

/// Returns the largest [`difference`] from the CPU engine's scores that is accepted.
///
/// - f32: engines differ by 1e-6 to 1e-4.
/// - f16: the mantissa has 11 bits; several dozen layers of it moved scores by up to 1 %.
/// - int8: each layer rounds to 8 bits, in an order specific to the engine.
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
    fn difference_is_a_share_of_the_range() {
        assert_eq!(difference(&[-1.0, 0.0, 3.0], &[-1.0, 0.2, 2.9]), 0.05);
        assert_eq!(difference(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
    }

    #[test]
    fn nan_or_length_mismatch_is_infinite_difference() {
        for found in [&[1.0, f32::NAN][..], &[1.0], &[f32::INFINITY, 2.0], &[]] {
            assert_eq!(difference(&[1.0, 2.0], found), f32::INFINITY, "{found:?}");
        }
        assert_eq!(difference(&[1.0, 1.0], &[1.0, 1.0]), f32::INFINITY, "scores without a range cannot be compared");
        assert_eq!(difference(&[], &[]), f32::INFINITY);
    }
}
