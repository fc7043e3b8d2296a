//! The running service: selects a model beside the running pipeline, keeps it within its budget, reports its health.
//!
//! ```text
//! first_model ─► Service::run ─► selection (measure, pick, hand over) ─► Supervisor ─► ModelController (governor)
//!                                   ▲                                        │
//!                                   └── engine failed, other load gone ──────┘
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log::{info, warn};
use phicam_engine::ExecutionConfig;
use phicam_pipeline::{Pipeline, classify};
use phicam_policy::picker::Pick;

pub mod active_model;
pub mod first_model;
pub mod health_monitor;
pub mod model_controller;
pub mod selection;
pub mod supervisor;

use crate::session::Session;
use active_model::ActiveModel;
use first_model::OpenQuestion;
use model_controller::Limits;
use selection::cpu_configs;
use supervisor::{Stop, Supervisor};

/// Keeps the active model of one pipeline within the budget.
pub struct Service<'a, 'p> {
    pub pipeline: &'a Pipeline<'p>,
    pub session: &'a mut Session,
    pub settings: &'a classify::Settings,
    /// The model that classifies.
    pub active: ActiveModel,
    /// Ends the service when it is set.
    pub stop: &'a AtomicBool,
    /// Whether the sample photographs play until the pick is made.
    pub is_demo: bool,
    /// Set once the active model is the picked one, as far as this run measures.
    pub has_picked: Arc<AtomicBool>,
}

impl Service<'_, '_> {
    /// Runs until the pipeline ends. `pick` is the pick of an earlier start; as far as there is an `open_question`, a better model
    /// may be found beside the pipeline. Fails, and stops the pipeline, if nothing fits and nothing was picked before.
    pub fn run(mut self, pick: Option<Pick>, open_question: OpenQuestion) -> anyhow::Result<()> {
        let selected = match open_question {
            OpenQuestion::Everything if self.session.pinned.is_none() => Some(self.select_first()),
            OpenQuestion::Precision if self.is_demo => None, // it is too short for full measurements
            OpenQuestion::Everything | OpenQuestion::Precision => Some(self.select(&self.session.configs.clone())),
            OpenQuestion::Nothing => None,
        };
        let has_measured = selected.is_some();
        self.pipeline.measuring.store(false, Ordering::Relaxed); // also if nothing had to be measured
        self.has_picked.store(true, Ordering::Release);
        let pick = match (selected.unwrap_or(Ok(None)), pick) {
            (Ok(Some(selected)), _) => Some(selected),
            (Ok(None), pick) => pick.filter(|_| !has_measured),
            (Err(error), Some(pick)) => {
                warn!("keeping {}: {error}", pick.variant.name);
                Some(pick)
            }
            (Err(error), None) => {
                self.stop.store(true, Ordering::Relaxed);
                return Err(error.into());
            }
        };
        let budget = &self.session.budget;
        // A temperature limit alone needs no latency limit.
        let limit_ms = budget.frame_ms.or(budget.celsius.map(|_| f64::INFINITY));
        if let (Some(pick), Some(limit_ms)) = (pick, limit_ms) {
            let limits = Limits { limit_ms, celsius: budget.celsius };
            self.supervise(pick, Supervisor::new(self.pipeline, self.settings, limits, self.stop));
        }
        Ok(())
    }

    /// Supervises `pick` until the pipeline ends. Selects again after an engine has failed, and after other load is gone that made
    /// measurements noisy.
    fn supervise(&mut self, mut pick: Pick, mut supervisor: Supervisor) {
        let mut configs = self.session.configs.clone();
        loop {
            let stop = supervisor.supervise(&pick, &mut self.active, &mut self.session.store);
            match stop {
                Stop::PipelineEnded => return,
                Stop::EngineFailed => {
                    configs = cpu_configs(&configs);
                    if configs.is_empty() {
                        configs = vec![ExecutionConfig::tract(self.settings.config.threads)]; // the pipeline's fallback
                    }
                    self.pipeline.next_model.take(Duration::ZERO); // it may be for the engine that failed
                    if let Some(model) = &self.pipeline.metrics().model {
                        self.active = ActiveModel::from(&**model);
                    }
                }
                Stop::Remeasure => {
                    info!("other load is gone: repeating noisy measurements");
                    self.session.store.invalidate_noisy();
                }
            }
            match self.select(&configs) {
                Ok(Some(again)) => pick = again,
                Ok(None) => return,
                // The pick was valid before, and a repeated measurement makes it no worse.
                Err(error) if stop == Stop::Remeasure => warn!("keeping {}: {error}", self.active.variant),
                Err(error) => return warn!("keeping {}, unsupervised: {error}", self.active.variant),
            }
        }
    }
}
