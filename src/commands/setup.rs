//! What several commands need: the board, the catalog, the budget, and a choice for them.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use log::{info, warn};

use crate::board::Board;
use crate::budget::Budget;
use crate::catalog::{Catalog, Choice};
use crate::classifier;
use crate::cli::{BoardArgs, BudgetArgs, ChoiceArgs, GuessArgs};
use crate::efficientnet::Scaled;
use crate::engine::{self, Way};
use crate::guess;
use crate::measure::{MeasureError, Measurement, Remembered, measure};
use crate::pick::{Pick, PickError, pick, reason};
use crate::view::View;
use crate::{machine, places, published};

/// The board that the user named, or the one this is.
pub fn board(args: &BoardArgs) -> anyhow::Result<Board> {
    let board = match &args.board {
        Some(name) => Board::named(name)?,
        None => Board::recognised(&machine::device_tree_compatible())?,
    };
    if let Some(library) = &board.onnxruntime.library {
        engine::onnxruntime::set_library(library);
    }
    Ok(board)
}

/// What is shipped in `folder`, and what was added to it. Damage to what was added does not stop what was shipped.
pub fn catalog(folder: &Path) -> anyhow::Result<Catalog> {
    let Some(state) = places::kept_state() else { return Ok(Catalog::read(folder)?) };
    let with_added = Catalog::read(folder)?.with_added(&state);
    with_added.or_else(|error| {
        warn!("what was added is left out: {error}; `phicam models verify` says more");
        Ok(Catalog::read(folder)?)
    })
}

/// What the user admits of the catalog, and what it may cost.
pub struct Setup {
    pub folder: PathBuf,
    pub budget: Budget,
    /// What runs them, and how.
    pub way: Way,
    /// The very choice that the user named, if so.
    pub pinned: Option<Choice>,
    /// What the user admits, by work.
    pub admitted: Vec<Choice>,
    /// Every EfficientNet of the catalog, admitted or not.
    pub known: Vec<Scaled>,
    /// The network or choice that the user named.
    named: Option<String>,
    pub remembered: Remembered,
}

impl Setup {
    pub fn new(board: &Board, budget: &BudgetArgs, choice: &ChoiceArgs) -> anyhow::Result<Setup> {
        let folder = places::models(choice.folder.models.as_deref())?;
        let catalog = catalog(&folder)?;
        let model = choice.model.as_ref().or(board.model.as_ref());
        let admitted = match model {
            Some(name) if is_file_name(name) => bail!(
                "{name} is a file, and how its pictures are to be made is not known: `phicam models add {name}` makes it \
                 a choice, `phicam bench --model {name}` times it as it is"
            ),
            Some(name) => catalog.named(name)?,
            None => {
                let (comparable, left_out) = catalog.comparable();
                for choice in left_out {
                    let why =
                        if choice.top1_percent.is_some() { "has other labels" } else { "its accuracy is not known" };
                    info!("{} is not in the pick, {why}: --model {} runs it", choice.name, choice.network.name);
                }
                comparable
            }
        };
        let threads = choice.threads.map_or_else(machine::cores, usize::from);
        let ways = engine::ways(choice.named_engine(), choice.precision, threads)?;
        let way = ways.last().copied().unwrap_or(Way::tract(threads));
        let known = catalog.choices.iter().filter_map(|choice| choice.network.scaled).collect();
        let mut admitted: Vec<Choice> = admitted.into_iter().cloned().collect();
        admitted.sort_by(|a, b| a.million_macs.total_cmp(&b.million_macs));
        // A network that has one side is that choice.
        let only = model.is_some() && admitted.len() == 1;
        let named = |pinned: &&Choice| only || model == Some(&pinned.name);
        Ok(Setup {
            folder,
            budget: budget.budget().or(board.budget),
            way,
            pinned: admitted.iter().find(named).cloned(),
            admitted,
            known,
            named: model.cloned(),
            remembered: Remembered::read(&places::state()),
        })
    }

    /// The pick, from what is remembered alone; nothing where that does not suffice.
    pub fn pick_remembered(&self) -> anyhow::Result<Option<Pick>> {
        let known = |choice: &Choice| self.recall(choice).ok_or_else(|| MeasureError::NotYet(choice.name.clone()));
        match pick(&self.admitted.iter().collect::<Vec<_>>(), self.budget, known) {
            Ok(pick) => Ok(Some(self.offered(pick))),
            Err(PickError::Measure(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The pick, measuring what is not remembered, announced. `stop` ends it early, with an error.
    pub fn pick(&mut self, stop: &AtomicBool) -> Result<Pick, PickError> {
        let admitted = self.admitted.clone();
        let picked = pick(&admitted.iter().collect::<Vec<_>>(), self.budget, |choice| match self.recall(choice) {
            Some(known) => Ok(known),
            None => {
                info!("measuring {} by {}", choice.name, self.way);
                let measured = measure(choice, &self.folder, self.way, stop)?;
                self.remembered.put(choice, measured.clone());
                Ok(measured)
            }
        });
        Ok(self.offered(picked?))
    }

    /// The pick, with what it was picked from.
    fn offered(&self, pick: Pick) -> Pick {
        Pick { offer: self.named.clone().unwrap_or(pick.offer), ..pick }
    }

    /// The choice that the user named, else the pick.
    pub fn choose(&mut self) -> anyhow::Result<Choice> {
        if let Some(pinned) = &self.pinned {
            return Ok(pinned.clone());
        }
        let pick = self.pick(&AtomicBool::new(false))?;
        info!("{}", reason(&pick));
        Ok(pick.choice)
    }

    fn recall(&self, choice: &Choice) -> Option<Measurement> {
        self.remembered.get(choice, self.way).cloned()
    }
}

/// Whether what `--model` says is a file and no choice: choices do not end so, and have no slashes.
pub fn is_file_name(model: &str) -> bool {
    model.contains('/') || published::is_file_name(model)
}

/// What a classifier needs beside its choice.
pub fn classifier_settings(guess: &GuessArgs, view: View, smoothing_ms: u64, way: Way) -> classifier::Settings {
    let smoothing = std::time::Duration::from_millis(smoothing_ms);
    let guesses = guess::Settings { top: guess.top.into(), unsure_below: guess.unsure_below, smoothing };
    classifier::Settings { view: guess.view.unwrap_or(view), guess: guesses, way, keeps_packed: true }
}

/// A folder that the user named, made if need be.
pub fn make_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))
}
