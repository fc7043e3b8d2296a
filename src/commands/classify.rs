//! `phicam classify`: what is on pictures.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use log::warn;
use serde_json::json;

use super::image_files::read;
use super::{exit, write_json};
use crate::cli::ClassifyArgs;
use crate::session::{Session, board, classifier_settings, make_folder};
use phicam_frame::FramePool;
use phicam_pipeline::answer_json::predictions;
use phicam_pipeline::classify::{Classification, Classifier};

/// Answers for each file in the order given; one that fails does not keep the others from an answer.
pub fn classify(args: ClassifyArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if let Some(folder) = &args.dump {
        make_folder(folder)?;
        check_dump(&args.files, folder)?;
    }
    let board = board(&args.board)?;
    let mut session = Session::new(&board, &args.budget, &args.model_args)?;
    let (variant, config) = session.choose()?;
    let settings = classifier_settings(&args.prediction, board.view, 0, config);
    let mut classifier = crate::engines::open_classifier(&variant, &settings)?;
    let mut pool = FramePool::default();
    let mut failed = 0;
    for file in &args.files {
        let answer =
            read(file, &mut pool).map_err(anyhow::Error::from).and_then(|frame| Ok(classifier.answer(&frame)?));
        match answer {
            Ok(answer) => {
                tell(&answer, file, args.json, out)?;
                if let Some(folder) = &args.dump {
                    dump(&mut classifier, file, folder)?;
                }
            }
            Err(error) => {
                failed += 1;
                warn!("{}: {error}", file.display());
                if args.json {
                    write_json(out, &json!({ "file": file.display().to_string(), "error": error.to_string() }))?;
                }
            }
        }
    }
    if failed > 0 {
        warn!("{failed} of {} pictures got no answer", args.files.len());
        return Ok(exit::SOME_FAILED.into());
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(answer: &Classification, file: &Path, as_json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let model = &answer.model;
    if as_json {
        let file = file.display().to_string();
        let object = json!({ "file": file, "model": model.variant.name, "predictions": predictions(answer) });
        return write_json(out, &object);
    }
    let prediction = |prediction: &phicam_pipeline::classify::postprocess::Prediction| {
        format!("{} {:.0} %", model.labels.of(prediction.class), prediction.probability * 100.0)
    };
    let best: Vec<String> = answer.predictions.best().iter().map(prediction).collect();
    let unsure = if answer.predictions.unsure { "unsure, perhaps " } else { "" };
    writeln!(out, "{}: {unsure}{}", file.display(), best.join(", "))?;
    Ok(())
}

/// Two files of one name would be dumped over each other, and a PNG in the very folder over itself.
fn check_dump(files: &[PathBuf], folder: &Path) -> anyhow::Result<()> {
    let here = folder.canonicalize().with_context(|| format!("{} cannot be found", folder.display()))?;
    let written = |file: &PathBuf| ["png", "f32"].map(|extension| dumped(file, &here, extension));
    let overwritten = files
        .iter()
        .find(|file| file.canonicalize().is_ok_and(|path| files.iter().any(|f| written(f).contains(&path))));
    if let Some(file) = overwritten {
        bail!("--dump {} would write over {}; name another folder", folder.display(), file.display());
    }
    let mut names = BTreeSet::new();
    match files.iter().find(|file| !names.insert(file.file_stem())) {
        None => Ok(()),
        Some(file) => bail!(
            "{}: another file is called {} too, and --dump names what it writes by that; give one of them another name",
            file.display(),
            file.file_stem().unwrap_or_default().display()
        ),
    }
}

/// Where the dump of `file` goes.
fn dumped(file: &Path, folder: &Path, extension: &str) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_os_string();
    name.push("."); // not `with_extension`: a name may have more dots
    name.push(extension);
    folder.join(name)
}

fn dump(classifier: &mut Classifier, file: &Path, folder: &Path) -> anyhow::Result<()> {
    let side = classifier.model().variant.side;
    let (scores, square) = classifier.evidence()?;
    let path = dumped(file, folder, "png");
    image::save_buffer(&path, square, side, side, image::ExtendedColorType::Rgb8)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    let bytes: Vec<u8> = scores.iter().flat_map(|score| score.to_le_bytes()).collect();
    let path = dumped(file, folder, "f32");
    std::fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}
