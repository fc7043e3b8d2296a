//! When to do less for heat: a step down each while it stays too hot.

/// Seconds for which it must be too hot.
const HOT_FOR_S: f64 = 3.0;
/// Seconds before the next step: a board takes its time to cool.
const NEXT_S: f64 = 30.0;

/// Watches one limit. What is stepped down comes up again as after any other cause, once it is below the limit.
pub struct ThermalLimiter {
    limit: Option<f64>,
    hot_since_s: Option<f64>,
    stepped_s: f64,
}

impl ThermalLimiter {
    /// To stay below so many degrees; without a limit it never says anything.
    pub fn new(limit: Option<f64>) -> ThermalLimiter {
        ThermalLimiter { limit, hot_since_s: None, stepped_s: f64::NEG_INFINITY }
    }

    /// The rung to step down to, where that is needed at `now_s`: `at` is the one that answers, of so many.
    pub fn step_down(&mut self, now_s: f64, celsius: Option<f64>, at: usize, rungs: usize) -> Option<usize> {
        let is_hot = self.limit.zip(celsius).is_some_and(|(limit, celsius)| celsius >= limit);
        if !is_hot {
            self.hot_since_s = None;
            return None;
        }
        let since_s = *self.hot_since_s.get_or_insert(now_s);
        if now_s - since_s < HOT_FOR_S || now_s - self.stepped_s < NEXT_S || at + 1 >= rungs {
            return None;
        }
        self.stepped_s = now_s;
        Some(at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps at each second, for what the sensor says then.
    fn steps(limit: Option<f64>, celsius: impl Fn(u32) -> f64) -> Vec<(u32, usize)> {
        let (mut cooling, mut at) = (ThermalLimiter::new(limit), 0);
        let step = |second: u32| {
            let to = cooling.step_down(f64::from(second), Some(celsius(second)), at, 3)?;
            at = to;
            Some((second, to))
        };
        (0..200).filter_map(step).collect()
    }

    #[test]
    fn it_steps_down_each_half_minute_while_it_is_too_hot_and_no_further_than_there_is() {
        assert_eq!(steps(Some(70.0), |_| 75.0), [(3, 1), (33, 2)]);
        assert_eq!(steps(Some(70.0), |second| if second < 20 { 75.0 } else { 69.0 }), [(3, 1)]);
    }

    #[test]
    fn a_moments_heat_is_no_reason_and_without_a_limit_nothing_is() {
        assert_eq!(steps(Some(70.0), |second| if second % 3 == 0 { 60.0 } else { 75.0 }), []);
        assert_eq!(steps(None, |_| 120.0), []);
    }
}
