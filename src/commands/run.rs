//! `phicam run`: camera to screen.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use log::{error, info, warn};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::health::keep_watch;
use super::setup::{Setup, board, classifier_settings};
use super::{exit, write_json};
use crate::board::Board;
use crate::camera::CameraCounts;
use crate::catalog::Choice;
use crate::classifier::{self, Classifier};
use crate::cli::RunArgs;
use crate::display::Display;
use crate::pick::{Pick, PickError, reason};
use crate::pipeline::{Counts, Line};
use crate::watch::{Again, Open, Watch};
use crate::{camera, display, json, places};

pub fn run(args: RunArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let stop = stop_on_signals()?;
    let board = board(&args.board)?;
    let mut setup = Setup::new(&board, &args.budget, &args.choice)?;
    if args.fresh {
        setup.remembered.forget();
    }
    let settings = classifier_settings(&args.guess, board.view, args.smoothing_ms, setup.way());
    let mut camera = open_camera(&args, &board)?;
    let mut displays = open_displays(&args, &board)?;
    info!("board {}: {}", board.name, board.summary);
    let (first, undecided) = first_to_answer(&setup, &settings)?;
    let choice = first.model().choice.clone();
    let line = Line::new(&stop);
    let limit_ms = setup.budget.frame_ms.filter(|_| setup.pinned.is_none());
    let names: Vec<String> = displays.iter().map(|display| display.name()).collect();
    let mut write_error = None;
    let (ended, picked) = std::thread::scope(|scope| {
        line.measuring.store(undecided, Ordering::Relaxed);
        let picker = undecided.then(|| scope.spawn(|| decide(&line, &mut setup, &settings, &choice, &stop)));
        scope.spawn(|| keep_watch(&line, &names, limit_ms, &stop));
        let ended = line.run(&mut camera, first, &mut displays, args.frames, &mut |told| {
            if args.json {
                let object = json::answer(told.answer, told.age_ms, told.dropped);
                write_error = write_error.take().or(write_json(out, &object).err());
                if write_error.is_some() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        });
        let picked = picker.map(|picker| picker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        (ended, picked.unwrap_or(Ok(())))
    });
    drop(displays);
    let summarised = match args.json {
        true => summary(&line.counts(), &mut std::io::stderr()),
        false => summary(&line.counts(), out),
    };
    if let Some(error) = write_error {
        return Err(error);
    }
    ended?;
    picked?;
    summarised?;
    let counts = line.counts();
    let all_bad = counts.answers == 0 && counts.bad_pictures > 0;
    Ok(if all_bad { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
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

/// What answers the first picture, and whether a better choice is still to be found.
fn first_to_answer(setup: &Setup, settings: &classifier::Settings) -> anyhow::Result<(Classifier, bool)> {
    if let Some(pinned) = &setup.pinned {
        info!("{} ({}), as named: no limit is checked", pinned.name, pinned.phi_in_words());
        return Ok((Classifier::open(pinned, settings)?, false));
    }
    if let Some(pick) = setup.pick_remembered()? {
        info!("{}", reason(&pick));
        match open_largest(&pick, settings) {
            Some(classifier) => return Ok((classifier, false)),
            None => warn!("none that fits can be run: beginning anew with the smallest"),
        }
    }
    for choice in &setup.admitted {
        match Classifier::open(choice, settings) {
            Ok(classifier) => {
                info!("{} ({}) answers until this machine is measured", choice.name, choice.phi_in_words());
                return Ok((classifier, true));
            }
            Err(error) => warn!("passed over {}: {error}", choice.name),
        }
    }
    bail!("no model can be run; `phicam models verify` checks all of them")
}

/// Measures, picks, loads the pick beside the running line, and hands it over.
fn decide(
    line: &Line,
    setup: &mut Setup,
    settings: &classifier::Settings,
    current: &Choice,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let picked = setup.pick(stop);
    line.measuring.store(false, Ordering::Relaxed);
    let pick = match picked {
        Ok(pick) => pick,
        Err(PickError::Measure(_)) if stop.load(Ordering::Relaxed) => {
            info!("the line ended before this machine was measured; the next start goes on with it");
            return Ok(());
        }
        Err(error) => {
            stop.store(true, Ordering::Relaxed);
            return Err(error.into());
        }
    };
    info!("{}", reason(&pick));
    if pick.choice.name == current.name && pick.way == settings.way {
        return Ok(());
    }
    match open_largest(&pick, settings) {
        Some(classifier) => line.next_model.put(classifier),
        None => error!("{} goes on answering", current.name),
    }
    Ok(())
}

/// The pick, or the best of the others that fit, whichever can be loaded: a file may be damaged since it was measured.
fn open_largest(pick: &Pick, settings: &classifier::Settings) -> Option<Classifier> {
    pick.fitting().into_iter().find_map(|candidate| {
        let opened = Classifier::open(&candidate.choice, &classifier::Settings { way: candidate.way, ..*settings });
        opened.map_err(|error| warn!("passed over {}: {error}", candidate.choice.name)).ok()
    })
}

/// The camera that the user named must open; one that only the board file names may still come. A lost one is looked for.
fn open_camera(args: &RunArgs, board: &Board) -> anyhow::Result<Watch<'static>> {
    let settings = args.camera.as_ref().unwrap_or(&board.camera).clone();
    let open: Open = Box::new(|settings: &camera::Settings| {
        camera::open(settings, places::samples).map_err(|error| error.to_string())
    });
    let again = |settings| Again { settings, open };
    match camera::open(&settings, places::samples) {
        Ok(camera) => {
            info!("camera {}", camera.describe());
            Ok(Watch::over(camera, Some(again(settings))))
        }
        Err(camera::OpenError::Camera(error)) if args.camera.is_none() && error.is_lost() => {
            warn!("going on without the camera of board {}, looking for it: {error}", board.name);
            Ok(Watch::missing(again(settings)))
        }
        Err(error) => Err(error).context("camera"),
    }
}

/// What the user named must open; what only the board file names may be missing, announced.
fn open_displays(args: &RunArgs, board: &Board) -> anyhow::Result<Vec<Box<dyn Display>>> {
    let is_terminal = |settings: &&display::Settings| matches!(settings, display::Settings::Terminal {});
    if args.json && args.display.iter().any(|settings| is_terminal(&settings)) {
        bail!("--json and --display terminal both want standard output; leave one of them out");
    }
    let mut displays = Vec::new();
    for settings in &args.display {
        displays.extend(display::open(settings).context("display")?);
    }
    if args.display.is_empty() {
        let terminal = [display::Settings::Terminal {}];
        let boards = if board.display.is_empty() { &terminal[..] } else { &board.display[..] };
        for settings in boards.iter().filter(|settings| !(args.json && is_terminal(settings))) {
            match display::open(settings) {
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

fn summary(counts: &Counts, out: &mut dyn Write) -> std::io::Result<()> {
    let Counts { frames, answers, dropped, bad_pictures, not_shown, ref by_camera, .. } = *counts;
    writeln!(
        out,
        "\n{frames} frames, {answers} answered, {dropped} dropped, {bad_pictures} unreadable, {not_shown} not shown"
    )?;
    if *by_camera != CameraCounts::default() {
        writeln!(out, "before that: {by_camera}")?;
    }
    writeln!(out, "stage          p50 ms    p95 ms")?;
    for stage in counts.stages() {
        if let Some(found) = stage.percentiles() {
            writeln!(out, "{:<12} {:>8.2}  {:>8.2}", stage.name(), found.p50, found.p95)?;
        }
    }
    Ok(())
}
