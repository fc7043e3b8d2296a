//! The last half minute of answers, second by second: how many were over the budget, and how slow they were.

/// Seconds that are looked back on.
pub const SECONDS: usize = 30;
/// Bins of slowdown, each 2.5 % wide, from half the expected time to nine times of it; the outermost take the rest.
const BINS: usize = 120;
const BIN: f64 = 0.025;
const LEAST: f64 = 0.5;
/// What three of four answers exceed has changed for most.
const MOST_ANSWERS: f64 = 0.25;
/// A second counts as bad if more than this share of its answers were over.
const BAD_SHARE: f64 = 0.125;

#[derive(Clone, Copy)]
struct Second {
    /// Whole seconds of the caller's clock.
    number: u64,
    answers: u32,
    over: u32,
    bins: [u32; BINS],
}

/// Fixed memory; recording allocates nothing. Seconds without any answer are not kept, so that a slow line is judged by
/// as many of its seconds as a quick one.
pub struct Window {
    seconds: [Second; SECONDS],
    /// How many there are, of which the newest is at `newest`.
    count: usize,
    newest: usize,
}

impl Default for Window {
    fn default() -> Window {
        let empty = Second { number: 0, answers: 0, over: 0, bins: [0; BINS] };
        Window { seconds: [empty; SECONDS], count: 0, newest: 0 }
    }
}

impl Window {
    /// Forgets everything, as after a change of what answers.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// An answer at `now_s` that took `slowdown` times what is expected. Whether it is the first of its second.
    pub fn record(&mut self, now_s: f64, slowdown: f64, is_over: bool) -> bool {
        let number = now_s.max(0.0) as u64;
        let is_first = self.count == 0 || self.seconds[self.newest].number != number;
        if is_first {
            self.newest = (self.newest + 1) % SECONDS;
            self.count = (self.count + 1).min(SECONDS);
            self.seconds[self.newest] = Second { number, answers: 0, over: 0, bins: [0; BINS] };
        }
        let second = &mut self.seconds[self.newest];
        second.answers += 1;
        second.over += u32::from(is_over);
        let bin = ((slowdown / LEAST).max(1e-9).ln() / (1.0 + BIN).ln()).clamp(0.0, (BINS - 1) as f64);
        second.bins[bin as usize] += 1;
        is_first
    }

    /// Whether clearly more of the answers than `share` were over, by so many standard deviations of their number.
    pub fn is_more_often_over(&self, share: f64, deviations: f64) -> bool {
        let sum = |of: fn(&Second) -> u32| f64::from(self.kept().map(of).sum::<u32>());
        let (answers, over) = (sum(|second| second.answers), sum(|second| second.over));
        over > share * answers + deviations * (share * (1.0 - share) * answers).sqrt()
    }

    /// Whether all of the seconds are there that are looked back on.
    pub fn is_full(&self) -> bool {
        self.count == SECONDS
    }

    fn kept(&self) -> impl Iterator<Item = &Second> {
        (0..self.count).map(|back| &self.seconds[(self.newest + SECONDS - back) % SECONDS])
    }

    /// Seconds in which more than an eighth of the answers were over.
    pub fn bad_seconds(&self) -> usize {
        self.kept().filter(|second| f64::from(second.over) > BAD_SHARE * f64::from(second.answers)).count()
    }

    /// The slowdown that a share of the answers stays below, to 2.5 %, the upper end of its bin; nothing without answers.
    pub fn slowdown(&self, share: f64) -> Option<f64> {
        self.slowdown_of(0, SECONDS, 1, share)
    }

    /// What three of four answers exceed, in as many of the newest seconds that are over as have `least` answers, but of two at
    /// least; nothing where there are not so many, as just after a change.
    pub fn lately(&self, least: u32) -> Option<f64> {
        let (mut answers, mut seconds) = (0, 0);
        for second in self.kept().skip(1) {
            (answers, seconds) = (answers + second.answers, seconds + 1);
            if seconds >= 2 && answers >= least {
                return self.slowdown_of(1, seconds, least, MOST_ANSWERS);
            }
        }
        None
    }

    fn slowdown_of(&self, skip: usize, seconds: usize, least: u32, share: f64) -> Option<f64> {
        let of = || self.kept().skip(skip).take(seconds);
        let answers: u32 = of().map(|second| second.answers).sum();
        let wanted = share * f64::from(answers);
        let mut below = 0;
        (0..BINS).find_map(|bin| {
            below += of().map(|second| second.bins[bin]).sum::<u32>();
            (answers >= least && f64::from(below) >= wanted).then(|| LEAST * (1.0 + BIN).powi(bin as i32 + 1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowdowns_are_told_within_a_bin() {
        let mut window = Window::default();
        assert_eq!(window.slowdown(0.5), None);
        (0..1000).for_each(|n| {
            window.record(f64::from(n) / 50.0, if n % 10 == 0 { 3.0 } else { 1.0 }, false);
        });
        let [median, most] = [0.5, 0.95].map(|share| window.slowdown(share).unwrap());
        assert!((1.0..1.06).contains(&median) && (3.0..3.16).contains(&most), "{median} {most}");
    }

    #[test]
    fn the_last_seconds_that_are_over_tell_what_has_changed() {
        let mut window = Window::default();
        let mut at = |second: u32, slowdown: f64| {
            let each = (0..6).map(|n| f64::from(second) + f64::from(n) / 6.0);
            each.for_each(|now_s| _ = window.record(now_s, slowdown, false));
            window.lately(10)
        };
        assert_eq!((at(0, 1.0), at(1, 1.0)), (None, None), "the second one is not over yet");
        assert!((1.0..1.06).contains(&at(2, 2.0).unwrap()) && (1.0..1.06).contains(&at(3, 2.0).unwrap()));
        assert!((2.0..2.1).contains(&at(4, 2.0).unwrap()));
    }

    #[test]
    fn it_forgets_what_is_older_than_its_seconds_and_skips_those_without_answers() {
        let mut window = Window::default();
        window.record(0.0, 1.0, true);
        assert_eq!(window.bad_seconds(), 1);
        (1..30).for_each(|n| {
            window.record(f64::from(n) * 5.0, 1.0, false);
        });
        assert!(window.is_full() && window.bad_seconds() == 1);
        window.record(200.0, 1.0, false);
        assert_eq!(window.bad_seconds(), 0);
        window.clear();
        assert!(!window.is_full());
    }
}
