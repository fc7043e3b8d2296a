//! Wording of the reason for a pick, and of the error if nothing fits.

use std::fmt;

use super::reason::{Finding, Named, Reason, Standing, Statement};
use super::{Candidate, HYSTERESIS, Pick, PickError, Verdict, required_mib, required_ms};
use crate::budget::Budget;
use phicam_model::efficientnet::compound_scaling::phi_of_macs;

/// Returns the explanation of a pick, such as `budget 66 ms a frame, 512 MiB → lite1@240 (φ 0.36) by tract f32, 2
/// threads: 41.0 ms at p95, 71 MiB; the next, lite2@260, needs 71.0 ms of 66 with headroom for the pipeline`.
pub fn explain(pick: &Pick) -> String {
    let reason = Reason::new(pick);
    format!("budget {} → {}", reason.budget, reason.sentences().join("; "))
}

impl Reason {
    /// Returns the statements in words.
    pub fn sentences(&self) -> Vec<String> {
        self.statements.iter().map(Statement::to_string).collect()
    }

    /// Returns the standing of the pick in words.
    pub fn headline(&self) -> String {
        let variant = self.statements.iter().find_map(|statement| match statement {
            Statement::Picked { variant, .. } => Some(variant.as_str()),
            _ => None,
        });
        let variant = variant.unwrap_or_default();
        match self.standing {
            Standing::MostAccurate => format!("{variant} is the most accurate variant that fits"),
            Standing::Largest => format!("{variant} is the largest variant that fits"),
            Standing::TiedAndFaster => {
                format!("{variant} ties with the most accurate variant that fits, and is faster")
            }
            Standing::Kept => format!("{variant} stays: hysteresis keeps the previous pick"),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.config {
            Some(config) => write!(f, "{} by {config}", self.variant),
            None => f.write_str(&self.variant),
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statement::Picked { variant, phi, config, p95_ms, peak_rss_mib, is_noisy } => {
                let config = config.map(|config| format!(" by {config}")).unwrap_or_default();
                let contention = if *is_noisy { " under CPU contention" } else { "" };
                let p95_ms = rounded(*p95_ms, 1);
                write!(f, "{variant} ({phi}){config}: {p95_ms} ms at p95{contention}, {peak_rss_mib:.0} MiB")
            }
            Statement::KeptOverLimit { p95_ms, limit_ms } => {
                let left_percent = (limit_ms / p95_ms - 1.0) * 100.0;
                write!(f, "that leaves {left_percent:.1} % for the pipeline, but hysteresis keeps the previous pick")
            }
            Statement::Tie { with, finding } => write!(f, "{with} is {finding}"),
            Statement::Next { next, finding } => write!(f, "the next, {next}, {finding}"),
            Statement::NothingBetter { offer } => write!(f, "{offer} is the limit"),
            Statement::NothingClearlyBetter { offer, unfit } => {
                write!(f, "{offer} has nothing that is more accurate beyond the uncertainty")?;
                match unfit {
                    Some((unfit, finding)) => write!(f, "; {unfit}, which ties, {finding}"),
                    None => Ok(()),
                }
            }
            Statement::Affordable { million_macs } => {
                let phi = phi_of_macs(*million_macs);
                write!(f, "this machine could afford about φ {phi:.2} ({million_macs:.0} M MACs) by its latency model")
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Picked => write!(f, "picked"),
            Finding::RanksBelow => write!(f, "fits, less accurate than the pick"),
            Finding::NotFaster { points, uncertainty_points, p95_ms, pick_p95_ms } => {
                let [pick_p95, p95] = ordered([*pick_p95_ms, *p95_ms], 1);
                let slower = if p95_ms > pick_p95_ms { "slower" } else { "not faster" };
                let latency = format!("{slower}: {p95} ms at p95, not {pick_p95}");
                if *points == 0.0 {
                    return write!(f, "as accurate, but {latency}");
                }
                let [points, uncertainty] = ordered([*points, *uncertainty_points], 2);
                write!(f, "more accurate by {points} points, within the uncertainty of {uncertainty}, but {latency}")
            }
            Finding::BarelyFaster { p95_ms, pick_p95_ms } => {
                let [p95, pick_p95] = ordered([*p95_ms, *pick_p95_ms], 1);
                write!(f, "fits with {p95} ms at p95, not {pick_p95}: hysteresis keeps the previous pick")
            }
            Finding::PredictedNotFaster { predicted_p95_ms, pick_p95_ms } => {
                let [pick_p95, p95] = ordered([*pick_p95_ms, *predicted_p95_ms], 1);
                write!(f, "ties, but takes about {p95} ms at p95 by the latency model, not {pick_p95}")
            }
            Finding::TooSlow { required_ms, limit_ms } => {
                let [limit, required] = ordered([*limit_ms, *required_ms], 1);
                write!(f, "needs {required} ms of {limit} with headroom for the pipeline")
            }
            Finding::WithinHysteresis { required_ms, limit_ms } => {
                let percent = (1.0 - 1.0 / HYSTERESIS) * 100.0;
                let (required, limit) = (rounded(*required_ms, 1), rounded(*limit_ms, 1));
                write!(
                    f,
                    "needs {required} ms of {limit}, not {percent:.0} % less, so hysteresis keeps the previous pick"
                )
            }
            Finding::PredictedTooSlow { required_ms, limit_ms } => {
                let [limit, required] = ordered([*limit_ms, *required_ms], 1);
                write!(f, "needs about {required} ms of {limit} by the latency model")
            }
            Finding::TooMuchMemory { required_mib, limit_mib } => {
                let [limit, required] = ordered([*limit_mib, *required_mib], 1);
                write!(f, "needs {required} MiB of {limit} with the pipeline")
            }
            Finding::PredictedTooMuchMemory { than, limit_mib } => {
                write!(f, "needs more memory than {than}, which exceeds {} MiB", rounded(*limit_mib, 1))
            }
            Finding::TooManyMacs { million_macs, limit_million_macs } => {
                let [limit, macs] = ordered([*limit_million_macs, *million_macs], 1);
                write!(f, "needs {macs} M MACs of {limit}")
            }
            Finding::Outranked => write!(f, "not measured: a more accurate variant fits"),
            Finding::Dominated { by } => {
                write!(f, "not measured: {by} fits, costs no more and is at least as accurate")
            }
            Finding::FewerThreads { than } => write!(f, "not measured: {than} threads are faster"),
            Finding::Failed { cause } => write!(f, "cannot be run: {cause}"),
        }
    }
}

/// Returns a number with at most `digits` decimals.
fn rounded(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// Returns two ascending numbers with at most `digits` decimals, or with as many as show that they differ.
fn ordered([low, high]: [f64; 2], digits: usize) -> [String; 2] {
    const MAX_DIGITS: usize = 6;
    let texts = |digits| [low, high].map(|value| rounded(value, digits));
    let differ = |digits: &usize| texts(*digits)[0] != texts(*digits)[1];
    let needed = (digits..=MAX_DIGITS).find(|digits| low == high || differ(digits));
    texts(needed.unwrap_or(MAX_DIGITS))
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
    let Some(fastest) = exceeding.min_by(|a, b| p95_ms(a).total_cmp(&p95_ms(b))) else {
        let cause = candidates.iter().find_map(|candidate| match &candidate.verdict {
            Verdict::Failed(cause) => Some(cause.clone()),
            _ => None,
        });
        return PickError::NothingRuns(cause.unwrap_or_else(|| "the list of candidates is empty".into()));
    };
    let needs = match &fastest.measurement {
        Some(measurement) => {
            // Rounded up, so that a budget of these numbers suffices.
            let ms = required_ms(measurement.total_ms.p95).ceil();
            let mib = required_mib(measurement).ceil();
            let macs = fastest.variant.million_macs.ceil();
            format!("needs {ms:.0} ms a frame at p95, {macs:.0} M MACs and {mib:.0} MiB")
        }
        None => format!("needs {:.1} M MACs", fastest.variant.million_macs),
    };
    let fastest_or_smallest = if fastest.measurement.is_some() { "the fastest" } else { "the smallest" };
    PickError::NothingFits(format!(
        "no model fits the budget of {budget}: {fastest_or_smallest}, {} ({}), {needs}, with headroom for the pipeline; \
         raise the limit with --frame-ms, --macs or --memory",
        fastest.variant.name,
        fastest.variant.phi_display()
    ))
}
