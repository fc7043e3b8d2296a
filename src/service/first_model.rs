//! The model that classifies the first frame or picture, before or without measurements.

use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use log::{error, info, warn};
use phicam_engine::{EngineError, EngineKind, ExecutionConfig};
use phicam_pipeline::classify::{self, Classifier, LoadError, Model};
use phicam_policy::picker::{Effort, Pick};

use super::selection::{cpu_configs, open_best};
use crate::engines::open_classifier;
use crate::quick_model::{NOTHING_LOADS, QuickModel, quick_model};
use crate::session::{Session, log_pick};

/// First classifier of a run.
pub struct FirstModel {
    pub classifier: Classifier,
    /// The pick it comes from, if this machine was measured before.
    pub pick: Option<Pick>,
    pub open_question: OpenQuestion,
}

/// Question that measuring may still answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenQuestion {
    /// Nothing: the variant is pinned, or the pick rests on full measurements.
    Nothing,
    /// The pick rests on coarse or stale measurements, or one of two engines was measured.
    Precision,
    /// Nothing was measured.
    Everything,
}

/// Opens the pinned variant, else the pick of cached measurements, else the quick pick, else the smallest variant that loads.
pub fn first_model(session: &Session, settings: &classify::Settings) -> anyhow::Result<FirstModel> {
    if let Some(pinned) = &session.pinned {
        info!("model {} ({}), as named: its budget is not checked", pinned.name, pinned.phi_display());
        let classifier = open_classifier(pinned, settings)?;
        // If there is a GPU engine as well, it is tried beside the pipeline.
        let has_choice = session.configs.len() > 1;
        let open_question = if has_choice { OpenQuestion::Everything } else { OpenQuestion::Nothing };
        return Ok(FirstModel { classifier, pick: None, open_question });
    }
    if let Some((classifier, pick, open_question)) = remembered(session, settings)? {
        return Ok(FirstModel { classifier, pick: Some(pick), open_question });
    }
    let (pick, open_question) = (None, OpenQuestion::Everything);
    if let Some(QuickModel { classifier, basis }) = quick_model(session, settings)? {
        let variant = &classifier.model().variant;
        info!("{} ({}) classifies until this machine is measured: {basis}", variant.name, variant.phi_display());
        return Ok(FirstModel { classifier, pick, open_question });
    }
    for variant in &session.candidates {
        match open_classifier(variant, settings) {
            Ok(classifier) => {
                info!("{} ({}) classifies until this machine is measured", variant.name, variant.phi_display());
                return Ok(FirstModel { classifier, pick, open_question });
            }
            // The engine fails for every variant, for one cause.
            Err(LoadError::Engine(error @ (EngineError::Library(_) | EngineError::Unusable { .. }))) => {
                return Err(error.into());
            }
            Err(error) => warn!("skipping {}: {error}", variant.name),
        }
    }
    bail!(NOTHING_LOADS)
}

/// Opens the pick of cached measurements: full ones of all engines, else of the CPU engine, else coarse ones. Returns `None`
/// without any.
fn remembered(
    session: &Session,
    settings: &classify::Settings,
) -> anyhow::Result<Option<(Classifier, Pick, OpenQuestion)>> {
    let tries = [
        (session.configs.clone(), Effort::Full),
        (cpu_configs(&session.configs), Effort::Full),
        (session.coarse_configs(), Effort::Coarse),
    ];
    for (configs, effort) in tries.into_iter().filter(|(configs, _)| !configs.is_empty()) {
        let Some(pick) = session.pick_from_store(&configs, effort)? else { continue };
        log_pick(&pick);
        let Some(classifier) = open_best(&pick, settings) else {
            warn!("no model that fits can be loaded: starting again without measurements");
            continue;
        };
        let is_partial = effort == Effort::Coarse || configs.len() < session.configs.len();
        let is_open = is_partial || session.has_stale_measurements(&session.configs);
        let open_question = if is_open { OpenQuestion::Precision } else { OpenQuestion::Nothing };
        return Ok(Some((classifier, pick, open_question)));
    }
    Ok(None)
}

/// Opens the model of a command that classifies and ends: the pinned variant, the remembered pick, or the quick pick.
///
/// It measures the catalog only if no candidate is expected to fit, because only measurements can decide that.
pub fn one_shot_model(session: &mut Session, settings: &classify::Settings) -> anyhow::Result<Classifier> {
    if let Some(pinned) = &session.pinned {
        return Ok(open_classifier(pinned, &classify::Settings { config: session.default_config(), ..*settings })?);
    }
    if let Some((classifier, _, _)) = remembered(session, settings)? {
        return Ok(classifier);
    }
    if let Some(QuickModel { classifier, basis }) = quick_model(session, settings)? {
        let variant = &classifier.model().variant;
        let (name, phi) = (&variant.name, variant.phi_display());
        info!("using {name} ({phi}): {basis}; `phicam pick` measures this machine properly");
        return Ok(classifier);
    }
    info!("measuring this machine, because only measurements decide: `phicam pick` does so once, for all commands");
    let pick = session.pick(&session.configs.clone(), Effort::Full, &AtomicBool::new(false), &|_| {})?;
    log_pick(&pick);
    open_best(&pick, settings).context(NOTHING_LOADS)
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
