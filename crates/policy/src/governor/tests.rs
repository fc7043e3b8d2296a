use super::*;

/// Four variants of 40 to 10 ms, as a budget of 50 ms admits them.
fn rungs() -> Vec<Rung> {
    [40.0, 30.0, 20.0, 10.0].map(|p50_ms| Rung { p50_ms, p95_ms: p50_ms * 1.1, is_measured: true }).to_vec()
}

/// A line that answers as fast as it can, every change made at once.
struct Played {
    governor: Governor,
    now_s: f64,
    changes: Vec<(f64, Change)>,
}

impl Played {
    fn new() -> Played {
        Played { governor: Governor::new(rungs(), 50.0), now_s: 0.0, changes: Vec::new() }
    }

    /// `seconds` in which answers take `slowdown(n)` times what they should.
    fn play(&mut self, seconds: f64, slowdown: impl Fn(usize) -> f64) -> &mut Played {
        let until_s = self.now_s + seconds;
        for number in 0.. {
            let ms = rungs()[self.governor.at()].p50_ms * slowdown(number);
            self.now_s += ms / 1e3;
            if self.now_s > until_s {
                return self;
            }
            let change = self.governor.answered(self.now_s, ms);
            if let Change::Down { to, .. } | Change::Up { to } = change {
                self.changes.push((self.now_s, change));
                self.governor.changed(self.now_s, to);
            }
        }
        self
    }

    fn downs(&self) -> Vec<usize> {
        let to = |(_, change): &(f64, Change)| if let Change::Down { to, .. } = change { Some(*to) } else { None };
        self.changes.iter().filter_map(to).collect()
    }
}

#[test]
fn at_twice_the_time_it_goes_straight_to_what_fits_within_three_seconds() {
    let mut played = Played::new();
    played.play(60.0, |_| 1.0).play(10.0, |_| 2.0);
    let (at_s, change) = played.changes[0];
    assert_eq!(change, Change::Down { to: 2, slowdown: 2.0, cause: Cause::Slow });
    assert!((60.0..63.0).contains(&at_s) && played.changes.len() == 1, "{:?}", played.changes);
}

#[test]
fn at_thirty_answers_a_second_it_is_sure_sooner() {
    let mut governor = Governor::new(rungs(), 33.0);
    let at_s = (0..).map(|number| f64::from(number) / 30.0);
    let down = at_s.take(300).find(|at_s| matches!(governor.answered(*at_s, 66.0), Change::Down { .. }));
    assert!(down.is_some_and(|at_s| at_s < 1.4), "{down:?}");
}

#[test]
fn a_shift_is_told_from_all_answers_though_few_of_them_are_over() {
    // All take 1.18 times as long, 47.2 of 50 ms, and every tenth a tenth more: 51.9, over the budget.
    let mut played = Played::new();
    played.play(60.0, |_| 1.0).play(20.0, |number| if number % 10 == 0 { 1.3 } else { 1.18 });
    assert_eq!(played.downs().len(), 1, "{:?}", played.changes);
    assert!((62.0..65.0).contains(&played.changes[0].0), "{:?}", played.changes);
    let mut within = Played::new();
    within.play(60.0, |_| 1.0).play(20.0, |_| 1.08);
    assert_eq!(within.changes, [], "slower, and still within the budget");
}

#[test]
fn where_it_can_never_tell_that_there_is_room_it_tries_after_half_an_hour() {
    let mut played = Played::new();
    // Ever since, everything takes a fourth longer than it did: 50 ms of 50 for the first rung.
    played.play(60.0, |_| 1.0).play(60.0, |_| 2.0).play(1700.0, |_| 1.25);
    let before = played.changes.len();
    assert_ne!(played.governor.at(), 0);
    played.play(400.0, |_| 1.25);
    assert!(
        played.changes[before..].iter().any(|(_, change)| matches!(change, Change::Up { to: 0 })),
        "{:?}",
        played.changes
    );
}

#[test]
fn a_moment_of_another_program_changes_nothing() {
    let mut played = Played::new();
    played.play(600.0, |number| if number % 700 < 10 { 2.5 } else { 1.0 }); // a second of it every 29
    assert_eq!(played.changes, []);
}

#[test]
fn one_answer_in_a_hundred_that_takes_three_times_as_long_changes_nothing() {
    let mut played = Played::new();
    played.play(3600.0, |number| if number % 100 == 0 { 3.0 } else { 1.1 });
    assert_eq!(played.changes, []);
}

#[test]
fn a_fifth_of_the_answers_over_the_budget_is_too_many_for_half_a_minute() {
    let mut played = Played::new();
    played.play(120.0, |number| if number % 5 == 0 { 1.4 } else { 1.0 });
    assert_eq!(played.downs(), [1]);
    assert!(played.changes[0].0 > 17.0, "it is told from how often, not from how much");
}

#[test]
fn moments_of_another_program_that_come_again_and_again_are_too_many_for_half_a_minute() {
    let over = |of_a_hundred: usize| {
        let mut played = Played::new();
        played.play(120.0, |number| if number % 100 < of_a_hundred { 1.3 } else { 1.0 }).downs()
    };
    assert!(!over(18).is_empty() && over(10).is_empty(), "{:?} {:?}", over(18), over(10));
}

#[test]
fn once_the_cause_is_gone_it_goes_up_again_after_half_a_minute_and_at_once() {
    let mut played = Played::new();
    played.play(60.0, |_| 1.0).play(100.0, |_| 2.0).play(100.0, |_| 1.0);
    assert_eq!(played.changes.len(), 2, "{:?}", played.changes);
    let (at_s, change) = played.changes[1];
    assert_eq!(change, Change::Up { to: 0 });
    assert!((187.0..192.0).contains(&at_s), "half a minute after 160: {at_s}");
}

#[test]
fn a_change_up_that_does_not_hold_makes_the_next_wait_longer() {
    let mut played = Played::new();
    // Slow whenever the first rung has answered for five seconds: whatever that is, it comes back.
    for _ in 0..40 {
        played.play(5.0, |_| 1.0).play(3.0, |_| 2.0).play(100.0, |_| 1.0);
    }
    let ups: Vec<f64> =
        played.changes.iter().filter(|(_, change)| matches!(change, Change::Up { .. })).map(|(at, _)| *at).collect();
    assert!(ups.windows(2).all(|pair| pair[1] - pair[0] >= 30.0), "{ups:?}");
    assert!(ups.len() < 16, "{} changes up in {} s", ups.len(), played.now_s);
}

#[test]
fn a_known_cause_needs_less_evidence_and_keeps_it_down_while_it_lasts() {
    let seconds_to_down = |condition: Option<Condition>| {
        let mut played = Played::new();
        played.play(60.0, |_| 1.0);
        condition.into_iter().for_each(|condition| played.governor.begins(condition));
        played.play(10.0, |_| 1.5);
        (played.changes[0].0 - 60.0, played)
    };
    let (slow_s, _) = seconds_to_down(None);
    let (quick_s, mut played) = seconds_to_down(Some(Condition::Throttled));
    assert!(quick_s < 1.0 && quick_s < slow_s / 2.0, "{quick_s} s against {slow_s} s");
    let cause = Cause::Known(Condition::Throttled);
    assert!(matches!(played.changes[0].1, Change::Down { cause: found, .. } if found == cause));
    played.play(300.0, |_| 1.0);
    assert_eq!(played.changes.len(), 1, "the system still says that it is slowed down");
    played.governor.ends(Condition::Throttled);
    played.play(5.0, |_| 1.0);
    assert_eq!(played.governor.at(), 0);
}

#[test]
fn where_nothing_fits_it_takes_the_quickest_and_stays() {
    let mut played = Played::new();
    played.play(60.0, |_| 1.0).play(600.0, |_| 9.0);
    assert_eq!((played.downs(), played.changes.len()), (vec![3], 1));
}

#[test]
fn a_rung_that_nobody_measured_is_learnt_when_it_answers() {
    let mut guessed = rungs();
    guessed[2] = Rung { p50_ms: 12.0, p95_ms: 13.2, is_measured: false }; // it takes 20 ms
    let mut played = Played { governor: Governor::new(guessed, 50.0), now_s: 0.0, changes: Vec::new() };
    played.play(60.0, |_| 1.0).play(60.0, |_| 2.0).play(60.0, |_| 1.0);
    let changes: Vec<Change> = played.changes.iter().map(|(_, change)| *change).collect();
    assert_eq!(changes, [Change::Down { to: 2, slowdown: 2.0, cause: Cause::Slow }, Change::Up { to: 0 }]);
}

#[test]
fn a_change_that_is_under_way_is_not_told_twice_and_one_that_fails_is_not_tried_again() {
    let mut governor = Governor::new(rungs(), 50.0);
    let mut changes = Vec::new();
    for number in 1..200 {
        let change = governor.answered(f64::from(number) * 0.08, 80.0);
        if let Change::Down { to, .. } = change {
            changes.push(to);
            if to == 2 {
                governor.failed(to);
            }
        }
    }
    assert_eq!(changes, [2, 3]);
}
