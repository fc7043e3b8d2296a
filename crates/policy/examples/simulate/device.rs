//! Simulated device: a true latency for each engine and precision, noise, heat, and a simulated clock.

use std::collections::BTreeMap;

use phicam_engine::latency::Stage;
use phicam_engine::{EngineKind, ExecutionConfig, Precision};
use phicam_model::catalog::Variant;
use phicam_policy::measurement::Measurement;
use phicam_policy::picker::ComputeCost;
use phicam_policy::sampling::SamplingPlan;

use crate::noise::Noise;
use crate::random::Random;

/// Deviation of a device from an affine latency model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Affine,
    /// MACs above a size cost more, because data exceeds a cache.
    Cliff,
    /// One or two sizes take between half and twice the latency of the model.
    NonMonotone,
    /// One inference in a hundred takes three times as long, and bursts of another program occupy the CPU.
    Tails,
    /// Reduces its clocks when hot.
    Throttles,
}

impl Kind {
    /// Share of each kind among the devices.
    pub const MIXTURE: [(Kind, f64); 5] = [
        (Kind::Affine, 0.40),
        (Kind::Cliff, 0.20),
        (Kind::NonMonotone, 0.15),
        (Kind::Tails, 0.15),
        (Kind::Throttles, 0.10),
    ];

    fn draw(random: &mut Random) -> Kind {
        let mut remaining = random.unit();
        for (kind, share) in Kind::MIXTURE {
            remaining -= share;
            if remaining < 0.0 {
                return kind;
            }
        }
        Kind::Affine
    }
}

/// True latency in one execution config.
struct TrueLatency {
    fixed_ms: f64,
    per_million_macs: f64,
    per_million_activations: f64,
    cliff: Option<Cliff>,
}

/// Size from which MACs cost more by `factor`.
#[derive(Clone, Copy)]
struct Cliff {
    million_macs: f64,
    factor: f64,
}

/// Random device with its clock.
pub struct Device {
    pub kind: Kind,
    pub configs: Vec<ExecutionConfig>,
    true_latencies: BTreeMap<ExecutionConfig, TrueLatency>,
    /// Latency factors of outliers, by engine and index of the variant.
    outliers: BTreeMap<(EngineKind, usize), f64>,
    memory: Memory,
    load_ms: f64,
    pub noise: Noise,
    /// Simulated seconds since the start.
    pub clock_s: f64,
    pub measurements: usize,
}

struct Memory {
    base_mib: f64,
    mib_per_million_parameters: f64,
    mib_per_million_activations: f64,
}

/// Cost of Lite0 at 224 pixels in millions; the speed of a device is its latency.
const UNIT_MACS: f64 = 385.2;
const UNIT_ACTIVATIONS: f64 = 6.74;
/// MACs for each activation, if the activations of a variant are unknown. Estimate: Lite0 has 57.
const MACS_PER_ACTIVATION: f64 = 60.0;

impl Device {
    /// Draws a device from a seed, to run `variants`.
    pub fn draw(seed: u64, variants: &[Variant]) -> Device {
        let mut random = Random::new(seed);
        let kind = Kind::draw(&mut random);
        let unit_ms = random.log_between(4.0, 400.0);
        let engines = [EngineKind::Tract, EngineKind::OnnxRuntime, EngineKind::Cuda];
        let precisions = [Precision::F32, Precision::F16, Precision::Int8];
        let engines = &engines[..=random.below(3)];
        let precisions = &precisions[..=random.below(3)];
        let macs = || variants.iter().map(|variant| variant.million_macs);
        let (min_macs, max_macs) = (macs().fold(f64::INFINITY, f64::min), macs().fold(0.0, f64::max));
        let mut true_latencies = BTreeMap::new();
        let mut outliers = BTreeMap::new();
        let mut configs = Vec::new();
        for &engine in engines {
            let engine_ms = if engine == EngineKind::Tract { unit_ms } else { unit_ms * random.log_between(0.3, 3.0) };
            let fixed_share = random.between(0.02, 0.5);
            // Half of the engines are limited by MACs alone, the others by memory bandwidth as well.
            let memory_share = if random.chance(0.5) { 0.0 } else { random.between(0.0, 1.0) };
            let cliff = (kind == Kind::Cliff).then(|| Cliff {
                million_macs: random.log_between(min_macs * 1.5, max_macs),
                factor: random.between(1.5, 3.0),
            });
            if kind == Kind::NonMonotone {
                for _ in 0..=random.below(2) {
                    outliers.insert((engine, random.below(variants.len())), random.log_between(0.5, 2.0));
                }
            }
            for &precision in precisions {
                let precision_factor = match precision {
                    Precision::F32 => 1.0,
                    Precision::F16 => random.between(0.5, 1.05),
                    Precision::Int8 => random.between(0.3, 1.1),
                };
                let config = ExecutionConfig { engine, precision, threads: 1 };
                let variable_ms = engine_ms * precision_factor * (1.0 - fixed_share);
                true_latencies.insert(
                    config,
                    TrueLatency {
                        fixed_ms: engine_ms * fixed_share,
                        per_million_macs: variable_ms * (1.0 - memory_share) / UNIT_MACS,
                        per_million_activations: variable_ms * memory_share / UNIT_ACTIVATIONS,
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
            outliers,
            memory,
            load_ms: 50.0 + 5.0 * unit_ms,
            noise,
            clock_s: 0.0,
            measurements: 0,
        }
    }

    /// Returns the true median of the variant with this index, without noise.
    pub fn median_ms(&self, index: usize, cost: &ComputeCost, config: ExecutionConfig) -> f64 {
        let TrueLatency { fixed_ms, per_million_macs, per_million_activations, cliff } = self.true_latencies[&config];
        let variable_ms = |macs: f64, share: f64| {
            let activations = cost.million_activations.unwrap_or(macs / MACS_PER_ACTIVATION);
            per_million_macs * macs + per_million_activations * activations * share
        };
        let cliff_ms = cliff.map_or(0.0, |cliff| {
            let macs = (cost.million_macs - cliff.million_macs).max(0.0);
            variable_ms(macs, macs / cost.million_macs) * (cliff.factor - 1.0)
        });
        let factor = self.outliers.get(&(config.engine, index)).copied().unwrap_or(1.0);
        (fixed_ms + variable_ms(cost.million_macs, 1.0) + cliff_ms) * factor
    }

    /// Returns the true 95th percentile.
    pub fn p95_ms(&self, index: usize, cost: &ComputeCost, config: ExecutionConfig) -> f64 {
        self.median_ms(index, cost, config) * self.noise.p95_over_median()
    }

    /// Returns the true peak memory.
    pub fn peak_rss_mib(&self, variant: &Variant, cost: &ComputeCost, config: ExecutionConfig) -> f64 {
        let relative_bytes = match config.precision {
            Precision::F32 => 1.0,
            Precision::F16 => 0.5,
            Precision::Int8 => 0.25,
        };
        let parameters = self.memory.mib_per_million_parameters * variant.network.million_parameters;
        let activations = cost.million_activations.unwrap_or(cost.million_macs / MACS_PER_ACTIVATION);
        self.memory.base_mib + relative_bytes * (parameters + self.memory.mib_per_million_activations * activations)
    }

    /// Measures with noise, as the picker sees it, with the percentiles of `phicam bench`.
    pub fn measure(
        &mut self,
        index: usize,
        variant: &Variant,
        cost: &ComputeCost,
        config: ExecutionConfig,
        sampling: SamplingPlan,
    ) -> Measurement {
        self.measurements += 1;
        let median_ms = self.median_ms(index, cost, config);
        self.clock_s += self.load_ms / 1e3;
        self.noise.spend(self.load_ms / 1e3);
        let mut stage = Stage::new("total");
        let mut elapsed_ms = 0.0;
        for frame in 0.. {
            let ms = median_ms * self.noise.sample(self.clock_s);
            self.clock_s += ms / 1e3;
            self.noise.spend(ms / 1e3);
            if frame >= SamplingPlan::WARM_UP_FRAMES {
                stage.record_ms(ms);
                elapsed_ms += ms;
                if sampling.is_done(stage.count(), elapsed_ms, 0) {
                    break;
                }
            }
        }
        let total_ms = stage.percentiles().expect("a sampling plan has at least one frame");
        Measurement {
            model: variant.name.clone(),
            phi: variant.phi,
            config,
            engine_description: String::new(),
            frames: stage.count(),
            requested_frames: sampling.frames,
            preempted_frames: 0, // contention stays unnoticed, the harder case
            infer_ms: total_ms,
            total_ms,
            load_ms: self.load_ms,
            first_ms: total_ms.p50,
            peak_rss_mib: self.peak_rss_mib(variant, cost, config),
            stages_ms: BTreeMap::new(),
        }
    }
}
