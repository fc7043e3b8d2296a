//! Latency window: the last 30 seconds, second by second, with the overruns and a histogram of slowdowns.

/// Seconds in the window.
pub const WINDOW_SECONDS: usize = 30;
/// Histogram of slowdowns: 120 bins, each 2.5 % wide, from 0.5 to 9.7. The outermost bins take the rest.
const BINS: usize = 120;
const BIN_WIDTH: f64 = 0.025;
const MIN_SLOWDOWN: f64 = 0.5;
/// Quantile that a shift is determined from: three in four latencies exceed it.
const SHIFT_QUANTILE: f64 = 0.25;
/// Complete seconds that a shift is determined from, at least.
const MIN_SHIFT_SECONDS: usize = 2;
/// Share of latencies over the limit above which a second counts as bad. Estimate.
const BAD_SHARE: f64 = 0.125;

#[derive(Clone, Copy)]
struct Second {
    /// Whole seconds of the caller's clock.
    number: u64,
    samples: u32,
    over: u32,
    bins: [u32; BINS],
}

/// Ring buffer of the last seconds that have samples. Recording does not allocate.
///
/// Seconds without samples are not stored, so a slow pipeline is judged by as many of its seconds as a fast one.
pub struct LatencyWindow {
    seconds: [Second; WINDOW_SECONDS],
    count: usize,
    newest: usize,
}

impl Default for LatencyWindow {
    fn default() -> LatencyWindow {
        let empty = Second { number: 0, samples: 0, over: 0, bins: [0; BINS] };
        LatencyWindow { seconds: [empty; WINDOW_SECONDS], count: 0, newest: 0 }
    }
}

impl LatencyWindow {
    /// Discards all samples, as after a switch of the rung.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// Records a sample at `now_s`. Returns whether it is the first of its second.
    pub fn record(&mut self, now_s: f64, slowdown: f64, is_over: bool) -> bool {
        let number = now_s.max(0.0) as u64;
        let is_first = self.count == 0 || self.seconds[self.newest].number != number;
        if is_first {
            self.newest = (self.newest + 1) % WINDOW_SECONDS;
            self.count = (self.count + 1).min(WINDOW_SECONDS);
            self.seconds[self.newest] = Second { number, samples: 0, over: 0, bins: [0; BINS] };
        }
        let second = &mut self.seconds[self.newest];
        second.samples += 1;
        second.over += u32::from(is_over);
        let bin = ((slowdown / MIN_SLOWDOWN).max(1e-9).ln() / (1.0 + BIN_WIDTH).ln()).clamp(0.0, (BINS - 1) as f64);
        second.bins[bin as usize] += 1;
        is_first
    }

    /// Returns whether the share of samples over the limit exceeds `share` by `sigmas` standard deviations (binomial).
    pub fn overrun_rate_exceeds(&self, share: f64, sigmas: f64) -> bool {
        let samples = f64::from(self.newest_first().map(|second| second.samples).sum::<u32>());
        let over = f64::from(self.newest_first().map(|second| second.over).sum::<u32>());
        over > share * samples + sigmas * (share * (1.0 - share) * samples).sqrt()
    }

    pub fn is_full(&self) -> bool {
        self.count == WINDOW_SECONDS
    }

    fn newest_first(&self) -> impl Iterator<Item = &Second> {
        (0..self.count).map(|back| &self.seconds[(self.newest + WINDOW_SECONDS - back) % WINDOW_SECONDS])
    }

    /// Returns the number of seconds in which more than 1/8 of the samples were over the limit.
    pub fn bad_seconds(&self) -> usize {
        self.newest_first().filter(|second| f64::from(second.over) > BAD_SHARE * f64::from(second.samples)).count()
    }

    /// Returns the slowdown at this quantile, rounded up to the end of its bin; `None` without samples.
    pub fn slowdown_quantile(&self, quantile: f64) -> Option<f64> {
        self.quantile_of(0, WINDOW_SECONDS, 1, quantile)
    }

    /// Returns the slowdown that three in four recent samples exceed.
    ///
    /// Recent samples are those of the newest complete seconds: at least two, and as many as have `min_samples`.
    /// Returns `None` if there are too few, as just after a switch.
    pub fn recent_shift(&self, min_samples: u32) -> Option<f64> {
        let mut samples = 0;
        for (index, second) in self.newest_first().skip(1).enumerate() {
            samples += second.samples;
            let seconds = index + 1;
            if seconds >= MIN_SHIFT_SECONDS && samples >= min_samples {
                return self.quantile_of(1, seconds, min_samples, SHIFT_QUANTILE);
            }
        }
        None
    }

    fn quantile_of(&self, skip: usize, seconds: usize, min_samples: u32, quantile: f64) -> Option<f64> {
        let selected = || self.newest_first().skip(skip).take(seconds);
        let samples: u32 = selected().map(|second| second.samples).sum();
        if samples < min_samples {
            return None;
        }
        let target = quantile * f64::from(samples);
        let mut below = 0;
        (0..BINS).find_map(|bin| {
            below += selected().map(|second| second.bins[bin]).sum::<u32>();
            (f64::from(below) >= target).then(|| MIN_SLOWDOWN * (1.0 + BIN_WIDTH).powi(bin as i32 + 1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_a_bin() {
        let mut window = LatencyWindow::default();
        assert_eq!(window.slowdown_quantile(0.5), None);
        (0..1000).for_each(|n| {
            window.record(f64::from(n) / 50.0, if n % 10 == 0 { 3.0 } else { 1.0 }, false);
        });
        let [median, p95] = [0.5, 0.95].map(|quantile| window.slowdown_quantile(quantile).unwrap());
        assert!((1.0..1.06).contains(&median), "{median}");
        assert!((3.0..3.16).contains(&p95), "{p95}");
    }

    #[test]
    fn shift_is_determined_from_complete_seconds() {
        let mut window = LatencyWindow::default();
        let mut shift_after = |second: u32, slowdown: f64| {
            for sample in 0..6 {
                window.record(f64::from(second) + f64::from(sample) / 6.0, slowdown, false);
            }
            window.recent_shift(10)
        };
        assert_eq!(shift_after(0, 1.0), None);
        assert_eq!(shift_after(1, 1.0), None, "the second one is not complete");
        assert!((1.0..1.06).contains(&shift_after(2, 2.0).unwrap()));
        assert!((1.0..1.06).contains(&shift_after(3, 2.0).unwrap()));
        assert!((2.0..2.1).contains(&shift_after(4, 2.0).unwrap()));
    }

    #[test]
    fn window_keeps_30_seconds_with_samples() {
        let mut window = LatencyWindow::default();
        window.record(0.0, 1.0, true);
        assert_eq!(window.bad_seconds(), 1);
        (1..30).for_each(|n| {
            window.record(f64::from(n) * 5.0, 1.0, false);
        });
        assert!(window.is_full());
        assert_eq!(window.bad_seconds(), 1);
        window.record(200.0, 1.0, false);
        assert_eq!(window.bad_seconds(), 0);
        window.clear();
        assert!(!window.is_full());
    }
}
