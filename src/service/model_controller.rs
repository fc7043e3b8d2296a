//! Control of the active model: watches latency and system state, and switches models when needed.

use std::time::Instant;

use log::{debug, info, warn};

use super::active_model::ActiveModel;
use super::health_monitor::HOT_CELSIUS;
use crate::engines::open_classifier;
use crate::profiler::MeasurementStore;
use phicam_pipeline::classify::{self, Classifier};
use phicam_pipeline::{LatencySample, Pipeline};
use phicam_platform::system::{OtherCpuLoad, Power};
use phicam_platform::{paths, system};
use phicam_policy::governor::idle_detector::IdleDetector;
use phicam_policy::governor::soak_test::{SoakResult, SoakTest};
use phicam_policy::governor::thermal::ThermalLimiter;
use phicam_policy::governor::{Cause, Change, Condition, Governor, Rung};
use phicam_policy::picker::{Candidate, LadderStep, Pick};

const CONDITIONS: [Condition; 3] = [Condition::Hot, Condition::Throttled, Condition::OtherPowerMode];

/// Limits at run time.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Latency at the 95th percentile, in milliseconds.
    pub limit_ms: f64,
    /// Temperature of the hottest zone, in °C. Without it, heat matters only if latency is over the limit.
    pub celsius: Option<f64>,
}

/// Controller of the active model of one pick.
pub struct ModelController<'p> {
    pipeline: &'p Pipeline<'p>,
    settings: &'p classify::Settings,
    limits: Limits,
    pick: &'p Pick,
    rungs: Vec<&'p Candidate>,
    governor: Governor,
    /// Runs until the pick has passed it, or was left for another rung.
    soak_test: Option<SoakTest>,
    /// Load of other programs since the soak test began.
    soak_load: OtherCpuLoad,
    thermal_limiter: ThermalLimiter,
    hottest_celsius: Option<f64>,
    /// Power mode and clock limits at the start.
    power_identity: String,
    /// Conditions, each with whether it holds.
    conditions: [(Condition, bool); 3],
    /// Whether the pick rests on noisy measurements.
    is_noisy: bool,
    idle_detector: IdleDetector,
    other_load: OtherCpuLoad,
    start: Instant,
}

impl<'p> ModelController<'p> {
    /// Creates a controller while `active` classifies; `None` if that is not on the pick's fallback ladder. Noisy measurements
    /// are repeated after `idle_s` seconds without other load.
    pub fn new(
        pipeline: &'p Pipeline<'p>,
        settings: &'p classify::Settings,
        limits: Limits,
        idle_s: f64,
        pick: &'p Pick,
        active: &ActiveModel,
    ) -> Option<ModelController<'p>> {
        let rungs: Vec<&Candidate> = pick.ladder.iter().map(|step| &pick.candidates[step.candidate]).collect();
        let at = rungs.iter().position(|rung| active.is_candidate(rung))?;
        let time = |step: &LadderStep| Rung { p50_ms: step.p50_ms, p95_ms: step.p95_ms, is_measured: step.is_measured };
        let mut governor = Governor::new(pick.ladder.iter().map(time).collect(), limits.limit_ms);
        if at > 0 {
            governor.on_switched(0.0, at);
        }
        for (to, rung) in rungs.iter().enumerate().filter(|(_, rung)| needs_engine_build(rung)) {
            debug!("not using {} as a fallback: its TensorRT engine is not built", ActiveModel::from(*rung));
            governor.on_switch_failed(to);
        }
        Some(ModelController {
            pipeline,
            settings,
            limits,
            pick,
            rungs,
            governor,
            soak_test: Some(SoakTest::new(0.0)),
            soak_load: OtherCpuLoad::new(),
            thermal_limiter: ThermalLimiter::new(limits.celsius),
            hottest_celsius: None,
            power_identity: system::power_identity(),
            conditions: CONDITIONS.map(|condition| (condition, false)),
            is_noisy: pick.is_noisy(),
            idle_detector: IdleDetector::new(0.0, idle_s),
            other_load: OtherCpuLoad::new(),
            start: Instant::now(),
        })
    }

    /// Returns the candidate that classifies.
    pub fn rung(&self) -> &'p Candidate {
        self.rungs[self.governor.active()]
    }

    fn now_s(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Reads temperature, throttling and power mode, and reports changes to the governor.
    pub fn poll_system(&mut self) {
        let now = system::power();
        self.hottest_celsius = now.hottest.as_ref().map(|zone| zone.celsius);
        for (condition, holds) in &mut self.conditions {
            let limit_celsius = self.limits.celsius.unwrap_or(HOT_CELSIUS);
            let holds_now = condition_holds(*condition, &now, limit_celsius, &self.power_identity);
            if holds_now != *holds {
                *holds = holds_now;
                if holds_now {
                    self.governor.set_condition(*condition)
                } else {
                    self.governor.clear_condition(*condition)
                }
            }
        }
    }

    /// Returns whether noisy measurements should be repeated now.
    pub fn should_remeasure(&mut self) -> bool {
        self.should_remeasure_at(self.now_s(), OtherCpuLoad::cores)
    }

    fn should_remeasure_at(&mut self, now_s: f64, cores: impl FnOnce(&mut OtherCpuLoad) -> Option<f64>) -> bool {
        let is_undisturbed = self.conditions.iter().all(|(_, holds)| !holds);
        self.is_noisy && is_undisturbed && self.idle_detector.other_load_gone(now_s, || cores(&mut self.other_load))
    }

    /// Steps down if the board is above its temperature limit.
    pub fn limit_temperature(&mut self) {
        let (now_s, at) = (self.now_s(), self.governor.active());
        if let Some(to) = self.thermal_limiter.step_down(now_s, self.hottest_celsius, at, self.rungs.len()) {
            let celsius = self.hottest_celsius.unwrap_or_default();
            let limit = self.limits.celsius.unwrap_or_default();
            let name = &self.rungs[to].variant.name;
            self.hand_over(to, format!("down to {name}: {celsius:.0} °C, the limit is {limit:.0} °C"), now_s);
        }
    }

    /// Takes in the latency of one classification, and switches models if needed.
    pub fn on_latency(
        &mut self,
        &LatencySample { at, total_ms, ref model }: &LatencySample,
        store: &mut MeasurementStore,
    ) {
        if ActiveModel::from(&**model) != ActiveModel::from(self.rung()) {
            return; // by the model before the last switch
        }
        let limit_ms = self.limits.limit_ms;
        let now_s = at.saturating_duration_since(self.start).as_secs_f64();
        let soak_load = &mut self.soak_load;
        let result = self.soak_test.as_mut().and_then(|test| test.record(now_s, total_ms, || soak_load.cores()));
        if let Some(result) = result {
            let (at, summary) = (self.governor.active(), result.description(&model.variant.name, limit_ms));
            match step_down_target(&result, limit_ms, at, self.pick) {
                Some(to) => {
                    let reason = format!("down to {}: {summary}", self.rungs[to].variant.name);
                    store.put_soak(self.rungs[at], self.rungs[to], &result, limit_ms);
                    self.is_noisy |= result.is_noisy;
                    self.governor.on_switch_failed(at);
                    self.hand_over(to, reason, now_s);
                    self.soak_test = Some(SoakTest::new(now_s));
                    self.soak_load = OtherCpuLoad::new();
                    return;
                }
                None if result.max_p95_ms <= limit_ms => info!("{summary}: within the budget"),
                None => info!("{summary}, over {limit_ms:.1} ms, and no faster model is available"),
            }
        }
        let change = self.governor.on_latency(now_s, total_ms);
        if let Change::Down { to, .. } | Change::Up { to } = change {
            self.soak_test = None; // the cause of this change says nothing about the pick
            self.hand_over(to, explain_change(change, self.rungs[to], limit_ms), now_s);
        }
    }

    /// Opens a rung and lets it classify from now on; logs the reason.
    fn hand_over(&mut self, to: usize, reason: String, now_s: f64) {
        match open(self.rungs[to], self.settings) {
            Ok(classifier) => {
                info!("{reason}");
                self.pipeline.next_model.put(classifier);
                self.governor.on_switched(now_s, to);
            }
            Err(error) => {
                warn!("{reason}; but it cannot be opened: {error}");
                self.governor.on_switch_failed(to);
            }
        }
    }
}

/// Returns the rung to step down to after a failed soak test: the first one that fits at the observed slowdown. `None` if the
/// upper bound of the p95 is within the limit, or there is no faster rung.
fn step_down_target(result: &SoakResult, limit_ms: f64, at: usize, pick: &Pick) -> Option<usize> {
    if result.max_p95_ms <= limit_ms {
        return None;
    }
    let slowdown = result.max_p95_ms / pick.ladder[at].p95_ms;
    let fits = |to: &usize| pick.ladder[*to].p95_ms * slowdown <= limit_ms;
    (at + 1..pick.ladder.len()).find(fits).or_else(|| (at + 1..pick.ladder.len()).next_back())
}

/// Returns whether TensorRT would have to build an engine first, which takes minutes.
fn needs_engine_build(rung: &Candidate) -> bool {
    let state = paths::persistent_state_dir();
    state
        .is_some_and(|state| !phicam_engine_onnxruntime::is_cached(&rung.variant, rung.config, &state).unwrap_or(false))
}

/// Returns whether `condition` holds; `identity` is the power mode at the start.
fn condition_holds(condition: Condition, now: &Power, limit_celsius: f64, identity: &str) -> bool {
    match condition {
        Condition::Hot => now.hottest.as_ref().is_some_and(|zone| zone.celsius >= limit_celsius),
        Condition::Throttled => !now.throttled.is_empty(),
        Condition::OtherPowerMode => system::power_identity() != identity,
    }
}

/// Opens a rung and runs it once, because the first inference is the slowest.
fn open(rung: &Candidate, settings: &classify::Settings) -> Result<Classifier, String> {
    let settings = classify::Settings { config: rung.config, ..*settings };
    let mut classifier = open_classifier(&rung.variant, &settings).map_err(|error| error.to_string())?;
    classifier.warm_up().map_err(|error| error.to_string())?;
    Ok(classifier)
}

/// Returns the log line for a change of rung.
fn explain_change(change: Change, to: &Candidate, limit_ms: f64) -> String {
    let name = &to.variant.name;
    match change {
        Change::Down { slowdown, cause, .. } => {
            let cause = match cause {
                Cause::Slow => "other CPU load",
                Cause::Known(Condition::Hot) => "the board is hot",
                Cause::Known(Condition::Throttled) => "the CPU is throttled",
                Cause::Known(Condition::OtherPowerMode) => "the power mode changed",
            };
            format!(
                "down to {name}: latency is {slowdown:.1} × the usual, over {limit_ms:.0} ms; probable cause: {cause}"
            )
        }
        Change::Up { .. } | Change::Stay => format!("up to {name}: latency has headroom again"),
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
        let prediction = postprocess::Settings { top_k: 5, min_confidence: 0.1, smoothing: Duration::ZERO };
        classify::Settings { view: CropMode::Centre, prediction, config: pick.config, cache_packed_weights: false }
    }

    /// Returns the seconds at which measurements are repeated, without other load.
    fn repeated_at(pick: &Pick, is_hot: bool) -> Vec<u32> {
        let stop = AtomicBool::new(false);
        let pipeline = Pipeline::new(&stop);
        let (settings, active) = (settings(pick), ActiveModel::from(pick));
        let mut controller = ModelController::new(&pipeline, &settings, LIMITS, 600.0, pick, &active).unwrap();
        controller.conditions[0].1 = is_hot;
        (0..700).filter(|second| controller.should_remeasure_at(f64::from(*second), |_| Some(0.0))).collect()
    }

    #[test]
    fn noisy_measurements_are_repeated_on_an_idle_cool_machine() {
        let mut pick = picked(ms(60.0)).unwrap();
        assert_eq!(repeated_at(&pick, false), [0; 0], "nothing was noisy");
        let measured = pick.candidates.iter_mut().find_map(|candidate| candidate.measurement.as_mut()).unwrap();
        measured.preempted_frames = measured.frames;
        assert_eq!(repeated_at(&pick, false), [600]);
        assert_eq!(repeated_at(&pick, true), [0; 0]);
    }
}
