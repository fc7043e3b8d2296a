//! `phicam doctor`: what is here, what is missing, what to do.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::models::fault;
use super::{exit, write_json};
use crate::board::{Board, GENERIC};
use crate::cli::DoctorArgs;
use crate::decode::{decode, read_file};
use crate::{camera, machine, places};

/// One line of the report.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    value: String,
    /// What to do, where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    /// Phicam works without it.
    Missing,
    /// Phicam does not work.
    Wrong,
}

pub fn doctor(args: DoctorArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut findings = machine();
    findings.extend(models(args.folder.models.as_deref()));
    findings.extend([samples(), state_folder()]);
    findings.extend(cameras());
    findings.extend([displays(), terminal()]);
    for finding in &findings {
        if args.json {
            write_json(out, finding)?;
            continue;
        }
        let mark = match finding.state {
            State::Good => "good   ",
            State::Missing => "missing",
            State::Wrong => "WRONG  ",
        };
        writeln!(out, "{mark}  {:<10} {}", finding.what, finding.value)?;
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "{:>20} {remedy}", "→")?;
        }
    }
    let wrong = findings.iter().any(|finding| finding.state == State::Wrong);
    Ok(if wrong { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
}

fn good(what: &'static str, value: String) -> Finding {
    Finding { what, state: State::Good, value, remedy: None }
}

fn bad(what: &'static str, state: State, value: String, remedy: &'static str) -> Finding {
    Finding { what, state, value, remedy: Some(remedy.into()) }
}

fn machine() -> Vec<Finding> {
    let board = match Board::recognised(&machine::device_tree_compatible()) {
        Ok(board) if board.name == GENERIC => good("board", "not recognised, so generic; --board names another".into()),
        Ok(board) => good("board", format!("{}: {}", board.name, board.in_words())),
        Err(error) => bad("board", State::Wrong, error.to_string(), "name one with --board"),
    };
    let cores = match machine::cores() {
        1 => "1 core".into(),
        cores => format!("{cores} cores"),
    };
    let processor = good("processor", format!("{}, {cores}, {}", machine::processor(), std::env::consts::ARCH));
    let memory = match machine::memory_mib() {
        Some((_, free)) if free < 96.0 => {
            let value = format!("{free:.0} MiB free");
            bad("memory", State::Wrong, value, "the smallest model needs about 60 MiB: end other programs")
        }
        Some((all, free)) => good("memory", format!("{all:.0} MiB, {free:.0} free")),
        None => bad("memory", State::Missing, "unknown".into(), "mount /proc: without it memory cannot be measured"),
    };
    vec![board, processor, memory]
}

fn models(named: Option<&Path>) -> Vec<Finding> {
    const REMEDY: &str = "copy the folder models from the source beside the program, or name it with --models";
    let catalog = super::models::read(named);
    let catalog = match catalog {
        Ok(catalog) => catalog,
        Err(error) => return vec![bad("models", State::Wrong, error.to_string(), REMEDY)],
    };
    let faults: Vec<Finding> = catalog
        .choices
        .iter()
        .filter_map(|choice| Some((choice, fault(choice)?)))
        .map(|(choice, fault)| bad("model", State::Wrong, format!("{}: {fault}", choice.name), REMEDY))
        .collect();
    let whole = catalog.choices.len() - faults.len();
    let mut findings = vec![good("models", format!("{whole} of {} choices load and agree", catalog.choices.len()))];
    findings.extend(faults);
    findings
}

fn samples() -> Finding {
    const REMEDY: &str = "copy the folder samples from the source beside the program, or name pictures with --camera";
    let folder = match places::samples() {
        Ok(folder) => folder,
        Err(error) => return bad("samples", State::Missing, error.to_string(), REMEDY),
    };
    let (mut bytes, mut pixels) = (Vec::new(), Vec::new());
    let mut count = 0;
    for path in std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "jpg") {
            let read = read_file(&path, &mut bytes).map_err(|error| error.to_string());
            let decoded = read.and_then(|()| decode(&bytes, &mut pixels).map_err(|error| error.to_string()));
            if let Err(error) = decoded {
                return bad("samples", State::Missing, format!("{} {error}", path.display()), REMEDY);
            }
            count += 1;
        }
    }
    good("samples", format!("{count} photographs in {}", folder.display()))
}

fn state_folder() -> Finding {
    let folder = places::state();
    let tried = folder.join("doctor.try");
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&tried, b"x"))
        .and_then(|()| std::fs::remove_file(&tried));
    match written {
        Ok(()) => good("state", format!("{} can be written", folder.display())),
        Err(error) => bad(
            "state",
            State::Missing,
            format!("{} cannot be written: {error}", folder.display()),
            "every start measures anew; name a folder that can be written with PHICAM_STATE",
        ),
    }
}

/// A finding for each video node; one in all where there is none, or none is a camera.
fn cameras() -> Vec<Finding> {
    let nodes = camera::list();
    let usable = nodes.iter().any(|node| node.usable);
    let finding = |node: &camera::v4l2::Found| {
        let modes = if node.usable { format!("; {}", node.modes.join(" | ")) } else { String::new() };
        let value = format!("{} ({}): {}{modes}", node.path.display(), node.name, node.what);
        Finding {
            what: if node.usable { "camera" } else { "no camera" },
            state: if node.usable || node.remedy.is_none() { State::Good } else { State::Missing },
            value,
            remedy: node.remedy.clone(),
        }
    };
    let mut findings: Vec<Finding> = nodes.iter().map(finding).collect();
    if !usable {
        let value = if nodes.is_empty() { "no video device".into() } else { "none of the video devices is one".into() };
        let remedy = "plug a USB camera in; until then pictures in files are played";
        findings.push(bad("cameras", State::Missing, value, remedy));
    }
    findings
}

fn displays() -> Finding {
    let displays = machine::displays();
    if displays.is_empty() {
        let value = "no screen".into();
        return bad("screens", State::Missing, value, "connect one; until then there are the terminal and png:FILE");
    }
    let names: Vec<String> = displays.iter().map(|(node, state)| format!("{} ({state})", node.display())).collect();
    let value = names.join(", ");
    bad(
        "screens",
        State::Missing,
        value,
        "this version has no screen driver yet: it draws in the terminal and png:FILE",
    )
}

fn terminal() -> Finding {
    match std::io::stdout().is_terminal() {
        true => {
            let (columns, rows) = ratatui::crossterm::terminal::size().unwrap_or((0, 0)); // 0: it does not tell
            good("terminal", format!("{columns} × {rows}, pictures are drawn in it"))
        }
        false => good("terminal", "standard output is none: answers are lines of text".into()),
    }
}
