//! `phicam health`: is the running one well? And what the running one writes, to be asked so.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::{exit, write_json};
use crate::cli::HealthArgs;
use phicam_pipeline::health::{Health, HealthReport, ProcessProbe, WITHIN_S, evaluate};
use phicam_platform::{paths, system};

pub fn health(args: HealthArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let folder = args.runtime.unwrap_or_else(paths::runtime_dir_for_reading);
    let report = evaluate(&folder, args.within, &Linux);
    match args.json {
        true => write_json(out, &report)?,
        false => in_words(&report, out)?,
    }
    Ok(if report.healthy { ExitCode::SUCCESS } else { exit::SOME_FAILED.into() })
}

/// How whoever writes into `folder` is, by the usual limit.
pub fn current_report(folder: &Path) -> HealthReport {
    evaluate(folder, WITHIN_S, &Linux)
}

fn in_words(report: &HealthReport, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{}", if report.healthy { "healthy" } else { "NOT WELL" })?;
    report.reasons.iter().try_for_each(|why| writeln!(out, "  {why}"))?;
    let Some(health) = &report.health else { return Ok(()) };
    let Health { version, executable, frames, answers, dropped, answers_in_10_s, .. } = health;
    writeln!(out, "phicam {version}, {}, for {:.0} s", executable.display(), health.written_s - health.started_s)?;
    writeln!(
        out,
        "camera   {}, lost {} times; {}",
        health.camera.as_deref().unwrap_or("none"),
        health.camera_lost,
        health.camera_stats
    )?;
    writeln!(out, "screens  {}; {} pictures not shown", health.displays.join(", "), health.not_shown)?;
    writeln!(out, "model    {}", health.model.as_deref().unwrap_or("none yet"))?;
    writeln!(out, "frames   {frames}, {answers} answered ({answers_in_10_s} in the last 10 s), {dropped} dropped")?;
    health.faults.iter().try_for_each(|fault| writeln!(out, "fault    {fault}"))
}

struct Linux;

impl ProcessProbe for Linux {
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
