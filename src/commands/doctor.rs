//! `phicam doctor`: what is here, what is missing, what to do.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::models::fault;
use super::{exit, health, write_json};
use crate::board::{Board, GENERIC};
use crate::cli::DoctorArgs;
use crate::service::health_monitor::MIN_DISK_MIB;
use phicam_frame::decode::{decode, read_file};
use phicam_platform::{paths, system};

mod hardware;
mod onnxruntime;

/// One line of the report.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    value: String,
    /// What to do, where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<Cow<'static, str>>,
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
    let power = system::power();
    findings.extend([
        samples(),
        state_folder(),
        disk(),
        clock(),
        hardware::power(&power),
        hardware::heat(&power),
        user(),
    ]);
    findings.extend(onnxruntime::onnxruntime(power.jetpack.as_ref()));
    findings.extend(cameras());
    findings.extend(hardware::csi());
    findings.extend([displays(), terminal(), running()]);
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

fn bad(what: &'static str, state: State, value: String, remedy: impl Into<Cow<'static, str>>) -> Finding {
    Finding { what, state, value, remedy: Some(remedy.into()) }
}

fn machine() -> Vec<Finding> {
    let board = match Board::recognised(&system::device_tree_compatible()) {
        Ok(board) if board.name == GENERIC => good("board", "not recognised, so generic; --board names another".into()),
        Ok(board) => good("board", format!("{}: {}", board.name, board.in_words())),
        Err(error) => bad("board", State::Wrong, error.to_string(), "name one with --board"),
    };
    let cores = match system::cores() {
        1 => "1 core".into(),
        cores => format!("{cores} cores"),
    };
    let processor = good("processor", format!("{}, {cores}, {}", system::processor(), std::env::consts::ARCH));
    let memory = match system::memory_mib() {
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
        .variants
        .iter()
        .filter_map(|variant| Some((variant, fault(variant)?)))
        .map(|(variant, fault)| bad("model", State::Wrong, format!("{}: {fault}", variant.name), REMEDY))
        .collect();
    let whole = catalog.variants.len() - faults.len();
    let mut findings = vec![good("models", format!("{whole} of {} variants load and agree", catalog.variants.len()))];
    findings.extend(faults);
    findings
}

fn samples() -> Finding {
    const REMEDY: &str = "copy the folder samples from the source beside the program, or name pictures with --camera";
    let folder = match paths::samples_dir() {
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
    let folder = paths::state_dir();
    let tried = folder.join("doctor.try");
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&tried, b"x"))
        .and_then(|()| std::fs::remove_file(&tried));
    match written {
        Ok(()) => {
            let (models, bytes) = phicam_engine_cpu::packed_cache::disk_usage(&folder);
            let packed = format!("packed weights: {models}, {:.0} MiB", bytes as f64 / 1024.0 / 1024.0);
            good("state", format!("{} can be written; {packed}", folder.display()))
        }
        Err(error) => bad(
            "state",
            State::Missing,
            format!("{} cannot be written: {error}", folder.display()),
            "every start measures and packs weights anew; name a folder that can be written with PHICAM_STATE",
        ),
    }
}

fn disk() -> Finding {
    let folder = paths::state_dir();
    match system::free_disk_mib(&folder) {
        Ok(free) if free < MIN_DISK_MIB => bad(
            "disk",
            State::Wrong,
            format!("{free:.0} MiB free at {}, {MIN_DISK_MIB:.0} should be", folder.display()),
            "delete what is not needed: without space nothing is remembered, and no new version can be deployed",
        ),
        Ok(free) => good("disk", format!("{free:.0} MiB free at {}", folder.display())),
        Err(error) => good("disk", format!("unknown at {}: {error}", folder.display())),
    }
}

/// The year in which this was written: a clock before it was never set.
const FIRST_YEAR: u64 = 2026;

fn clock() -> Finding {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let year = 1970 + (since_1970.as_secs_f64() / 31_556_952.0) as u64;
    if year < FIRST_YEAR {
        let value = format!("it is {year}, the clock was not set");
        return bad(
            "clock",
            State::Missing,
            value,
            "phicam does not need it; for logs, connect a network or a clock chip",
        );
    }
    good("clock", format!("set, it is {year}"))
}

fn user() -> Finding {
    let (name, groups) = system::user();
    let value = format!("{name}, in {}", groups.join(", "));
    let may = name == "root" || groups.iter().any(|group| group == "video");
    let devices = Path::new("/sys/class/video4linux").is_dir() || !system::displays().is_empty();
    match may || !devices {
        true => good("user", value),
        false => bad(
            "user",
            State::Missing,
            format!("{value}; cameras and screens are the group video's"),
            "sudo usermod -aG video,render USER, and log in anew",
        ),
    }
}

fn running() -> Finding {
    let judged = health::current_report(&paths::runtime_dir_for_reading());
    match (judged.healthy, judged.health) {
        (true, Some(health)) => {
            let (pid, model) = (health.pid, health.model.unwrap_or_default());
            good("running", format!("process {pid} answers with {model}, {} in the last 10 s", health.answers_in_10_s))
        }
        (_, None) => good("running", "nothing".into()),
        _ => bad("running", State::Missing, judged.reasons.join("; "), "`phicam health` says more, `just logs` why"),
    }
}

fn cameras() -> Vec<Finding> {
    let found = phicam_camera::v4l2::list();
    if found.is_empty() {
        let value = "no video device".into();
        return vec![bad(
            "cameras",
            State::Missing,
            value,
            "plug a USB camera in; until then pictures in files are played",
        )];
    }
    let words = |found: phicam_camera::v4l2::Found| {
        let modes = if found.modes.is_empty() { String::new() } else { format!(": {}", found.modes.join("; ")) };
        let value = format!("{} ({}), {}{modes}", found.path.display(), found.name, found.what);
        match (found.usable, found.remedy) {
            (true, _) | (false, None) => good("camera", value),
            (false, Some(remedy)) => bad("camera", State::Missing, value, remedy),
        }
    };
    found.into_iter().map(words).collect()
}

fn displays() -> Finding {
    let displays = system::displays();
    if displays.is_empty() {
        let value = "no screen".into();
        return bad("screens", State::Missing, value, "connect one; until then there are the terminal and png:FILE");
    }
    let names: Vec<String> = displays.iter().map(|(node, state)| format!("{} ({state})", node.display())).collect();
    let value = names.join(", ");
    match displays.iter().any(|(_, state)| state != "disconnected") {
        true => good("screens", value),
        false => bad("screens", State::Missing, value, "connect one; it is drawn on with --display drm"),
    }
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
