//! `phicam models evaluate` and `phicam models add --try`: accuracy on the user's photographs.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use log::{info, warn};
use serde_json::json;

use super::super::image_files::read_image;
use super::super::{exit, write_json};
use crate::cli::{BoardArgs, BudgetArgs, ModelArgs};
use crate::service::first_model::one_shot_model;
use crate::session::{Session, board};
use phicam_camera::is_image_file;
use phicam_engine::ExecutionConfig;
use phicam_frame::FramePool;
use phicam_model::labels::Labels;
use phicam_pipeline::classify::postprocess;
use phicam_pipeline::classify::{self, Classifier};
use phicam_platform::config_file::did_you_mean;

/// Numbers of right predictions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    pub pictures: u32,
    /// Pictures whose first prediction is right.
    pub top1: u32,
    /// Pictures with the right class among the first five predictions.
    pub top5: u32,
    /// Files that are not readable pictures.
    pub unreadable: u32,
}

impl Score {
    pub fn top1_percent(&self) -> f64 {
        100.0 * f64::from(self.top1) / f64::from(self.pictures.max(1))
    }

    pub fn top5_percent(&self) -> f64 {
        100.0 * f64::from(self.top5) / f64::from(self.pictures.max(1))
    }

    /// Returns the 95 % confidence interval of the top-1 accuracy, in percent.
    ///
    /// Wilson's score interval (1927), which also holds for few pictures.
    pub fn interval_percent(&self) -> (f64, f64) {
        let n = f64::from(self.pictures.max(1));
        let share = self.top1_percent() / 100.0;
        let z = 1.96f64; // 95 % of a normal distribution
        let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half_width = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        (100.0 * (centre - half_width).max(0.0), 100.0 * (centre + half_width).min(1.0))
    }
}

pub fn evaluate(dir: &Path, args: &ModelArgs, as_json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let board = board(&BoardArgs::default())?;
    let mut session = Session::new(&board, &BudgetArgs::default(), args)?;
    let candidate = session.candidates.first().context("the catalog has no model; `phicam models list` shows it")?;
    let labels = Labels::parse(&candidate.network.read_labels()?, &candidate.network.labels)?;
    pictures(dir, &labels)?; // a wrong folder is an error before a model is timed
    let settings = settings(session.default_config());
    let mut classifier = one_shot_model(&mut session, &settings)?;
    let variant = classifier.model().variant.clone();
    let score = score(&mut classifier, dir)?;
    if as_json {
        let (lower, upper) = score.interval_percent();
        write_json(
            out,
            &json!({
                "model": variant.name,
                "pictures": score.pictures,
                "top1_percent": tenths(score.top1_percent()),
                "top5_percent": tenths(score.top5_percent()),
                "interval_percent": [tenths(lower), tenths(upper)],
                "unreadable": score.unreadable,
            }),
        )?;
    } else {
        writeln!(out, "{}: {}", variant.name, score)?;
    }
    Ok(if score.unreadable > 0 { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
}

/// Formats the score as `17 of 18 right (94.4 %, 95 % interval 74 to 99 %), 18 in the top 5 (100.0 %)`.
impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (low, high) = self.interval_percent();
        write!(
            f,
            "{} of {} right ({:.1} %, 95 % interval {low:.0} to {high:.0} %), {} in the top 5 ({:.1} %)",
            self.top1,
            self.pictures,
            self.top1_percent(),
            self.top5,
            self.top5_percent(),
        )?;
        match self.unreadable {
            0 => Ok(()),
            unreadable => write!(f, ", {unreadable} files could not be read"),
        }
    }
}

/// Returns the settings of a classifier of independent pictures.
pub fn settings(config: ExecutionConfig) -> classify::Settings {
    let prediction = postprocess::Settings { smoothing: Duration::ZERO, ..postprocess::Settings::default() };
    classify::Settings { view: Default::default(), prediction, config, cache_packed_weights: false }
}

/// Time to the first report of progress, and between two further ones.
const REPORTS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

/// Classifies every picture in the folders of `dir`; the folders' names are labels. Logs progress.
pub fn score(classifier: &mut Classifier, dir: &Path) -> anyhow::Result<Score> {
    let pictures = pictures(dir, &classifier.model().labels)?;
    let (name, count) = (classifier.model().variant.name.clone(), pictures.len());
    info!("evaluating {name} on {count} pictures in {}", dir.display());
    let mut next_report = Instant::now() + REPORTS[0];
    let mut pool = FramePool::default();
    let mut score = Score::default();
    for (class, file) in pictures {
        if Instant::now() >= next_report {
            next_report = Instant::now() + REPORTS[1];
            let done = score.pictures + score.unreadable;
            info!("{done} of {count} pictures: {} of {} right", score.top1, score.pictures);
        }
        let answer = read_image(&file, &mut pool)
            .map_err(anyhow::Error::from)
            .and_then(|frame| Ok(classifier.classify(&frame)?));
        match answer {
            Ok(answer) => {
                let best = answer.predictions.best();
                score.pictures += 1;
                score.top1 += u32::from(best.first().is_some_and(|prediction| prediction.class == class));
                score.top5 += u32::from(best.iter().take(5).any(|prediction| prediction.class == class));
            }
            Err(error) => {
                score.unreadable += 1;
                warn!("{}: {error}", file.display());
            }
        }
    }
    match score.pictures {
        0 => bail!("cannot evaluate on {}: none of its {} pictures could be read", dir.display(), score.unreadable),
        _ => Ok(score),
    }
}

/// Returns a percentage rounded to 0.1: one of 1,000 pictures.
fn tenths(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

/// Returns every picture in the folders of `dir` with the class of its folder. Fails if there is none.
pub fn pictures(dir: &Path, labels: &Labels) -> anyhow::Result<Vec<(u32, PathBuf)>> {
    let mut pictures = Vec::new();
    for (class, folder) in folders(dir, labels)? {
        let files = entries(&folder)?.into_iter().filter(|path| is_image_file(path) && path.is_file());
        pictures.extend(files.map(|file| (class, file)));
    }
    if pictures.is_empty() {
        bail!("{}: its folders have no pictures; put JPEG, PNG or WebP files there", dir.display());
    }
    Ok(pictures)
}

/// Returns each folder in `dir` with the class whose label is its name; `_` stands for a space.
fn folders(dir: &Path, labels: &Labels) -> anyhow::Result<Vec<(u32, PathBuf)>> {
    let normalise = |text: &str| text.replace('_', " ").to_lowercase();
    let label_names: Vec<String> = (0..labels.len()).map(|class| normalise(labels.label(class as u32))).collect();
    let mut folders = Vec::new();
    for folder in entries(dir)?.into_iter().filter(|path| path.is_dir()) {
        let name = normalise(&folder.file_name().unwrap_or_default().to_string_lossy());
        if name.starts_with('.') {
            continue; // hidden, such as a file manager's
        }
        if label_names.iter().filter(|label| **label == name).count() > 1 {
            bail!(
                "{}: the folder name is ambiguous: several labels are `{name}`, apart from capitals and `_`",
                folder.display()
            );
        }
        let Some(class) = label_names.iter().position(|label| *label == name) else {
            let hint = did_you_mean(&name, label_names.iter().map(String::as_str));
            bail!("{}: the model has no label `{name}`{hint}; name each folder after a label", folder.display());
        };
        folders.push((class as u32, folder));
    }
    if folders.is_empty() {
        bail!("{}: it has no folders; put the pictures of each label into a folder of that name", dir.display());
    }
    Ok(folders)
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths: Vec<PathBuf> = read.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}
