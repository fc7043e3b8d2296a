//! `phicam health`: is the running one well? And what the running one writes, to be asked so.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::{exit, write_json};
use crate::cli::HealthArgs;
use phicam_pipeline::health::{Health, Judgement, WITHIN_S, Witness, judge};
use phicam_platform::{paths, system};

pub fn health(args: HealthArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let folder = args.runtime.unwrap_or_else(paths::runtime_to_read);
    let judged = judge(&folder, args.within, &Linux);
    match args.json {
        true => write_json(out, &judged)?,
        false => in_words(&judged, out)?,
    }
    Ok(if judged.well { ExitCode::SUCCESS } else { exit::SOME_FAILED.into() })
}

/// How whoever writes into `folder` is, by the usual limit.
pub fn judged(folder: &Path) -> Judgement {
    judge(folder, WITHIN_S, &Linux)
}

fn in_words(judged: &Judgement, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{}", if judged.well { "well" } else { "NOT WELL" })?;
    judged.why.iter().try_for_each(|why| writeln!(out, "  {why}"))?;
    let Some(health) = &judged.health else { return Ok(()) };
    let Health { version, executable, frames, answers, dropped, answers_in_10_s, .. } = health;
    writeln!(out, "phicam {version}, {}, for {:.0} s", executable.display(), health.written_s - health.started_s)?;
    writeln!(
        out,
        "camera   {}, lost {} times; {}",
        health.camera.as_deref().unwrap_or("none"),
        health.camera_lost,
        health.by_camera
    )?;
    writeln!(out, "screens  {}; {} pictures not shown", health.displays.join(", "), health.not_shown)?;
    writeln!(out, "model    {}", health.model.as_deref().unwrap_or("none yet"))?;
    writeln!(out, "frames   {frames}, {answers} answered ({answers_in_10_s} in the last 10 s), {dropped} dropped")?;
    health.faults.iter().try_for_each(|fault| writeln!(out, "fault    {fault}"))
}

struct Linux;

impl Witness for Linux {
    fn now_s(&self) -> f64 {
        system::since_boot_s()
    }

    fn boot_id(&self) -> String {
        system::boot_id()
    }

    fn runs(&self, pid: u32, executable: &Path) -> bool {
        match std::fs::read_link(format!("/proc/{pid}/exe")) {
            Ok(runs) => runs == executable,
            // Another user's process does not tell which file it runs, but it is there.
            Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
        }
    }
}
