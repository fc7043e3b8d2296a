//! Parses the command line, runs it, prints what went wrong.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use phicam::cli::Cli;
use phicam::commands;
use phicam::commands::{Unaffordable, exit};
use phicam_display::LogLines;
use phicam_engine::EngineError;
use phicam_pipeline::classify::LoadError;
use phicam_policy::picker::PickError;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    let mut out = io::stdout(); // not locked: a display draws on it from another thread
    match commands::execute(cli, &mut out) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS, // whoever read has seen enough
        Err(error) => {
            // Whatever else fails to be read or written is named by whoever tried.
            let bare = error.chain().next().is_some_and(|error| error.is::<io::Error>());
            let what = if bare { "standard output cannot be written: " } else { "" };
            let _ = writeln!(io::stderr(), "phicam: {what}{error:#}"); // with standard error gone, only the code is left
            match error.downcast_ref::<PickError>() {
                Some(PickError::NothingFits(_)) => exit::NOTHING_FITS.into(),
                _ if error.is::<Unaffordable>() => exit::NOTHING_FITS.into(),
                _ if names_no_engine(&error) => exit::NO_ENGINE.into(),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// What is decided, always; with -v each step; with -vv every detail, the libraries' too. ERROR is always a loss.
fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "warn,phicam=info",
        1 => "warn,phicam=debug",
        _ => "debug",
    };
    let environment = env_logger::Env::default().default_filter_or(level);
    let mut builder = env_logger::Builder::from_env(environment);
    builder.target(env_logger::Target::Pipe(Box::new(LogLines)));
    builder.format(|buffer, record| writeln!(buffer, "{}: {}", record.level().as_str().to_lowercase(), record.args()));
    builder.init();
}

/// Whether the engine that was named cannot be used here, whatever the model.
fn names_no_engine(error: &anyhow::Error) -> bool {
    let engine = match error.downcast_ref::<LoadError>() {
        Some(LoadError::Engine(error)) => Some(error),
        _ => error.downcast_ref::<EngineError>(),
    };
    matches!(engine, Some(EngineError::Library(_) | EngineError::Unusable { .. }))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}
