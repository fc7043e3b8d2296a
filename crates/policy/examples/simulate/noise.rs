//! Noise of a simulated latency: scatter, tails, bursts of other programs, heat.

use crate::device::Kind;
use crate::random::Random;

/// Standard deviation of log latency.
const LOG_STD: f64 = 0.05;
/// Share of slow samples on a device with tails, and their factor.
const TAIL_SHARE: f64 = 0.01;
const TAIL_FACTOR: f64 = 3.0;
/// Mean seconds between bursts in which another program occupies the CPU, and the shortest and longest burst.
const BURST_EVERY_S: f64 = 20.0;
const MIN_BURST_S: f64 = 0.1;
const MAX_BURST_S: f64 = 0.5;
/// Heat at which throttling starts and is complete, as a share of the heat under full load.
const THROTTLE_START: f64 = 0.6;
const THROTTLE_FULL: f64 = 0.9;

/// Noise of one device.
pub struct Noise {
    random: Random,
    has_tails: bool,
    burst: Option<Burst>,
    pub heat: Option<Heat>,
}

struct Burst {
    factor: f64,
    from_s: f64,
    until_s: f64,
}

/// First-order thermal model: heat approaches the load with a time constant.
pub struct Heat {
    pub factor: f64,
    pub constant_s: f64,
    /// Share of the heat under full load.
    pub now: f64,
}

impl Noise {
    pub fn draw(kind: Kind, random: &mut Random) -> Noise {
        let mut own = Random::new((random.unit() * 2f64.powi(53)) as u64);
        let has_tails = kind == Kind::Tails;
        let burst = has_tails.then(|| {
            let factor = own.between(1.5, 2.5);
            Burst { factor, from_s: own.exponential(BURST_EVERY_S), until_s: f64::NEG_INFINITY }
        });
        let heat = (kind == Kind::Throttles).then(|| {
            let (factor, constant_s) = (own.between(1.5, 3.0), own.log_between(20.0, 200.0));
            Heat { factor, constant_s, now: 0.0 }
        });
        Noise { random: own, has_tails, burst, heat }
    }

    /// Resets the heat, as after a pause.
    pub fn cool(&mut self) {
        if let Some(heat) = &mut self.heat {
            heat.now = 0.0;
        }
        if let Some(burst) = &mut self.burst {
            (burst.from_s, burst.until_s) = (self.random.exponential(BURST_EVERY_S), f64::NEG_INFINITY);
        }
    }

    /// Returns the latency of an inference that starts at `now_s`, as a multiple of the median.
    pub fn sample(&mut self, now_s: f64) -> f64 {
        let mut factor = (LOG_STD * self.random.normal()).exp();
        if self.has_tails && self.random.chance(TAIL_SHARE) {
            factor *= TAIL_FACTOR;
        }
        if let Some(burst) = &mut self.burst {
            if now_s >= burst.from_s && burst.until_s < burst.from_s {
                burst.until_s = burst.from_s + self.random.between(MIN_BURST_S, MAX_BURST_S);
            }
            if now_s > burst.until_s && burst.until_s >= burst.from_s {
                burst.from_s = now_s + self.random.exponential(BURST_EVERY_S);
            }
            if now_s >= burst.from_s && now_s <= burst.until_s {
                factor *= burst.factor;
            }
        }
        factor * self.heat.as_ref().map_or(1.0, Heat::slowdown)
    }

    /// Advances the heat by `seconds` of full load.
    pub fn spend(&mut self, seconds: f64) {
        self.spend_part(seconds, 1.0);
    }

    /// Advances the heat by `seconds` of a load from 0 to 1.
    pub fn spend_part(&mut self, seconds: f64, load: f64) {
        if let Some(heat) = &mut self.heat {
            heat.now += (load - heat.now) * (1.0 - (-seconds / heat.constant_s).exp());
        }
    }

    /// Returns the 95th percentile of [`Noise::sample`] without heat, from the distribution of the mixture.
    pub fn p95_over_median(&self) -> f64 {
        let burst = self.burst.as_ref().map(|burst| {
            let mean_s = (MIN_BURST_S + MAX_BURST_S) / 2.0;
            // A burst has fewer inferences, because each takes longer.
            (mean_s / burst.factor / (BURST_EVERY_S + mean_s / burst.factor), burst.factor)
        });
        let scatter = |x: f64| normal_cdf(x.ln() / LOG_STD);
        let tailed = |x: f64| {
            if self.has_tails {
                (1.0 - TAIL_SHARE) * scatter(x) + TAIL_SHARE * scatter(x / TAIL_FACTOR)
            } else {
                scatter(x)
            }
        };
        let below = |x: f64| match burst {
            Some((share, factor)) => (1.0 - share) * tailed(x) + share * tailed(x / factor),
            None => tailed(x),
        };
        let (mut low, mut high) = (0.5, 10.0);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if below(middle) < 0.95 { low = middle } else { high = middle }
        }
        low
    }
}

impl Heat {
    /// Returns the slowdown by throttling; 1 below the start of throttling.
    pub fn slowdown(&self) -> f64 {
        let share = ((self.now - THROTTLE_START) / (THROTTLE_FULL - THROTTLE_START)).clamp(0.0, 1.0);
        1.0 + (self.factor - 1.0) * share
    }
}

/// Returns the normal distribution function at `z` (Abramowitz and Stegun, 26.2.17; absolute error below 7.5e-8).
fn normal_cdf(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let sum = series.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    let above = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum;
    if z >= 0.0 { 1.0 - above } else { above }
}
