//! Times one variant in one way, preparing it first where that takes minutes, and passes over engines that cannot be used here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use log::{info, warn};

use crate::profiler::child_bench::{MeasurementStore, measure, measure_watched};
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_model::catalog::Variant;
use phicam_platform::paths;
use phicam_policy::measurement::{MeasureError, Measurement};
use phicam_policy::sampling::SamplingPlan;

pub mod child_bench;
pub(crate) mod measurement_store;

/// What is being done beside the line.
#[derive(Clone, Debug, PartialEq)]
pub enum Activity {
    /// An engine is built, for minutes: in words for the screen. The line may go on as fast as it can.
    Preparing(String),
    /// A variant is timed, and the line should not disturb that.
    Timing,
    Nothing,
}

/// Hears what is being done.
pub type ProgressFn<'a> = &'a (dyn Fn(Activity) + Sync);

/// See the module.
pub struct Profiler<'a> {
    folder: &'a Path,
    stop: &'a AtomicBool,
    tell: ProgressFn<'a>,
    store: RefCell<&'a mut MeasurementStore>,
    /// Engines that cannot be used on this machine, and why.
    unusable: RefCell<BTreeMap<EngineKind, String>>,
}

impl<'a> Profiler<'a> {
    pub fn new(
        store: &'a mut MeasurementStore,
        folder: &'a Path,
        stop: &'a AtomicBool,
        tell: ProgressFn<'a>,
    ) -> Profiler<'a> {
        let unusable = RefCell::default();
        Profiler { folder, stop, tell, store: RefCell::new(store), unusable }
    }

    /// What is known of it, and beyond doubt.
    pub fn known(&self, variant: &Variant, config: ExecutionConfig) -> Option<Result<Measurement, String>> {
        let store = self.store.borrow();
        lookup(&store, variant, config).filter(|_| !store.is_doubtful(variant, config))
    }

    /// Times it, announced and remembered.
    pub fn time(
        &self,
        variant: &Variant,
        config: ExecutionConfig,
        sampling: SamplingPlan,
    ) -> Result<Measurement, MeasureError> {
        if let Some(cause) = self.unusable.borrow().get(&config.engine) {
            return Err(MeasureError::Failed { variant: variant.name.clone(), cause: cause.clone(), lasting: false });
        }
        let found = self.prepare(variant, config).and_then(|()| {
            (self.tell)(Activity::Timing);
            info!("measuring {} by {config}, {} frames", variant.name, sampling.frames);
            measure(variant, self.folder, config, sampling, self.stop)
        });
        (self.tell)(Activity::Nothing);
        match &found {
            Ok(found) => self.store.borrow_mut().put(variant, found.clone()),
            Err(MeasureError::NoEngine { engine, cause }) => {
                warn!("going on without {engine}: {cause}");
                self.unusable.borrow_mut().insert(*engine, cause.clone());
                let cause = cause.clone();
                return Err(MeasureError::Failed { variant: variant.name.clone(), cause, lasting: false });
            }
            Err(MeasureError::Failed { cause, lasting, .. }) => {
                warn!("{} by {config} cannot be run: {cause}", variant.name);
                if *lasting {
                    self.store.borrow_mut().put_failure(variant, config, cause);
                }
            }
            Err(MeasureError::NotYet(_)) => {}
        }
        found
    }

    /// Builds what TensorRT needs, where that is not there yet; one picture is enough for that.
    fn prepare(&self, variant: &Variant, config: ExecutionConfig) -> Result<(), MeasureError> {
        let Some(state) = paths::persistent_state_dir() else { return Ok(()) };
        // What is wrong with the library comes out when it is opened.
        if phicam_engine_onnxruntime::is_prepared(variant, config, &state).unwrap_or(true) {
            return Ok(());
        }
        let expected = phicam_engine_onnxruntime::expected_s(&state);
        let in_all =
            expected.map_or("some minutes".into(), |seconds| format!("about {:.0} min", (seconds / 60.0).ceil()));
        info!("preparing {} for {}, {in_all}", config.engine, variant.name);
        let mut told = None;
        let sampling = SamplingPlan { frames: 1, min_ms: 0.0, max_ms: f64::INFINITY };
        let prepared = measure_watched(variant, self.folder, config, sampling, self.stop, &mut |so_far| {
            let seconds = so_far.as_secs();
            if told != Some(seconds) {
                told = Some(seconds);
                (self.tell)(Activity::Preparing(in_words(variant, config, &in_all, so_far)));
            }
        });
        prepared.map(|_| info!("{} is prepared for {}", config.engine, variant.name))
    }
}

/// `preparing TensorRT for lite0@224, about 4 min: 1:05`
fn in_words(variant: &Variant, config: ExecutionConfig, in_all: &str, so_far: Duration) -> String {
    let engine = if config.engine == EngineKind::TensorRt { "TensorRT" } else { config.engine.as_str() };
    let seconds = so_far.as_secs();
    format!("preparing {engine} for {}, {in_all}: {}:{:02}", variant.name, seconds / 60, seconds % 60)
}

/// What is remembered of it.
pub fn lookup(
    store: &MeasurementStore,
    variant: &Variant,
    config: ExecutionConfig,
) -> Option<Result<Measurement, String>> {
    let failure = || store.failure(variant, config).map(|cause| Err(cause.to_string()));
    store.get(variant, config).map(|known| Ok(known.clone())).or_else(failure)
}
