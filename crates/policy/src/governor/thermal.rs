//! Thermal limiter: steps down one rung at a time while the board is at or above its temperature limit.

/// Seconds at or above the limit before the first step. Estimate: a single reading may be a spike.
const HOT_FOR_S: f64 = 3.0;
/// Seconds between steps. Estimate: a board needs time to cool.
const STEP_INTERVAL_S: f64 = 30.0;

/// Limiter for one temperature limit. Below the limit the governor shifts up again, as after any other cause.
pub struct ThermalLimiter {
    max_celsius: Option<f64>,
    hot_since_s: Option<f64>,
    stepped_s: f64,
}

impl ThermalLimiter {
    /// Returns a limiter for a temperature in °C. Without a limit it never steps down.
    pub fn new(max_celsius: Option<f64>) -> ThermalLimiter {
        ThermalLimiter { max_celsius, hot_since_s: None, stepped_s: f64::NEG_INFINITY }
    }

    /// Returns the rung to step down to. `active` is the index of the active rung, `rungs` their number.
    pub fn step_down(&mut self, now_s: f64, celsius: Option<f64>, active: usize, rungs: usize) -> Option<usize> {
        let is_hot = self.max_celsius.zip(celsius).is_some_and(|(limit, celsius)| celsius >= limit);
        if !is_hot {
            self.hot_since_s = None;
            return None;
        }
        let hot_since_s = *self.hot_since_s.get_or_insert(now_s);
        if now_s - hot_since_s < HOT_FOR_S || now_s - self.stepped_s < STEP_INTERVAL_S || active + 1 >= rungs {
            return None;
        }
        self.stepped_s = now_s;
        Some(active + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the steps of 200 seconds as (second, rung), for a temperature as a function of time.
    fn steps(max_celsius: Option<f64>, celsius: impl Fn(u32) -> f64) -> Vec<(u32, usize)> {
        let mut limiter = ThermalLimiter::new(max_celsius);
        let mut active = 0;
        let step = |second: u32| {
            let to = limiter.step_down(f64::from(second), Some(celsius(second)), active, 3)?;
            active = to;
            Some((second, to))
        };
        (0..200).filter_map(step).collect()
    }

    #[test]
    fn limiter_steps_down_every_30_s_to_the_last_rung() {
        assert_eq!(steps(Some(70.0), |_| 75.0), [(3, 1), (33, 2)]);
    }

    #[test]
    fn limiter_stops_below_the_limit() {
        assert_eq!(steps(Some(70.0), |second| if second < 20 { 75.0 } else { 69.0 }), [(3, 1)]);
    }

    #[test]
    fn short_temperature_spike_is_ignored() {
        assert_eq!(steps(Some(70.0), |second| if second % 3 == 0 { 60.0 } else { 75.0 }), []);
    }

    #[test]
    fn limiter_without_a_limit_never_steps_down() {
        assert_eq!(steps(None, |_| 120.0), []);
    }
}
