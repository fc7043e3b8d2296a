//! Selection of a model beside the running pipeline: first what the CPU affords, then what a GPU does.

use std::sync::atomic::Ordering;

use log::{debug, error, info, warn};

use super::Service;
use super::active_model::ActiveModel;
use crate::engines::open_classifier;
use crate::session::{Activity, log_pick};
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_pipeline::Pipeline;
use phicam_pipeline::classify;
use phicam_pipeline::classify::Classifier;
use phicam_pipeline::status::Fault;
use phicam_policy::picker::{Effort, Pick, PickError};

impl Service<'_, '_> {
    /// Measures and picks on a machine that was not measured: first coarsely, then, unless this is the demo, fully.
    pub(super) fn select_first(&mut self) -> Result<Option<Pick>, PickError> {
        let coarse = vec![(self.session.coarse_configs(), Effort::Coarse)];
        match self.select_in_stages(coarse) {
            Ok(Some(pick)) if self.is_demo => return Ok(Some(pick)),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(error) => debug!("the coarse measurements gave no pick: {error}"), // full ones decide
        }
        self.select(&self.session.configs.clone())
    }

    /// Measures fully and picks among `configs`.
    pub(super) fn select(&mut self, configs: &[ExecutionConfig]) -> Result<Option<Pick>, PickError> {
        self.select_in_stages(self.full_stages(configs))
    }

    fn full_stages(&self, configs: &[ExecutionConfig]) -> Vec<(Vec<ExecutionConfig>, Effort)> {
        let cpu = cpu_configs(configs);
        // A GPU engine may take minutes to build. Until then the CPU should run its best model, if it classifies at all.
        let is_on_cpu = self.active.config.engine == EngineKind::Tract;
        let first = (is_on_cpu && !cpu.is_empty() && cpu.len() < configs.len()).then_some(cpu);
        first.into_iter().chain([configs.to_vec()]).map(|configs| (configs, Effort::Full)).collect()
    }

    /// In each stage, measures, picks, loads the pick beside the running pipeline and hands it over. Returns the last pick, `None`
    /// if the pipeline ended before.
    fn select_in_stages(&mut self, stages: Vec<(Vec<ExecutionConfig>, Effort)>) -> Result<Option<Pick>, PickError> {
        let mut last = None;
        for (configs, effort) in stages {
            let pipeline = self.pipeline;
            let progress = |activity| show_activity(pipeline, activity);
            pipeline.screen.set_measuring(true);
            let picked = self.session.pick(&configs, effort, self.stop, &progress);
            pipeline.screen.set_measuring(false);
            pipeline.measuring.store(false, Ordering::Relaxed); // also if nothing had to be measured
            match picked {
                Ok(pick) => {
                    log_pick(&pick);
                    self.hand_over(&pick);
                    last = Some(pick);
                }
                Err(PickError::Measure(_)) if self.stop.load(Ordering::Relaxed) => {
                    info!("stopped before this machine was measured; the next start continues");
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(last)
    }

    fn hand_over(&mut self, pick: &Pick) {
        if ActiveModel::from(pick) == self.active {
            return;
        }
        match open_best(pick, self.settings) {
            Some(classifier) => {
                self.active = ActiveModel::from(&**classifier.model());
                self.pipeline.next_model.put(classifier);
            }
            None => error!("keeping {}: no model that fits can be loaded", self.active.variant),
        }
    }
}

/// Returns the execution configs of the CPU engine.
pub fn cpu_configs(configs: &[ExecutionConfig]) -> Vec<ExecutionConfig> {
    configs.iter().copied().filter(|config| config.engine == EngineKind::Tract).collect()
}

/// Slows the pipeline down while a variant is timed, and shows on the display that an engine is being built.
fn show_activity(pipeline: &Pipeline, activity: Activity) {
    pipeline.measuring.store(activity == Activity::Timing, Ordering::Relaxed);
    let building = match activity {
        Activity::BuildingEngine(description) => Some(description),
        Activity::Timing | Activity::Idle => None,
    };
    pipeline.screen.set_fault(Fault::BuildingEngine, building);
}

/// Opens the pick, else the most accurate other candidate that fits and loads: a file may have been damaged since it was
/// measured.
pub fn open_best(pick: &Pick, settings: &classify::Settings) -> Option<Classifier> {
    pick.fitting().into_iter().find_map(|candidate| {
        let opened = open_classifier(&candidate.variant, &classify::Settings { config: candidate.config, ..*settings });
        opened.map_err(|error| warn!("skipping {}: {error}", ActiveModel::from(candidate))).ok()
    })
}
