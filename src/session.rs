//! Board, catalog, budget and candidates of one command, and the pick among them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use log::{debug, info, warn};

use crate::board::{Board, Expect};
use crate::cli::{BoardArgs, BudgetArgs, ModelArgs, PredictionArgs};
use crate::engines::Threads;
use crate::profiler::MeasurementStore;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::{Catalog, Variant};
use phicam_model::efficientnet::ScaledNetwork;
use phicam_model::published_accuracy;
use phicam_pipeline::classify;
use phicam_pipeline::classify::crop::CropMode;
use phicam_pipeline::classify::postprocess;
use phicam_platform::{paths, system};
use phicam_policy::budget::Budget;
use phicam_policy::measurement::MeasureError;
use phicam_policy::picker::{Effort, Pick, PickError, PickRequest, estimate_time, explain, pick, scaled_latency_ms};
use phicam_policy::sampling::SamplingPlan;

pub use crate::profiler::{Activity, ProgressFn};
use crate::profiler::{Profiler, lookup};

/// Returns the board that the user named, else the detected one.
pub fn board(args: &BoardArgs) -> anyhow::Result<Board> {
    let board = match &args.board {
        Some(name) => Board::named(name)?,
        None => Board::detect(&system::device_tree_compatible())?,
    };
    if let Some(library) = &board.onnxruntime.library {
        phicam_engine_onnxruntime::set_library(library);
    }
    Ok(board)
}

/// Reads the catalog in `folder` and the user models. A damaged catalog of user models is left out with a warning.
pub fn catalog(folder: &Path) -> anyhow::Result<Catalog> {
    let Some(state) = paths::persistent_state_dir() else { return Ok(Catalog::read(folder)?) };
    let with_user_models = Catalog::read(folder)?.with_user_models(&state);
    with_user_models.or_else(|error| {
        warn!("user models are left out: {error}; `phicam models verify` says more");
        Ok(Catalog::read(folder)?)
    })
}

/// Candidates for a pick, their budget and what is known of them.
pub struct Session {
    /// Folder of the catalog.
    pub models: PathBuf,
    pub budget: Budget,
    /// Execution configs to consider; the first is the default.
    pub configs: Vec<ExecutionConfig>,
    /// The variant that the user named, if the name leaves no choice.
    pub pinned: Option<Variant>,
    /// Candidate variants, by MACs.
    pub candidates: Vec<Variant>,
    /// Every EfficientNet of the catalog, candidate or not.
    pub catalog_networks: Vec<ScaledNetwork>,
    /// The network or variant that the user named.
    requested: Option<String>,
    pub store: MeasurementStore,
    /// Causes that [`Session::log_failures`] has logged.
    logged_failures: RefCell<BTreeSet<String>>,
    /// Speed of the board, as its board file states it.
    pub expected: Option<Expect>,
}

impl Session {
    /// Reads the catalog and the measurement store, and selects the candidates that the arguments and the board file allow.
    pub fn new(board: &Board, budget: &BudgetArgs, model_args: &ModelArgs) -> anyhow::Result<Session> {
        let models = paths::models_dir(model_args.folder.models.as_deref())?;
        let catalog = catalog(&models)?;
        let model = model_args.model.as_ref().or(board.model.as_ref());
        let spelling = |name: &String| catalog.spelling(name).map_or(name.clone(), String::from);
        let model = model.map(spelling);
        let named = match &model {
            Some(name) if is_file_name(name) => bail!(
                "{name} is a file without an input specification: `phicam models add {name}` adds it as a user model, \
                 `phicam bench --model {name}` benchmarks it as it is"
            ),
            Some(name) => catalog.matching(name)?,
            None => {
                let (comparable, left_out) = catalog.comparable();
                for variant in left_out {
                    let cause =
                        if variant.top1_percent.is_some() { "it has other labels" } else { "its accuracy is unknown" };
                    info!("{} is no candidate: {cause}; --model {} runs it", variant.name, variant.network.name);
                }
                comparable
            }
        };
        let budget = budget.budget().or(board.budget);
        let up_to = Threads::UpTo(budget.threads(system::cores()));
        let threads = model_args.threads.map_or(up_to, |threads| Threads::Just(threads.into()));
        crate::engines::check_named(model_args.named_engine())?;
        let mut configs = crate::engines::configs(model_args.named_engine(), model_args.precision, threads)?;
        let catalog_networks = catalog.variants.iter().filter_map(|variant| variant.network.scaled).collect();
        let mut candidates: Vec<Variant> = named.into_iter().cloned().collect();
        candidates.sort_by(|a, b| a.million_macs.total_cmp(&b.million_macs));
        // The name of a network with one resolution pins its only variant.
        let is_only = model.is_some() && candidates.len() == 1;
        let is_named = |variant: &&Variant| is_only || model.as_ref() == Some(&variant.name);
        let pinned = candidates.iter().find(is_named).cloned();
        if pinned.is_some() {
            let threads = configs[0].threads;
            configs.retain(|config| config.threads == threads);
        }
        Ok(Session {
            models,
            budget,
            configs,
            pinned,
            candidates,
            catalog_networks,
            requested: model,
            store: MeasurementStore::read(&paths::state_dir()),
            logged_failures: RefCell::default(),
            expected: board.expect.clone(),
        })
    }

    /// Returns the execution config of a pinned variant, and of the first model before anything is measured.
    pub fn default_config(&self) -> ExecutionConfig {
        self.configs[0]
    }

    /// Returns the execution configs of a coarse search: the default, because others only decide how fast the pick is.
    pub fn coarse_configs(&self) -> Vec<ExecutionConfig> {
        vec![self.default_config()]
    }

    /// Returns the pick among `configs` from cached measurements alone. Returns `None` if they do not suffice for `effort`, or if
    /// nothing fits and they are coarse or some are stale.
    pub fn pick_from_store(&self, configs: &[ExecutionConfig], effort: Effort) -> anyhow::Result<Option<Pick>> {
        let never =
            |variant: &Variant, _: ExecutionConfig, _: SamplingPlan| Err(MeasureError::NotYet(variant.name.clone()));
        let known = |variant: &Variant, config: ExecutionConfig| lookup(&self.store, variant, config, effort);
        let candidates: Vec<&Variant> = self.candidates.iter().collect();
        let again = |before: Option<(&str, ExecutionConfig)>| {
            let request = PickRequest::new(&candidates, configs, self.budget).with_effort(effort);
            pick(request.with_previous(before), known, never)
        };
        match pick_with_previous(&self.previous_picks(configs, effort), again) {
            Ok(pick) => {
                self.log_failures();
                Ok(Some(self.with_source(pick)))
            }
            Err(PickError::Measure(_)) => Ok(None),
            Err(PickError::NothingFits(_)) if effort == Effort::Coarse || self.has_stale_measurements(configs) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether any cached measurement with one of `configs` should be repeated.
    pub fn has_stale_measurements(&self, configs: &[ExecutionConfig]) -> bool {
        let is_stale =
            |config: &ExecutionConfig| self.candidates.iter().any(|variant| self.store.is_stale(variant, *config));
        configs.iter().any(is_stale)
    }

    /// Picks among `configs` with `effort`, and measures what is not cached. `stop` ends it early, with [`PickError::Measure`].
    pub fn pick(
        &mut self,
        configs: &[ExecutionConfig],
        effort: Effort,
        stop: &AtomicBool,
        progress: ProgressFn,
    ) -> Result<Pick, PickError> {
        let (candidates, budget) = (self.candidates.clone(), self.budget);
        let variants: Vec<&Variant> = match &self.pinned {
            Some(pinned) => vec![pinned],
            None => candidates.iter().collect(),
        };
        if effort == Effort::Full {
            self.log_failures();
        }
        let before = self.previous_picks(configs, effort);
        let profiler = Profiler::new(&mut self.store, &self.models, stop, progress);
        let known = |variant: &Variant, config: ExecutionConfig| profiler.known(variant, config, effort);
        let request = PickRequest::new(&variants, configs, budget).with_effort(effort);
        let mut measured = 0;
        let mut time = |variant: &Variant, config: ExecutionConfig, sampling: SamplingPlan| {
            let found = profiler.measure(variant, config, sampling);
            measured += 1;
            if let (1, Ok(found)) = (measured, &found) {
                // Estimate: half of the threads take 1.5 times as long.
                let ms = |other: &Variant, by: ExecutionConfig| {
                    let longer = if by.threads < config.threads { 1.5 } else { 1.0 };
                    scaled_latency_ms(found.total_ms.p50 * longer, variant, other)
                };
                let estimate = estimate_time(request, known, ms, found.load_ms);
                if estimate.measurements > 0 {
                    info!(
                        "measuring this machine takes about {:.0} s more, for {} timings",
                        estimate.seconds, estimate.measurements
                    );
                }
            }
            found
        };
        let picked = pick_with_previous(&before, |before| pick(request.with_previous(before), known, &mut time));
        let pick = self.with_source(picked?);
        if self.pinned.is_none() {
            let request = self.request_key(configs, effort, pick.is_noisy());
            self.store.put_pick(&request, &pick.variant.name, pick.config);
        }
        Ok(pick)
    }

    /// Returns the key of a request, under which the store keeps its pick. A noisy machine and a coarse search have picks of
    /// their own.
    fn request_key(&self, configs: &[ExecutionConfig], effort: Effort, is_noisy: bool) -> String {
        let configs: Vec<String> = configs.iter().map(ExecutionConfig::to_string).collect();
        let source = self.requested.as_deref().unwrap_or("the catalog");
        let beside = if is_noisy { " beside other programs" } else { "" };
        let coarsely = if effort == Effort::Coarse { " coarsely" } else { "" };
        format!("of {source} by {} within {:?}{beside}{coarsely}", configs.join(" or "), self.budget)
    }

    /// Returns the previous picks among `configs`: on a quiet machine, and under other load.
    fn previous_picks(&self, configs: &[ExecutionConfig], effort: Effort) -> [Option<PreviousPick>; 2] {
        [false, true].map(|is_noisy| {
            let previous = self.store.previous_pick(&self.request_key(configs, effort, is_noisy));
            previous.map(|(name, config)| (name.to_string(), config))
        })
    }

    /// Picks again, after the store has changed.
    pub fn repick(&mut self) -> anyhow::Result<Pick> {
        Ok(self.pick(&self.configs.clone(), Effort::Full, &AtomicBool::new(false), &|_| {})?)
    }

    /// Returns a profiler over this session's store.
    pub fn profiler<'a>(&'a mut self, stop: &'a AtomicBool, progress: ProgressFn<'a>) -> Profiler<'a> {
        Profiler::new(&mut self.store, &self.models, stop, progress)
    }

    /// Logs the candidates that failed at an earlier start and are skipped, each cause once in a session.
    fn log_failures(&self) {
        let mut failed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (variant, config) in
            self.candidates.iter().flat_map(|variant| self.configs.iter().map(move |config| (variant, *config)))
        {
            if let Some(cause) = self.store.failure(variant, config) {
                failed.entry(cause).or_default().push(format!("{} ({config})", variant.name));
            }
        }
        for (cause, names) in failed {
            if self.logged_failures.borrow_mut().insert(cause.into()) {
                let names = names.join(", ");
                warn!("skipping {names}, which failed before: {cause}; --remeasure tries again");
            }
        }
    }

    /// Returns `pick` with the name of what it was picked from.
    fn with_source(&self, pick: Pick) -> Pick {
        Pick { offer: self.requested.clone().unwrap_or(pick.offer), ..pick }
    }
}

/// Logs the picked model in one short line, and its reason at debug level; `phicam pick` prints the reason.
pub fn log_pick(pick: &Pick) {
    let (variant, p95_ms) = (&pick.variant, pick.measurement.total_ms.p95);
    info!("model {} ({}), {}: {p95_ms:.1} ms at p95", variant.name, variant.phi_display(), pick.config);
    debug!("{}", explain(pick));
}

/// Variant name and execution config of a previous pick.
type PreviousPick = (String, ExecutionConfig);

/// Picks with hysteresis for the previous pick of a quiet machine. If the result turns out to be noisy, picks again with the
/// previous pick under other load.
fn pick_with_previous(
    previous: &[Option<PreviousPick>; 2],
    mut pick_with: impl FnMut(Option<(&str, ExecutionConfig)>) -> Result<Pick, PickError>,
) -> Result<Pick, PickError> {
    let [quiet, noisy] = previous.each_ref().map(|pick| pick.as_ref().map(|(name, config)| (name.as_str(), *config)));
    let pick = pick_with(quiet)?;
    if pick.is_noisy() && noisy.is_some() && noisy != quiet {
        return pick_with(noisy);
    }
    Ok(pick)
}

/// Returns whether the value of `--model` is a file: variants have no slash and no such extension.
pub fn is_file_name(model: &str) -> bool {
    model.contains('/') || published_accuracy::is_file_name(model)
}

/// Returns the settings of a classifier from the arguments.
pub fn classifier_settings(
    prediction: &PredictionArgs,
    view: CropMode,
    smoothing_ms: u64,
    config: ExecutionConfig,
) -> classify::Settings {
    let smoothing = std::time::Duration::from_millis(smoothing_ms);
    let predictions =
        postprocess::Settings { top_k: prediction.top_k.into(), min_confidence: prediction.min_confidence, smoothing };
    classify::Settings {
        view: prediction.view.unwrap_or(view),
        prediction: predictions,
        config,
        cache_packed_weights: true,
    }
}

/// Creates a folder that the user named, if need be.
pub fn make_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be created", folder.display()))
}

/// Fails if the folder of a file that the user named does not exist.
pub fn check_parent(file: &Path) -> anyhow::Result<()> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::metadata(parent).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_test_fixtures::{ms, picked};

    #[test]
    fn noisy_machine_has_its_own_previous_pick() {
        let previous = |name: &str| Some((name.to_string(), ExecutionConfig::tract(2)));
        for (is_noisy, noisy, expected) in [
            (false, previous("b"), vec!["q"]),
            (true, previous("b"), vec!["q", "b"]),
            (true, None, vec!["q"]),
            (true, previous("q"), vec!["q"]),
        ] {
            let mut tried = Vec::new();
            let pick_with = |before: Option<(&str, ExecutionConfig)>| {
                tried.extend(before.map(|(name, _)| name.to_string()));
                let mut pick = picked(ms(60.0)).unwrap();
                let known = pick.candidates.iter_mut().find_map(|candidate| candidate.measurement.as_mut()).unwrap();
                known.preempted_frames = if is_noisy { known.frames } else { 0 };
                Ok(pick)
            };
            pick_with_previous(&[previous("q"), noisy], pick_with).unwrap();
            assert_eq!(tried, expected);
        }
    }
}
