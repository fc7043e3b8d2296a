use super::*;

/// Returns four rungs with medians of 40 to 10 ms, as a budget of 50 ms admits them.
fn rungs() -> Vec<Rung> {
    [40.0, 30.0, 20.0, 10.0].map(|p50_ms| Rung { p50_ms, p95_ms: p50_ms * 1.1, is_measured: true }).to_vec()
}

/// Pipeline without idle time, which carries out every change at once.
struct Simulation {
    governor: Governor,
    now_s: f64,
    changes: Vec<(f64, Change)>,
}

impl Simulation {
    fn new() -> Simulation {
        Simulation { governor: Governor::new(rungs(), 50.0), now_s: 0.0, changes: Vec::new() }
    }

    /// Runs for `seconds` in which frame n has a latency of `slowdown(n)` times the median of its rung.
    fn run(&mut self, seconds: f64, slowdown: impl Fn(usize) -> f64) -> &mut Simulation {
        let end_s = self.now_s + seconds;
        for frame in 0.. {
            let ms = rungs()[self.governor.active()].p50_ms * slowdown(frame);
            self.now_s += ms / 1e3;
            if self.now_s > end_s {
                return self;
            }
            let change = self.governor.on_latency(self.now_s, ms);
            if let Change::Down { to, .. } | Change::Up { to } = change {
                self.changes.push((self.now_s, change));
                self.governor.on_switched(self.now_s, to);
            }
        }
        self
    }

    fn downshifts(&self) -> Vec<usize> {
        let target = |(_, change): &(f64, Change)| if let Change::Down { to, .. } = change { Some(*to) } else { None };
        self.changes.iter().filter_map(target).collect()
    }
}

#[test]
fn slowdown_of_two_shifts_down_within_three_seconds() {
    let mut simulation = Simulation::new();
    simulation.run(60.0, |_| 1.0).run(10.0, |_| 2.0);
    let (at_s, change) = simulation.changes[0];
    assert_eq!(change, Change::Down { to: 2, slowdown: 2.0, cause: Cause::Slow });
    assert!((60.0..63.0).contains(&at_s), "{:?}", simulation.changes);
    assert_eq!(simulation.changes.len(), 1, "{:?}", simulation.changes);
}

#[test]
fn thirty_frames_per_second_shift_down_sooner() {
    let mut governor = Governor::new(rungs(), 33.0);
    let frames_s = (0..300).map(|frame| f64::from(frame) / 30.0);
    let down_s = frames_s.into_iter().find(|at_s| matches!(governor.on_latency(*at_s, 66.0), Change::Down { .. }));
    assert!(down_s.is_some_and(|down_s| down_s < 1.4), "{down_s:?}");
}

#[test]
fn shift_is_detected_when_few_frames_exceed_the_limit() {
    // All frames are 18 % slower: 47.2 of 50 ms. Every tenth takes 52 ms, which is over the limit.
    let mut simulation = Simulation::new();
    simulation.run(60.0, |_| 1.0).run(20.0, |frame| if frame % 10 == 0 { 1.3 } else { 1.18 });
    assert_eq!(simulation.downshifts().len(), 1, "{:?}", simulation.changes);
    assert!((62.0..65.0).contains(&simulation.changes[0].0), "{:?}", simulation.changes);
}

#[test]
fn shift_within_the_budget_changes_nothing() {
    let mut simulation = Simulation::new();
    simulation.run(60.0, |_| 1.0).run(20.0, |_| 1.08);
    assert_eq!(simulation.changes, []);
}

#[test]
fn upshift_is_tried_after_half_an_hour_without_headroom() {
    let mut simulation = Simulation::new();
    // From then on every frame is 25 % slower: 50 of 50 ms on the first rung.
    simulation.run(60.0, |_| 1.0).run(60.0, |_| 2.0).run(1700.0, |_| 1.25);
    let earlier = simulation.changes.len();
    assert_ne!(simulation.governor.active(), 0);
    simulation.run(400.0, |_| 1.25);
    let later = &simulation.changes[earlier..];
    assert!(later.iter().any(|(_, change)| matches!(change, Change::Up { to: 0 })), "{later:?}");
}

#[test]
fn short_burst_changes_nothing() {
    let mut simulation = Simulation::new();
    simulation.run(600.0, |frame| if frame % 700 < 10 { 2.5 } else { 1.0 }); // one second in every 29
    assert_eq!(simulation.changes, []);
}

#[test]
fn one_slow_frame_in_a_hundred_changes_nothing() {
    let mut simulation = Simulation::new();
    simulation.run(3600.0, |frame| if frame % 100 == 0 { 3.0 } else { 1.1 });
    assert_eq!(simulation.changes, []);
}

#[test]
fn one_frame_in_five_over_the_limit_shifts_down() {
    let mut simulation = Simulation::new();
    simulation.run(120.0, |frame| if frame % 5 == 0 { 1.4 } else { 1.0 });
    assert_eq!(simulation.downshifts(), [1]);
    assert!(simulation.changes[0].0 > 17.0, "bad seconds trigger it, not the size of the overrun");
}

#[test]
fn recurring_bursts_shift_down_only_if_frequent() {
    let downshifts = |of_a_hundred: usize| {
        let mut simulation = Simulation::new();
        simulation.run(120.0, |frame| if frame % 100 < of_a_hundred { 1.3 } else { 1.0 }).downshifts()
    };
    assert_ne!(downshifts(18), Vec::<usize>::new());
    assert_eq!(downshifts(10), Vec::<usize>::new());
}

#[test]
fn upshift_follows_30_s_after_recovery() {
    let mut simulation = Simulation::new();
    simulation.run(60.0, |_| 1.0).run(100.0, |_| 2.0).run(100.0, |_| 1.0);
    assert_eq!(simulation.changes.len(), 2, "{:?}", simulation.changes);
    let (at_s, change) = simulation.changes[1];
    assert_eq!(change, Change::Up { to: 0 });
    assert!((187.0..192.0).contains(&at_s), "half a minute after 160 s: {at_s}");
}

#[test]
fn failed_upshift_doubles_the_wait() {
    let mut simulation = Simulation::new();
    // A slowdown recurs whenever the first rung was active for five seconds.
    for _ in 0..40 {
        simulation.run(5.0, |_| 1.0).run(3.0, |_| 2.0).run(100.0, |_| 1.0);
    }
    let is_upshift = |change: &Change| matches!(change, Change::Up { .. });
    let upshifts_s: Vec<f64> =
        simulation.changes.iter().filter(|(_, change)| is_upshift(change)).map(|(at_s, _)| *at_s).collect();
    assert!(upshifts_s.windows(2).all(|pair| pair[1] - pair[0] >= 30.0), "{upshifts_s:?}");
    assert!(upshifts_s.len() < 16, "{} upshifts in {} s", upshifts_s.len(), simulation.now_s);
}

/// Runs a slowdown of 1.5. Returns the seconds to the downshift.
fn run_slowdown(condition: Option<Condition>) -> (f64, Simulation) {
    let mut simulation = Simulation::new();
    simulation.run(60.0, |_| 1.0);
    condition.into_iter().for_each(|condition| simulation.governor.set_condition(condition));
    simulation.run(10.0, |_| 1.5);
    (simulation.changes[0].0 - 60.0, simulation)
}

#[test]
fn known_cause_shifts_down_sooner() {
    let (unknown_s, _) = run_slowdown(None);
    let (known_s, simulation) = run_slowdown(Some(Condition::Throttled));
    assert!(known_s < 1.0, "{known_s} s");
    assert!(known_s < unknown_s / 2.0, "{known_s} s against {unknown_s} s");
    let Change::Down { cause, .. } = simulation.changes[0].1 else { panic!("{:?}", simulation.changes) };
    assert_eq!(cause, Cause::Known(Condition::Throttled));
}

#[test]
fn known_cause_prevents_an_upshift_while_it_lasts() {
    let (_, mut simulation) = run_slowdown(Some(Condition::Throttled));
    simulation.run(300.0, |_| 1.0);
    assert_eq!(simulation.changes.len(), 1, "{:?}", simulation.changes);
    simulation.governor.clear_condition(Condition::Throttled);
    simulation.run(5.0, |_| 1.0);
    assert_eq!(simulation.governor.active(), 0);
}

#[test]
fn fastest_rung_stays_when_nothing_fits() {
    let mut simulation = Simulation::new();
    simulation.run(60.0, |_| 1.0).run(600.0, |_| 9.0);
    assert_eq!(simulation.downshifts(), [3]);
    assert_eq!(simulation.changes.len(), 1);
}

#[test]
fn unmeasured_rung_is_learnt_in_service() {
    let mut predicted = rungs();
    predicted[2] = Rung { p50_ms: 12.0, p95_ms: 13.2, is_measured: false }; // its true median is 20 ms
    let mut simulation = Simulation { governor: Governor::new(predicted, 50.0), ..Simulation::new() };
    simulation.run(60.0, |_| 1.0).run(60.0, |_| 2.0).run(60.0, |_| 1.0);
    let changes: Vec<Change> = simulation.changes.iter().map(|(_, change)| *change).collect();
    assert_eq!(changes, [Change::Down { to: 2, slowdown: 2.0, cause: Cause::Slow }, Change::Up { to: 0 }]);
}

#[test]
fn change_is_reported_once_and_a_failed_rung_is_avoided() {
    let mut governor = Governor::new(rungs(), 50.0);
    let mut targets = Vec::new();
    for frame in 1..200 {
        if let Change::Down { to, .. } = governor.on_latency(f64::from(frame) * 0.08, 80.0) {
            targets.push(to);
            if to == 2 {
                governor.on_switch_failed(to);
            }
        }
    }
    assert_eq!(targets, [2, 3]);
}
