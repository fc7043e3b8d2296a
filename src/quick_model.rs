//! The quick pick: a good model within a second, from one published or quickly timed latency, without measuring the catalog.

use std::time::{Duration, Instant};

use anyhow::bail;
use log::warn;

use crate::engines::open_classifier;
use crate::session::Session;
use phicam_camera::{Camera, Next, TestPattern};
use phicam_engine::{EngineError, EngineKind, ExecutionConfig, Precision};
use phicam_frame::Size;
use phicam_model::catalog::Variant;
use phicam_model::efficientnet::ReleasedNetwork;
use phicam_pipeline::classify::{self, Classifier, LoadError};
use phicam_policy::picker::initial_samples::{Midpoint, closest_to_midpoint};
use phicam_policy::picker::{KnownLatency, PickError, quick_pick};

/// Frames of a quick timing: the median of five withstands two disturbed ones.
const FRAMES: usize = 5;
/// Time after which two frames suffice: a fifth of a second, for a first answer within a second. A slower first frame is enough.
const ENOUGH: Duration = Duration::from_millis(200);

/// Model of the quick pick.
pub struct QuickModel {
    pub classifier: Classifier,
    /// Source of the latency behind it, such as `a quick timing of lite0@192, 16.8 ms`.
    pub basis: String,
}

/// Opens the quick pick of a session; skips damaged files. Returns `None` if no candidate is expected to fit, or if TensorRT would
/// have to build an engine first.
pub fn quick_model(session: &Session, settings: &classify::Settings) -> anyhow::Result<Option<QuickModel>> {
    let config = session.default_config();
    if config.engine == EngineKind::TensorRt {
        return Ok(None);
    }
    let mut candidates: Vec<&Variant> = session.candidates.iter().collect();
    let (known, basis) = match published_latency(session, config) {
        Some(published) => published,
        None => time_one(&mut candidates, &classify::Settings { config, ..*settings })?,
    };
    while !candidates.is_empty() {
        let variant = match quick_pick(&candidates, config, session.budget, known) {
            Ok(variant) => variant,
            Err(PickError::NothingFits(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match open_classifier(&variant, &classify::Settings { config, ..*settings }) {
            Ok(classifier) => return Ok(Some(QuickModel { classifier, basis })),
            Err(error) => skip(&mut candidates, &variant, error)?,
        }
    }
    bail!(NOTHING_LOADS)
}

/// Error if the file of every candidate is damaged or missing.
pub const NOTHING_LOADS: &str =
    "no model can be loaded: every candidate failed, see above; `phicam models verify` checks all files";

/// Logs a failure, and removes all variants of the file that failed. Fails if no file can be run by the engine.
fn skip(candidates: &mut Vec<&Variant>, failed: &Variant, error: LoadError) -> Result<(), LoadError> {
    if matches!(error, LoadError::Engine(EngineError::Library(_) | EngineError::Unusable { .. })) {
        return Err(error);
    }
    warn!("skipping {}: {error}", failed.name);
    candidates.retain(|other| other.network.name != failed.network.name);
    Ok(())
}

/// Returns the latency of EfficientNet-B0 that the board file states for the CPU engine, and its source.
fn published_latency(session: &Session, config: ExecutionConfig) -> Option<(KnownLatency, String)> {
    let expected = session.expected.as_ref().filter(|_| config.engine == EngineKind::Tract)?;
    let p50_ms = expected.b0_f32_ms.filter(|_| config.precision == Precision::F32)?.with_threads(config.threads);
    let b0 = ReleasedNetwork::by_name("b0")?;
    let million_macs = b0.network().cost(b0.side).million_macs();
    let basis = format!("EfficientNet-B0 takes {p50_ms} ms on this board ({})", expected.source);
    Some((KnownLatency { million_macs, p50_ms }, basis))
}

/// Times the first candidate that loads, nearest to the middle size; removes those that do not.
fn time_one(candidates: &mut Vec<&Variant>, settings: &classify::Settings) -> anyhow::Result<(KnownLatency, String)> {
    // Not cached: the packed weights of a model that is only timed would be written for nothing.
    let settings = classify::Settings { cache_packed_weights: false, ..*settings };
    while let Some(variant) = middle(candidates) {
        match open_classifier(variant, &settings) {
            Ok(mut classifier) => {
                let p50_ms = median_ms(&mut classifier)?;
                let basis = format!("a quick timing of {}, {p50_ms:.1} ms", variant.name);
                return Ok((KnownLatency { million_macs: variant.million_macs, p50_ms }, basis));
            }
            Err(error) => skip(candidates, variant, error)?,
        }
    }
    bail!(NOTHING_LOADS)
}

/// Returns the candidate halfway between the smallest and the largest, by the ratio of MACs.
fn middle<'a>(candidates: &[&'a Variant]) -> Option<&'a Variant> {
    let (first, last) = (candidates.first()?, candidates.last()?);
    let sizes = candidates.iter().enumerate().map(|(index, variant)| (index, variant.million_macs));
    let index = closest_to_midpoint(sizes, (first.million_macs, last.million_macs), Midpoint::Geometric)?;
    Some(candidates[index])
}

/// Returns the median latency of a few frames of the test pattern, after one to warm up. If that one is slow, returns its latency.
fn median_ms(classifier: &mut Classifier) -> anyhow::Result<f64> {
    let mut camera = TestPattern::new(Size::new(640, 480), 1000.0);
    let frame = loop {
        match camera.next_frame(Duration::from_secs(1))? {
            Next::Frame(frame) => break frame,
            Next::Nothing => {}
            Next::Finished => bail!("the test pattern ended"),
        }
    };
    let first_ms = classifier.classify(&frame)?.times.total_ms();
    if first_ms > ENOUGH.as_secs_f64() * 1e3 {
        return Ok(first_ms); // more frames would delay the first answer of a slow board
    }
    let start = Instant::now();
    let mut times_ms = Vec::new();
    while times_ms.len() < FRAMES && (times_ms.len() < 2 || start.elapsed() < ENOUGH) {
        times_ms.push(classifier.classify(&frame)?.times.total_ms());
    }
    times_ms.sort_by(f64::total_cmp);
    Ok(times_ms[(times_ms.len() - 1) / 2])
}
