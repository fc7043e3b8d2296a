//! How sure it is that answers are over the budget: a sum of log likelihoods that never goes below nothing.

/// What answers count for, and when it is enough.
pub struct Rule {
    /// For one over the budget by that factor; the first that it is over counts.
    pub over: &'static [(f64, f64)],
    /// Taken away for one within it.
    pub under: f64,
    pub enough: f64,
    /// Since the sum left nothing: so many seconds, and that share of the answers over.
    pub seconds: f64,
    pub share: f64,
    /// Sooner, where there are so many answers and a larger share of them is over.
    pub sooner: Sooner,
}

/// See [`Rule::sooner`].
pub struct Sooner {
    pub answers: usize,
    pub seconds: f64,
    pub share: f64,
}

impl Sooner {
    /// Of no rule's answers.
    pub const NEVER: Sooner = Sooner { answers: usize::MAX, seconds: 0.0, share: 1.0 };
}

/// The sum for one rule.
#[derive(Clone, Copy, Default)]
pub struct Evidence {
    sum: f64,
    since: Option<Since>,
}

#[derive(Clone, Copy)]
struct Since {
    at_s: f64,
    answers: usize,
    over: usize,
}

/// More than this much beyond what is enough is not kept, so that it is soon forgotten.
const MOST: f64 = 1.25;

impl Evidence {
    /// An answer that took `share` of the budget.
    pub fn weigh(&mut self, rule: &Rule, now_s: f64, share: f64) {
        let over = rule.over.iter().find(|(factor, _)| share > *factor);
        let change = over.map_or(-rule.under, |(_, weight)| *weight);
        self.sum = (self.sum + change).clamp(0.0, rule.enough * MOST);
        self.since = if self.sum == 0.0 {
            None
        } else {
            let Since { at_s, answers, over: before } =
                self.since.unwrap_or(Since { at_s: now_s, answers: 0, over: 0 });
            Some(Since { at_s, answers: answers + 1, over: before + usize::from(over.is_some()) })
        };
    }

    /// Whether it is enough, or `enough` and `seconds` where these say so.
    pub fn is_enough(&self, rule: &Rule, now_s: f64, less: Option<(f64, f64)>) -> bool {
        let (enough, least_s) = less.unwrap_or((rule.enough, rule.seconds));
        self.sum >= enough
            && self.since.is_some_and(|since| {
                let (for_s, share) = (now_s - since.at_s, since.over as f64 / since.answers as f64);
                let Sooner { answers, seconds, share: larger } = rule.sooner;
                (for_s >= least_s && share >= rule.share)
                    || (for_s >= seconds && share >= larger && since.answers >= answers)
            })
    }

    /// How many answers ago it left nothing; nothing where it has not.
    pub fn answers(&self) -> Option<usize> {
        self.since.map(|since| since.answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule =
        Rule { over: &[(2.0, 4.0), (1.0, 2.0)], under: 1.0, enough: 8.0, seconds: 1.0, share: 0.5, sooner: SOONER };
    const SOONER: Sooner = Sooner { answers: 6, seconds: 0.5, share: 0.9 };

    #[test]
    fn it_takes_both_enough_answers_and_enough_time() {
        let mut evidence = Evidence::default();
        (0..4).for_each(|n| evidence.weigh(&RULE, f64::from(n) / 10.0, 1.5));
        assert!(!evidence.is_enough(&RULE, 0.4, None), "enough answers, too soon");
        assert!(evidence.is_enough(&RULE, 1.0, None) && evidence.is_enough(&RULE, 0.4, Some((4.0, 0.1))));
        assert_eq!(evidence.answers(), Some(4));
    }

    #[test]
    fn what_is_over_by_more_counts_for_more_and_what_is_not_takes_it_away() {
        let mut evidence = Evidence::default();
        (0..2).for_each(|n| evidence.weigh(&RULE, f64::from(n), 3.0));
        assert!(evidence.is_enough(&RULE, 1.0, None));
        (2..4).for_each(|n| evidence.weigh(&RULE, f64::from(n), 0.5));
        assert!(!evidence.is_enough(&RULE, 9.0, None), "6 of 8");
        (4..12).for_each(|n| evidence.weigh(&RULE, f64::from(n), 0.5));
        assert_eq!(evidence.answers(), None);
    }

    #[test]
    fn many_answers_are_enough_after_less_time() {
        let mut evidence = Evidence::default();
        (0..5).for_each(|n| evidence.weigh(&RULE, f64::from(n) / 12.0, 1.5));
        assert!(!evidence.is_enough(&RULE, 0.5, None), "five of six");
        evidence.weigh(&RULE, 0.45, 1.5);
        assert!(!evidence.is_enough(&RULE, 0.45, None) && evidence.is_enough(&RULE, 0.5, None));
    }

    #[test]
    fn it_does_not_pile_up() {
        let mut evidence = Evidence::default();
        (0..1000).for_each(|n| evidence.weigh(&RULE, f64::from(n), 3.0));
        (0..3).for_each(|n| evidence.weigh(&RULE, 1000.0 + f64::from(n), 0.5));
        assert!(!evidence.is_enough(&RULE, 1003.0, None));
    }
}
