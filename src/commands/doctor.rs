//! `phicam doctor`: checks this machine and lists remedies.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::models::{load_error, read_catalog};
use super::{exit, health, write_json};
use crate::board::{Board, GENERIC};
use crate::cli::DoctorArgs;
use crate::service::health_monitor::MIN_DISK_MIB;
use phicam_frame::decode::{decode, read_file};
use phicam_platform::{paths, system};

mod hardware;
mod onnxruntime;

/// Result of one check.
#[derive(Serialize)]
struct Finding {
    #[serde(rename = "what")]
    subject: &'static str,
    state: State,
    value: String,
    /// Action that mends it; `None` if all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<Cow<'static, str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    /// The check could not be made, or its result is neither good nor bad.
    Unknown,
    /// Phicam works, without this part.
    Missing,
    /// Phicam does not work.
    Wrong,
}

pub fn doctor(args: DoctorArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut findings = check_machine();
    findings.extend(check_models(args.folder.models.as_deref()));
    let power = system::power();
    findings.extend([
        check_samples(),
        check_state_folder(),
        check_disk(),
        check_clock(),
        hardware::check_power(&power),
        hardware::check_heat(&power),
        check_user(),
    ]);
    findings.extend(onnxruntime::check_onnxruntime(power.jetpack.as_ref()));
    findings.extend(check_cameras());
    findings.extend(hardware::check_csi());
    findings.extend([check_displays(), check_terminal(), check_running()]);
    for finding in &findings {
        if args.json {
            write_json(out, finding)?;
            continue;
        }
        let mark = match finding.state {
            State::Good => "good   ",
            State::Unknown => "unknown",
            State::Missing => "missing",
            State::Wrong => "WRONG  ",
        };
        writeln!(out, "{mark}  {:<10} {}", finding.subject, finding.value)?;
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "{:>20} {remedy}", "→")?;
        }
    }
    let is_any_wrong = findings.iter().any(|finding| finding.state == State::Wrong);
    Ok(if is_any_wrong { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
}

impl Finding {
    fn good(subject: &'static str, value: String) -> Finding {
        Finding { subject, state: State::Good, value, remedy: None }
    }

    fn unknown(subject: &'static str, value: String, remedy: Option<&'static str>) -> Finding {
        Finding { subject, state: State::Unknown, value, remedy: remedy.map(Cow::from) }
    }

    fn missing(subject: &'static str, value: String, remedy: impl Into<Cow<'static, str>>) -> Finding {
        Finding { subject, state: State::Missing, value, remedy: Some(remedy.into()) }
    }

    fn wrong(subject: &'static str, value: String, remedy: impl Into<Cow<'static, str>>) -> Finding {
        Finding { subject, state: State::Wrong, value, remedy: Some(remedy.into()) }
    }
}

/// Free memory that Phicam needs, an estimate: about 60 MiB for the smallest model, and half as much in reserve.
const MIN_FREE_MEMORY_MIB: f64 = 96.0;

/// Checks board, processor and memory.
fn check_machine() -> Vec<Finding> {
    let board = match Board::detect(&system::device_tree_compatible()) {
        Ok(board) if board.name == GENERIC => {
            let value = "not recognised, so generic".into();
            Finding::unknown("board", value, Some("name one with --board if this is a Raspberry Pi or a Jetson"))
        }
        Ok(board) => Finding::good("board", format!("{}: {}", board.name, board.description())),
        Err(error) => Finding::wrong("board", error.to_string(), "name one with --board"),
    };
    let cores = match system::cores() {
        1 => "1 core".into(),
        cores => format!("{cores} cores"),
    };
    let processor = Finding::good("processor", format!("{}, {cores}, {}", system::processor(), std::env::consts::ARCH));
    let memory = match system::memory_mib() {
        Some((_, free)) if free < MIN_FREE_MEMORY_MIB => {
            let value = format!("{free:.0} MiB free");
            Finding::wrong("memory", value, "end other programs: the smallest model needs about 60 MiB")
        }
        Some((all, free)) => Finding::good("memory", format!("{all:.0} MiB, {free:.0} free")),
        None => {
            let value = "/proc/meminfo cannot be read".into();
            Finding::unknown("memory", value, Some("mount /proc, from which memory is read"))
        }
    };
    vec![board, processor, memory]
}

fn check_models(folder: Option<&Path>) -> Vec<Finding> {
    const REMEDY: &str = "copy the folder models of the source beside the program, or name a folder with --models";
    let catalog = match read_catalog(folder) {
        Ok(catalog) => catalog,
        Err(error) => return vec![Finding::wrong("models", error.to_string(), REMEDY)],
    };
    let load_errors: Vec<Finding> = catalog
        .variants
        .iter()
        .filter_map(|variant| Some((variant, load_error(variant)?)))
        .map(|(variant, error)| Finding::wrong("model", format!("{}: {error}", variant.name), REMEDY))
        .collect();
    let loaded = catalog.variants.len() - load_errors.len();
    let value = format!("{loaded} of {} variants load and agree with the catalog", catalog.variants.len());
    let mut findings = Vec::new();
    findings.push(match load_errors.is_empty() {
        true => Finding::good("models", value),
        false => Finding::wrong("models", value, REMEDY),
    });
    findings.extend(load_errors);
    findings
}

fn check_samples() -> Finding {
    const REMEDY: &str = "copy the folder samples of the source beside the program, or name pictures with --camera";
    let folder = match paths::samples_dir() {
        Ok(folder) => folder,
        Err(error) => return Finding::missing("samples", error.to_string(), REMEDY),
    };
    let (mut bytes, mut pixels) = (Vec::new(), Vec::new());
    let mut count = 0;
    for path in std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "jpg") {
            let read = read_file(&path, &mut bytes).map_err(|error| error.to_string());
            let decoded = read.and_then(|()| decode(&bytes, &mut pixels).map_err(|error| error.to_string()));
            if let Err(error) = decoded {
                return Finding::missing("samples", format!("{}: {error}", path.display()), REMEDY);
            }
            count += 1;
        }
    }
    if count == 0 {
        return Finding::missing("samples", format!("no photograph in {}", folder.display()), REMEDY);
    }
    Finding::good("samples", format!("{count} photographs in {}", folder.display()))
}

fn check_state_folder() -> Finding {
    let folder = paths::state_dir();
    let probe = folder.join("doctor.try");
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&probe, b"x"))
        .and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => {
            let (models, bytes) = phicam_engine_cpu::packed_cache::disk_usage(&folder);
            let packed = format!("packed weights: {models}, {:.0} MiB", bytes as f64 / 1024.0 / 1024.0);
            Finding::good("state", format!("{} is writable; {packed}", folder.display()))
        }
        Err(error) => Finding::missing(
            "state",
            format!("{} cannot be written: {error}", folder.display()),
            "name a writable folder with PHICAM_STATE: without one, every start measures and packs weights again",
        ),
    }
}

fn check_disk() -> Finding {
    let folder = paths::state_dir();
    match system::free_disk_mib(&folder) {
        Ok(free) if free < MIN_DISK_MIB => Finding::wrong(
            "disk",
            format!("{free:.0} MiB free at {}, expected {MIN_DISK_MIB:.0} or more", folder.display()),
            "delete files: without space no measurement is stored and no release can be deployed",
        ),
        Ok(free) => Finding::good("disk", format!("{free:.0} MiB free at {}", folder.display())),
        Err(error) => {
            Finding::unknown("disk", format!("free space at {} cannot be read: {error}", folder.display()), None)
        }
    }
}

/// Year of this code's first release: an earlier clock was never set.
const FIRST_YEAR: u64 = 2026;

fn check_clock() -> Finding {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let year = 1970 + (since_1970.as_secs_f64() / 31_556_952.0) as u64;
    if year < FIRST_YEAR {
        let value = format!("not set, it shows the year {year}");
        return Finding::missing(
            "clock",
            value,
            "connect a network or a clock chip, so that logs have the right time; Phicam works without",
        );
    }
    Finding::good("clock", format!("set, the year is {year}"))
}

fn check_user() -> Finding {
    let (name, groups) = system::user();
    let value = format!("{name}, in {}", groups.join(", "));
    let has_access = name == "root" || groups.iter().any(|group| group == "video");
    let has_devices = Path::new("/sys/class/video4linux").is_dir() || !system::displays().is_empty();
    if has_access || !has_devices {
        return Finding::good("user", value);
    }
    Finding::missing(
        "user",
        format!("{value}; not in the group video, which owns cameras and screens"),
        format!("sudo usermod -aG video,render {name}, then log in again"),
    )
}

fn check_running() -> Finding {
    let report = health::current_report(&paths::runtime_dir_for_reading());
    match (report.healthy, report.health) {
        (true, Some(health)) => {
            let (pid, model) = (health.pid, health.model.unwrap_or_default());
            Finding::good(
                "running",
                format!("process {pid} runs {model}, {} classifications in the last 10 s", health.answers_in_10_s),
            )
        }
        (_, None) => Finding::unknown("running", "no pipeline has run".into(), Some("start one with `phicam run`")),
        _ => {
            Finding::missing("running", report.reasons.join("; "), "see `phicam health`, and `just logs` for the cause")
        }
    }
}

fn check_cameras() -> Vec<Finding> {
    let cameras = phicam_camera::v4l2::list();
    if cameras.is_empty() {
        let value = "no video device".into();
        return vec![Finding::missing("cameras", value, "connect a USB camera; without one, picture files are played")];
    }
    let to_finding = |camera: phicam_camera::v4l2::NodeInfo| {
        let modes = if camera.modes.is_empty() { String::new() } else { format!(": {}", camera.modes.join("; ")) };
        let value = format!("{} ({}), {}{modes}", camera.path.display(), camera.name, camera.description);
        match (camera.usable, camera.remedy) {
            (true, _) => Finding::good("camera", value),
            // A codec, or a node whose opening failed without a known cause.
            (false, None) => Finding::unknown("video node", value, None),
            (false, Some(remedy)) => Finding::missing("camera", value, remedy),
        }
    };
    cameras.into_iter().map(to_finding).collect()
}

fn check_displays() -> Finding {
    judge_displays(&system::displays())
}

/// Returns the finding for connectors with their states, and framebuffers.
fn judge_displays(displays: &[(PathBuf, String)]) -> Finding {
    if displays.is_empty() {
        let value = "no screen".into();
        return Finding::missing("screens", value, "connect one; without one, use the terminal or --display png:FILE");
    }
    let names: Vec<String> = displays.iter().map(|(node, state)| format!("{} ({state})", node.display())).collect();
    let value = names.join(", ");
    let any = |states: &[&str]| displays.iter().any(|(_, state)| states.contains(&state.as_str()));
    if any(&["connected", "framebuffer"]) {
        Finding::good("screens", value)
    } else if any(&["unknown"]) {
        Finding::unknown("screens", value, Some("try it with --display screen: its driver does not report its state"))
    } else {
        Finding::missing("screens", value, "connect one, and use it with --display screen")
    }
}

fn check_terminal() -> Finding {
    if !std::io::stdout().is_terminal() {
        return Finding::good("terminal", "standard output is not a terminal, so results are lines of text".into());
    }
    match ratatui::crossterm::terminal::size() {
        Ok((columns, rows)) => Finding::good("terminal", format!("{columns} × {rows} characters, usable as display")),
        Err(error) => Finding::unknown("terminal", format!("its size cannot be read: {error}"), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn screen_in_an_unknown_state_is_not_good() {
        let judged = |states: &[&str]| {
            let displays: Vec<_> =
                states.iter().map(|state| (PathBuf::from("card0-DSI-1"), state.to_string())).collect();
            judge_displays(&displays).state
        };
        assert_eq!(judged(&["disconnected", "connected"]), State::Good);
        assert_eq!(judged(&["framebuffer"]), State::Good);
        assert_eq!(judged(&["disconnected", "unknown"]), State::Unknown);
        assert_eq!(judged(&["disconnected"]), State::Missing);
        assert_eq!(judged(&[]), State::Missing);
    }
}
