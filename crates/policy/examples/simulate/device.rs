//! A simulated device: a law of time for each engine and precision, noise, heat, and a clock of its own.

use std::collections::BTreeMap;

use phicam_engine::latency::Stage;
use phicam_engine::{EngineKind, ExecutionConfig, Precision};
use phicam_model::catalog::Variant;
use phicam_policy::measurement::Measurement;
use phicam_policy::picker::ComputeCost;
use phicam_policy::sampling::SamplingPlan;

use crate::noise::Noise;
use crate::random::Random;

/// What kind of law a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Affine,
    /// Beyond a size each bit of work costs more: something no longer fits a cache.
    Cliff,
    /// A size or two take half or twice what they should.
    NonMonotone,
    /// One answer in a hundred takes three times as long, and at times another program takes the processor.
    Tails,
    /// Slows down when it is hot.
    Throttles,
}

impl Kind {
    /// Which share of devices is of which kind.
    pub const MIXTURE: [(Kind, f64); 5] = [
        (Kind::Affine, 0.40),
        (Kind::Cliff, 0.20),
        (Kind::NonMonotone, 0.15),
        (Kind::Tails, 0.15),
        (Kind::Throttles, 0.10),
    ];

    fn draw(random: &mut Random) -> Kind {
        let mut left = random.unit();
        for (kind, share) in Kind::MIXTURE {
            left -= share;
            if left < 0.0 {
                return kind;
            }
        }
        Kind::Affine
    }
}

/// Of one engine in one precision.
struct TrueLatency {
    fixed_ms: f64,
    per_million_macs: f64,
    per_million_activations: f64,
    /// Million multiply-accumulates beyond which each costs that much more.
    cliff: Option<(f64, f64)>,
}

pub struct Device {
    pub kind: Kind,
    pub configs: Vec<ExecutionConfig>,
    true_latencies: BTreeMap<ExecutionConfig, TrueLatency>,
    /// Sizes that are off, by engine and position among the variants.
    odd: BTreeMap<(EngineKind, usize), f64>,
    memory: Memory,
    load_ms: f64,
    pub noise: Noise,
    /// Simulated seconds that were spent.
    pub clock_s: f64,
    pub measurements: usize,
}

struct Memory {
    base_mib: f64,
    mib_per_million_parameters: f64,
    mib_per_million_activations: f64,
}

/// Lite0 at 224 pixels, which a device's speed is told by.
const UNIT: (f64, f64) = (385.2, 6.74);

impl Device {
    /// Drawn from a seed, to run `variants`.
    pub fn draw(seed: u64, variants: &[Variant]) -> Device {
        let mut random = Random::new(seed);
        let kind = Kind::draw(&mut random);
        let unit_ms = random.log_between(4.0, 400.0);
        let engines = [EngineKind::Tract, EngineKind::OnnxRuntime, EngineKind::Cuda];
        let precisions = [Precision::F32, Precision::F16, Precision::Int8];
        let (engines, precisions) = (&engines[..=random.below(3)], &precisions[..=random.below(3)]);
        let macs = || variants.iter().map(|variant| variant.million_macs);
        let (least, most) = (macs().fold(f64::INFINITY, f64::min), macs().fold(0.0, f64::max));
        let (mut true_latencies, mut odd, mut configs) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for &engine in engines {
            let engine_ms = if engine == EngineKind::Tract { unit_ms } else { unit_ms * random.log_between(0.3, 3.0) };
            let fixed = random.between(0.02, 0.5);
            // Half of the engines are bound by multiplying alone, the others by memory too.
            let by_memory = if random.chance(0.5) { 0.0 } else { random.between(0.0, 1.0) };
            let cliff =
                (kind == Kind::Cliff).then(|| (random.log_between(least * 1.5, most), random.between(1.5, 3.0)));
            if kind == Kind::NonMonotone {
                for _ in 0..=random.below(2) {
                    odd.insert((engine, random.below(variants.len())), random.log_between(0.5, 2.0));
                }
            }
            for &precision in precisions {
                let quicker = match precision {
                    Precision::F32 => 1.0,
                    Precision::F16 => random.between(0.5, 1.05),
                    Precision::Int8 => random.between(0.3, 1.1),
                };
                let config = ExecutionConfig { engine, precision, threads: 1 };
                let varying = engine_ms * quicker * (1.0 - fixed);
                true_latencies.insert(
                    config,
                    TrueLatency {
                        fixed_ms: engine_ms * fixed,
                        per_million_macs: varying * (1.0 - by_memory) / UNIT.0,
                        per_million_activations: varying * by_memory / UNIT.1,
                        cliff,
                    },
                );
                configs.push(config);
            }
        }
        let memory = Memory {
            base_mib: random.between(25.0, 80.0),
            mib_per_million_parameters: random.between(4.0, 9.0),
            mib_per_million_activations: random.between(0.3, 3.0),
        };
        let noise = Noise::draw(kind, &mut random);
        Device {
            kind,
            configs,
            true_latencies,
            odd,
            memory,
            load_ms: 50.0 + 5.0 * unit_ms,
            noise,
            clock_s: 0.0,
            measurements: 0,
        }
    }

    /// The true median of the variant at that position, when nothing disturbs.
    pub fn median_ms(&self, at: usize, work: &ComputeCost, config: ExecutionConfig) -> f64 {
        let TrueLatency { fixed_ms, per_million_macs, per_million_activations, cliff } = self.true_latencies[&config];
        let line = |macs: f64, share: f64| {
            per_million_macs * macs + per_million_activations * work.million_activations.unwrap_or(macs / 60.0) * share
        };
        let beyond = cliff.map_or(0.0, |(from, steeper)| {
            let macs = (work.million_macs - from).max(0.0);
            line(macs, macs / work.million_macs) * (steeper - 1.0)
        });
        let odd = self.odd.get(&(config.engine, at)).copied().unwrap_or(1.0);
        (fixed_ms + line(work.million_macs, 1.0) + beyond) * odd
    }

    /// The true 95th percentile.
    pub fn p95_ms(&self, at: usize, work: &ComputeCost, config: ExecutionConfig) -> f64 {
        self.median_ms(at, work, config) * self.noise.p95_over_median()
    }

    /// Resident memory.
    pub fn peak_rss_mib(&self, variant: &Variant, work: &ComputeCost, config: ExecutionConfig) -> f64 {
        let bytes = match config.precision {
            Precision::F32 => 1.0,
            Precision::F16 => 0.5,
            Precision::Int8 => 0.25,
        };
        let parameters = self.memory.mib_per_million_parameters * variant.network.million_parameters;
        let activations = work.million_activations.unwrap_or(work.million_macs / 60.0);
        self.memory.base_mib + bytes * (parameters + self.memory.mib_per_million_activations * activations)
    }

    /// What the picker gets to see: samples, put through the percentiles that `bench` uses.
    pub fn measure(
        &mut self,
        at: usize,
        variant: &Variant,
        work: &ComputeCost,
        config: ExecutionConfig,
        sampling: SamplingPlan,
    ) -> Measurement {
        self.measurements += 1;
        let median_ms = self.median_ms(at, work, config);
        self.clock_s += self.load_ms / 1e3;
        self.noise.spend(self.load_ms / 1e3);
        let mut stage = Stage::new("total");
        let mut elapsed_ms = 0.0;
        for frame in 0.. {
            let ms = median_ms * self.noise.sample(self.clock_s);
            self.clock_s += ms / 1e3;
            self.noise.spend(ms / 1e3);
            if frame >= SamplingPlan::WARM_UP {
                stage.record_ms(ms);
                elapsed_ms += ms;
                if sampling.is_done(stage.count(), elapsed_ms, 0) {
                    break;
                }
            }
        }
        let total_ms = stage.percentiles().expect("an effort has at least one frame");
        Measurement {
            model: variant.name.clone(),
            phi: variant.phi,
            config,
            engine_description: String::new(),
            frames: stage.count(),
            requested_frames: sampling.frames,
            preempted_frames: 0, // unnoticed, the harder case
            infer_ms: total_ms,
            total_ms,
            load_ms: self.load_ms,
            first_ms: total_ms.p50,
            peak_rss_mib: self.peak_rss_mib(variant, work, config),
            stages_ms: BTreeMap::new(),
        }
    }
}
