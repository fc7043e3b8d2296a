//! Lets an engine say what the CPU engine says, before it is timed: a wrong build or driver shows only in its scores.

use anyhow::{Context, bail};
use log::info;

use phicam_engine::output_check::{difference, tolerance};
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_frame::Frame;
use phicam_model::catalog::Variant;
use phicam_pipeline::classify::{Classifier, Settings};
use phicam_platform::system;

/// The CPU engine's scores for `frame`; nothing where it is the CPU engine that is timed.
pub fn expected(variant: &Variant, settings: &Settings, frame: &Frame) -> anyhow::Result<Option<Vec<f32>>> {
    if settings.config.engine == EngineKind::Tract {
        return Ok(None);
    }
    let settings = Settings { config: ExecutionConfig::tract(settings.config.threads), ..*settings };
    let scores = scores(&mut crate::engines::open_classifier(variant, &settings)?, frame)?;
    system::reset_peak_rss(); // the memory that is told is to be the other engine's
    Ok(Some(scores))
}

/// Refuses `classifier` where its scores for `frame` are not the expected ones.
pub fn check(classifier: &mut Classifier, frame: &Frame, expected: &[f32]) -> anyhow::Result<()> {
    let config = classifier.model().config;
    let apart = difference(expected, &scores(classifier, frame)?);
    let limit = tolerance(config.precision);
    if apart > limit {
        bail!(
            "{config} gives other scores than the CPU engine: they differ by {apart:.1e} of their range, the limit is {limit:.0e}; \
             install another build of ONNX Runtime, or leave it out with --engine tract"
        );
    }
    info!("{config} agrees with the CPU engine within {apart:.1e} of the range");
    Ok(())
}

fn scores(classifier: &mut Classifier, frame: &Frame) -> anyhow::Result<Vec<f32>> {
    classifier.answer(frame).context("the test pattern got no answer")?;
    Ok(classifier.evidence()?.0)
}
