//! Entry point: parses the command line, starts the log, executes the command, prints its error.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use phicam::cli::Cli;
use phicam::commands;
use phicam::commands::{Unaffordable, exit};
use phicam_display::LogWriter;
use phicam_engine::EngineError;
use phicam_pipeline::classify::LoadError;
use phicam_policy::picker::PickError;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = Cli::from_arguments(&arguments).unwrap_or_else(|error| error.exit());
    start_log(cli.verbose);
    let mut out = io::stdout(); // not locked: a display thread draws on it
    match commands::execute(cli, &mut out) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS, // the reader has closed the pipe
        Err(error) => {
            // Only standard output has no context of its own: every file error names its file.
            let bare = error.chain().next().is_some_and(|error| error.is::<io::Error>());
            let prefix = if bare { "standard output cannot be written: " } else { "" };
            let _ = writeln!(io::stderr(), "phicam: {prefix}{error:#}"); // without standard error only the exit code is left
            match error.downcast_ref::<PickError>() {
                Some(PickError::NothingFits(_)) => exit::NOTHING_FITS.into(),
                _ if error.is::<Unaffordable>() => exit::NOTHING_FITS.into(),
                _ if is_engine_error(&error) => exit::NO_ENGINE.into(),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Starts the log: info by default, debug with -v, everything including libraries with -vv. An error always means a loss.
fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "warn,phicam=info",
        1 => "warn,phicam=debug",
        _ => "debug",
    };
    let environment = env_logger::Env::default().default_filter_or(level);
    let mut builder = env_logger::Builder::from_env(environment);
    builder.target(env_logger::Target::Pipe(Box::new(LogWriter)));
    builder.format(|buffer, record| writeln!(buffer, "{}: {}", record.level().as_str().to_lowercase(), record.args()));
    builder.init();
}

/// Returns whether the named engine cannot be used on this machine, for any model.
fn is_engine_error(error: &anyhow::Error) -> bool {
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
