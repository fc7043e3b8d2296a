//! What makes one answer take longer than another: scatter, tails, other programs, heat.

use crate::device::Kind;
use crate::random::Random;

/// Scatter of every sample, in the logarithm.
const SIGMA: f64 = 0.05;
/// Share of samples that take longer on a device with tails, and how much.
const TAIL: (f64, f64) = (0.01, 3.0);
/// Seconds between two bursts in which another program takes the processor, on average, and how long one lasts.
const BURST_EVERY_S: f64 = 20.0;
const BURST_S: (f64, f64) = (0.1, 0.5);
/// Heat, as a share of what full load leads to, at which throttling begins and is complete.
const HOT: (f64, f64) = (0.6, 0.9);

pub struct Noise {
    random: Random,
    tails: bool,
    burst: Option<Burst>,
    pub heat: Option<Heat>,
}

struct Burst {
    factor: f64,
    from_s: f64,
    until_s: f64,
}

/// First order: heat goes towards the load with a time constant.
pub struct Heat {
    pub factor: f64,
    pub constant_s: f64,
    /// As a share of what full load leads to.
    pub now: f64,
}

impl Noise {
    pub fn draw(kind: Kind, random: &mut Random) -> Noise {
        let mut own = Random::new((random.unit() * 2f64.powi(53)) as u64);
        let tails = kind == Kind::Tails;
        let burst = tails.then(|| {
            let factor = own.between(1.5, 2.5);
            Burst { factor, from_s: own.wait(BURST_EVERY_S), until_s: f64::NEG_INFINITY }
        });
        let heat = (kind == Kind::Throttles).then(|| {
            let (factor, constant_s) = (own.between(1.5, 3.0), own.log_between(20.0, 200.0));
            Heat { factor, constant_s, now: 0.0 }
        });
        Noise { random: own, tails, burst, heat }
    }

    /// Heat is gone, as after a while without work.
    pub fn cool(&mut self) {
        if let Some(heat) = &mut self.heat {
            heat.now = 0.0;
        }
        if let Some(burst) = &mut self.burst {
            (burst.from_s, burst.until_s) = (self.random.wait(BURST_EVERY_S), f64::NEG_INFINITY);
        }
    }

    /// How long an answer takes that begins at `now_s`, as a multiple of the median.
    pub fn sample(&mut self, now_s: f64) -> f64 {
        let mut factor = (SIGMA * self.random.normal()).exp();
        if self.tails && self.random.chance(TAIL.0) {
            factor *= TAIL.1;
        }
        if let Some(burst) = &mut self.burst {
            if now_s >= burst.from_s && burst.until_s < burst.from_s {
                burst.until_s = burst.from_s + self.random.between(BURST_S.0, BURST_S.1);
            }
            if now_s > burst.until_s && burst.until_s >= burst.from_s {
                burst.from_s = now_s + self.random.wait(BURST_EVERY_S);
            }
            if now_s >= burst.from_s && now_s <= burst.until_s {
                factor *= burst.factor;
            }
        }
        factor * self.heat.as_ref().map_or(1.0, Heat::slowdown)
    }

    /// `seconds` of work have passed.
    pub fn spend(&mut self, seconds: f64) {
        self.spend_part(seconds, 1.0);
    }

    /// `seconds` have passed, of which a share was work.
    pub fn spend_part(&mut self, seconds: f64, load: f64) {
        if let Some(heat) = &mut self.heat {
            heat.now += (load - heat.now) * (1.0 - (-seconds / heat.constant_s).exp());
        }
    }

    /// The 95th percentile of [`Noise::sample`] when it is not hot: where the mixture's distribution reaches 0.95.
    pub fn p95_over_median(&self) -> f64 {
        let burst = self.burst.as_ref().map(|burst| {
            let mean_s = (BURST_S.0 + BURST_S.1) / 2.0;
            // Answers in a burst are fewer, because each takes longer.
            (mean_s / burst.factor / (BURST_EVERY_S + mean_s / burst.factor), burst.factor)
        });
        let scatter = |x: f64| normal_below(x.ln() / SIGMA);
        let tailed = |x: f64| match self.tails {
            true => (1.0 - TAIL.0) * scatter(x) + TAIL.0 * scatter(x / TAIL.1),
            false => scatter(x),
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
    /// 1 while it is cool.
    pub fn slowdown(&self) -> f64 {
        let share = ((self.now - HOT.0) / (HOT.1 - HOT.0)).clamp(0.0, 1.0);
        1.0 + (self.factor - 1.0) * share
    }
}

/// The share of a normal distribution below `z` (Abramowitz and Stegun, 26.2.17; right to 7.5e-8).
fn normal_below(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let sum = series.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    let above = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum;
    if z >= 0.0 { 1.0 - above } else { above }
}
