//! Accuracy rank of a candidate, and the uncertainty that makes two accuracies a tie.

use std::cmp::Ordering;

use phicam_engine::{ExecutionConfig, Precision};
use phicam_model::catalog::Variant;

/// Standard error of the difference between two published top-1 accuracies, in points.
///
/// Both networks ran on the 50,000 images of ImageNet's validation set, so only images count that one classifies right
/// and the other wrong. Two networks of this family disagree so on about a tenth of them: √(0.1 / 50,000) = 0.14 %.
pub const PUBLISHED_POINTS: f64 = 0.14;

/// Standard error of an estimated top-1 difference between two resolutions of a network, in points.
///
/// The estimate comes from 1,000 photographs. A ninth of them are classified wrong, and about a fourth of those at one
/// of the two resolutions only: √(0.025 / 1,000) = 0.5 %.
pub const ESTIMATE_POINTS: f64 = 0.5;

/// Returns the top-1 points that reduced precision may cost.
///
/// int8: the largest of three measured drops (0.35, 0.47 and 0.71; Lite0 to Lite2, quantised per channel, on 1,000
/// photographs). f16 gave the top-1 of f32.
pub fn precision_loss_points(precision: Precision) -> f64 {
    match precision {
        Precision::F32 | Precision::F16 => 0.0,
        Precision::Int8 => 0.71,
    }
}

/// Returns the accuracy difference up to which two variants tie, in top-1 points: one standard error of the difference.
///
/// At one standard error the seemingly better variant is better with odds of five to one; below it, the order is nearly
/// a guess.
pub fn uncertainty_points(a: &Variant, b: &Variant) -> f64 {
    if a.name == b.name {
        return 0.0;
    }
    let is_estimate = |variant: &Variant| variant.top1_source.starts_with("estimate");
    let estimate_points = |variant: &Variant| if is_estimate(variant) { ESTIMATE_POINTS } else { 0.0 };
    let (a_points, b_points) = (estimate_points(a), estimate_points(b));
    // An estimate is relative to the published accuracy of its network, so two resolutions share that error.
    let shares_published_error = a.network.name == b.network.name && (is_estimate(a) || is_estimate(b));
    let published_points = if shares_published_error { 0.0 } else { PUBLISHED_POINTS };
    (published_points * published_points + a_points * a_points + b_points * b_points).sqrt()
}

/// Order of candidates by accuracy, or by MACs if the accuracy of any variant is unknown.
///
/// MACs are a substitute, because within a network the larger resolution is more accurate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AccuracyRank {
    /// Top-1 in percent, minus the loss due to precision.
    Top1 {
        percent: f64,
    },
    Macs {
        million_macs: f64,
        precision_loss_points: f64,
    },
}

impl AccuracyRank {
    /// Returns the rank of `variant` in the precision of `config`. Set `by_macs` if the accuracy of any candidate is
    /// unknown.
    pub fn new(variant: &Variant, config: ExecutionConfig, by_macs: bool) -> AccuracyRank {
        let precision_loss_points = precision_loss_points(config.precision);
        match variant.top1_percent {
            Some(percent) if !by_macs => AccuracyRank::Top1 { percent: percent - precision_loss_points },
            _ => AccuracyRank::Macs { million_macs: variant.million_macs, precision_loss_points },
        }
    }

    /// Compares two ranks; the more accurate one is the greater.
    pub fn compare(&self, other: &AccuracyRank) -> Ordering {
        use AccuracyRank::{Macs, Top1};
        match (self, other) {
            (Top1 { percent: a }, Top1 { percent: b }) => a.total_cmp(b),
            (
                Macs { million_macs: a, precision_loss_points: a_loss },
                Macs { million_macs: b, precision_loss_points: b_loss },
            ) => a.total_cmp(b).then(b_loss.total_cmp(a_loss)),
            (Macs { .. }, Top1 { .. }) => Ordering::Less,
            (Top1 { .. }, Macs { .. }) => Ordering::Greater,
        }
    }

    /// Returns whether the ranks differ by at most `uncertainty_points`. Ranks by MACs tie only if they are equal.
    pub fn ties(&self, other: &AccuracyRank, uncertainty_points: f64) -> bool {
        match (self, other) {
            (AccuracyRank::Top1 { percent: a }, AccuracyRank::Top1 { percent: b }) => {
                (a - b).abs() <= uncertainty_points
            }
            _ => self == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_test_fixtures::variant;

    fn estimate(network: &str, side: u32, million_macs: f64, top1_percent: f64) -> Variant {
        Variant { top1_source: "estimate: …".into(), ..variant(network, side, million_macs, top1_percent) }
    }

    #[test]
    fn estimates_are_less_certain_than_published_accuracies() {
        let published = [variant("lite1", 240, 600.0, 76.67), variant("lite2", 260, 860.0, 77.47)];
        let estimates = [estimate("lite2", 240, 689.0, 77.4), estimate("lite2", 320, 1175.0, 77.8)];
        assert_eq!(uncertainty_points(&published[0], &published[1]), 0.14);
        assert_eq!(uncertainty_points(&published[1], &estimates[0]), 0.5);
        assert!((uncertainty_points(&estimates[0], &estimates[1]) - 0.707).abs() < 1e-3);
        assert!((uncertainty_points(&published[0], &estimates[0]) - 0.519).abs() < 1e-3);
        assert_eq!(uncertainty_points(&published[0], &published[0]), 0.0);
    }

    #[test]
    fn int8_ranks_below_f32_and_f16_does_not() {
        let config = |precision| ExecutionConfig { precision, ..ExecutionConfig::tract(1) };
        for by_macs in [false, true] {
            let rank = |precision| AccuracyRank::new(&variant("lite0", 224, 385.0, 74.85), config(precision), by_macs);
            assert_eq!(rank(Precision::F32).compare(&rank(Precision::F16)), Ordering::Equal, "by_macs {by_macs}");
            assert_eq!(rank(Precision::F32).compare(&rank(Precision::Int8)), Ordering::Greater, "by_macs {by_macs}");
        }
    }

    #[test]
    fn macs_rank_candidates_when_an_accuracy_is_unknown() {
        let mut unknown = variant("birds", 224, 385.0, 0.0);
        unknown.top1_percent = None;
        let larger = Variant { million_macs: 600.0, ..unknown.clone() };
        let [small, large] =
            [&unknown, &larger].map(|variant| AccuracyRank::new(variant, ExecutionConfig::tract(1), true));
        assert_eq!(large.compare(&small), Ordering::Greater);
        assert!(!large.ties(&small, 1.0));
    }
}
