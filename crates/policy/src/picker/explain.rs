//! Explanation of a pick in one line, and of a budget within which nothing fits.

use super::{Candidate, HYSTERESIS, LimitingFactor, Pick, PickError, SkipReason, Verdict, required_mib, required_ms};
use crate::budget::Budget;
use phicam_engine::ExecutionConfig;
use phicam_model::efficientnet::compound_scaling::phi_of_macs;

/// Returns the explanation of a pick, such as `budget 66 ms a frame, 512 MiB → lite1@240 (φ 0.36) by tract f32, 2
/// threads: 41.0 ms at p95, 71 MiB; the next, lite2@260, needs 71.0 ms of 66 with headroom for the pipeline`.
pub fn explain(pick: &Pick) -> String {
    let (variant, measurement) = (&pick.variant, &pick.measurement);
    let (p95_ms, peak_rss_mib) = (measurement.total_ms.p95, measurement.peak_rss_mib);
    let config = if has_alternative_configs(pick) { format!(" by {}", pick.config) } else { String::new() };
    let contention = if measurement.is_noisy() { " under CPU contention" } else { "" };
    format!(
        "budget {} → {} ({}){config}: {p95_ms:.1} ms at p95{contention}, {peak_rss_mib:.0} MiB; {}{}{}",
        pick.budget,
        variant.name,
        variant.phi_display(),
        explain_hysteresis(pick),
        explain_tie(pick),
        explain_limit(pick)
    )
}

/// Returns whether another engine or precision, or more threads, were considered.
fn has_alternative_configs(pick: &Pick) -> bool {
    let ExecutionConfig { engine, precision, threads } = pick.config;
    let differs =
        |config: &ExecutionConfig| (config.engine, config.precision) != (engine, precision) || config.threads > threads;
    pick.candidates.iter().any(|candidate| differs(&candidate.config))
}

/// Explains a pick that needs more than the limit. Returns an empty string if it does not.
fn explain_hysteresis(pick: &Pick) -> String {
    let p95_ms = pick.measurement.total_ms.p95;
    match pick.budget.frame_ms {
        Some(limit_ms) if required_ms(p95_ms) > limit_ms => {
            let left_percent = (limit_ms / p95_ms - 1.0) * 100.0;
            format!("that leaves {left_percent:.0} % for the pipeline, but hysteresis keeps the previous pick; ")
        }
        _ => String::new(),
    }
}

/// Explains a pick that is not the most accurate candidate that fits. Returns an empty string if it is.
fn explain_tie(pick: &Pick) -> String {
    let Some(best) = pick.tied_with.map(|index| &pick.candidates[index]) else { return String::new() };
    let ms = best.measurement.as_ref().map_or(f64::NAN, |measurement| measurement.total_ms.p95);
    format!("its accuracy ties with {}, which takes {ms:.1} ms; ", best.variant.name)
}

fn explain_limit(pick: &Pick) -> String {
    let next = pick.next.map(|index| &pick.candidates[index]);
    if let (false, Some(next)) = (pick.limiting_factor == LimitingFactor::Catalog, next) {
        return format!("the next, {}, {}", next.variant.name, explain_next(next, &pick.budget));
    }
    let phi = |macs: f64| format!(", this machine could afford about φ {:.2} ({macs:.0} M MACs)", phi_of_macs(macs));
    format!("{} is the limit{}", pick.offer, pick.affordable_million_macs.map(phi).unwrap_or_default())
}

/// Explains why the next more accurate candidate was not picked.
fn explain_next(next: &Candidate, budget: &Budget) -> String {
    let rounded = |limit: Option<f64>| (limit.unwrap_or_default() * 10.0).round() / 10.0;
    let (limit_ms, limit_mib) = (rounded(budget.frame_ms), rounded(budget.memory_mib));
    match &next.verdict {
        Verdict::TooSlow { p95_ms } => {
            format!("needs {:.1} ms of {limit_ms} with headroom for the pipeline", required_ms(*p95_ms))
        }
        Verdict::WithinHysteresis { p95_ms } => {
            let percent = (1.0 - 1.0 / HYSTERESIS) * 100.0;
            let needed_ms = required_ms(*p95_ms);
            format!(
                "needs {needed_ms:.1} ms of {limit_ms}, not {percent:.0} % less, so hysteresis keeps the previous pick"
            )
        }
        Verdict::Skipped(SkipReason::PredictedTooSlow { predicted_p95_ms }) => {
            let needed_ms = required_ms(*predicted_p95_ms);
            format!("needs about {needed_ms:.1} ms of {limit_ms} by the latency model")
        }
        Verdict::TooMuchMemory { .. } => {
            let needed_mib = next.measurement.as_ref().map_or(f64::NAN, required_mib);
            format!("needs {needed_mib:.1} MiB of {limit_mib} with the pipeline")
        }
        Verdict::Skipped(SkipReason::PredictedTooMuchMemory { than }) => {
            format!("needs more memory than {than}, which exceeds {limit_mib} MiB")
        }
        Verdict::TooManyMacs => {
            format!("needs {:.1} M MACs of {}", next.variant.million_macs, rounded(budget.million_macs))
        }
        Verdict::Failed(cause) => format!("cannot be run ({cause})"),
        _ => "would take longer".into(),
    }
}

/// Returns the error for a search without a fitting candidate: the need of the fastest one, or the cause of a failure.
pub fn nothing_fits(candidates: &[Candidate], budget: &Budget) -> PickError {
    use Verdict::{TooManyMacs, TooMuchMemory, TooSlow};
    let p95_ms =
        |candidate: &Candidate| candidate.measurement.as_ref().map_or(f64::INFINITY, |found| found.total_ms.p95);
    let exceeds_budget =
        |candidate: &&Candidate| matches!(candidate.verdict, TooSlow { .. } | TooMuchMemory { .. } | TooManyMacs);
    // The fastest measured candidate; without a measurement the first, which has the fewest MACs.
    let exceeding = candidates.iter().filter(exceeds_budget);
    let Some(smallest) = exceeding.min_by(|a, b| p95_ms(a).total_cmp(&p95_ms(b))) else {
        let cause = candidates.iter().find_map(|candidate| match &candidate.verdict {
            Verdict::Failed(cause) => Some(cause.clone()),
            _ => None,
        });
        return PickError::NothingRuns(cause.unwrap_or_else(|| "the list of candidates is empty".into()));
    };
    let needs = match &smallest.measurement {
        Some(measurement) => {
            // Rounded up, so that a budget of these numbers suffices.
            let ms = required_ms(measurement.total_ms.p95).ceil();
            let mib = required_mib(measurement).ceil();
            let macs = smallest.variant.million_macs.ceil();
            format!("needs {ms:.0} ms a frame at p95, {macs:.0} M MACs and {mib:.0} MiB")
        }
        None => format!("needs {:.1} M MACs", smallest.variant.million_macs),
    };
    PickError::NothingFits(format!(
        "no model fits the budget of {budget}: the smallest, {} ({}), {needs}, with headroom for the pipeline; \
         raise the limit with --frame-ms, --macs or --memory",
        smallest.variant.name,
        smallest.variant.phi_display()
    ))
}
