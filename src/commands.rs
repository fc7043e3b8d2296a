//! The commands: each one parses its arguments, calls the parts and prints.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::old_keys;
use phicam_engine::latency::Percentiles;

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

/// Returns a number for JSON with at most `digits` decimals.
fn rounded(value: f64, digits: i32) -> f64 {
    let steps = 10f64.powi(digits);
    (value * steps).round() / steps
}

/// Returns a number for JSON with three significant digits: more than a measurement is worth.
fn significant(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    rounded(value, (2 - value.abs().log10().floor() as i32).clamp(0, 12))
}

/// Returns milliseconds for JSON: with 0.1 ms or with three significant digits, whichever is finer.
fn rounded_ms(ms: f64) -> f64 {
    if ms.abs() >= 10.0 { rounded(ms, 1) } else { significant(ms) }
}

/// Like [`rounded_ms`], for all percentiles.
fn rounded_percentiles(Percentiles { p50, p95, p99, min }: Percentiles) -> Percentiles {
    Percentiles { p50: rounded_ms(p50), p95: rounded_ms(p95), p99: rounded_ms(p99), min: rounded_ms(min) }
}

/// Writes one JSON object on a line of its own, renamed keys by their old names as well.
fn write_json(out: &mut dyn Write, object: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut object = serde_json::to_value(object)?;
    old_keys::add(&mut object);
    let mut line = serde_json::to_vec(&object)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_keep_a_tenth_or_three_digits() {
        assert_eq!([123.456, 12.345, 5.6789, 0.123456, 0.0].map(rounded_ms), [123.5, 12.3, 5.68, 0.123, 0.0]);
    }

    #[test]
    fn significant_digits_are_three_for_small_numbers() {
        assert_eq!([0.0123456, 0.5, 14.678, 1234.5].map(significant), [0.0123, 0.5, 14.7, 1235.0]);
    }
}
