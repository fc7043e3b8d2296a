//! What several commands need: the board, the catalog, the budget, and a variant for them.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use log::{info, warn};

use crate::board::Board;
use crate::cli::{BoardArgs, BudgetArgs, ModelArgs, PredictionArgs};
use crate::engines::Threads;
use crate::profiler::child_bench::MeasurementStore;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::{Catalog, Variant};
use phicam_model::efficientnet::Scaled;
use phicam_model::published_accuracy;
use phicam_pipeline::classify;
use phicam_pipeline::classify::crop::CropMode;
use phicam_pipeline::classify::postprocess;
use phicam_platform::{paths, system};
use phicam_policy::budget::Budget;
use phicam_policy::measurement::MeasureError;
use phicam_policy::picker::{Pick, PickError, estimate_time, explain, pick_again};
use phicam_policy::sampling::SamplingPlan;

pub use crate::profiler::{Activity, ProgressFn};
use crate::profiler::{Profiler, lookup};

/// The board that the user named, or the one this is.
pub fn board(args: &BoardArgs) -> anyhow::Result<Board> {
    let board = match &args.board {
        Some(name) => Board::named(name)?,
        None => Board::recognised(&system::device_tree_compatible())?,
    };
    if let Some(library) = &board.onnxruntime.library {
        phicam_engine_onnxruntime::set_library(library);
    }
    Ok(board)
}

/// What is shipped in `folder`, and what was added to it. Damage to what was added does not stop what was shipped.
pub fn catalog(folder: &Path) -> anyhow::Result<Catalog> {
    let Some(state) = paths::persistent_state_dir() else { return Ok(Catalog::read(folder)?) };
    let with_added = Catalog::read(folder)?.with_added(&state);
    with_added.or_else(|error| {
        warn!("what was added is left out: {error}; `phicam models verify` says more");
        Ok(Catalog::read(folder)?)
    })
}

/// What the user admits of the catalog, and what it may cost.
pub struct Session {
    pub folder: PathBuf,
    pub budget: Budget,
    /// The ways in which they may be run; the first is that of what the user pinned.
    pub configs: Vec<ExecutionConfig>,
    /// The very variant that the user named, if so.
    pub pinned: Option<Variant>,
    /// What the user admits, by work.
    pub admitted: Vec<Variant>,
    /// Every EfficientNet of the catalog, admitted or not.
    pub known: Vec<Scaled>,
    /// The network or variant that the user named.
    named: Option<String>,
    pub store: MeasurementStore,
}

impl Session {
    pub fn new(board: &Board, budget: &BudgetArgs, model_args: &ModelArgs) -> anyhow::Result<Session> {
        let folder = paths::models_dir(model_args.folder.models.as_deref())?;
        let catalog = catalog(&folder)?;
        let model = model_args.model.as_ref().or(board.model.as_ref());
        let admitted = match model {
            Some(name) if is_file_name(name) => bail!(
                "{name} is a file, and how its pictures are to be made is not known: `phicam models add {name}` makes it \
                 a variant, `phicam bench --model {name}` times it as it is"
            ),
            Some(name) => catalog.named(name)?,
            None => {
                let (comparable, left_out) = catalog.comparable();
                for variant in left_out {
                    let why =
                        if variant.top1_percent.is_some() { "has other labels" } else { "its accuracy is not known" };
                    info!("{} is not in the pick, {why}: --model {} runs it", variant.name, variant.network.name);
                }
                comparable
            }
        };
        let budget = budget.budget().or(board.budget);
        let up_to = Threads::UpTo(budget.threads(system::cores()));
        let threads = model_args.threads.map_or(up_to, |threads| Threads::Just(threads.into()));
        let mut configs = crate::engines::configs(model_args.named_engine(), model_args.precision, threads)?;
        let known = catalog.variants.iter().filter_map(|variant| variant.network.scaled).collect();
        let mut admitted: Vec<Variant> = admitted.into_iter().cloned().collect();
        admitted.sort_by(|a, b| a.million_macs.total_cmp(&b.million_macs));
        // A network that has one side is that variant.
        let only = model.is_some() && admitted.len() == 1;
        let named = |pinned: &&Variant| only || model == Some(&pinned.name);
        let pinned = admitted.iter().find(named).cloned();
        if pinned.is_some() {
            let usual = configs[0].threads;
            configs.retain(|config| config.threads == usual);
        }
        Ok(Session {
            folder,
            budget,
            configs,
            pinned,
            admitted,
            known,
            named: model.cloned(),
            store: MeasurementStore::read(&paths::state_dir()),
        })
    }

    /// The way of what the user pinned, and of what answers before anything is measured.
    pub fn config(&self) -> ExecutionConfig {
        self.configs[0]
    }

    /// The pick among `configs`, from what is remembered alone; nothing where that does not suffice, or where nothing fits by
    /// what other programs disturbed.
    pub fn pick_remembered(&self, configs: &[ExecutionConfig]) -> anyhow::Result<Option<Pick>> {
        let never =
            |variant: &Variant, _: ExecutionConfig, _: SamplingPlan| Err(MeasureError::NotYet(variant.name.clone()));
        let known = |variant: &Variant, config: ExecutionConfig| lookup(&self.store, variant, config);
        let admitted: Vec<&Variant> = self.admitted.iter().collect();
        let again =
            |before: Option<(&str, ExecutionConfig)>| pick_again(&admitted, configs, self.budget, before, known, never);
        match as_before(&self.before(configs), again) {
            Ok(pick) => {
                self.tell_failures();
                Ok(Some(self.offered(pick)))
            }
            Err(PickError::Measure(_)) => Ok(None),
            Err(PickError::NothingFits(_)) if self.is_doubtful(configs) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether any of what is remembered of `configs` is worth another look.
    pub fn is_doubtful(&self, configs: &[ExecutionConfig]) -> bool {
        let doubtful =
            |config: &ExecutionConfig| self.admitted.iter().any(|variant| self.store.is_doubtful(variant, *config));
        configs.iter().any(doubtful)
    }

    /// The pick among `configs`, measuring what is not remembered, announced. `stop` ends it early, with an error.
    pub fn pick(
        &mut self,
        configs: &[ExecutionConfig],
        stop: &AtomicBool,
        tell: ProgressFn,
    ) -> Result<Pick, PickError> {
        let (admitted, budget) = (self.admitted.clone(), self.budget);
        let variants: Vec<&Variant> = match &self.pinned {
            Some(pinned) => vec![pinned],
            None => admitted.iter().collect(),
        };
        self.tell_failures();
        let before = self.before(configs);
        let profiler = Profiler::new(&mut self.store, &self.folder, stop, tell);
        let known = |variant: &Variant, config: ExecutionConfig| profiler.known(variant, config);
        let mut measured = 0;
        let mut time = |variant: &Variant, config: ExecutionConfig, sampling: SamplingPlan| {
            let found = profiler.time(variant, config, sampling);
            measured += 1;
            if let (1, Ok(found)) = (measured, &found) {
                // Of the smallest, half is supposed to be there without any work; half the threads take longer.
                let ms = |other: &Variant, by: ExecutionConfig| {
                    let longer = if by.threads < config.threads { 1.5 } else { 1.0 };
                    found.total_ms.p50 * longer * (0.5 + 0.5 * other.million_macs / variant.million_macs)
                };
                let estimate = estimate_time(&variants, configs, budget, known, ms, found.load_ms);
                info!(
                    "measuring this machine takes about {:.0} s more, for {} timings",
                    estimate.seconds, estimate.measurements
                );
            }
            found
        };
        let picked = as_before(&before, |before| pick_again(&variants, configs, budget, before, known, &mut time));
        let pick = self.offered(picked?);
        if self.pinned.is_none() {
            let question = self.question(configs, pick.is_noisy());
            self.store.put_picked(&question, &pick.variant.name, pick.config);
        }
        Ok(pick)
    }

    /// What is asked of a pick: what was picked before is asked of the same alone, and of a machine beside other programs
    /// apart from a quiet one.
    fn question(&self, configs: &[ExecutionConfig], is_noisy: bool) -> String {
        let configs: Vec<String> = configs.iter().map(ExecutionConfig::to_string).collect();
        let offer = self.named.as_deref().unwrap_or("the catalog");
        let beside = if is_noisy { " beside other programs" } else { "" };
        format!("of {offer} by {} within {:?}{beside}", configs.join(" or "), self.budget)
    }

    /// What was picked of `configs` before: on a quiet machine, and beside other programs.
    fn before(&self, configs: &[ExecutionConfig]) -> [Option<Before>; 2] {
        [false, true].map(|is_noisy| {
            let picked = self.store.picked(&self.question(configs, is_noisy));
            picked.map(|(name, config)| (name.to_string(), config))
        })
    }

    /// The pick anew, after something else was found out of a variant.
    pub fn repick(&mut self) -> anyhow::Result<Pick> {
        Ok(self.pick(&self.configs.clone(), &AtomicBool::new(false), &|_| {})?)
    }

    /// What times one variant at a time.
    pub fn profiler<'a>(&'a mut self, stop: &'a AtomicBool, tell: ProgressFn<'a>) -> Profiler<'a> {
        Profiler::new(&mut self.store, &self.folder, stop, tell)
    }

    /// Names what failed at an earlier start, and is passed over for that.
    fn tell_failures(&self) {
        for (variant, config) in
            self.admitted.iter().flat_map(|variant| self.configs.iter().map(move |config| (variant, *config)))
        {
            if let Some(cause) = self.store.failure(variant, config) {
                warn!("{} by {config} failed here before and is passed over: {cause}; --fresh tries it", variant.name);
            }
        }
    }

    /// The pick, with what it was picked from.
    fn offered(&self, pick: Pick) -> Pick {
        Pick { offer: self.named.clone().unwrap_or(pick.offer), ..pick }
    }

    /// The variant that the user named, else the pick, and the way to run it.
    pub fn choose(&mut self) -> anyhow::Result<(Variant, ExecutionConfig)> {
        if let Some(pinned) = &self.pinned {
            return Ok((pinned.clone(), self.config()));
        }
        let pick = self.pick(&self.configs.clone(), &AtomicBool::new(false), &|_| {})?;
        info!("{}", explain(&pick));
        Ok((pick.variant, pick.config))
    }
}

/// A variant, and the way in which it was picked.
type Before = (String, ExecutionConfig);

/// The pick of a machine that may be quiet or not, which is known once it is measured: what was picked before counts for the
/// one, or for the other.
fn as_before(
    before: &[Option<Before>; 2],
    mut again: impl FnMut(Option<(&str, ExecutionConfig)>) -> Result<Pick, PickError>,
) -> Result<Pick, PickError> {
    let [quiet, beside_others] = before.each_ref().map(|it| it.as_ref().map(|(name, config)| (name.as_str(), *config)));
    let pick = again(quiet)?;
    if pick.is_noisy() && beside_others.is_some() && beside_others != quiet {
        return again(beside_others);
    }
    Ok(pick)
}

/// Whether what `--model` says is a file and no variant: variants do not end so, and have no slashes.
pub fn is_file_name(model: &str) -> bool {
    model.contains('/') || published_accuracy::is_file_name(model)
}

/// What a classifier needs beside its variant.
pub fn classifier_settings(
    prediction: &PredictionArgs,
    view: CropMode,
    smoothing_ms: u64,
    config: ExecutionConfig,
) -> classify::Settings {
    let smoothing = std::time::Duration::from_millis(smoothing_ms);
    let predictions =
        postprocess::Settings { top: prediction.top.into(), unsure_below: prediction.unsure_below, smoothing };
    classify::Settings { view: prediction.view.unwrap_or(view), prediction: predictions, config, keeps_packed: true }
}

/// A folder that the user named, made if need be.
pub fn make_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_test_fixtures::{ms, picked};

    #[test]
    fn what_was_picked_beside_other_programs_counts_there_alone() {
        let before = |name: &str| Some((name.to_string(), ExecutionConfig::tract(2)));
        for (is_noisy, beside, expected) in [
            (false, before("b"), vec!["q"]),
            (true, before("b"), vec!["q", "b"]),
            (true, None, vec!["q"]),
            (true, before("q"), vec!["q"]),
        ] {
            let mut asked = Vec::new();
            let again = |before: Option<(&str, ExecutionConfig)>| {
                asked.extend(before.map(|(name, _)| name.to_string()));
                let mut pick = picked(ms(60.0)).unwrap();
                let known = pick.candidates.iter_mut().find_map(|candidate| candidate.measurement.as_mut()).unwrap();
                known.preempted_frames = if is_noisy { known.frames } else { 0 };
                Ok(pick)
            };
            as_before(&[before("q"), beside], again).unwrap();
            assert_eq!(asked, expected);
        }
    }
}
