//! Trial: one device and one budget, decided by the picker, by two baselines and by the oracle.

use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_policy::budget::Budget;
use phicam_policy::picker::{ComputeCost, PIPELINE_HEADROOM, Pick, PickRequest, QUICK_SAMPLE, pick, required_ms};
use phicam_policy::sampling::SamplingPlan;

use crate::device::{Device, Kind};
use crate::oracle::{self, Truth, decide, is_at_a_boundary};
use crate::random::Random;
use crate::reason_check::{Previous, check};

/// Set of variants to pick from, with derived values.
pub struct Offer {
    pub name: &'static str,
    pub variants: Vec<Variant>,
    costs: Vec<ComputeCost>,
    steps: Vec<usize>,
    /// Indices of Lite0 at 224 pixels, and of B0 at 224 pixels (Lite0 if the set has no B0).
    lite0: usize,
    b0: usize,
}

impl Offer {
    pub fn new(name: &'static str, variants: Vec<Variant>) -> Offer {
        let costs = variants.iter().map(ComputeCost::from_variant).collect();
        let steps = oracle::steps(&variants);
        let index_of = |name: &str| variants.iter().position(|variant| variant.name == name);
        let lite0 = index_of("lite0@224").unwrap_or_default();
        let b0 = index_of("b0@224").unwrap_or(lite0);
        Offer { name, variants, costs, steps, lite0, b0 }
    }

    /// Returns the compute cost of a variant.
    pub fn cost(&self, variant: &Variant) -> ComputeCost {
        self.costs[self.position(variant)]
    }

    /// Returns the index of a variant.
    pub fn position(&self, variant: &Variant) -> usize {
        self.variants.iter().position(|known| known.name == variant.name).unwrap_or_default()
    }
}

/// Comparison of a pick with the right one.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Whether variant and execution config are equal, or rightly nothing was picked.
    pub equal: bool,
    /// Steps of accuracy from the right pick, positive if more accurate; `None` if one of the two is none.
    pub steps: Option<i64>,
    /// Whether its true latency needs more than 1.05 × the budget.
    pub over: bool,
}

/// Results for one device.
pub struct Trial {
    pub kind: Kind,
    pub boundary: bool,
    pub picker: Outcome,
    /// Baseline: latency in proportion to MACs, from one measurement of Lite0 in each execution config.
    pub proportional: Outcome,
    /// Baseline: the most MACs that fit by a table of MACs per millisecond, from the median of B0.
    pub table: Outcome,
    /// Simulated seconds of measuring, and the number of measurements.
    pub seconds: f64,
    pub measurements: usize,
    /// Median of Lite0 in the first execution config.
    pub unit_ms: f64,
    pub configs: usize,
    /// Statements of the reason, and how many of them are false.
    pub statements: usize,
    pub falsehoods: usize,
}

/// Random device with a budget and its true latencies.
pub struct Drawn {
    pub device: Device,
    pub budget: Budget,
    pub truths: Vec<Truth>,
}

impl Drawn {
    /// Draws device and budget from `seed`.
    pub fn new(seed: u64, offer: &Offer) -> Drawn {
        let device = Device::draw(seed, &offer.variants);
        let truths = truths(&device, offer);
        let budget = budget(&mut Random::new(seed ^ 0xB0D6_E700), &truths);
        Drawn { device, budget, truths }
    }

    /// Runs the picker, which measures the device.
    pub fn pick(&mut self, offer: &Offer) -> Option<Pick> {
        self.pick_after(offer, None)
    }

    /// Like [`Drawn::pick`], after a previous pick.
    pub fn pick_after(&mut self, offer: &Offer, previous: Previous) -> Option<Pick> {
        let all: Vec<&Variant> = offer.variants.iter().collect();
        let configs = self.device.configs.clone();
        let request = PickRequest::new(&all, &configs, self.budget).with_previous(previous);
        let measure = |variant: &Variant, config: ExecutionConfig, sampling: SamplingPlan| {
            let index = offer.position(variant);
            Ok(self.device.measure(index, variant, &offer.costs[index], config, sampling))
        };
        pick(request, |_, _| None, measure).ok()
    }

    /// Returns the index of the truth for a variant in an execution config.
    pub fn truth(&self, variant: usize, config: ExecutionConfig) -> Option<usize> {
        self.truths.iter().position(|truth| truth.variant == variant && truth.config == config)
    }
}

/// Draws device and budget from `seed`, and decides by all four ways.
pub fn run(seed: u64, offer: &Offer) -> Trial {
    let Offer { variants, costs, .. } = offer;
    let mut drawn = Drawn::new(seed, offer);
    let budget = drawn.budget;
    let proportional = proportional(&mut drawn, offer);
    let table = by_table(&drawn.device, offer, &drawn.truths, budget);
    drawn.device.clock_s = 0.0;
    drawn.device.measurements = 0;
    drawn.device.noise.cool();
    let pick = drawn.pick(offer);
    let checked = pick.as_ref().map(|pick| check(pick, None, offer)).unwrap_or_default();
    let picked = pick.and_then(|pick| drawn.truth(offer.position(&pick.variant), pick.config));
    let Drawn { device, truths, .. } = drawn;
    let right = decide(variants, &truths, budget);
    let outcome = |picked: Option<usize>| {
        let step = |index: usize| offer.steps[truths[index].variant] as i64;
        let over = picked
            .zip(budget.frame_ms)
            .is_some_and(|(index, limit_ms)| required_ms(truths[index].p95_ms) > 1.05 * limit_ms);
        Outcome { equal: picked == right, steps: picked.zip(right).map(|(a, b)| step(a) - step(b)), over }
    };
    Trial {
        kind: device.kind,
        boundary: is_at_a_boundary(variants, &truths, budget),
        picker: outcome(picked),
        proportional: outcome(proportional),
        table: outcome(table),
        seconds: device.clock_s,
        measurements: device.measurements,
        unit_ms: device.median_ms(offer.lite0, &costs[offer.lite0], device.configs[0]),
        configs: device.configs.len(),
        statements: checked.statements,
        falsehoods: checked.falsehoods.len(),
    }
}

fn truths(device: &Device, offer: &Offer) -> Vec<Truth> {
    let Offer { variants, costs, .. } = offer;
    let pairs = (0..variants.len()).flat_map(|index| device.configs.iter().map(move |config| (index, *config)));
    let truth = |(index, config): (usize, ExecutionConfig)| Truth {
        variant: index,
        config,
        p95_ms: device.p95_ms(index, &costs[index], config),
        peak_rss_mib: device.peak_rss_mib(&variants[index], &costs[index], config),
    };
    pairs.map(truth).collect()
}

/// Draws a latency limit from 0.5 × the smallest to 1.5 × the largest p95, and in a third of cases a memory limit.
fn budget(random: &mut Random, truths: &[Truth]) -> Budget {
    let range = |value: fn(&Truth) -> f64| {
        let values = || truths.iter().map(value);
        (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
    };
    let (min_ms, max_ms) = range(|truth| truth.p95_ms);
    let (min_mib, max_mib) = range(|truth| truth.peak_rss_mib);
    let frame_ms = random.log_between(0.5 * min_ms, 1.5 * max_ms);
    let memory_mib = random.chance(1.0 / 3.0).then(|| random.log_between(0.8 * min_mib, 1.2 * max_mib));
    Budget { frame_ms: Some(frame_ms), memory_mib, ..Budget::default() }
}

/// Decides by latency in proportion to MACs, from one measurement of Lite0 in each config, with the true memory.
fn proportional(drawn: &mut Drawn, offer: &Offer) -> Option<usize> {
    let Drawn { device, budget, truths } = drawn;
    let Offer { variants, costs, lite0, .. } = offer;
    let configs = device.configs.clone();
    let measured: Vec<f64> = configs
        .iter()
        .map(|&config| device.measure(*lite0, &variants[*lite0], &costs[*lite0], config, QUICK_SAMPLE).total_ms.p95)
        .collect();
    let predicted: Vec<Truth> = truths
        .iter()
        .map(|truth| {
            let index = configs.iter().position(|config| *config == truth.config).unwrap_or_default();
            let p95_ms = measured[index] * variants[truth.variant].million_macs / variants[*lite0].million_macs;
            Truth { p95_ms, ..*truth }
        })
        .collect();
    decide(variants, &predicted, *budget)
}

/// Decides by MACs per millisecond, known from the median of B0 in the first config: the most MACs that fit.
fn by_table(device: &Device, offer: &Offer, truths: &[Truth], budget: Budget) -> Option<usize> {
    let Offer { variants, costs, b0, .. } = offer;
    let config = device.configs[0];
    let macs_per_ms = variants[*b0].million_macs / device.median_ms(*b0, &costs[*b0], config);
    let max_macs = macs_per_ms * budget.frame_ms.unwrap_or(f64::INFINITY) / (1.0 + PIPELINE_HEADROOM);
    let fits = |truth: &Truth| {
        truth.config == config
            && variants[truth.variant].million_macs <= max_macs
            && budget.memory_mib.is_none_or(|limit| truth.peak_rss_mib <= limit)
    };
    let macs = |index: &usize| variants[truths[*index].variant].million_macs;
    (0..truths.len()).filter(|index| fits(&truths[*index])).max_by(|a, b| macs(a).total_cmp(&macs(b)))
}
