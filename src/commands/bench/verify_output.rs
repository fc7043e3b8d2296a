//! Output check before a benchmark: only wrong scores reveal a wrong build or driver of an engine.

use anyhow::{Context, bail};
use log::info;

use phicam_engine::output_check::{difference, tolerance};
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_frame::Frame;
use phicam_model::catalog::Variant;
use phicam_pipeline::classify::{Classifier, Settings};
use phicam_platform::system;

/// Returns the CPU engine's scores for `frame`, or `None` if the CPU engine itself is to be timed.
pub fn expected(variant: &Variant, settings: &Settings, frame: &Frame) -> anyhow::Result<Option<Vec<f32>>> {
    if settings.config.engine == EngineKind::Tract {
        return Ok(None);
    }
    let settings = Settings { config: ExecutionConfig::tract(settings.config.threads), ..*settings };
    let scores = scores(&mut crate::engines::open_classifier(variant, &settings)?, frame)?;
    system::reset_peak_rss(); // the benchmark reports the memory of the other engine alone
    Ok(Some(scores))
}

/// Fails if the scores of `classifier` for `frame` differ from the expected ones by more than the tolerance.
pub fn check(classifier: &mut Classifier, frame: &Frame, expected: &[f32]) -> anyhow::Result<()> {
    let config = classifier.model().config;
    let difference = difference(expected, &scores(classifier, frame)?);
    let limit = tolerance(config.precision);
    if difference > limit {
        bail!(
            "{config} disagrees with the CPU engine: scores differ by {difference:.1e} of their range, the limit is \
             {limit:.0e}; install another build of ONNX Runtime, or use --engine tract"
        );
    }
    info!("{config} agrees with the CPU engine within {difference:.1e} of the range");
    Ok(())
}

fn scores(classifier: &mut Classifier, frame: &Frame) -> anyhow::Result<Vec<f32>> {
    classifier.classify(frame).context("cannot classify the test pattern")?;
    Ok(classifier.last_scores_and_input()?.0)
}
