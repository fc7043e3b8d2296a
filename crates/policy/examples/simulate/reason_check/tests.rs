//! Ten thousand reasons on simulated devices.

use super::*;
use crate::random::Random;
use crate::trial::{Drawn, Offer};
use crate::{run_all, variants};

const SEED: u64 = 20;
/// Two picks on each device: without and with a previous pick.
const DEVICES: usize = 5_000;

/// Statement kinds that a check must meet, so that it cannot pass by checking nothing.
#[derive(Default)]
struct Seen {
    picks: usize,
    statements: usize,
    kinds: std::collections::BTreeSet<&'static str>,
    falsehoods: Vec<String>,
}

impl Seen {
    fn add(&mut self, seed: u64, pick: &Pick, previous: Previous, offer: &Offer) {
        let Checked { statements, falsehoods } = check(pick, previous, offer);
        self.picks += 1;
        self.statements += statements;
        let budget = pick.budget;
        self.falsehoods.extend(falsehoods.into_iter().map(|text| format!("seed {seed}, {budget}: {text}")));
        self.kinds.extend(Reason::new(pick).statements.iter().map(statement_kind));
        self.kinds.extend(pick.candidates.iter().map(|candidate| finding_kind(&Finding::new(candidate, pick))));
    }
}

fn statement_kind(statement: &Statement) -> &'static str {
    match statement {
        Statement::Picked { .. } => "Picked",
        Statement::KeptOverLimit { .. } => "KeptOverLimit",
        Statement::Tie { .. } => "Tie",
        Statement::Next { .. } => "Next",
        Statement::NothingBetter { .. } => "NothingBetter",
        Statement::NothingClearlyBetter { unfit: None, .. } => "NothingClearlyBetter",
        Statement::NothingClearlyBetter { unfit: Some(_), .. } => "NothingClearlyBetter, unfit",
        Statement::Affordable { .. } => "Affordable",
    }
}

fn finding_kind(finding: &Finding) -> &'static str {
    match finding {
        Finding::Picked => "picked",
        Finding::RanksBelow => "ranks below",
        Finding::NotFaster { .. } => "not faster",
        Finding::BarelyFaster { .. } => "barely faster",
        Finding::PredictedNotFaster { .. } => "predicted not faster",
        Finding::TooSlow { .. } => "too slow",
        Finding::WithinHysteresis { .. } => "within hysteresis",
        Finding::PredictedTooSlow { .. } => "predicted too slow",
        Finding::TooMuchMemory { .. } => "too much memory",
        Finding::PredictedTooMuchMemory { .. } => "predicted too much memory",
        Finding::TooManyMacs { .. } => "too many MACs",
        Finding::Outranked => "outranked",
        Finding::Dominated { .. } => "dominated",
        Finding::FewerThreads { .. } => "fewer threads",
        Finding::Failed { .. } => "failed",
    }
}

/// Returns the shipped variants, the whole family, and the shipped ones with one accuracy unknown.
fn offers() -> [Offer; 3] {
    let shipped = variants::shipped().unwrap();
    let mut unknown = shipped.clone();
    unknown[0].top1_percent = None;
    [Offer::new("shipped", shipped), Offer::new("family", variants::family()), Offer::new("unknown", unknown)]
}

/// Picks twice on one device: without a previous pick, and with the first pick or a random candidate as the previous one.
fn pick_twice(seed: u64, offers: &[Offer; 3]) -> Seen {
    let mut random = Random::new(seed ^ 0x5EED);
    let offer = match random.unit() {
        share if share < 0.9 => &offers[0],
        share if share < 0.93 => &offers[1],
        _ => &offers[2],
    };
    let mut drawn = Drawn::new(seed, offer);
    // A quarter of the budgets limit MACs, and a twentieth have no latency limit.
    if random.chance(0.25) {
        drawn.budget.million_macs = Some(random.log_between(60.0, 3000.0));
    }
    if random.chance(0.05) {
        drawn.budget.frame_ms = None;
    }
    let mut seen = Seen::default();
    let Some(first) = drawn.pick(offer) else { return seen };
    seen.add(seed, &first, None, offer);
    // Other load, or a limit near the need of the pick.
    let needed_ms = first.measurement.total_ms.p95 * HEADROOM_FACTOR;
    drawn.budget.frame_ms = drawn.budget.frame_ms.map(|limit_ms| {
        if random.chance(0.5) { needed_ms * random.between(0.94, 1.1) } else { limit_ms * random.between(0.95, 1.05) }
    });
    let previous = if random.chance(0.6) {
        (first.variant.name.clone(), first.config)
    } else {
        let other = &first.candidates[random.below(first.candidates.len())];
        (other.variant.name.clone(), other.config)
    };
    let previous = (previous.0.as_str(), previous.1);
    if let Some(second) = drawn.pick_after(offer, Some(previous)) {
        seen.add(seed, &second, Some(previous), offer);
    }
    seen
}

#[test]
fn every_statement_of_10_000_reasons_is_true() {
    let offers = offers();
    let mut total = Seen::default();
    let first_seed = SEED.wrapping_mul(1_000_003);
    // Devices on which nothing fits have no reason, so a few more are drawn.
    for seen in run_all(DEVICES * 8 / 5, |index| pick_twice(first_seed + index as u64, &offers)) {
        total.picks += seen.picks;
        total.statements += seen.statements;
        total.kinds.extend(seen.kinds);
        total.falsehoods.extend(seen.falsehoods);
    }
    println!("{} picks, {} statements, {} kinds", total.picks, total.statements, total.kinds.len());
    let (expected, found) = (2 * DEVICES, total.picks);
    assert!(found >= expected, "{found} picks, expected {expected}");
    let examples = &total.falsehoods[..total.falsehoods.len().min(12)];
    assert!(total.falsehoods.is_empty(), "{} of {}: {examples:#?}", total.falsehoods.len(), total.statements);
    // Simulated devices have one thread, and no measurement fails.
    let met = total.kinds.len();
    assert_eq!(met, 21, "{:?}", total.kinds);
}
