//! Wrong confident labels on scenes without any known class, and lost labels on known ones, by confidence limit and
//! smoothing: `cargo run --release --example unknown_scenes -- MODEL UNKNOWN_FOLDER KNOWN_FOLDER`
//!
//! Each picture becomes a minute of camera frames: a window moves over it, with noise and changing light. The label
//! changes as it does on the screen.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use phicam_display::words::Certainty;
use phicam_engine::ExecutionConfig;
use phicam_frame::{Frame, FrameInfo, FramePool, Size};
use phicam_model::catalog::Catalog;
use phicam_pipeline::classify::postprocess::{self, Postprocessor};
use phicam_pipeline::classify::{Classification, Settings};
use phicam_pipeline::display_state::AnswerTracker;

/// Answers a second, and their number: a minute of a board that takes 200 ms an answer.
const RATE: u32 = 5;
const ANSWERS: u32 = 300;
/// Size of the frames: a VGA camera.
const FRAME: Size = Size::new(640, 480);
/// Share of the picture that the window shows.
const WINDOW_SHARE: f64 = 0.8;

/// Answers of one scene, each with its scores.
struct Minute {
    name: String,
    is_known: bool,
    answers: Vec<(Classification, Vec<f32>)>,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, unknown, known] = &arguments[..] else {
        bail!("usage: unknown_scenes MODEL UNKNOWN_FOLDER KNOWN_FOLDER");
    };
    let catalog = Catalog::read(&phicam_platform::paths::models_dir(None)?)?;
    let variant = catalog.variant(model).context("the model is unknown; name one of `phicam models list`")?;
    let settings = Settings {
        view: Default::default(),
        prediction: Default::default(),
        config: ExecutionConfig::tract(2),
        cache_packed_weights: false,
    };
    let mut classifier = phicam::engines::open_classifier(variant, &settings)?;
    let mut scenes = Vec::new();
    for (folder, is_known) in [(unknown, false), (known, true)] {
        for file in pictures(Path::new(folder))? {
            let picture = image::open(&file).with_context(|| file.display().to_string())?.into_rgb8();
            scenes.push((file.file_stem().unwrap_or_default().display().to_string(), is_known, picture));
        }
    }
    scenes.extend(synthetic().into_iter().map(|(name, picture)| (name.to_string(), false, picture)));
    let start = Instant::now();
    let mut minutes = Vec::new();
    for (name, is_known, picture) in &scenes {
        let mut answers = Vec::new();
        for index in 0..ANSWERS {
            let captured = start + Duration::from_secs(1) * index / RATE;
            let classification = classifier.classify(&frame(picture, index, captured)?)?;
            answers.push((classification, classifier.last_scores_and_input()?.0.to_vec()));
        }
        minutes.push(Minute { name: name.clone(), is_known: *is_known, answers });
    }
    println!("limit  smoothing ms  wrong labels a minute  known seconds unsure");
    for smoothing_ms in [300, 600, 1000, 1500] {
        for limit in [0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6] {
            let (mut wrong, mut unsure) = ((0, 0), (0, 0));
            for Minute { is_known, answers, .. } in &minutes {
                let (labels, unsure_answers) = replay(answers, limit, smoothing_ms);
                if *is_known {
                    unsure = (unsure.0 + unsure_answers, unsure.1 + ANSWERS);
                } else {
                    wrong = (wrong.0 + labels, wrong.1 + 1);
                }
            }
            let (per_minute, share) =
                (f64::from(wrong.0) / f64::from(wrong.1), f64::from(unsure.0) / f64::from(unsure.1.max(1)));
            println!(
                "{limit:.2}   {smoothing_ms:>5}         {per_minute:>6.2}                 {:>5.1} %",
                share * 100.0
            );
        }
    }
    for Minute { name, is_known, answers } in &minutes {
        let at = |limit| replay(answers, limit, 600).0;
        let kind = if *is_known { "known" } else { "unknown" };
        println!("{kind:<8} {name:<20} labels a minute at 0.1, 0.3, 0.5: {}, {}, {}", at(0.1), at(0.3), at(0.5));
    }
    Ok(())
}

/// Returns how often a label appeared on the screen within the minute, and the number of unsure answers.
fn replay(answers: &[(Classification, Vec<f32>)], limit: f32, smoothing_ms: u64) -> (u32, u32) {
    let smoothing = Duration::from_millis(smoothing_ms);
    let settings = postprocess::Settings { min_confidence: limit, smoothing, ..Default::default() };
    let mut tracker = AnswerTracker::default();
    let (mut labels, mut unsure, mut last) = (0, 0, None);
    let mut postprocessor: Option<Postprocessor> = None;
    for (classification, scores) in answers {
        let postprocessor = postprocessor.get_or_insert_with(|| Postprocessor::new(settings, scores.len()));
        let predictions = postprocessor.predict(scores, classification.captured, 0);
        tracker.record(&Classification { predictions, ..classification.clone() });
        let Some(shown) = tracker.shown() else { continue };
        unsure += u32::from(shown.certainty == Certainty::Unsure);
        // "or ..." below the label says that it is not clear, so only a sure answer is a confident one.
        let label = (shown.certainty == Certainty::Sure).then(|| shown.label().to_string());
        if label.is_some() && label != last {
            labels += 1;
        }
        last = label;
    }
    (labels, unsure)
}

fn pictures(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| {
        file.extension().is_some_and(|extension| ["jpg", "webp", "png"].iter().any(|e| extension == *e))
    });
    files.sort();
    Ok(files)
}

/// Returns pictures of nothing: a dark lens cap, a grey wall with uneven light, and sensor noise.
fn synthetic() -> [(&'static str, image::RgbImage); 3] {
    let (width, height) = (800, 600);
    let wall = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([(90 + (x + y) / 20) as u8; 3]));
    let dark = image::RgbImage::from_pixel(width, height, image::Rgb([6; 3]));
    let noise = image::RgbImage::from_fn(width, height, |x, y| {
        let hash = (x.wrapping_mul(2654435761) ^ y.wrapping_mul(2246822519)).wrapping_mul(3266489917);
        image::Rgb([(hash >> 24) as u8, (hash >> 16) as u8, (hash >> 8) as u8])
    });
    [("lens cap", dark), ("grey wall", wall), ("noise", noise)]
}

/// Returns the camera's frame at `index`.
fn frame(picture: &image::RgbImage, index: u32, captured: Instant) -> anyhow::Result<Frame> {
    let (width, height) = picture.dimensions();
    let ratio = f64::from(FRAME.width) / f64::from(FRAME.height);
    let window_height = (f64::from(height) * WINDOW_SHARE).min(f64::from(width) * WINDOW_SHARE / ratio);
    let (window_width, phase) = (window_height * ratio, f64::from(index) / f64::from(RATE));
    // A tripod in the wind: a slow path over all of the picture.
    let swing = |length: f64, seconds: f64| length * (0.5 + 0.5 * (phase * std::f64::consts::TAU / seconds).sin());
    let (left, top) = (swing(f64::from(width) - window_width, 17.0), swing(f64::from(height) - window_height, 11.0));
    let light = 1.0 + 0.15 * (phase * std::f64::consts::TAU / 7.0).sin();
    let mut seed = u64::from(index) * 0x9e37_79b9_7f4a_7c15 + 1;
    let mut noise = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % 13) as f64 - 6.0
    };
    let info = FrameInfo { size: FRAME, sequence: u64::from(index), captured, source: None, scene: 0 };
    let fill = |bytes: &mut Vec<u8>| {
        bytes.clear();
        for y in 0..FRAME.height {
            for x in 0..FRAME.width {
                let source = |from: f64, length: f64, at: u32, of: u32, limit: u32| {
                    ((from + length * (f64::from(at) + 0.5) / f64::from(of)) as u32).min(limit - 1)
                };
                let column = source(left, window_width, x, FRAME.width, width);
                let row = source(top, window_height, y, FRAME.height, height);
                let level = noise();
                let pixel = picture.get_pixel(column, row).0;
                bytes.extend(pixel.map(|channel| (f64::from(channel) * light + level).clamp(0.0, 255.0) as u8));
            }
        }
        Ok::<_, std::io::Error>(info)
    };
    Ok(FramePool::default().fill(fill)?)
}
