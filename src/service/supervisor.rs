//! Supervision of one pick after another: feeds latencies to the model controller, and says when to select again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::warn;

use super::active_model::ActiveModel;
use super::model_controller::{Limits, ModelController};
use crate::profiler::MeasurementStore;
use phicam_pipeline::{Pipeline, classify};
use phicam_policy::governor::idle_detector::IDLE_S;
use phicam_policy::picker::Pick;

/// Polling interval for latencies.
const POLL: Duration = Duration::from_millis(100);
/// Polling interval for temperature, throttling and failed engines.
const POLL_SYSTEM: Duration = Duration::from_secs(1);

/// Reason to stop supervising a pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The pipeline has ended, or the active model is unknown to the pick.
    PipelineEnded,
    /// An engine failed, and the CPU engine took over.
    EngineFailed,
    /// Other load that made measurements noisy has been gone long enough.
    Remeasure,
}

/// Supervisor of the active model of one pipeline.
pub struct Supervisor<'a, 'p> {
    pipeline: &'a Pipeline<'p>,
    settings: &'a classify::Settings,
    limits: Limits,
    stop: &'a AtomicBool,
    /// Failed engines seen so far. It outlives a pick, because an engine may fail while the next one is made.
    engine_failures: u64,
    /// Seconds without other load before noisy measurements are repeated. Doubled each time, because they may be noisy again.
    idle_s: f64,
}

impl<'a, 'p> Supervisor<'a, 'p> {
    /// Creates a supervisor for a pipeline that has just started.
    pub fn new(
        pipeline: &'a Pipeline<'p>,
        settings: &'a classify::Settings,
        limits: Limits,
        stop: &'a AtomicBool,
    ) -> Self {
        Supervisor { pipeline, settings, limits, stop, engine_failures: 0, idle_s: IDLE_S }
    }

    /// Supervises `pick` until the pipeline ends or a new pick is needed. Keeps `active` up to date.
    pub fn supervise(&mut self, pick: &Pick, active: &mut ActiveModel, store: &mut MeasurementStore) -> Stop {
        let controller = ModelController::new(self.pipeline, self.settings, self.limits, self.idle_s, pick, active);
        let Some(mut controller) = controller else {
            warn!("keeping {active}, unsupervised: it is not on the pick's fallback ladder");
            return Stop::PipelineEnded;
        };
        let mut system_polled = None::<Instant>;
        let mut samples = Vec::new();
        while !self.stop.load(Ordering::Relaxed) && !self.pipeline.has_ended() {
            std::thread::sleep(POLL);
            *active = ActiveModel::from(controller.rung());
            if system_polled.is_none_or(|polled| polled.elapsed() >= POLL_SYSTEM) {
                system_polled = Some(Instant::now());
                let lost = self.pipeline.metrics().engine_failures;
                if std::mem::replace(&mut self.engine_failures, lost) < lost {
                    return Stop::EngineFailed;
                }
                controller.poll_system();
            }
            if controller.should_remeasure() {
                self.idle_s *= 2.0;
                return Stop::Remeasure;
            }
            controller.limit_temperature();
            self.pipeline.recent_latencies.take(&mut samples);
            for sample in samples.drain(..) {
                controller.on_latency(&sample, store);
            }
        }
        Stop::PipelineEnded
    }
}

#[cfg(test)]
mod tests {
    use super::super::model_controller::tests::{LIMITS, settings};
    use super::*;
    use phicam_test_fixtures::{ms, picked};

    #[test]
    fn engine_failure_during_a_pick_is_noticed() {
        let (state, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
        let (pipeline, pick) = (Pipeline::new(&stop), picked(ms(60.0)).unwrap());
        let settings = settings(&pick);
        let mut supervisor = Supervisor::new(&pipeline, &settings, LIMITS, &stop);
        let mut store = MeasurementStore::read(state.path());
        for lost in 1..=2 {
            pipeline.metrics().engine_failures = lost;
            let mut active = ActiveModel::from(&pick);
            assert_eq!(supervisor.supervise(&pick, &mut active, &mut store), Stop::EngineFailed);
        }
    }

    #[test]
    fn unknown_active_model_is_not_supervised() {
        let (state, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
        let (pipeline, pick) = (Pipeline::new(&stop), picked(ms(60.0)).unwrap());
        let settings = settings(&pick);
        let mut supervisor = Supervisor::new(&pipeline, &settings, LIMITS, &stop);
        let mut store = MeasurementStore::read(state.path());
        let mut elsewhere = ActiveModel { variant: "lite9@96".into(), ..ActiveModel::from(&pick) };
        assert_eq!(supervisor.supervise(&pick, &mut elsewhere, &mut store), Stop::PipelineEnded);
    }
}
