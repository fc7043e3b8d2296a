//! Finds the pick beside a running line, and hands it over: first what the processor affords, then what a GPU does.

use std::sync::atomic::{AtomicBool, Ordering};

use log::{error, info, warn};

use super::super::session::{Activity, Session};
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_pipeline::Pipeline;
use phicam_pipeline::classify;
use phicam_pipeline::classify::Classifier;
use phicam_pipeline::overlay::Fault;
use phicam_policy::picker::{Pick, PickError, explain};

/// Measures, picks among `all` ways, loads the pick beside the running line, and hands it over. `current`: what answers
/// now, and how. Gives the last pick; nothing where the line ended before.
pub fn decide(
    pipeline: &Pipeline,
    session: &mut Session,
    all: &[ExecutionConfig],
    settings: &classify::Settings,
    current: &mut (String, ExecutionConfig),
    stop: &AtomicBool,
) -> Result<Option<Pick>, PickError> {
    let mut last = None;
    let cpu = processor(all);
    // A GPU's engine may be built for minutes: until then the processor should do its best, where it has to answer.
    let answers = current.1.engine == EngineKind::Tract;
    let first = (answers && !cpu.is_empty() && cpu.len() < all.len()).then_some(cpu);
    for configs in first.into_iter().chain([all.to_vec()]) {
        let picked = session.pick(&configs, stop, &|activity| tell(pipeline, activity));
        pipeline.measuring.store(false, Ordering::Relaxed); // also where nothing had to be measured
        match picked {
            Ok(pick) => {
                info!("{}", explain(&pick));
                hand_over(pipeline, &pick, settings, current);
                last = Some(pick);
            }
            Err(PickError::Measure(_)) if stop.load(Ordering::Relaxed) => {
                info!("the line ended before this machine was measured; the next start goes on with it");
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(last)
}

/// Those of the CPU engine.
pub fn processor(configs: &[ExecutionConfig]) -> Vec<ExecutionConfig> {
    configs.iter().copied().filter(|config| config.engine == EngineKind::Tract).collect()
}

/// Lets the line, and who looks at it, know what is being done.
fn tell(pipeline: &Pipeline, activity: Activity) {
    pipeline.measuring.store(activity == Activity::Timing, Ordering::Relaxed);
    let preparing = match activity {
        Activity::Preparing(words) => Some(words),
        Activity::Timing | Activity::Nothing => None,
    };
    pipeline.screen.set_fault(Fault::Preparing, preparing);
}

fn hand_over(pipeline: &Pipeline, pick: &Pick, settings: &classify::Settings, current: &mut (String, ExecutionConfig)) {
    let picked = (pick.variant.name.clone(), pick.config);
    if picked == *current {
        return;
    }
    match open_largest(pick, settings) {
        Some(classifier) => {
            *current = (classifier.model().variant.name.clone(), classifier.model().config);
            pipeline.next_model.put(classifier);
        }
        None => error!("{} goes on answering", current.0),
    }
}

/// The pick, or the best of the others that fit, whichever can be loaded: a file may be damaged since it was measured.
pub fn open_largest(pick: &Pick, settings: &classify::Settings) -> Option<Classifier> {
    pick.fitting().into_iter().find_map(|candidate| {
        let opened = crate::engines::open_classifier(
            &candidate.variant,
            &classify::Settings { config: candidate.config, ..*settings },
        );
        opened.map_err(|error| warn!("passed over {} by {}: {error}", candidate.variant.name, candidate.config)).ok()
    })
}
