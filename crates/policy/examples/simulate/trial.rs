//! One device and one budget: the real picker on samples, the baselines, and the oracle.

use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_policy::budget::Budget;
use phicam_policy::picker::{ComputeCost, PIPELINE_HEADROOM, Pick, QUICK_SAMPLE, pick, required_ms};

use crate::device::{Device, Kind};
use crate::oracle::{self, Truth, decide, is_at_a_boundary};
use crate::random::Random;

/// A set to choose from, with what is worked out once.
pub struct Offer {
    pub name: &'static str,
    pub variants: Vec<Variant>,
    work: Vec<ComputeCost>,
    steps: Vec<usize>,
    /// Position of Lite0 at 224 pixels, and of B0 or what is nearest to it.
    lite0: usize,
    b0: usize,
}

impl Offer {
    pub fn new(name: &'static str, variants: Vec<Variant>) -> Offer {
        let work = variants.iter().map(ComputeCost::of).collect();
        let steps = oracle::steps(&variants);
        let named = |name: &str| variants.iter().position(|variant| variant.name == name);
        let lite0 = named("lite0@224").unwrap_or_default();
        let b0 = named("b0@224").unwrap_or(lite0);
        Offer { name, variants, work, steps, lite0, b0 }
    }

    /// Of a variant.
    pub fn position(&self, variant: &Variant) -> usize {
        self.variants.iter().position(|known| known.name == variant.name).unwrap_or_default()
    }
}

/// What somebody picked, beside what is right.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The same variant in the same way; or nothing, rightly.
    pub equal: bool,
    /// Places from the right one, upwards in accuracy; nothing where one of the two has none.
    pub steps: Option<i64>,
    /// Truly needs more than the budget, by more than 5 %.
    pub over: bool,
}

/// One device's results.
pub struct Trial {
    pub kind: Kind,
    pub boundary: bool,
    pub picker: Outcome,
    /// Time = Lite0's × MAC ratio, one measurement a way.
    pub proportional: Outcome,
    /// The most MACs that a table of MACs a millisecond allows, from B0's median.
    pub table: Outcome,
    /// Simulated seconds that measuring took, and how many measurements.
    pub seconds: f64,
    pub measurements: usize,
    /// Lite0's milliseconds in the first way.
    pub unit_ms: f64,
    pub configs: usize,
}

/// A device that was drawn, with a budget and what is true of it.
pub struct Drawn {
    pub device: Device,
    pub budget: Budget,
    pub truths: Vec<Truth>,
}

impl Drawn {
    /// From `seed`.
    pub fn new(seed: u64, offer: &Offer) -> Drawn {
        let device = Device::draw(seed, &offer.variants);
        let truths = truths(&device, offer);
        let budget = budget(&mut Random::new(seed ^ 0xB0D6_E700), &truths);
        Drawn { device, budget, truths }
    }

    /// The real picker, measuring the device.
    pub fn pick(&mut self, offer: &Offer) -> Option<Pick> {
        let all: Vec<&Variant> = offer.variants.iter().collect();
        let configs = self.device.configs.clone();
        let picked = pick(
            &all,
            &configs,
            self.budget,
            |_, _| None,
            |variant, config, sampling| {
                let at = offer.position(variant);
                Ok(self.device.measure(at, variant, &offer.work[at], config, sampling))
            },
        );
        picked.ok()
    }

    /// Position of what is true of a variant in a way.
    pub fn truth(&self, at: usize, config: ExecutionConfig) -> Option<usize> {
        self.truths.iter().position(|truth| truth.at == at && truth.config == config)
    }
}

/// Draws device and budget from `seed`, and lets all pick.
pub fn run(seed: u64, offer: &Offer) -> Trial {
    let Offer { variants, work, .. } = offer;
    let mut drawn = Drawn::new(seed, offer);
    let budget = drawn.budget;
    let [proportional, table] =
        [proportional(&mut drawn, offer), by_table(&drawn.device, offer, &drawn.truths, budget)];
    (drawn.device.clock_s, drawn.device.measurements) = (0.0, 0);
    drawn.device.noise.cool();
    let picked = drawn.pick(offer).and_then(|pick| drawn.truth(offer.position(&pick.variant), pick.config));
    let Drawn { device, truths, .. } = drawn;
    let right = decide(variants, &truths, budget);
    let outcome = |picked: Option<usize>| {
        let step = |number: usize| offer.steps[truths[number].at] as i64;
        let over = picked
            .zip(budget.frame_ms)
            .is_some_and(|(number, limit_ms)| required_ms(truths[number].p95_ms) > 1.05 * limit_ms);
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
        unit_ms: device.median_ms(offer.lite0, &work[offer.lite0], device.configs[0]),
        configs: device.configs.len(),
    }
}

fn truths(device: &Device, offer: &Offer) -> Vec<Truth> {
    let Offer { variants, work, .. } = offer;
    let each = (0..variants.len()).flat_map(|at| device.configs.iter().map(move |config| (at, *config)));
    each.map(|(at, config)| {
        let (p95_ms, peak_rss_mib) =
            (device.p95_ms(at, &work[at], config), device.peak_rss_mib(&variants[at], &work[at], config));
        Truth { at, config, p95_ms, peak_rss_mib }
    })
    .collect()
}

/// From half the smallest to one and a half of the largest, in a third of cases with a limit of memory as well.
fn budget(random: &mut Random, truths: &[Truth]) -> Budget {
    let extremes = |of: fn(&Truth) -> f64| {
        let values = || truths.iter().map(of);
        (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
    };
    let ((min_ms, max_ms), (least_mib, most_mib)) = (extremes(|t| t.p95_ms), extremes(|t| t.peak_rss_mib));
    let frame_ms = random.log_between(0.5 * min_ms, 1.5 * max_ms);
    let memory_mib = random.chance(1.0 / 3.0).then(|| random.log_between(0.8 * least_mib, 1.2 * most_mib));
    Budget { frame_ms: Some(frame_ms), memory_mib, ..Budget::default() }
}

/// One measurement of Lite0 a way, the rest in proportion to work; memory it is told.
fn proportional(drawn: &mut Drawn, offer: &Offer) -> Option<usize> {
    let Drawn { device, budget, truths } = drawn;
    let Offer { variants, work, lite0, .. } = offer;
    let configs = device.configs.clone();
    let measured: Vec<f64> = configs
        .iter()
        .map(|&config| device.measure(*lite0, &variants[*lite0], &work[*lite0], config, QUICK_SAMPLE).total_ms.p95)
        .collect();
    let guessed: Vec<Truth> = truths
        .iter()
        .map(|truth| {
            let number = configs.iter().position(|config| *config == truth.config).unwrap_or_default();
            let p95_ms = measured[number] * variants[truth.at].million_macs / variants[*lite0].million_macs;
            Truth { p95_ms, ..*truth }
        })
        .collect();
    decide(variants, &guessed, *budget)
}

/// A device's MACs a millisecond, known from B0's median in the first way; the most work that this allows.
fn by_table(device: &Device, offer: &Offer, truths: &[Truth], budget: Budget) -> Option<usize> {
    let Offer { variants, work, b0, .. } = offer;
    let config = device.configs[0];
    let macs_a_ms = variants[*b0].million_macs / device.median_ms(*b0, &work[*b0], config);
    let most = macs_a_ms * budget.frame_ms.unwrap_or(f64::INFINITY) / (1.0 + PIPELINE_HEADROOM);
    let fits = |truth: &Truth| {
        truth.config == config
            && variants[truth.at].million_macs <= most
            && budget.memory_mib.is_none_or(|limit| truth.peak_rss_mib <= limit)
    };
    let macs = |number: &usize| variants[truths[*number].at].million_macs;
    (0..truths.len()).filter(|number| fits(&truths[*number])).max_by(|a, b| macs(a).total_cmp(&macs(b)))
}
