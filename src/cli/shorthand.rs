//! Command lines without a command that name a picture, a folder, a film or a camera.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use super::Cli;
use phicam_model::published_accuracy;

impl Cli {
    /// Parses `arguments`, of which the first is the program.
    ///
    /// `phicam photo.jpg` stands for `phicam classify photo.jpg`, and `phicam film.mp4` for `phicam run --camera film.mp4`.
    pub fn from_arguments(arguments: &[OsString]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(arguments).or_else(|error| match expanded(arguments, &error) {
            Some(arguments) => Cli::try_parse_from(arguments),
            None => Err(error),
        })
    }
}

/// Returns the whole command line for one that failed with `error`; `None` if the unknown word names nothing to see.
fn expanded(arguments: &[OsString], error: &clap::Error) -> Option<Vec<OsString>> {
    let context = match error.kind() {
        // `phicam --model lite0 photo.jpg`: flags of `run`, then a word in the place of a command.
        ErrorKind::InvalidSubcommand | ErrorKind::ArgumentConflict => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    let Some(ContextValue::String(word)) = error.get(context) else { return None };
    if Cli::command().find_subcommand(word).is_some() {
        return None;
    }
    let place = arguments.iter().position(|argument| argument.to_str() == Some(word))?;
    let mut whole = arguments.to_vec();
    // `phicam run samples`: what `run` takes is a camera.
    if arguments[1..place].iter().any(|argument| argument == "run") {
        let camera = word.parse::<phicam_camera::Settings>();
        if camera.is_err() && !Path::new(word).exists() {
            return None;
        }
        whole.insert(place, "--camera".into());
        return Some(whole);
    }
    match word.parse::<phicam_camera::Settings>() {
        Ok(phicam_camera::Settings::Files { path: Some(path), .. }) if path == *word => {
            whole.insert(1, "classify".into());
        }
        Ok(_) => whole.insert(place, "--camera".into()),
        Err(_) if Path::new(word).exists() && !published_accuracy::is_file_name(word) => {
            whole.insert(1, "classify".into());
        }
        Err(_) => return None,
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;

    fn parsed(line: &str) -> Result<Cli, clap::Error> {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Cli::from_arguments(&arguments)
    }

    #[test]
    fn picture_stands_for_classify() {
        for line in
            ["phicam dog.jpg", "phicam --model lite0 dog.jpg", "phicam -v dog.jpg --top-k 3", "phicam a/dog.PNG"]
        {
            let cli = parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let Some(Command::Classify(args)) = cli.command else { panic!("{line}: {cli:?}") };
            assert_eq!(args.files.len(), 1, "{line}");
        }
        let Some(Command::Classify(args)) = parsed("phicam a.jpg b.jpg").unwrap().command else {
            panic!("no classify")
        };
        assert_eq!(args.files.len(), 2);
    }

    #[test]
    fn camera_stands_for_run() {
        for word in ["webcam", "/dev/video0", "rtsp://cam/live", "pattern", "files:photos"] {
            let cli = parsed(&format!("phicam {word} --frames 1")).unwrap_or_else(|error| panic!("{word}: {error}"));
            assert!(cli.command.is_none(), "{word}");
            assert_eq!(cli.run.camera, Some(word.parse().unwrap()), "{word}");
        }
    }

    #[test]
    fn run_takes_a_camera() {
        // The folder `samples` exists where the tests run.
        for word in ["usb", "dog.jpg", "samples"] {
            let cli = parsed(&format!("phicam run {word}")).unwrap_or_else(|error| panic!("{word}: {error}"));
            let Some(Command::Run(args)) = cli.command else { panic!("{word}: {:?}", cli.command) };
            assert!(args.camera.is_some(), "{word}");
        }
        assert!(parsed("phicam run nowhere").is_err());
    }

    #[test]
    fn misspelt_command_is_no_picture() {
        let error = parsed("phicam clasify dog.jpg").unwrap_err().to_string();
        assert!(error.contains("'classify'"), "{error}");
        assert_eq!(parsed("phicam classify --modle x").unwrap_err().kind(), ErrorKind::UnknownArgument);
        // The folder `models` exists where the tests run.
        assert_eq!(parsed("phicam --fps 3 models list").unwrap_err().kind(), ErrorKind::ArgumentConflict);
    }
}
