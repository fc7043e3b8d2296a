//! Keeps deciding while the line runs: a quicker variant soon after the budget is broken, a better one once there is room again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::warn;

use super::model_controller::{Limits, ModelController};
use crate::profiler::child_bench::MeasurementStore;
use phicam_engine::ExecutionConfig;
use phicam_pipeline::Pipeline;
use phicam_pipeline::classify;
use phicam_policy::governor::idle_detector::IDLE_S;
use phicam_policy::picker::Pick;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);
/// How often it asks the system how it is.
const ASK: Duration = Duration::from_secs(1);

/// Why a pick is no longer looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The line has ended, or nothing can be done for it.
    Ended,
    /// An engine failed, and the processor goes on in its place.
    EngineFailed,
    /// Other programs disturbed when this machine was measured, and have not been there for long.
    IdleDetector,
}

/// Looks after one pick after the other, of a line.
pub struct Supervisor<'a, 'b> {
    pipeline: &'a Pipeline<'b>,
    settings: &'a classify::Settings,
    limits: Limits,
    stop: &'a AtomicBool,
    /// Engines that had failed when it last looked: one may fail while another pick is made.
    engines_lost: u64,
    /// How long others have to be gone before what they disturbed is measured again: longer each time, as it may be
    /// disturbed again.
    calm_s: f64,
}

impl<'a, 'b> Supervisor<'a, 'b> {
    /// For a `pipeline` that has just begun.
    pub fn new(
        pipeline: &'a Pipeline<'b>,
        settings: &'a classify::Settings,
        limits: Limits,
        stop: &'a AtomicBool,
    ) -> Self {
        Supervisor { pipeline, settings, limits, stop, engines_lost: 0, calm_s: IDLE_S }
    }

    /// Looks after `pick` until the line ends or another is to be made. `current`: the variant that answers, and its way;
    /// it is kept.
    pub fn supervise(
        &mut self,
        pick: &Pick,
        current: &mut (String, ExecutionConfig),
        store: &mut MeasurementStore,
    ) -> Kept {
        let Some(mut controller) =
            ModelController::new(self.pipeline, self.settings, self.limits, self.calm_s, pick, current)
        else {
            warn!("{} by {} goes on answering whatever it takes: it is not what was picked", current.0, current.1);
            return Kept::Ended;
        };
        let (mut asked, mut took) = (None::<Instant>, Vec::new());
        while !self.stop.load(Ordering::Relaxed) && !self.pipeline.ended() {
            std::thread::sleep(LOOK);
            let answers = controller.rung();
            *current = (answers.variant.name.clone(), answers.config);
            if asked.is_none_or(|asked| asked.elapsed() >= ASK) {
                asked = Some(Instant::now());
                let lost = self.pipeline.metrics().engines_lost;
                if std::mem::replace(&mut self.engines_lost, lost) < lost {
                    return Kept::EngineFailed;
                }
                controller.ask_the_system();
            }
            if controller.is_calm() {
                self.calm_s *= 2.0;
                return Kept::IdleDetector;
            }
            controller.cool();
            self.pipeline.recent.take(&mut took);
            for took in took.drain(..) {
                controller.answered(&took, store);
            }
        }
        Kept::Ended
    }
}

#[cfg(test)]
mod tests {
    use super::super::model_controller::tests::{LIMITS, settings};
    use super::*;
    use phicam_test_fixtures::{ms, picked};

    #[test]
    fn an_engine_that_fails_while_a_pick_is_made_is_noticed_and_so_is_the_next_one() {
        let (state, stop) = (tempfile::tempdir().unwrap(), AtomicBool::new(false));
        let (pipeline, pick) = (Pipeline::new(&stop), picked(ms(60.0)).unwrap());
        let settings = settings(&pick);
        let mut supervisor = Supervisor::new(&pipeline, &settings, LIMITS, &stop);
        let mut store = MeasurementStore::read(state.path());
        for lost in 1..=2 {
            pipeline.metrics().engines_lost = lost;
            let mut current = (pick.variant.name.clone(), pick.config);
            assert_eq!(supervisor.supervise(&pick, &mut current, &mut store), Kept::EngineFailed);
        }
        let elsewhere = &mut ("lite9@96".to_string(), pick.config);
        assert_eq!(supervisor.supervise(&pick, elsewhere, &mut store), Kept::Ended, "nothing is known of what answers");
    }
}
