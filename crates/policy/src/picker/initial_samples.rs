//! The sizes that are measured first in each way, so that there is a law to go by.

use std::collections::BTreeSet;

use super::{Candidate, Search, Verdict, required_ms};
use crate::measurement::Measurement;
use phicam_engine::ExecutionConfig;

/// Sizes that a law is first drawn through.
const FIRST_SIZES: usize = 3;
/// The largest of them may be expected to take this multiple of the limit, in proportion to the smallest: what a network
/// takes without work makes that too much.
const PLAUSIBLE: f64 = 4.0;

impl Search {
    /// Whether `config` runs nothing: some sizes were tried, of several networks where there are several, and all failed.
    pub(super) fn gives_up(&self, config: ExecutionConfig) -> bool {
        let of_config = || self.candidates.iter().filter(|candidate| candidate.config == config);
        let failed = || of_config().filter(|candidate| matches!(candidate.verdict, Verdict::Failed(_)));
        let networks = |of: &mut dyn Iterator<Item = &Candidate>| {
            of.map(|candidate| candidate.variant.network.name.clone()).collect::<BTreeSet<_>>().len()
        };
        failed().count() >= FIRST_SIZES
            && networks(&mut failed()) >= networks(&mut of_config()).min(FIRST_SIZES)
            && of_config().all(|candidate| candidate.measurement.is_none())
    }

    /// With how many threads the same engine was quicker with the least that was tried in `config`: of what is larger more of
    /// the work is shared, so it will be there as well. Not where another program disturbed any of what was timed with them:
    /// what is done in a moment may be quicker between two of its turns, and what takes longer is not.
    pub(super) fn more_threads_do_more(&self, config: ExecutionConfig) -> Option<usize> {
        let measured = |of: ExecutionConfig, variant: &str| {
            let is = |candidate: &&Candidate| candidate.config == of && candidate.variant.name == variant;
            self.candidates.iter().find(is)?.measurement.as_ref()
        };
        let least =
            self.candidates.iter().find(|candidate| candidate.config == config && candidate.measurement.is_some())?;
        let few = least.measurement.as_ref()?;
        let is_quicker = |many: &Measurement| many.total_ms.p50 < few.total_ms.p50;
        let is_noisy = |of: ExecutionConfig| {
            let of_config = self.candidates.iter().filter(|candidate| candidate.config == of);
            of_config.filter_map(|candidate| candidate.measurement.as_ref()).any(Measurement::is_noisy)
        };
        let mut more = self.candidates.iter().map(|candidate| candidate.config).filter(|other| {
            (other.engine, other.precision) == (config.engine, config.precision) && other.threads > config.threads
        });
        more.find(|more| measured(*more, &least.variant.name).is_some_and(is_quicker) && !is_noisy(*more))
            .map(|more| more.threads)
    }

    /// The next of the sizes that a law needs first: the smallest, the largest plausible, one between.
    pub(super) fn first_of(&self, config: ExecutionConfig, limit_ms: f64) -> Option<usize> {
        let of_config: Vec<usize> =
            (0..self.candidates.len()).filter(|&at| self.candidates[at].config == config).collect();
        let macs = |at: usize| self.candidates[at].variant.million_macs;
        let measured: Vec<usize> =
            of_config.iter().copied().filter(|&at| self.candidates[at].measurement.is_some()).collect();
        let open: Vec<usize> = of_config
            .into_iter()
            .filter(|&at| self.candidates[at].verdict == Verdict::Open && self.dominator(at).is_none())
            .collect();
        match measured[..] {
            _ if measured.len() >= FIRST_SIZES => None,
            [] => {
                // A network of which one side failed will fail at others: its file is damaged, say.
                let failed = |at: &usize| {
                    let of =
                        |other: &Candidate| other.variant.network.name == self.candidates[*at].variant.network.name;
                    let failed =
                        |other: &&Candidate| matches!(other.verdict, Verdict::Failed(_)) && other.config == config;
                    self.candidates.iter().filter(failed).any(of)
                };
                open.iter().find(|at| !failed(at)).or(open.first()).copied()
            }
            [smallest] => {
                let per_macs = self.p95_ms(smallest) / macs(smallest);
                let plausible = |at: &usize| required_ms(per_macs * macs(*at)) <= PLAUSIBLE * limit_ms;
                let larger = || open.iter().copied().filter(|&at| macs(at) > macs(smallest));
                larger().rfind(plausible).or_else(|| larger().next()).or_else(|| open.first().copied())
            }
            _ => {
                let (low, high) = (macs(measured[0]), macs(measured[measured.len() - 1]));
                let between = open.iter().copied().filter(|&at| macs(at) > low && macs(at) < high);
                let off = |at: usize| (macs(at) / (low * high).sqrt()).ln().abs();
                between.min_by(|&a, &b| off(a).total_cmp(&off(b)))
            }
        }
    }
}
