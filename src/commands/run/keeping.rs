//! Keeps deciding while the line runs: a quicker choice soon after the budget is broken, a better one once there is room again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::{debug, info, warn};

use super::super::health::HOT_CELSIUS;
use super::calm::{CALM_S, Calm};
use super::cooling::Cooling;
use super::soak::{Soak, Soaked, remember};
use crate::adapt::{Adapt, Cause, Change, Condition, Rung};
use crate::classifier::{self, Classifier, Model};
use crate::engine::{Way, onnxruntime};
use crate::machine::{Others, Power};
use crate::measure::{Measurement, Remembered};
use crate::pick::{Candidate, Pick};
use crate::pipeline::{Line, Took};
use crate::{machine, places};

const CONDITIONS: [Condition; 3] = [Condition::Hot, Condition::Throttled, Condition::OtherPowerMode];
/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);
/// How often it asks the system how it is.
const ASK: Duration = Duration::from_secs(1);

/// What it keeps to.
#[derive(Clone, Copy)]
pub struct Limits {
    /// What an answer may take at the 95th percentile.
    pub limit_ms: f64,
    /// What the hottest place is to stay below; without it heat counts only where answers are late.
    pub celsius: Option<f64>,
}

/// Why a pick is no longer looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The line has ended, or nothing can be done for it.
    Ended,
    /// An engine failed, and the processor goes on in its place.
    EngineLost,
    /// Other programs disturbed when this machine was measured, and have not been there for long.
    Calm,
}

/// Looks after one pick after the other, of a line.
pub struct Keeper<'a, 'b> {
    line: &'a Line<'b>,
    settings: &'a classifier::Settings,
    limits: Limits,
    stop: &'a AtomicBool,
    /// Engines that had failed when it last looked: one may fail while another pick is made.
    engines_lost: u64,
    /// How long others have to be gone before what they disturbed is measured again: longer each time, as it may be
    /// disturbed again.
    calm_s: f64,
}

impl<'a, 'b> Keeper<'a, 'b> {
    /// For a `line` that has just begun.
    pub fn new(line: &'a Line<'b>, settings: &'a classifier::Settings, limits: Limits, stop: &'a AtomicBool) -> Self {
        Keeper { line, settings, limits, stop, engines_lost: 0, calm_s: CALM_S }
    }

    /// Looks after `pick` until the line ends or another is to be made. `current`: the choice that answers, and its way;
    /// it is kept.
    pub fn keep(&mut self, pick: &Pick, current: &mut (String, Way), remembered: &mut Remembered) -> Kept {
        let kept = keep(self, pick, current, remembered);
        if kept == Kept::Calm {
            self.calm_s *= 2.0;
        }
        kept
    }
}

fn keep(keeper: &mut Keeper<'_, '_>, pick: &Pick, current: &mut (String, Way), remembered: &mut Remembered) -> Kept {
    let &mut Keeper { line, settings, limits: Limits { limit_ms, celsius }, stop, ref mut engines_lost, calm_s } =
        keeper;
    let rungs: Vec<&Candidate> = pick.ladder.iter().map(|step| &pick.candidates[step.candidate]).collect();
    let times =
        pick.ladder.iter().map(|step| Rung { p50_ms: step.p50_ms, p95_ms: step.p95_ms, is_measured: step.is_measured });
    let mut adapt = Adapt::new(times.collect(), limit_ms);
    let Some(at) = rungs.iter().position(|rung| (&rung.choice.name, rung.way) == (&current.0, current.1)) else {
        warn!("{} by {} goes on answering whatever it takes: it is not what was picked", current.0, current.1);
        return Kept::Ended;
    };
    if at > 0 {
        adapt.changed(0.0, at);
    }
    for (to, rung) in rungs.iter().enumerate().filter(|(_, rung)| takes_minutes(rung)) {
        debug!("{} by {} is no way out: it is not prepared", rung.choice.name, rung.way);
        adapt.failed(to);
    }
    let power = machine::power_identity();
    let disturbed = |candidate: &Candidate| candidate.measurement.as_ref().is_some_and(Measurement::is_disturbed);
    let mut is_doubtful = pick.candidates.iter().any(disturbed);
    let (mut calm, mut others) = (Calm::new(0.0, calm_s), Others::new());
    let (start, mut asked, mut soak) = (Instant::now(), None::<Instant>, Some(Soak::new(0.0)));
    let mut hottest = None;
    let (mut took, mut over) = (Vec::new(), CONDITIONS.map(|condition| (condition, false)));
    let mut cooling = Cooling::new(celsius);
    while !stop.load(Ordering::Relaxed) && !line.ended() {
        std::thread::sleep(LOOK);
        *current = (rungs[adapt.at()].choice.name.clone(), rungs[adapt.at()].way);
        if asked.is_none_or(|asked| asked.elapsed() >= ASK) {
            asked = Some(Instant::now());
            let lost = line.counts().engines_lost;
            if std::mem::replace(engines_lost, lost) < lost {
                return Kept::EngineLost;
            }
            let now = machine::power();
            hottest = now.hottest.as_ref().map(|zone| zone.celsius);
            for (condition, known) in &mut over {
                let is = is_so(*condition, &now, celsius.unwrap_or(HOT_CELSIUS), &power);
                if is != *known {
                    *known = is;
                    if is { adapt.begins(*condition) } else { adapt.ends(*condition) }
                }
            }
        }
        let now_s = start.elapsed().as_secs_f64();
        let is_well = over.iter().all(|(_, is)| !is);
        if is_doubtful && is_well && calm.is_long_enough(now_s, || others.cores()) {
            return Kept::Calm;
        }
        if let Some(to) = cooling.step_down(now_s, hottest, adapt.at(), rungs.len()) {
            let words = format!("down to {}: {:.0} °C is too hot", rungs[to].choice.name, hottest.unwrap_or_default());
            hand_over(line, &mut adapt, rungs[to], to, words, now_s, settings);
        }
        line.recent.take(&mut took);
        for Took { at, total_ms, model } in took.drain(..) {
            if !is(rungs[adapt.at()], &model) {
                continue; // given before the change that was made last
            }
            let now_s = at.saturating_duration_since(start).as_secs_f64();
            if let Some(soak) = &mut soak
                && let Some(soaked) = soak.answered(now_s, total_ms)
            {
                if let Some(to) = did_not_hold(&soaked, limit_ms, adapt.at(), pick) {
                    let rung = rungs[adapt.at()];
                    let words = format!("down to {}: {}", rungs[to].choice.name, soaked.in_words(&rung.choice.name));
                    remember(rung, &soaked, remembered);
                    is_doubtful |= soaked.is_disturbed;
                    adapt.failed(adapt.at());
                    hand_over(line, &mut adapt, rungs[to], to, words, now_s, settings);
                    *soak = Soak::new(now_s);
                    continue;
                }
                info!("{}: it holds", soaked.in_words(&model.choice.name));
            }
            let change = adapt.answered(now_s, total_ms);
            let to = match change {
                Change::Stay => continue,
                Change::Down { to, .. } | Change::Up { to } => to,
            };
            soak = None; // what disturbs it now says nothing of the pick
            let words = in_words(change, rungs[to], limit_ms);
            hand_over(line, &mut adapt, rungs[to], to, words, now_s, settings);
        }
    }
    Kept::Ended
}

/// Opens a rung and lets it answer from now on, announced.
fn hand_over(
    line: &Line,
    adapt: &mut Adapt,
    rung: &Candidate,
    to: usize,
    words: String,
    now_s: f64,
    settings: &classifier::Settings,
) {
    match open(rung, settings) {
        Ok(classifier) => {
            info!("{words}");
            line.screen.notice(words);
            line.next_model.put(classifier);
            adapt.changed(now_s, to);
        }
        Err(error) => {
            warn!("{words}, but it cannot be opened: {error}");
            adapt.failed(to);
        }
    }
}

/// Where to go down to, where more than one answer in twenty was late: the first that would have fitted at that pace.
fn did_not_hold(soaked: &Soaked, limit_ms: f64, at: usize, pick: &Pick) -> Option<usize> {
    if soaked.p95_ms <= limit_ms {
        return None;
    }
    let slowdown = soaked.p95_ms / pick.ladder[at].p95_ms;
    let fits = |to: &usize| pick.ladder[*to].p95_ms * slowdown <= limit_ms;
    (at + 1..pick.ladder.len()).find(fits).or_else(|| (at + 1..pick.ladder.len()).next_back())
}

/// Whether TensorRT would build for it first.
fn takes_minutes(rung: &Candidate) -> bool {
    let state = places::kept_state();
    state.is_some_and(|state| !onnxruntime::is_prepared(&rung.choice, rung.way, &state).unwrap_or(false))
}

/// Whether the system says so now.
fn is_so(condition: Condition, now: &Power, hot_celsius: f64, identity: &str) -> bool {
    match condition {
        Condition::Hot => now.hottest.as_ref().is_some_and(|zone| zone.celsius >= hot_celsius),
        Condition::Throttled => !now.throttled.is_empty(),
        Condition::OtherPowerMode => machine::power_identity() != identity,
    }
}

fn is(rung: &Candidate, model: &Arc<Model>) -> bool {
    (&rung.choice.name, rung.way) == (&model.choice.name, model.way)
}

/// Loads it and lets it answer once: the first time is the slowest.
fn open(rung: &Candidate, settings: &classifier::Settings) -> Result<Classifier, String> {
    let settings = classifier::Settings { way: rung.way, ..*settings };
    let mut classifier = Classifier::open(&rung.choice, &settings).map_err(|error| error.to_string())?;
    classifier.warm_up().map_err(|error| error.to_string())?;
    Ok(classifier)
}

fn in_words(change: Change, to: &Candidate, limit_ms: f64) -> String {
    let name = &to.choice.name;
    match change {
        Change::Down { slowdown, cause, .. } => {
            let why = match cause {
                Cause::Slow => "another program takes time".into(),
                Cause::Known(Condition::Hot) => "it is hot".into(),
                Cause::Known(Condition::Throttled) => "clocks are held down".to_string(),
                Cause::Known(Condition::OtherPowerMode) => "the power mode is another".into(),
            };
            format!("down to {name}: answers take {slowdown:.1} times as long, over {limit_ms:.0} ms; {why}, it seems")
        }
        Change::Up { .. } | Change::Stay => format!("up to {name}: there is room for it again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guess;
    use crate::pick::tests::{ms, picked};
    use crate::view::View;

    #[test]
    fn an_engine_that_fails_while_a_pick_is_made_is_noticed_and_so_is_the_next_one() {
        let (state, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
        let (line, pick) = (Line::new(&stop), picked(ms(60.0)).unwrap());
        let guess = guess::Settings { top: 5, unsure_below: 0.1, smoothing: Duration::ZERO };
        let settings = classifier::Settings { view: View::Centre, guess, way: pick.way, keeps_packed: false };
        let limits = Limits { limit_ms: 60.0, celsius: None };
        let mut keeper = Keeper::new(&line, &settings, limits, &stop);
        let mut remembered = Remembered::read(state.path());
        for lost in 1..=2 {
            line.counts().engines_lost = lost;
            let mut current = (pick.choice.name.clone(), pick.way);
            assert_eq!(keeper.keep(&pick, &mut current, &mut remembered), Kept::EngineLost);
        }
        let elsewhere = &mut ("lite9@96".to_string(), pick.way);
        assert_eq!(keeper.keep(&pick, elsewhere, &mut remembered), Kept::Ended, "nothing is known of what answers");
    }
}
