//! The pick in one line, for people.

use super::{Bound, Candidate, Pick, PickError, Verdict};
use crate::budget::Budget;
use crate::catalog::Choice;
use crate::scaling::phi_of_macs;

/// `budget 66 ms a frame, 512 MiB → lite2@260 (φ 1.03): 56.9 ms at p95, 71 MiB; the next, lite2@288, takes 71.0 ms`
pub fn reason(pick: &Pick) -> String {
    let (choice, found) = (&pick.choice, &pick.measurement);
    let (p95_ms, rss_mib) = (found.total_ms.p95, found.rss_mib);
    format!(
        "budget {} → {} ({}): {p95_ms:.1} ms at p95, {rss_mib:.0} MiB; {}",
        pick.budget,
        choice.name,
        choice.phi_in_words(),
        bound(pick)
    )
}

fn bound(pick: &Pick) -> String {
    let position = pick.candidates.iter().position(|c| c.verdict == Verdict::Picked).unwrap_or_default();
    let next = pick.candidates[position + 1..].iter().find(|c| !matches!(c.verdict, Verdict::Dominated { .. }));
    let affordable = pick.affordable_million_macs.map(|macs| format!("φ {:.2} ({macs:.0} M MACs)", phi_of_macs(macs)));
    match (pick.bound, next) {
        (Bound::Catalog, _) | (_, None) => {
            let afford = affordable.map(|phi| format!(", this machine could afford about {phi}"));
            format!("{} is the limit{}", pick.offer, afford.unwrap_or_default())
        }
        (_, Some(next)) => {
            let name = &next.choice.name;
            let next_is = match &next.verdict {
                Verdict::TooSlow { p95_ms } => format!("takes {p95_ms:.1} ms"),
                Verdict::TooMuchMemory { rss_mib } => format!("needs {rss_mib:.1} MiB"),
                Verdict::TooMuchWork => format!("needs {:.1} M MACs", next.choice.million_macs),
                Verdict::Failed(cause) => format!("cannot be run ({cause})"),
                _ => "would take longer".into(),
            };
            format!("the next, {name}, {next_is}")
        }
    }
}

/// What the smallest that runs would need, where even that is too much.
pub fn nothing_fits(candidates: &[Candidate], budget: &Budget) -> PickError {
    let too_much = |candidate: &&Candidate| {
        use Verdict::{TooMuchMemory, TooMuchWork, TooSlow};
        matches!(candidate.verdict, TooSlow { .. } | TooMuchMemory { .. } | TooMuchWork)
    };
    let Some(smallest) = candidates.iter().find(too_much) else {
        let cause = candidates.iter().find_map(|candidate| match &candidate.verdict {
            Verdict::Failed(cause) => Some(cause.clone()),
            _ => None,
        });
        return PickError::NothingRuns(cause.unwrap_or_else(|| "there is none to choose from".into()));
    };
    let needs = match &smallest.measurement {
        Some(found) => {
            let (ms, mib) = (found.total_ms.p95.ceil(), found.rss_mib.ceil());
            let macs = smallest.choice.million_macs.ceil(); // rounded up, all three: allowing that much must do
            format!("needs {ms:.0} ms a frame at p95, {macs:.0} M MACs and {mib:.0} MiB")
        }
        None => format!("needs {:.1} M MACs", smallest.choice.million_macs),
    };
    let Choice { name, .. } = &smallest.choice;
    PickError::NothingFits(format!(
        "no model fits the budget of {budget}: the smallest, {name} ({}), {needs}; allow that much with \
         --frame-ms, --flops or --memory",
        smallest.choice.phi_in_words()
    ))
}
