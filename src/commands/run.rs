//! `phicam run`: camera to display.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use log::{debug, info, warn};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{exit, write_json};
use crate::board::Board;
use crate::cli::RunArgs;
use crate::service::Service;
use crate::service::active_model::ActiveModel;
use crate::service::first_model::{FirstModel, OpenQuestion, cpu_fallback, first_model};
use crate::service::health_monitor::monitor;
use crate::session::{Session, board, classifier_settings};
use phicam_camera::CameraCounts;
use phicam_camera::reconnect::{Open, ReconnectingCamera, ReopenPolicy};
use phicam_display::Display;
use phicam_pipeline::answer_json;
use phicam_pipeline::{Metrics, Pipeline};
use phicam_platform::paths;
use phicam_policy::budget::Budget;

/// Runs until the camera ends, a signal comes, or the frames are classified that were asked for.
pub fn run(args: RunArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let stop = stop_on_signals()?;
    let board = board(&args.board)?;
    let mut session = Session::new(&board, &args.budget, &args.model_args)?;
    if args.remeasure {
        session.store.forget();
    }
    if session.pinned.is_some() {
        session.budget = Budget::default(); // a pinned variant runs whatever it takes
    }
    let settings = classifier_settings(&args.prediction, board.view, args.smoothing_ms, session.default_config());
    let has_picked = Arc::new(AtomicBool::new(false));
    let camera_settings = args.camera.as_ref().unwrap_or(&board.camera);
    let demo = demo(camera_settings, has_picked.clone())?;
    let is_demo = demo.is_some();
    let mut camera = match demo {
        Some(demo) => demo,
        None => open_camera(&args, &board)?,
    };
    let mut displays = open_displays(&args, &board)?;
    debug!("board {}: {}", board.name, board.summary);
    let FirstModel { classifier, pick, open_question } = first_model(&session, &settings)?;
    let limit_ms = session.budget.frame_ms;
    let names: Vec<String> = displays.iter().map(|display| display.name()).collect();
    let mut pipeline = Pipeline::new(&stop);
    pipeline.screen.set_layout(args.screen.unwrap_or(board.screen), board.round_screen);
    pipeline.engine_fallback = Some(Box::new(|failed| cpu_fallback(failed, &settings)));
    let is_open = open_question != OpenQuestion::Nothing;
    pipeline.measuring.store(is_open, Ordering::Relaxed);
    let active = ActiveModel::from(&**classifier.model());
    let service = Service {
        pipeline: &pipeline,
        session: &mut session,
        settings: &settings,
        active,
        stop: &stop,
        is_demo,
        has_picked,
    };
    let mut write_error = None;
    let (ended, served) = std::thread::scope(|scope| {
        let service = scope.spawn(|| {
            let _guard = StopOnPanic(&stop);
            service.run(pick, open_question)
        });
        scope.spawn(|| monitor(&pipeline, &names, limit_ms, &stop));
        let ended = pipeline.run(&mut camera, classifier, &mut displays, args.frames, &mut |event| {
            if args.json {
                let object = answer_json::answer(event.classification, event.age_ms, event.dropped);
                write_error = write_error.take().or(write_json(out, &object).err());
                if write_error.is_some() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        });
        let served = service.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (ended, served)
    });
    drop(displays);
    let metrics = pipeline.metrics();
    let summarised = if args.json { summary(&metrics, &mut std::io::stderr()) } else { summary(&metrics, out) };
    if let Some(error) = write_error {
        return Err(error);
    }
    ended?;
    served?;
    summarised?;
    if is_demo && !args.json {
        writeln!(out, "\nnow try: phicam PHOTO.jpg, phicam run --camera usb, phicam pick")?;
    }
    let all_bad = metrics.answers == 0 && metrics.bad_pictures > 0;
    Ok(if all_bad { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
}

/// Guard that ends the pipeline if its thread panics: the demo would wait for a pick for ever.
struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Returns a flag that Ctrl-C and SIGTERM set. A second signal restores the terminal and ends the program at once.
fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("signals")?;
    let flag = stop.clone();
    let wait = move || {
        for signal in signals.forever() {
            if flag.swap(true, Ordering::Relaxed) {
                phicam_display::restore_terminal();
                std::process::exit(128 + signal);
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).context("signals")?;
    Ok(stop)
}

/// Opens the demo if the camera is the sample photographs: it ends once `may_end` is set and each was shown.
fn demo(
    settings: &phicam_camera::Settings,
    may_end: Arc<AtomicBool>,
) -> anyhow::Result<Option<ReconnectingCamera<'static>>> {
    let &phicam_camera::Settings::Files { path: None, picture_ms, film_fps, repeat: false } = settings else {
        return Ok(None);
    };
    let samples = paths::samples_dir().context("camera")?;
    let picture = Duration::from_millis(picture_ms);
    let camera = phicam_camera::open_demo(&samples, picture, film_fps, may_end).context("camera")?;
    info!("camera {}", camera.describe());
    Ok(Some(ReconnectingCamera::new(camera, None)))
}

/// Opens the camera. A camera that the user named must open; a camera of the board file may be connected later.
fn open_camera(args: &RunArgs, board: &Board) -> anyhow::Result<ReconnectingCamera<'static>> {
    let settings = args.camera.as_ref().unwrap_or(&board.camera).clone();
    let open: Open = Box::new(|settings: &phicam_camera::Settings| {
        phicam_camera::open(settings, paths::samples_dir).map_err(|error| error.to_string())
    });
    let policy = |settings| ReopenPolicy { settings, open };
    match phicam_camera::open(&settings, paths::samples_dir) {
        Ok(camera) => {
            let reason = camera.choice_reason().map_or(String::new(), |reason| format!(" ({reason})"));
            info!("camera {}{reason}", camera.describe());
            Ok(ReconnectingCamera::new(camera, Some(policy(settings))))
        }
        Err(phicam_camera::OpenError::Camera(error)) if args.camera.is_none() && error.is_lost() => {
            warn!("starting without the camera of board {}, and looking for it: {error}", board.name);
            Ok(ReconnectingCamera::disconnected(policy(settings)))
        }
        Err(error) => Err(error).context("camera"),
    }
}

/// Opens the displays. A display that the user named must open; one of the board file may be missing, with a warning.
fn open_displays(args: &RunArgs, board: &Board) -> anyhow::Result<Vec<Box<dyn Display>>> {
    use phicam_display::Settings::{Terminal, Text};
    let is_terminal = |settings: &&phicam_display::Settings| matches!(settings, Terminal {} | Text {});
    if let Some(named) = args.display.iter().find(|settings| args.json && is_terminal(settings)) {
        let name = if matches!(named, Text {}) { "text" } else { "terminal" };
        bail!("--json and --display {name} both write to standard output; leave one of them out");
    }
    let mut displays = Vec::new();
    for settings in &args.display {
        displays.extend(phicam_display::open(settings).context("display")?);
    }
    if args.display.is_empty() {
        let terminal = [Terminal {}];
        let boards = if board.display.is_empty() { &terminal[..] } else { &board.display[..] };
        for settings in boards.iter().filter(|settings| !(args.json && is_terminal(settings))) {
            match phicam_display::open(settings) {
                Ok(opened) => displays.extend(opened),
                Err(error) => warn!("starting without a display of board {}: {error}", board.name),
            }
        }
    }
    for display in &displays {
        match display.name() {
            name if name == "text" => info!("display text"), // lines have no size in pixels
            name => info!("display {name}, {}", display.size()),
        }
    }
    Ok(displays)
}

fn summary(metrics: &Metrics, out: &mut dyn Write) -> std::io::Result<()> {
    let Metrics {
        frames,
        answers,
        dropped,
        bad_pictures,
        display_errors,
        switches,
        engine_failures,
        ref camera_stats,
        ..
    } = *metrics;
    writeln!(
        out,
        "\n{frames} frames: {answers} classified, {dropped} dropped, {bad_pictures} unreadable; {display_errors} display errors"
    )?;
    if switches + engine_failures > 0 {
        writeln!(out, "{switches} switches of the model or its engine, {engine_failures} engines failed")?;
    }
    if *camera_stats != CameraCounts::default() {
        writeln!(out, "camera: {camera_stats}")?;
    }
    writeln!(out, "stage          p50 ms    p95 ms")?;
    for stage in metrics.stages() {
        if let Some(found) = stage.percentiles() {
            writeln!(out, "{:<12} {:>8.2}  {:>8.2}", stage.name(), found.p50, found.p95)?;
        }
    }
    Ok(())
}
