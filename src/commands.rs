//! The commands: each one parses its arguments, calls the parts and prints.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::{json_numbers, old_keys};

mod bench;
mod build_engines;
mod capture;
mod classify;
mod doctor;
mod health;
mod image_files;
mod models;
mod pick;
mod profile;
mod run;
mod scale;

pub use scale::Unaffordable;

/// Exit codes besides 0 (success), 1 (an error) and 2 (an unknown command line).
pub mod exit {
    /// No model fits the budget.
    pub const NOTHING_FITS: u8 = 3;
    /// Some files, models or checks failed; the others were processed.
    pub const SOME_FAILED: u8 = 4;
    /// The named engine cannot be used on this machine.
    pub const NO_ENGINE: u8 = crate::profiler::child_bench::NO_ENGINE as u8;
}

/// Executes the command. Results go to `out`, logs to standard error.
pub fn execute(cli: Cli, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if matches!(&cli.command, Some(Command::Pick(args)) if args.explain.is_some()) {
        require_plots("--explain")?; // before the measurements, which may take minutes
    }
    match cli.command {
        None => run::run(cli.run, out),
        Some(Command::Run(args)) => run::run(args, out),
        Some(Command::Classify(args)) => classify::classify(args, out),
        Some(Command::Capture(args)) => capture::capture(args, out),
        Some(Command::Pick(args)) => pick::pick(args, out),
        Some(Command::Profile(args)) => profile::profile(args, out),
        Some(Command::BuildEngines(args)) => build_engines::build_engines(args, out),
        Some(Command::Bench(args)) => bench::bench(args, out),
        Some(Command::Scale(args)) => scale::scale(args, out),
        Some(Command::Models(args)) => models::models(args, out),
        Some(Command::Doctor(args)) => doctor::doctor(args, out),
        Some(Command::Health(args)) => health::health(args, out),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "phicam", &mut script);
            out.write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Fails if this program was built without the feature `plots`, which `flag` needs.
fn require_plots(flag: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        cfg!(feature = "plots"),
        "cannot draw the figure of {flag}: this program was built without plots; \
         use one that was built with cargo's default features"
    );
    Ok(())
}

/// Returns a number for a table with `digits` decimals, or a dash for `None`.
fn known(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".into(), |value| format!("{value:.digits$}"))
}

/// Writes one JSON object on a line of its own, with rounded numbers, and renamed keys by their old names as well.
fn write_json(out: &mut dyn Write, object: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut object = serde_json::to_value(object)?;
    json_numbers::round(&mut object);
    write_exact_json(out, object)
}

/// Writes one JSON object like [`write_json`], with every digit.
fn write_exact_json(out: &mut dyn Write, mut object: serde_json::Value) -> anyhow::Result<()> {
    old_keys::add(&mut object);
    let mut line = serde_json::to_vec(&object)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()?;
    Ok(())
}
