//! `phicam classify`: classifies picture files.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use log::warn;
use serde_json::json;

use super::image_files::{expand, read_image};
use super::{exit, write_json};
use crate::cli::ClassifyArgs;
use crate::service::first_model::one_shot_model;
use crate::session::{Session, board, classifier_settings, make_folder};
use phicam_frame::FramePool;
use phicam_frame::decode::probe_file;
use phicam_pipeline::answer_json::predictions;
use phicam_pipeline::classify::{Classification, Classifier};
use phicam_pipeline::screen_words::answer_words;

/// Least and largest width of the column with file names, in characters: estimates. A longer name moves its answer.
const MIN_NAME_COLUMNS: usize = 20;
const MAX_NAME_COLUMNS: usize = 60;

/// Classifies each file in the order given. A file that fails does not stop the others.
pub fn classify(args: ClassifyArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let files = expand(&args.files)?;
    if let Some(folder) = &args.dump {
        make_folder(folder)?;
        check_dump(&files, folder)?;
    }
    let board = board(&args.board)?;
    let mut session = Session::new(&board, &args.budget, &args.model_args)?;
    // Before a model is timed and loaded: a wrong file name is reported at once.
    let refusals: Vec<Option<String>> = files.iter().map(|file| refusal(file)).collect();
    let mut classifier = match refusals.iter().any(Option::is_none) {
        true => {
            let settings = classifier_settings(&args.prediction, board.view, 0, session.default_config());
            Some(one_shot_model(&mut session, &settings)?)
        }
        false => None,
    };
    let columns = files.iter().map(|file| file.display().to_string().chars().count()).max().unwrap_or(0);
    let columns = columns.clamp(MIN_NAME_COLUMNS, MAX_NAME_COLUMNS);
    let mut pool = FramePool::default();
    let mut failed = 0;
    for (file, refusal) in files.iter().zip(refusals) {
        let answer = match (refusal, &mut classifier) {
            (None, Some(classifier)) => {
                classify_file(file, classifier, &mut pool).inspect_err(|error| log(file, error))
            }
            (refusal, _) => Err(refusal.unwrap_or_default()),
        };
        match answer {
            Ok(answer) => {
                write_answer(&answer, file, args.json, columns, out)?;
                if let (Some(folder), Some(classifier)) = (&args.dump, &mut classifier) {
                    dump(classifier, file, folder)?;
                }
            }
            Err(error) => {
                failed += 1;
                if args.json {
                    write_json(out, &json!({ "file": file.display().to_string(), "error": error }))?;
                }
            }
        }
    }
    if failed > 0 {
        warn!("{failed} of {} pictures could not be classified", files.len());
        return Ok(exit::SOME_FAILED.into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns why a file cannot be a picture, and logs it. Returns `None` if it can, or is standard input.
fn refusal(file: &Path) -> Option<String> {
    if file.as_os_str() == "-" {
        return None;
    }
    let error = probe_file(file).err()?.to_string();
    log(file, &error);
    Some(error)
}

fn classify_file(file: &Path, classifier: &mut Classifier, pool: &mut FramePool) -> Result<Classification, String> {
    let frame = read_image(file, pool).map_err(|error| error.to_string())?;
    classifier.classify(&frame).map_err(|error| error.to_string())
}

fn log(file: &Path, error: &str) {
    warn!("{}: {error}", file.display());
}

/// Writes an answer as JSON, or as a line that begins with the file name, padded to `columns` characters.
fn write_answer(
    answer: &Classification,
    file: &Path,
    as_json: bool,
    columns: usize,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let model = &answer.model;
    if as_json {
        let file = file.display().to_string();
        let object = json!({ "file": file, "model": model.variant.name, "predictions": predictions(answer) });
        return write_json(out, &object);
    }
    let line = phicam_display::describe(&answer_words(answer)).unwrap_or_default();
    writeln!(out, "{:columns$}  {line}", phicam_display::printable(&file.display().to_string()))?;
    Ok(())
}

/// Fails if a dump would overwrite an input file or another dump.
fn check_dump(files: &[PathBuf], folder: &Path) -> anyhow::Result<()> {
    let here =
        folder.canonicalize().with_context(|| format!("--dump {}: the folder cannot be opened", folder.display()))?;
    let dumps = |file: &PathBuf| ["png", "f32"].map(|extension| dump_path(file, &here, extension));
    let is_overwritten = |path: &PathBuf| files.iter().any(|file| dumps(file).contains(path));
    let overwritten = files.iter().find(|file| file.canonicalize().is_ok_and(|path| is_overwritten(&path)));
    if let Some(file) = overwritten {
        bail!("--dump {} would overwrite {}; name another folder", folder.display(), file.display());
    }
    let mut names = BTreeSet::new();
    match files.iter().find(|file| !names.insert(file.file_stem())) {
        None => Ok(()),
        Some(file) => bail!(
            "--dump: two files would write one dump: {} and another file are both named {}; give one another name",
            file.display(),
            file.file_stem().unwrap_or_default().display()
        ),
    }
}

/// Returns the path of a dump of `file`.
fn dump_path(file: &Path, folder: &Path, extension: &str) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_os_string();
    name.push("."); // `with_extension` would cut a name at its last dot
    name.push(extension);
    folder.join(name)
}

/// Writes the network input (PNG) and the scores (f32, little-endian) of the last picture.
fn dump(classifier: &mut Classifier, file: &Path, folder: &Path) -> anyhow::Result<()> {
    let side = classifier.model().variant.side;
    let (scores, square) = classifier.last_scores_and_input()?;
    let path = dump_path(file, folder, "png");
    image::save_buffer(&path, square, side, side, image::ExtendedColorType::Rgb8)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    let bytes: Vec<u8> = scores.iter().flat_map(|score| score.to_le_bytes()).collect();
    let path = dump_path(file, folder, "f32");
    std::fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}
