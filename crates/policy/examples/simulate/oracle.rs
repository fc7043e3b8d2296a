//! Oracle: the right pick for known true latencies, by the picker's rules for ties, headroom and precision.

use std::cmp::Ordering;

use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_policy::budget::Budget;
use phicam_policy::picker::{
    AccuracyRank, LATENCY_TIE_RATIO, PIPELINE_HEADROOM, PIPELINE_MEMORY_MIB, uncertainty_points,
};

/// True cost of a variant in one execution config.
#[derive(Clone, Copy)]
pub struct Truth {
    /// Index of the variant.
    pub variant: usize,
    pub config: ExecutionConfig,
    pub p95_ms: f64,
    pub peak_rss_mib: f64,
}

/// Returns the index of the right pick in `truths`; `None` if nothing fits.
pub fn decide(variants: &[Variant], truths: &[Truth], budget: Budget) -> Option<usize> {
    let within = |value: f64, limit: Option<f64>| limit.is_none_or(|limit| value <= limit);
    let fits = |truth: &Truth| {
        within(truth.p95_ms * (1.0 + PIPELINE_HEADROOM), budget.frame_ms)
            && within(truth.peak_rss_mib + PIPELINE_MEMORY_MIB, budget.memory_mib)
            && within(variants[truth.variant].million_macs, budget.million_macs)
    };
    let rank = |truth: &Truth| AccuracyRank::new(&variants[truth.variant], truth.config, false);
    let fitting: Vec<usize> = (0..truths.len()).filter(|&index| fits(&truths[index])).collect();
    let best = *fitting.iter().max_by(|&&a, &&b| {
        let by_latency = truths[b].p95_ms.total_cmp(&truths[a].p95_ms);
        rank(&truths[a]).compare(&rank(&truths[b])).then(by_latency)
    })?;
    let replaces = |index: usize, other: usize| match rank(&truths[other]).compare(&rank(&truths[index])) {
        Ordering::Greater => {
            let (a, b) = (&truths[index], &truths[other]);
            let uncertainty = uncertainty_points(&variants[a.variant], &variants[b.variant]);
            rank(a).ties(&rank(b), uncertainty) && a.p95_ms < b.p95_ms
        }
        Ordering::Equal => {
            truths[index].variant == truths[other].variant || truths[index].p95_ms <= truths[other].p95_ms
        }
        Ordering::Less => true,
    };
    let tied = fitting.iter().copied().filter(|&index| {
        let (a, b) = (&truths[index], &truths[best]);
        let uncertainty = uncertainty_points(&variants[a.variant], &variants[b.variant]);
        rank(a).ties(&rank(b), uncertainty) && fitting.iter().all(|&other| other == index || replaces(index, other))
    });
    let tied: Vec<usize> = tied.collect();
    let min_p95_ms = tied.iter().map(|&index| truths[index].p95_ms).fold(f64::INFINITY, f64::min);
    let macs = |index: usize| variants[truths[index].variant].million_macs;
    let fastest = tied.into_iter().filter(|&index| truths[index].p95_ms <= min_p95_ms * LATENCY_TIE_RATIO);
    fastest.min_by(|&a, &b| macs(a).total_cmp(&macs(b)).then(truths[a].p95_ms.total_cmp(&truths[b].p95_ms)))
}

/// Distance to a limit, as a share of it, within which the measured pick is a matter of luck.
pub const BOUNDARY: f64 = 0.02;

/// Returns whether the right pick would change if all latencies changed by 2 %, or if a tied candidate is within 2 % of
/// it.
pub fn is_at_a_boundary(variants: &[Variant], truths: &[Truth], budget: Budget) -> bool {
    let decide_with = |factor: f64| {
        let frame_ms = budget.frame_ms.map(|limit| limit * factor);
        decide(variants, truths, Budget { frame_ms, ..budget })
    };
    let here = decide_with(1.0);
    let more = decide_with(1.0 + BOUNDARY);
    let less = decide_with(1.0 - BOUNDARY);
    let has_close_tie = here.is_some_and(|here| {
        let others: Vec<Truth> = (0..truths.len()).filter(|&other| other != here).map(|other| truths[other]).collect();
        decide(variants, &others, budget).is_some_and(|second| {
            let (a, b) = (truths[here], others[second]);
            let uncertainty = uncertainty_points(&variants[a.variant], &variants[b.variant]);
            let rank = |truth: &Truth| AccuracyRank::new(&variants[truth.variant], truth.config, false);
            let is_near = |ratio: f64, limit: f64| (ratio / limit - 1.0).abs() <= BOUNDARY;
            let ratio = b.p95_ms / a.p95_ms;
            let is_close = [1.0, LATENCY_TIE_RATIO, 1.0 / LATENCY_TIE_RATIO].iter().any(|limit| is_near(ratio, *limit));
            rank(&a).ties(&rank(&b), uncertainty) && is_close
        })
    });
    here != more || here != less || has_close_tie
}

/// Returns the position of each variant in the list of undominated variants, by accuracy. A dominated variant gets the
/// position of the most accurate one that is not more accurate than it.
pub fn steps(variants: &[Variant]) -> Vec<usize> {
    let percent = |variant: &Variant| variant.top1_percent.unwrap_or_default();
    let is_dominated = |variant: &Variant| {
        variants.iter().any(|other| {
            other.million_macs <= variant.million_macs
                && percent(other) >= percent(variant)
                && other.name != variant.name
        })
    };
    let mut undominated: Vec<f64> = variants.iter().filter(|variant| !is_dominated(variant)).map(percent).collect();
    undominated.sort_by(f64::total_cmp);
    let position = |variant: &Variant| undominated.partition_point(|other| *other < percent(variant));
    variants.iter().map(position).collect()
}
