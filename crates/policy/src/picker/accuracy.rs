//! How accurate a variant is taken to be, and which differences nobody knows to be there.

use std::cmp::Ordering;

use phicam_engine::{ExecutionConfig, Precision};
use phicam_model::catalog::Variant;

/// One standard error, in points, of the difference between two published accuracies. Both come from the same 50,000
/// pictures of ImageNet's validation set, so only those count that one of the two gets right and the other wrong. Two
/// networks of this family differ so on about a tenth of them: √(0.1 / 50,000) = 0.14 %.
pub const PUBLISHED_POINTS: f64 = 0.14;

/// One standard error, in points, of an estimated difference between two sides of a network. It comes from 1,000
/// photographs of which a ninth are answered wrongly, about a fourth of those at one of the two sides alone:
/// √(0.025 / 1,000) = 0.5 %.
pub const ESTIMATE_POINTS: f64 = 0.5;

/// Points that reduced precision may cost. Eight-bit integers cost 0.35, 0.47 and 0.71 points of top-1 (Lite0, 1 and 2,
/// quantised channel by channel, on 1,000 photographs): the largest is allowed for. Half precision gave the same top-1.
pub fn allowance_points(precision: Precision) -> f64 {
    match precision {
        Precision::F32 | Precision::F16 => 0.0,
        Precision::Int8 => 0.71,
    }
}

/// How far apart two variants must be for the difference to be believed, in points: one standard error of it. Beyond
/// that the better is the likelier one by five to one; below it, who is better is nearly a guess.
pub fn uncertainty_points(a: &Variant, b: &Variant) -> f64 {
    if a.name == b.name {
        return 0.0;
    }
    let is_estimate = |variant: &Variant| variant.top1_source.starts_with("estimate");
    let [of_a, of_b] = [a, b].map(|variant| if is_estimate(variant) { ESTIMATE_POINTS } else { 0.0 });
    // An estimate is told from its own network's published figure, which two sides of that network share.
    let apart = a.network.name != b.network.name || !(is_estimate(a) || is_estimate(b));
    let published = if apart { PUBLISHED_POINTS } else { 0.0 };
    (published * published + of_a * of_a + of_b * of_b).sqrt()
}

/// What a variant run in a precision is worth. Accuracy orders; where one of them has none that is known, work does, as
/// inside one network the larger side is the better one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AccuracyRank {
    /// Top-1 in percent, less what the precision may cost.
    Points(f64),
    /// Million multiply-accumulates, and what the precision may cost in points.
    ComputeCost(f64, f64),
}

impl AccuracyRank {
    /// Of `variant` in that precision; `by_work` where accuracies are not all known.
    pub fn of(variant: &Variant, config: ExecutionConfig, by_work: bool) -> AccuracyRank {
        let allowance = allowance_points(config.precision);
        match variant.top1_percent {
            Some(percent) if !by_work => AccuracyRank::Points(percent - allowance),
            _ => AccuracyRank::ComputeCost(variant.million_macs, allowance),
        }
    }

    /// The better one is the greater.
    pub fn compare(&self, other: &AccuracyRank) -> Ordering {
        match (self, other) {
            (AccuracyRank::Points(a), AccuracyRank::Points(b)) => a.total_cmp(b),
            (AccuracyRank::ComputeCost(a, lost_a), AccuracyRank::ComputeCost(b, lost_b)) => {
                a.total_cmp(b).then(lost_b.total_cmp(lost_a))
            }
            (AccuracyRank::ComputeCost(..), AccuracyRank::Points(_)) => Ordering::Less,
            (AccuracyRank::Points(_), AccuracyRank::ComputeCost(..)) => Ordering::Greater,
        }
    }

    /// Whether `other` is as good, as far as anyone knows, `uncertainty` being that of the difference in points.
    pub fn ties(&self, other: &AccuracyRank, uncertainty: f64) -> bool {
        match (self, other) {
            (AccuracyRank::Points(a), AccuracyRank::Points(b)) => (a - b).abs() <= uncertainty,
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
    fn estimates_are_less_certain_than_published_figures() {
        let published = [variant("lite1", 240, 600.0, 76.67), variant("lite2", 260, 860.0, 77.47)];
        let estimates = [estimate("lite2", 240, 689.0, 77.4), estimate("lite2", 320, 1175.0, 77.8)];
        assert_eq!(uncertainty_points(&published[0], &published[1]), 0.14);
        assert_eq!(uncertainty_points(&published[1], &estimates[0]), 0.5);
        assert!((uncertainty_points(&estimates[0], &estimates[1]) - 0.707).abs() < 1e-3);
        assert!((uncertainty_points(&published[0], &estimates[0]) - 0.519).abs() < 1e-3);
        assert_eq!(uncertainty_points(&published[0], &published[0]), 0.0);
    }

    #[test]
    fn integers_cost_accuracy_and_half_precision_does_not() {
        let config = |precision| ExecutionConfig { precision, ..ExecutionConfig::tract(1) };
        let of =
            |precision, by_work| AccuracyRank::of(&variant("lite0", 224, 385.0, 74.85), config(precision), by_work);
        for by_work in [false, true] {
            assert_eq!(of(Precision::F32, by_work).compare(&of(Precision::F16, by_work)), Ordering::Equal);
            assert_eq!(of(Precision::F32, by_work).compare(&of(Precision::Int8, by_work)), Ordering::Greater);
        }
    }

    #[test]
    fn where_an_accuracy_is_not_known_work_orders() {
        let mut unknown = variant("birds", 224, 385.0, 0.0);
        unknown.top1_percent = None;
        let larger = Variant { million_macs: 600.0, ..unknown.clone() };
        let [small, large] =
            [&unknown, &larger].map(|variant| AccuracyRank::of(variant, ExecutionConfig::tract(1), true));
        assert_eq!(large.compare(&small), Ordering::Greater);
        assert!(!large.ties(&small, 1.0));
    }
}
