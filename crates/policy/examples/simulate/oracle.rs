//! What should be picked by whoever knows the true law: the same rules for ties, room and precisions.

use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_policy::budget::Budget;
use phicam_policy::picker::{AccuracyRank, PIPELINE_HEADROOM, PIPELINE_MEMORY_MIB, uncertainty_points};

/// What is true of a variant in a way.
#[derive(Clone, Copy)]
pub struct Truth {
    /// Position among the variants.
    pub at: usize,
    pub config: ExecutionConfig,
    pub p95_ms: f64,
    pub peak_rss_mib: f64,
}

/// The right pick: position in `truths`. Nothing where nothing fits.
pub fn decide(variants: &[Variant], truths: &[Truth], budget: Budget) -> Option<usize> {
    let within = |value: f64, limit: Option<f64>| limit.is_none_or(|limit| value <= limit);
    let fits = |truth: &Truth| {
        within(truth.p95_ms * (1.0 + PIPELINE_HEADROOM), budget.frame_ms)
            && within(truth.peak_rss_mib + PIPELINE_MEMORY_MIB, budget.memory_mib)
            && within(variants[truth.at].million_macs, budget.million_macs)
    };
    let rank = |truth: &Truth| AccuracyRank::of(&variants[truth.at], truth.config, false);
    let fitting: Vec<usize> = (0..truths.len()).filter(|&number| fits(&truths[number])).collect();
    let best = *fitting.iter().max_by(|&&a, &&b| {
        let quicker = truths[b].p95_ms.total_cmp(&truths[a].p95_ms);
        rank(&truths[a]).compare(&rank(&truths[b])).then(quicker)
    })?;
    let as_good = fitting.into_iter().filter(|&other| {
        let uncertainty = uncertainty_points(&variants[truths[best].at], &variants[truths[other].at]);
        rank(&truths[best]).ties(&rank(&truths[other]), uncertainty)
    });
    let as_good: Vec<usize> = as_good.collect();
    let quickest_ms = as_good.iter().map(|&at| truths[at].p95_ms).fold(f64::INFINITY, f64::min);
    let macs = |at: usize| variants[truths[at].at].million_macs;
    let as_quick = as_good.into_iter().filter(|&at| truths[at].p95_ms <= quickest_ms * AS_QUICK);
    as_quick.min_by(|&a, &b| macs(a).total_cmp(&macs(b)).then(truths[a].p95_ms.total_cmp(&truths[b].p95_ms)))
}

/// As the picker has it.
const AS_QUICK: f64 = 1.1;

/// Nearer to a limit than this share, it is a matter of luck what is measured.
pub const BOUNDARY: f64 = 0.02;

/// Whether the right pick would be another if every time were 2 % more or less, or another as good takes within 2 % of
/// its time.
pub fn is_at_a_boundary(variants: &[Variant], truths: &[Truth], budget: Budget) -> bool {
    let at = |factor: f64| {
        let frame_ms = budget.frame_ms.map(|limit| limit * factor);
        decide(variants, truths, Budget { frame_ms, ..budget })
    };
    let (here, more, less) = (at(1.0), at(1.0 + BOUNDARY), at(1.0 - BOUNDARY));
    let close = here.is_some_and(|here| {
        let without = |other: usize| other != here;
        let others: Vec<Truth> = (0..truths.len()).filter(|&other| without(other)).map(|other| truths[other]).collect();
        decide(variants, &others, budget).is_some_and(|second| {
            let (a, b) = (truths[here], others[second]);
            let uncertainty = uncertainty_points(&variants[a.at], &variants[b.at]);
            let rank = |truth: &Truth| AccuracyRank::of(&variants[truth.at], truth.config, false);
            let near = |ratio: f64, limit: f64| (ratio / limit - 1.0).abs() <= BOUNDARY;
            let ratio = b.p95_ms / a.p95_ms;
            let close = near(ratio, 1.0) || near(ratio, AS_QUICK) || near(ratio, 1.0 / AS_QUICK);
            rank(&a).ties(&rank(&b), uncertainty) && close
        })
    });
    here != more || here != less || close
}

/// The place of each variant in the list of those that no other beats (no more work, at least as accurate), by work; of
/// one that is beaten, the place of the last that is no more accurate.
pub fn steps(variants: &[Variant]) -> Vec<usize> {
    let percent = |variant: &Variant| variant.top1_percent.unwrap_or_default();
    let beaten = |variant: &Variant| {
        variants.iter().any(|other| {
            other.million_macs <= variant.million_macs
                && percent(other) >= percent(variant)
                && other.name != variant.name
        })
    };
    let mut kept: Vec<f64> = variants.iter().filter(|variant| !beaten(variant)).map(percent).collect();
    kept.sort_by(f64::total_cmp);
    variants.iter().map(|variant| kept.partition_point(|kept| *kept < percent(variant))).collect()
}
