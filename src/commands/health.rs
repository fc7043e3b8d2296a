//! `phicam health`: reports the health of the running service.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::{exit, write_json};
use crate::cli::HealthArgs;
use phicam_pipeline::health::{DEFAULT_MAX_ANSWER_AGE_S, Health, HealthReport, ProcessProbe, evaluate};
use phicam_platform::{paths, system};

/// Prints the report; the exit code is 4 if the service is not healthy.
pub fn health(args: HealthArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let folder = args.runtime.unwrap_or_else(paths::runtime_dir_for_reading);
    let report = evaluate(&folder, args.within, &Linux);
    if args.json {
        write_json(out, &report)?;
    } else {
        print(&report, out)?;
    }
    Ok(if report.healthy { ExitCode::SUCCESS } else { exit::SOME_FAILED.into() })
}

/// Returns the report on the service that writes into `folder`, by the default limit.
pub fn current_report(folder: &Path) -> HealthReport {
    evaluate(folder, DEFAULT_MAX_ANSWER_AGE_S, &Linux)
}

fn print(report: &HealthReport, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{}", if report.healthy { "healthy" } else { "UNHEALTHY" })?;
    report.reasons.iter().try_for_each(|reason| writeln!(out, "  {reason}"))?;
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
    writeln!(out, "screens  {}; {} display errors", health.displays.join(", "), health.display_errors)?;
    writeln!(out, "model    {}", health.model.as_deref().unwrap_or("none yet"))?;
    writeln!(out, "frames   {frames}, {answers} answered ({answers_in_10_s} in the last 10 s), {dropped} dropped")?;
    health.faults.iter().try_for_each(|fault| writeln!(out, "fault    {fault}"))
}

/// Process probe that reads /proc.
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
            // The executable of another user's process cannot be read, but the process exists.
            Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
        }
    }
}
