//! Measures variants one at a time: builds their engine first if that takes minutes, and skips engines that cannot be used here.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use log::{Level, info, log, warn};

use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_model::catalog::Variant;
use phicam_platform::paths;
use phicam_policy::measurement::{MeasureError, Measurement};
use phicam_policy::picker::Effort;
use phicam_policy::sampling::SamplingPlan;

pub mod child_bench;
pub mod measurement_store;
pub use child_bench::BenchRequest;
pub use measurement_store::MeasurementStore;

/// Activity beside the pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Activity {
    /// An engine is built for minutes, with a description for the display. The pipeline may run at full speed.
    BuildingEngine(String),
    /// A variant is timed, and the pipeline should leave it the CPU.
    Timing,
    Idle,
}

/// Callback for a change of activity.
pub type ProgressFn<'a> = &'a (dyn Fn(Activity) + Sync);

/// Profiler over a measurement store.
pub struct Profiler<'a> {
    models: &'a Path,
    stop: &'a AtomicBool,
    progress: ProgressFn<'a>,
    store: RefCell<&'a mut MeasurementStore>,
    /// Engines that cannot be used on this machine, with the cause.
    unusable: RefCell<BTreeMap<EngineKind, String>>,
    /// Causes of failures that were logged as a warning: one file or library fails for every variant.
    logged_causes: RefCell<BTreeSet<String>>,
}

impl<'a> Profiler<'a> {
    /// Creates a profiler of the variants in the folder `models`. `stop` ends a measurement early.
    pub fn new(
        store: &'a mut MeasurementStore,
        models: &'a Path,
        stop: &'a AtomicBool,
        progress: ProgressFn<'a>,
    ) -> Profiler<'a> {
        let (unusable, logged_causes) = (RefCell::default(), RefCell::default());
        Profiler { models, stop, progress, store: RefCell::new(store), unusable, logged_causes }
    }

    /// Returns the cached measurement or failure, unless it is stale or too coarse for `effort`.
    pub fn known(
        &self,
        variant: &Variant,
        config: ExecutionConfig,
        effort: Effort,
    ) -> Option<Result<Measurement, String>> {
        let store = self.store.borrow();
        lookup(&store, variant, config, effort).filter(|_| !store.is_stale(variant, config))
    }

    /// Measures a variant, logs it and stores the result.
    pub fn measure(
        &self,
        variant: &Variant,
        config: ExecutionConfig,
        sampling: SamplingPlan,
    ) -> Result<Measurement, MeasureError> {
        if let Some(cause) = self.unusable.borrow().get(&config.engine) {
            return Err(MeasureError::Failed {
                variant: variant.name.clone(),
                cause: cause.clone(),
                is_permanent: false,
            });
        }
        let result = self.build_engine(variant, config).and_then(|()| {
            (self.progress)(Activity::Timing);
            info!("measuring {} ({config}), {} frames", variant.name, sampling.frames);
            self.request(variant, config, sampling).run(self.stop)
        });
        (self.progress)(Activity::Idle);
        match &result {
            Ok(measurement) => self.store.borrow_mut().put(variant, measurement.clone()),
            Err(MeasureError::NoEngine { engine, cause }) => {
                warn!("not using {engine}: {cause}");
                self.unusable.borrow_mut().insert(*engine, cause.clone());
                let cause = cause.clone();
                return Err(MeasureError::Failed { variant: variant.name.clone(), cause, is_permanent: false });
            }
            Err(MeasureError::Failed { cause, is_permanent, .. }) => {
                let is_new = self.logged_causes.borrow_mut().insert(cause.clone());
                let level = if is_new { Level::Warn } else { Level::Debug };
                log!(level, "{} ({config}) failed: {cause}", variant.name);
                if *is_permanent {
                    self.store.borrow_mut().put_failure(variant, config, cause);
                }
            }
            Err(MeasureError::NotYet(_)) => {}
        }
        result
    }

    fn request<'r>(
        &'r self,
        variant: &'r Variant,
        config: ExecutionConfig,
        sampling: SamplingPlan,
    ) -> BenchRequest<'r> {
        BenchRequest { variant, models: self.models, config, sampling, interval_ms: None }
    }

    /// Builds the TensorRT engine if it is not cached; one frame is enough for that.
    fn build_engine(&self, variant: &Variant, config: ExecutionConfig) -> Result<(), MeasureError> {
        let Some(state) = paths::persistent_state_dir() else { return Ok(()) };
        // A faulty library fails later, when it is opened.
        if phicam_engine_onnxruntime::is_cached(variant, config, &state).unwrap_or(true) {
            return Ok(());
        }
        let expected = phicam_engine_onnxruntime::expected_build_s(&state);
        let estimate =
            expected.map_or("some minutes".into(), |seconds| format!("about {:.0} min", (seconds / 60.0).ceil()));
        info!("building the {} engine of {}: {estimate}", config.engine, variant.name);
        let mut last_reported = None;
        let sampling = SamplingPlan { frames: 1, min_ms: 0.0, max_ms: f64::INFINITY };
        let built = self.request(variant, config, sampling).run_with_progress(self.stop, &mut |elapsed| {
            let seconds = elapsed.as_secs();
            if last_reported != Some(seconds) {
                last_reported = Some(seconds);
                (self.progress)(Activity::BuildingEngine(build_progress(variant, config, &estimate, elapsed)));
            }
        });
        built.map(|_| info!("the {} engine of {} is built", config.engine, variant.name))
    }
}

/// `building the TensorRT engine of lite0@224, about 4 min: 1:05`
fn build_progress(variant: &Variant, config: ExecutionConfig, estimate: &str, elapsed: Duration) -> String {
    let engine = if config.engine == EngineKind::TensorRt { "TensorRT" } else { config.engine.as_str() };
    let seconds = elapsed.as_secs();
    format!("building the {engine} engine of {}, {estimate}: {}:{:02}", variant.name, seconds / 60, seconds % 60)
}

/// Returns the cached measurement, else the cached failure. Leaves out a measurement that is too coarse for `effort`.
pub fn lookup(
    store: &MeasurementStore,
    variant: &Variant,
    config: ExecutionConfig,
    effort: Effort,
) -> Option<Result<Measurement, String>> {
    let failure = || store.failure(variant, config).map(|cause| Err(cause.to_string()));
    let measured = store.get(variant, config).filter(|known| effort.accepts(known));
    measured.map(|known| Ok(known.clone())).or_else(failure)
}
