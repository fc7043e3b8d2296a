//! The pick in one line, for people.

use super::{Candidate, HYSTERESIS, LimitingFactor, Pick, PickError, Verdict, required_mib, required_ms};
use crate::budget::Budget;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_model::efficientnet::compound_scaling::phi_of_macs;

/// `budget 66 ms a frame, 512 MiB → lite1@240 (φ 0.36) by tract f32, 2 threads: 41.0 ms at p95, 71 MiB; the next,
/// lite2@240, needs 71.0 ms of 66 beside the rest of the line`
pub fn explain(pick: &Pick) -> String {
    let (variant, found) = (&pick.variant, &pick.measurement);
    let (p95_ms, peak_rss_mib) = (found.total_ms.p95, found.peak_rss_mib);
    let by = if has_several_ways(pick) { format!(" by {}", pick.config) } else { String::new() };
    let disturbed = if found.is_noisy() { " beside other programs" } else { "" };
    format!(
        "budget {} → {} ({}){by}: {p95_ms:.1} ms at p95{disturbed}, {peak_rss_mib:.0} MiB; {}{}{}",
        pick.budget,
        variant.name,
        variant.phi_display(),
        stays(pick),
        tie(pick),
        limiting_factor(pick)
    )
}

/// Whether it could have been another engine or precision, or is not as many threads as there could be.
fn has_several_ways(pick: &Pick) -> bool {
    let ExecutionConfig { engine, precision, threads } = pick.config;
    let differs =
        |config: &ExecutionConfig| (config.engine, config.precision) != (engine, precision) || config.threads > threads;
    pick.candidates.iter().any(|candidate| differs(&candidate.config))
}

/// Why it is picked though it takes more than it may.
fn stays(pick: &Pick) -> String {
    let p95_ms = pick.measurement.total_ms.p95;
    match pick.budget.frame_ms {
        Some(limit_ms) if required_ms(p95_ms) > limit_ms => {
            let left = (limit_ms / p95_ms - 1.0) * 100.0;
            format!("that leaves {left:.0} % for the rest of the line, but it was picked before and stays; ")
        }
        _ => String::new(),
    }
}

/// Why it is not the most accurate that fits.
fn tie(pick: &Pick) -> String {
    let Some(best) = pick.tied_with.map(|at| &pick.candidates[at]) else { return String::new() };
    let ms = best.measurement.as_ref().map_or(f64::NAN, |found| found.total_ms.p95);
    format!("as good as {}, which takes {ms:.1} ms, as far as anyone has measured; ", best.variant.name)
}

fn limiting_factor(pick: &Pick) -> String {
    let affordable = pick.affordable_million_macs.map(|macs| format!("φ {:.2} ({macs:.0} M MACs)", phi_of_macs(macs)));
    match (pick.limiting_factor, pick.next.map(|at| &pick.candidates[at])) {
        (LimitingFactor::Catalog, _) | (_, None) => {
            let afford = affordable.map(|phi| format!(", this machine could afford about {phi}"));
            format!("{} is the limit{}", pick.offer, afford.unwrap_or_default())
        }
        (_, Some(next)) => {
            let name = &next.variant.name;
            let of = |limit: Option<f64>| (limit.unwrap_or_default() * 10.0).round() / 10.0;
            let (ms, mib) = (of(pick.budget.frame_ms), of(pick.budget.memory_mib));
            let next_is = match &next.verdict {
                Verdict::TooSlow { p95_ms } => {
                    format!("needs {:.1} ms of {ms} beside the rest of the line", required_ms(*p95_ms))
                }
                Verdict::WithinHysteresis { p95_ms } => {
                    let (needed, less) = (required_ms(*p95_ms), (1.0 - 1.0 / HYSTERESIS) * 100.0);
                    format!("needs {needed:.1} ms of {ms}, not {less:.0} % less, and what was picked before stays")
                }
                Verdict::PredictedTooSlow { predicted_p95_ms } => {
                    format!("is expected to need {:.1} ms of {ms}", required_ms(*predicted_p95_ms))
                }
                Verdict::TooMuchMemory { .. } => {
                    let needed = next.measurement.as_ref().map_or(f64::NAN, required_mib);
                    format!("needs {needed:.1} MiB of {mib} with the rest of the line")
                }
                Verdict::PredictedTooMuchMemory { than } => {
                    format!("needs more memory than {than}, for which {mib} MiB are not enough")
                }
                Verdict::TooMuchWork => {
                    format!("needs {:.1} M MACs of {}", next.variant.million_macs, of(pick.budget.million_macs))
                }
                Verdict::Failed(cause) => format!("cannot be run ({cause})"),
                _ => "would take longer".into(),
            };
            format!("the next, {name}, {next_is}")
        }
    }
}

/// What the smallest that runs would need, where even that is too much.
pub fn nothing_fits(candidates: &[Candidate], budget: &Budget) -> PickError {
    use Verdict::{TooMuchMemory, TooMuchWork, TooSlow};
    let least =
        |candidate: &&Candidate| candidate.measurement.as_ref().map_or(f64::INFINITY, |found| found.total_ms.p95);
    let too_much =
        |candidate: &&Candidate| matches!(candidate.verdict, TooSlow { .. } | TooMuchMemory { .. } | TooMuchWork);
    // The one that takes least of those that were measured; where none was, the one with the least work.
    let Some(smallest) = candidates.iter().filter(too_much).min_by(|a, b| least(a).total_cmp(&least(b))) else {
        let cause = candidates.iter().find_map(|candidate| match &candidate.verdict {
            Verdict::Failed(cause) => Some(cause.clone()),
            _ => None,
        });
        return PickError::NothingRuns(cause.unwrap_or_else(|| "there is none to choose from".into()));
    };
    let needs = match &smallest.measurement {
        Some(found) => {
            let (ms, mib) = (required_ms(found.total_ms.p95).ceil(), required_mib(found).ceil());
            let macs = smallest.variant.million_macs.ceil(); // rounded up, all three: allowing that much must do
            format!("needs {ms:.0} ms a frame at p95, {macs:.0} M MACs and {mib:.0} MiB")
        }
        None => format!("needs {:.1} M MACs", smallest.variant.million_macs),
    };
    let Variant { name, .. } = &smallest.variant;
    PickError::NothingFits(format!(
        "no model fits the budget of {budget}: the smallest, {name} ({}), {needs}, with room for the rest of the line; \
         allow that much with --frame-ms, --flops or --memory",
        smallest.variant.phi_display()
    ))
}
