//! `phicam models evaluate`, and `models add --try`: accuracy on the user's own photographs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use log::warn;
use serde_json::json;

use super::super::image_files::read;
use super::super::{exit, write_json};
use crate::cli::{BoardArgs, BudgetArgs, ModelArgs};
use crate::session::{Session, board};
use phicam_camera::is_picture;
use phicam_engine::ExecutionConfig;
use phicam_frame::FramePool;
use phicam_model::catalog::Variant;
use phicam_model::labels::Labels;
use phicam_pipeline::classify;
use phicam_pipeline::classify::postprocess;
use phicam_platform::config_file::did_you_mean;

/// How often a model was right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    pub pictures: u32,
    /// The best guess was right.
    pub first: u32,
    /// One of the best five was.
    pub among_five: u32,
    /// Files that could not be read.
    pub unreadable: u32,
}

impl Score {
    pub fn top1_percent(&self) -> f64 {
        100.0 * f64::from(self.first) / f64::from(self.pictures.max(1))
    }

    pub fn top5_percent(&self) -> f64 {
        100.0 * f64::from(self.among_five) / f64::from(self.pictures.max(1))
    }

    /// The interval that holds the true accuracy 19 times in 20, in percent (Wilson 1927: right for few pictures too).
    pub fn interval_percent(&self) -> (f64, f64) {
        let (n, share, z) = (f64::from(self.pictures.max(1)), self.top1_percent() / 100.0, 1.96f64);
        let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        (100.0 * (middle - half).max(0.0), 100.0 * (middle + half).min(1.0))
    }
}

pub fn evaluate(dir: &Path, args: &ModelArgs, as_json: bool, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let board = board(&BoardArgs::default())?;
    let mut session = Session::new(&board, &BudgetArgs::default(), args)?;
    let (variant, config) = session.choose()?;
    let score = score(&variant, dir, config)?;
    if as_json {
        write_json(
            out,
            &json!({
                "model": variant.name,
                "pictures": score.pictures,
                "top1_percent": score.top1_percent(),
                "top5_percent": score.top5_percent(),
                "interval_percent": score.interval_percent(),
                "unreadable": score.unreadable,
            }),
        )?;
    } else {
        writeln!(out, "{}: {}", variant.name, in_words(&score))?;
    }
    Ok(if score.unreadable > 0 { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
}

/// `17 of 18 right (94.4 %, truly 74 to 99), 18 among the best five (100.0 %)`
pub fn in_words(score: &Score) -> String {
    let Score { pictures, first, among_five, unreadable } = *score;
    let (top1, (low, high), top5) = (score.top1_percent(), score.interval_percent(), score.top5_percent());
    let mut words = format!(
        "{first} of {pictures} right ({top1:.1} %, truly {low:.0} to {high:.0}), {among_five} among the best five ({top5:.1} %)"
    );
    if unreadable > 0 {
        words.push_str(&format!(", {unreadable} files could not be read"));
    }
    words
}

/// Classifies every picture in the folders of `dir`, whose names are labels.
pub fn score(variant: &Variant, dir: &Path, config: ExecutionConfig) -> anyhow::Result<Score> {
    let prediction = postprocess::Settings { smoothing: std::time::Duration::ZERO, ..postprocess::Settings::default() };
    let mut classifier = crate::engines::open_classifier(
        variant,
        &classify::Settings { view: Default::default(), prediction, config, keeps_packed: false },
    )?;
    let pictures = pictures(dir, &classifier.model().labels)?;
    let (mut pool, mut score) = (FramePool::default(), Score::default());
    for (class, file) in pictures {
        let answer =
            read(&file, &mut pool).map_err(anyhow::Error::from).and_then(|frame| Ok(classifier.answer(&frame)?));
        match answer {
            Ok(answer) => {
                let best = answer.predictions.best();
                score.pictures += 1;
                score.first += u32::from(best.first().is_some_and(|prediction| prediction.class == class));
                score.among_five += u32::from(best.iter().take(5).any(|prediction| prediction.class == class));
            }
            Err(error) => {
                score.unreadable += 1;
                warn!("{}: {error}", file.display());
            }
        }
    }
    match score.pictures {
        0 => bail!("none of the {} pictures in {} could be read", score.unreadable, dir.display()),
        _ => Ok(score),
    }
}

/// Every picture in the folders of `dir`, with the class that its folder is named by; at least one.
pub fn pictures(dir: &Path, labels: &Labels) -> anyhow::Result<Vec<(u32, PathBuf)>> {
    let mut found = Vec::new();
    for (class, folder) in folders(dir, labels)? {
        let files = entries(&folder)?.into_iter().filter(|path| is_picture(path) && path.is_file());
        found.extend(files.map(|file| (class, file)));
    }
    match found.is_empty() {
        true => bail!("{} has no pictures in its folders; put JPEG, PNG or WebP files there", dir.display()),
        false => Ok(found),
    }
}

/// Each folder in `dir` with the class that its name is the label of; `_` stands for a space.
fn folders(dir: &Path, labels: &Labels) -> anyhow::Result<Vec<(u32, PathBuf)>> {
    let plain = |text: &str| text.replace('_', " ").to_lowercase();
    let known: Vec<String> = (0..labels.len()).map(|class| plain(labels.of(class as u32))).collect();
    let mut found = Vec::new();
    for folder in entries(dir)?.into_iter().filter(|path| path.is_dir()) {
        let name = plain(&folder.file_name().unwrap_or_default().to_string_lossy());
        if name.starts_with('.') {
            continue; // of some program, not of pictures
        }
        let named = |label: &&String| **label == name;
        if known.iter().filter(named).count() > 1 {
            bail!(
                "{}: several labels of the model are `{name}` but for capitals and `_`; it cannot be told which",
                folder.display()
            );
        }
        let Some(class) = known.iter().position(|label| *label == name) else {
            let hint = did_you_mean(&name, known.iter().map(String::as_str));
            bail!("{}: the model has no label `{name}`{hint}; name each folder by its label", folder.display());
        };
        found.push((class as u32, folder));
    }
    match found.is_empty() {
        true => bail!("{} has no folders; put the pictures of each label into a folder of that name", dir.display()),
        false => Ok(found),
    }
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths: Vec<PathBuf> = read.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}
