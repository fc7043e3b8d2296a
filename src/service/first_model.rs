//! The model that classifies the first frame, before or without any measurement.

use anyhow::bail;
use log::{error, info, warn};
use phicam_engine::{EngineError, EngineKind, ExecutionConfig};
use phicam_pipeline::classify::{self, Classifier, LoadError, Model};
use phicam_policy::picker::Pick;

use super::selection::{cpu_configs, open_best};
use crate::engines::open_classifier;
use crate::session::{Session, log_pick};

/// First classifier of a run.
pub struct FirstModel {
    pub classifier: Classifier,
    /// The pick it comes from, if this machine was measured before.
    pub pick: Option<Pick>,
    /// Whether a better variant may be found by measuring.
    pub undecided: bool,
}

/// Opens the pinned variant, else the pick of cached measurements, else the smallest variant that loads.
pub fn first_model(session: &Session, settings: &classify::Settings) -> anyhow::Result<FirstModel> {
    if let Some(pinned) = &session.pinned {
        info!("model {} ({}), as named: its budget is not checked", pinned.name, pinned.phi_display());
        let classifier = open_classifier(pinned, settings)?;
        // If there is a GPU engine as well, it is tried beside the pipeline.
        return Ok(FirstModel { classifier, pick: None, undecided: session.configs.len() > 1 });
    }
    let [all, cpu] = [session.configs.clone(), cpu_configs(&session.configs)];
    for configs in [&all, &cpu].into_iter().filter(|configs| !configs.is_empty()) {
        let Some(pick) = session.pick_from_store(configs)? else { continue };
        log_pick(&pick);
        match open_best(&pick, settings) {
            Some(classifier) => {
                let undecided =
                    configs.len() < session.configs.len() || session.has_stale_measurements(&session.configs);
                return Ok(FirstModel { classifier, pick: Some(pick), undecided });
            }
            None => warn!("no model that fits can be loaded: starting again with the smallest"),
        }
    }
    for variant in &session.candidates {
        match open_classifier(variant, settings) {
            Ok(classifier) => {
                info!("{} ({}) classifies until this machine is measured", variant.name, variant.phi_display());
                return Ok(FirstModel { classifier, pick: None, undecided: true });
            }
            // The engine fails for every variant, for one cause.
            Err(LoadError::Engine(error @ (EngineError::Library(_) | EngineError::Unusable { .. }))) => {
                return Err(error.into());
            }
            Err(error) => warn!("skipping {}: {error}", variant.name),
        }
    }
    bail!("no model can be loaded: every candidate failed, see above; `phicam models verify` checks all files")
}

/// Opens the variant of a failed model on the CPU engine; `None` if it ran there already, or cannot be opened.
pub fn cpu_fallback(failed: &Model, settings: &classify::Settings) -> Option<Classifier> {
    if failed.config.engine == EngineKind::Tract {
        return None;
    }
    let settings = classify::Settings { config: ExecutionConfig::tract(settings.config.threads), ..*settings };
    let opened = open_classifier(&failed.variant, &settings);
    opened.map_err(|error| error!("no fallback for {} on {}: {error}", failed.variant.name, settings.config)).ok()
}
