//! `phicam run`: camera to screen.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use log::{error, info, warn};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::{exit, write_json};
use crate::board::Board;
use crate::cli::RunArgs;
use crate::service::health_monitor::keep_watch;
use crate::session::{Session, board, classifier_settings};
use phicam_camera::CameraCounts;
use phicam_camera::reconnect::{Open, ReconnectingCamera, ReopenPolicy};
use phicam_display::Display;
use phicam_engine::{EngineKind, ExecutionConfig};
use phicam_pipeline::answer_json;
use phicam_pipeline::classify;
use phicam_pipeline::classify::{Classifier, Model};
use phicam_pipeline::{Metrics, Pipeline};
use phicam_platform::paths;
use phicam_policy::budget::Budget;
use phicam_policy::picker::{Pick, explain};

use crate::service::model_controller::Limits;
use crate::service::selection::{decide, open_largest, processor};
use crate::service::supervisor::{Kept, Supervisor};

pub fn run(args: RunArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let stop = stop_on_signals()?;
    let board = board(&args.board)?;
    let mut session = Session::new(&board, &args.budget, &args.model_args)?;
    if args.fresh {
        session.store.forget();
    }
    if session.pinned.is_some() {
        session.budget = Budget::default(); // what is pinned is run, whatever it takes
    }
    let settings = classifier_settings(&args.prediction, board.view, args.smoothing_ms, session.config());
    let mut camera = open_camera(&args, &board)?;
    let mut displays = open_displays(&args, &board)?;
    info!("board {}: {}", board.name, board.summary);
    let First { classifier: first, pick, undecided } = first_to_answer(&session, &settings)?;
    let mut current = (first.model().variant.name.clone(), first.model().config);
    let mut pipeline = Pipeline::new(&stop);
    pipeline.rescue = Some(Box::new(|failed| on_the_processor(failed, &settings)));
    let (limit_ms, celsius) = (session.budget.frame_ms, session.budget.celsius);
    let names: Vec<String> = displays.iter().map(|display| display.name()).collect();
    let mut write_error = None;
    let (ended, picked) = std::thread::scope(|scope| {
        pipeline.measuring.store(undecided, Ordering::Relaxed);
        let picker = scope.spawn(|| -> anyhow::Result<()> {
            let configs = session.configs.clone();
            let decided = match undecided {
                true => decide(&pipeline, &mut session, &configs, &settings, &mut current, &stop),
                false => Ok(None),
            };
            let pick = match (decided, pick) {
                (Ok(decided), pick) => decided.or(pick.filter(|_| !undecided)),
                (Err(error), Some(pick)) => {
                    warn!("{} goes on answering, as it was picked before: {error}", pick.variant.name);
                    Some(pick)
                }
                (Err(error), None) => {
                    stop.store(true, Ordering::Relaxed); // nothing fits
                    return Err(error.into());
                }
            };
            if let (Some(pick), Some(limit_ms)) = (pick, limit_ms.or(celsius.map(|_| f64::INFINITY))) {
                let supervisor = Supervisor::new(&pipeline, &settings, Limits { limit_ms, celsius }, &stop);
                look_after(&pipeline, supervisor, pick, &mut session, &settings, &mut current, &stop);
            }
            Ok(())
        });
        scope.spawn(|| keep_watch(&pipeline, &names, limit_ms, &stop));
        let ended = pipeline.run(&mut camera, first, &mut displays, args.frames, &mut |told| {
            if args.json {
                let object = answer_json::answer(told.answer, told.age_ms, told.dropped);
                write_error = write_error.take().or(write_json(out, &object).err());
                if write_error.is_some() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        });
        let picked = picker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (ended, picked)
    });
    drop(displays);
    let summarised = match args.json {
        true => summary(&pipeline.metrics(), &mut std::io::stderr()),
        false => summary(&pipeline.metrics(), out),
    };
    if let Some(error) = write_error {
        return Err(error);
    }
    ended?;
    picked?;
    summarised?;
    let counts = pipeline.metrics();
    let all_bad = counts.answers == 0 && counts.bad_pictures > 0;
    Ok(if all_bad { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
}

/// Keeps to the pick until the line ends, and makes another where an engine has failed, or where other programs that
/// disturbed the measurements are gone.
fn look_after(
    pipeline: &Pipeline,
    mut supervisor: Supervisor<'_, '_>,
    mut pick: Pick,
    session: &mut Session,
    settings: &classify::Settings,
    current: &mut (String, ExecutionConfig),
    stop: &AtomicBool,
) {
    let mut configs = session.configs.clone();
    loop {
        let kept = supervisor.supervise(&pick, current, &mut session.store);
        match kept {
            Kept::Ended => return,
            Kept::EngineFailed => {
                configs = processor(&configs);
                if configs.is_empty() {
                    configs = vec![ExecutionConfig::tract(settings.config.threads)]; // as `on_the_processor` has it
                }
                pipeline.next_model.take(Duration::ZERO); // it may be for the engine that failed
                if let Some(model) = &pipeline.metrics().model {
                    *current = (model.variant.name.clone(), model.config);
                }
            }
            Kept::IdleDetector => {
                info!("other programs are gone: what they disturbed is measured again");
                session.store.doubt_disturbed();
            }
        }
        match decide(pipeline, session, &configs, settings, current, stop) {
            Ok(Some(again)) => pick = again,
            Ok(None) => return,
            // It was picked once, and that is no worse for being measured again.
            Err(error) if kept == Kept::IdleDetector => warn!("{} goes on answering: {error}", current.0),
            Err(error) => return warn!("{} goes on answering, whatever it takes: {error}", current.0),
        }
    }
}

/// A flag that Ctrl-C and SIGTERM set; a second one ends the program at once.
fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 130, stop.clone()).context("signals")?;
        flag::register(signal, stop.clone()).context("signals")?;
    }
    Ok(stop)
}

/// What answers the first picture.
struct First {
    classifier: Classifier,
    /// What it was taken from, where this machine was measured before.
    pick: Option<Pick>,
    /// Whether a better variant is still to be found.
    undecided: bool,
}

fn first_to_answer(session: &Session, settings: &classify::Settings) -> anyhow::Result<First> {
    if let Some(pinned) = &session.pinned {
        info!("{} ({}), as named: no limit is checked", pinned.name, pinned.phi_in_words());
        // Where a GPU seems to be there as well, it is tried beside the line.
        let classifier = crate::engines::open_classifier(pinned, settings)?;
        return Ok(First { classifier, pick: None, undecided: session.configs.len() > 1 });
    }
    let [all, processor] = [session.configs.clone(), processor(&session.configs)];
    for configs in [&all, &processor].into_iter().filter(|configs| !configs.is_empty()) {
        let Some(pick) = session.pick_remembered(configs)? else { continue };
        info!("{}", explain(&pick));
        match open_largest(&pick, settings) {
            Some(classifier) => {
                let undecided = configs.len() < session.configs.len() || session.is_doubtful(&session.configs);
                return Ok(First { classifier, pick: Some(pick), undecided });
            }
            None => warn!("none that fits can be run: beginning anew with the smallest"),
        }
    }
    for variant in &session.admitted {
        match crate::engines::open_classifier(variant, settings) {
            Ok(classifier) => {
                info!("{} ({}) answers until this machine is measured", variant.name, variant.phi_in_words());
                return Ok(First { classifier, pick: None, undecided: true });
            }
            Err(error) => warn!("passed over {}: {error}", variant.name),
        }
    }
    bail!("no model can be run; `phicam models verify` checks all of them")
}

/// The same variant by the CPU engine, where another engine failed.
fn on_the_processor(failed: &Model, settings: &classify::Settings) -> Option<Classifier> {
    if failed.config.engine == EngineKind::Tract {
        return None;
    }
    let settings = classify::Settings { config: ExecutionConfig::tract(settings.config.threads), ..*settings };
    let opened = crate::engines::open_classifier(&failed.variant, &settings);
    opened.map_err(|error| error!("{} cannot go on by {}: {error}", failed.variant.name, settings.config)).ok()
}

/// The camera that the user named must open; one that only the board file names may still come. A lost one is looked for.
fn open_camera(args: &RunArgs, board: &Board) -> anyhow::Result<ReconnectingCamera<'static>> {
    let settings = args.camera.as_ref().unwrap_or(&board.camera).clone();
    let open: Open = Box::new(|settings: &phicam_camera::Settings| {
        phicam_camera::open(settings, paths::samples_dir).map_err(|error| error.to_string())
    });
    let again = |settings| ReopenPolicy { settings, open };
    match phicam_camera::open(&settings, paths::samples_dir) {
        Ok(camera) => {
            info!("camera {}", camera.describe());
            Ok(ReconnectingCamera::over(camera, Some(again(settings))))
        }
        Err(phicam_camera::OpenError::Camera(error)) if args.camera.is_none() && error.is_lost() => {
            warn!("going on without the camera of board {}, looking for it: {error}", board.name);
            Ok(ReconnectingCamera::missing(again(settings)))
        }
        Err(error) => Err(error).context("camera"),
    }
}

/// What the user named must open; what only the board file names may be missing, announced.
fn open_displays(args: &RunArgs, board: &Board) -> anyhow::Result<Vec<Box<dyn Display>>> {
    let is_terminal = |settings: &&phicam_display::Settings| matches!(settings, phicam_display::Settings::Terminal {});
    if args.json && args.display.iter().any(|settings| is_terminal(&settings)) {
        bail!("--json and --display terminal both want standard output; leave one of them out");
    }
    let mut displays = Vec::new();
    for settings in &args.display {
        displays.extend(phicam_display::open(settings).context("display")?);
    }
    if args.display.is_empty() {
        let terminal = [phicam_display::Settings::Terminal {}];
        let boards = if board.display.is_empty() { &terminal[..] } else { &board.display[..] };
        for settings in boards.iter().filter(|settings| !(args.json && is_terminal(settings))) {
            match phicam_display::open(settings) {
                Ok(opened) => displays.extend(opened),
                Err(error) => warn!("going on without a display of board {}: {error}", board.name),
            }
        }
    }
    for display in &displays {
        info!("display {}, {}", display.name(), display.size());
    }
    Ok(displays)
}

fn summary(counts: &Metrics, out: &mut dyn Write) -> std::io::Result<()> {
    let Metrics { frames, answers, dropped, bad_pictures, not_shown, switches, engines_lost, ref camera_stats, .. } =
        *counts;
    writeln!(
        out,
        "\n{frames} frames, {answers} answered, {dropped} dropped, {bad_pictures} unreadable, {not_shown} not shown"
    )?;
    if switches + engines_lost > 0 {
        writeln!(out, "{switches} switches of the model or its engine, {engines_lost} engines failed")?;
    }
    if *camera_stats != CameraCounts::default() {
        writeln!(out, "before that: {camera_stats}")?;
    }
    writeln!(out, "stage          p50 ms    p95 ms")?;
    for stage in counts.stages() {
        if let Some(found) = stage.percentiles() {
            writeln!(out, "{:<12} {:>8.2}  {:>8.2}", stage.name(), found.p50, found.p95)?;
        }
    }
    Ok(())
}
