//! One pick in service: what its answers take and what the system says, and changes what gives the next where that is due.

use std::sync::Arc;
use std::time::Instant;

use log::{debug, info, warn};

use super::health_monitor::HOT_CELSIUS;
use crate::profiler::child_bench::MeasurementStore;
use phicam_engine::ExecutionConfig;
use phicam_pipeline::classify;
use phicam_pipeline::classify::{Classifier, Model};
use phicam_pipeline::{LatencySample, Pipeline};
use phicam_platform::system::{OtherCpuLoad, Power};
use phicam_platform::{paths, system};
use phicam_policy::governor::idle_detector::IdleDetector;
use phicam_policy::governor::soak_test::{SoakResult, SoakTest};
use phicam_policy::governor::thermal::ThermalLimiter;
use phicam_policy::governor::{Cause, Change, Condition, Governor, Rung};
use phicam_policy::picker::{Candidate, LadderStep, Pick};

const CONDITIONS: [Condition; 3] = [Condition::Hot, Condition::Throttled, Condition::OtherPowerMode];

/// What it keeps to.
#[derive(Clone, Copy)]
pub struct Limits {
    /// What an answer may take at the 95th percentile.
    pub limit_ms: f64,
    /// What the hottest place is to stay below; without it heat counts only where answers are late.
    pub celsius: Option<f64>,
}

/// See the module.
pub struct ModelController<'p> {
    pipeline: &'p Pipeline<'p>,
    settings: &'p classify::Settings,
    limits: Limits,
    pick: &'p Pick,
    rungs: Vec<&'p Candidate>,
    governor: Governor,
    /// Until the pick has held, or been stepped down from.
    soak: Option<SoakTest>,
    /// What other programs take since the soak began.
    soak_others: OtherCpuLoad,
    cooling: ThermalLimiter,
    hottest_celsius: Option<f64>,
    /// How power was supplied when it began.
    power: String,
    conditions: [(Condition, bool); 3],
    /// Whether other programs had a part in what is known.
    is_doubtful: bool,
    calm: IdleDetector,
    others: OtherCpuLoad,
    start: Instant,
}

impl<'p> ModelController<'p> {
    /// From now on; `current` answers. Nothing where that is no rung of the pick's ladder. Others have to be gone for `calm_s`.
    pub fn new(
        pipeline: &'p Pipeline<'p>,
        settings: &'p classify::Settings,
        limits: Limits,
        calm_s: f64,
        pick: &'p Pick,
        current: &(String, ExecutionConfig),
    ) -> Option<ModelController<'p>> {
        let rungs: Vec<&Candidate> = pick.ladder.iter().map(|step| &pick.candidates[step.candidate]).collect();
        let at = rungs.iter().position(|rung| (&rung.variant.name, rung.config) == (&current.0, current.1))?;
        let time = |step: &LadderStep| Rung { p50_ms: step.p50_ms, p95_ms: step.p95_ms, is_measured: step.is_measured };
        let mut governor = Governor::new(pick.ladder.iter().map(time).collect(), limits.limit_ms);
        if at > 0 {
            governor.changed(0.0, at);
        }
        for (to, rung) in rungs.iter().enumerate().filter(|(_, rung)| takes_minutes(rung)) {
            debug!("{} by {} is no way out: it is not prepared", rung.variant.name, rung.config);
            governor.failed(to);
        }
        Some(ModelController {
            pipeline,
            settings,
            limits,
            pick,
            rungs,
            governor,
            soak: Some(SoakTest::new(0.0)),
            soak_others: OtherCpuLoad::new(),
            cooling: ThermalLimiter::new(limits.celsius),
            hottest_celsius: None,
            power: system::power_identity(),
            conditions: CONDITIONS.map(|condition| (condition, false)),
            is_doubtful: pick.is_noisy(),
            calm: IdleDetector::new(0.0, calm_s),
            others: OtherCpuLoad::new(),
            start: Instant::now(),
        })
    }

    /// What answers.
    pub fn rung(&self) -> &'p Candidate {
        self.rungs[self.governor.at()]
    }

    fn now_s(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// How hot it is, and whether that or anything else holds it down.
    pub fn ask_the_system(&mut self) {
        let now = system::power();
        self.hottest_celsius = now.hottest.as_ref().map(|zone| zone.celsius);
        for (condition, known) in &mut self.conditions {
            let is = is_so(*condition, &now, self.limits.celsius.unwrap_or(HOT_CELSIUS), &self.power);
            if is != *known {
                *known = is;
                if is { self.governor.begins(*condition) } else { self.governor.ends(*condition) }
            }
        }
    }

    /// Whether it is time to measure again what other programs disturbed.
    pub fn is_calm(&mut self) -> bool {
        self.is_calm_at(self.now_s(), OtherCpuLoad::cores)
    }

    fn is_calm_at(&mut self, now_s: f64, cores: impl FnOnce(&mut OtherCpuLoad) -> Option<f64>) -> bool {
        let is_well = self.conditions.iter().all(|(_, is)| !is);
        self.is_doubtful && is_well && self.calm.is_long_enough(now_s, || cores(&mut self.others))
    }

    /// Does less where it is too hot.
    pub fn cool(&mut self) {
        let (now_s, at) = (self.now_s(), self.governor.at());
        if let Some(to) = self.cooling.step_down(now_s, self.hottest_celsius, at, self.rungs.len()) {
            let celsius = self.hottest_celsius.unwrap_or_default();
            let words = format!("down to {}: {celsius:.0} °C is too hot", self.rungs[to].variant.name);
            self.hand_over(to, words, now_s);
        }
    }

    /// Weighs an answer, and changes what gives the next where that is due.
    pub fn answered(
        &mut self,
        &LatencySample { at, total_ms, ref model }: &LatencySample,
        store: &mut MeasurementStore,
    ) {
        if !is(self.rung(), model) {
            return; // given before the change that was made last
        }
        let limit_ms = self.limits.limit_ms;
        let now_s = at.saturating_duration_since(self.start).as_secs_f64();
        if let Some(soaked) =
            self.soak.as_mut().and_then(|soak| soak.answered(now_s, total_ms, || self.soak_others.cores()))
        {
            let (at, words) = (self.governor.at(), soaked.in_words(&model.variant.name, limit_ms));
            match did_not_hold(&soaked, limit_ms, at, self.pick) {
                Some(to) => {
                    let words = format!("down to {}: {words}", self.rungs[to].variant.name);
                    store.put_soak(self.rungs[at], self.rungs[to], &soaked, limit_ms);
                    self.is_doubtful |= soaked.is_noisy;
                    self.governor.failed(at);
                    self.hand_over(to, words, now_s);
                    (self.soak, self.soak_others) = (Some(SoakTest::new(now_s)), OtherCpuLoad::new());
                    return;
                }
                None if soaked.p95_at_most_ms <= limit_ms => info!("{words}: it holds"),
                None => info!("{words}, of {limit_ms:.1}: nothing quicker is there"),
            }
        }
        let change = self.governor.answered(now_s, total_ms);
        if let Change::Down { to, .. } | Change::Up { to } = change {
            self.soak = None; // what disturbs it now says nothing of the pick
            self.hand_over(to, in_words(change, self.rungs[to], limit_ms), now_s);
        }
    }

    /// Opens a rung and lets it answer from now on, announced.
    fn hand_over(&mut self, to: usize, words: String, now_s: f64) {
        match open(self.rungs[to], self.settings) {
            Ok(classifier) => {
                info!("{words}");
                self.pipeline.screen.notice(words);
                self.pipeline.next_model.put(classifier);
                self.governor.changed(now_s, to);
            }
            Err(error) => {
                warn!("{words}, but it cannot be opened: {error}");
                self.governor.failed(to);
            }
        }
    }
}

/// Where to go down to, where more than one answer in twenty was late or may soon be: the first that would have fitted at
/// that pace.
fn did_not_hold(soaked: &SoakResult, limit_ms: f64, at: usize, pick: &Pick) -> Option<usize> {
    if soaked.p95_at_most_ms <= limit_ms {
        return None;
    }
    let slowdown = soaked.p95_at_most_ms / pick.ladder[at].p95_ms;
    let fits = |to: &usize| pick.ladder[*to].p95_ms * slowdown <= limit_ms;
    (at + 1..pick.ladder.len()).find(fits).or_else(|| (at + 1..pick.ladder.len()).next_back())
}

/// Whether TensorRT would build for it first.
fn takes_minutes(rung: &Candidate) -> bool {
    let state = paths::persistent_state_dir();
    state.is_some_and(|state| {
        !phicam_engine_onnxruntime::is_prepared(&rung.variant, rung.config, &state).unwrap_or(false)
    })
}

/// Whether the system says so now.
fn is_so(condition: Condition, now: &Power, hot_celsius: f64, identity: &str) -> bool {
    match condition {
        Condition::Hot => now.hottest.as_ref().is_some_and(|zone| zone.celsius >= hot_celsius),
        Condition::Throttled => !now.throttled.is_empty(),
        Condition::OtherPowerMode => system::power_identity() != identity,
    }
}

fn is(rung: &Candidate, model: &Arc<Model>) -> bool {
    (&rung.variant.name, rung.config) == (&model.variant.name, model.config)
}

/// Loads it and lets it answer once: the first time is the slowest.
fn open(rung: &Candidate, settings: &classify::Settings) -> Result<Classifier, String> {
    let settings = classify::Settings { config: rung.config, ..*settings };
    let mut classifier =
        crate::engines::open_classifier(&rung.variant, &settings).map_err(|error| error.to_string())?;
    classifier.warm_up().map_err(|error| error.to_string())?;
    Ok(classifier)
}

fn in_words(change: Change, to: &Candidate, limit_ms: f64) -> String {
    let name = &to.variant.name;
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
pub(super) mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use super::*;
    use phicam_pipeline::classify::crop::CropMode;
    use phicam_pipeline::classify::postprocess;
    use phicam_test_fixtures::{ms, picked};

    pub const LIMITS: Limits = Limits { limit_ms: 60.0, celsius: None };

    pub fn settings(pick: &Pick) -> classify::Settings {
        let prediction = postprocess::Settings { top: 5, unsure_below: 0.1, smoothing: Duration::ZERO };
        classify::Settings { view: CropMode::Centre, prediction, config: pick.config, keeps_packed: false }
    }

    /// Seconds at which what is known is measured again, where nobody else takes time.
    fn measured_again(pick: &Pick, is_hot: bool) -> Vec<u32> {
        let stop = AtomicBool::new(false);
        let pipeline = Pipeline::new(&stop);
        let (settings, current) = (settings(pick), (pick.variant.name.clone(), pick.config));
        let mut controller = ModelController::new(&pipeline, &settings, LIMITS, 600.0, pick, &current).unwrap();
        controller.conditions[0].1 = is_hot;
        (0..700).filter(|second| controller.is_calm_at(f64::from(*second), |_| Some(0.0))).collect()
    }

    #[test]
    fn what_others_disturbed_is_measured_again_once_they_are_gone_and_it_is_not_hot() {
        let mut pick = picked(ms(60.0)).unwrap();
        assert_eq!(measured_again(&pick, false), [0; 0], "nothing was disturbed");
        let measured = pick.candidates.iter_mut().find_map(|candidate| candidate.measurement.as_mut()).unwrap();
        measured.preempted_frames = measured.frames;
        assert_eq!(measured_again(&pick, false), [600]);
        assert_eq!(measured_again(&pick, true), [0; 0]);
    }
}
