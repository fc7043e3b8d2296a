//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

mod build_engines;
mod capture;
mod enum_values;
mod model_args;
mod models;
mod profile;
mod scale;
mod shorthand;
mod values;
pub use build_engines::BuildEnginesArgs;
pub use capture::CaptureArgs;
pub use model_args::ModelArgs;
pub use models::{AddArgs, ModelsArgs, ModelsCommand, Normalisation};
pub use profile::ProfileArgs;
pub use scale::{PHIS, ScaleArgs, Which};

use phicam_pipeline::classify::crop::CropMode;
use phicam_pipeline::classify::postprocess;
use phicam_pipeline::overlay::Page;
use phicam_policy::budget::{Budget, parse_macs};

/// Classifies what a camera sees, with the largest EfficientNet that this machine affords.
///
/// Without a command it runs a demo: the sample photographs are the camera, the terminal and phicam-screen.png the displays.
/// `phicam photo.jpg` and `phicam folder` classify pictures; `phicam film.mp4` and `phicam webcam` run a camera.
#[derive(Debug, Parser)]
#[command(name = "phicam", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
    /// Log more to standard error: -v each step, -vv every detail; RUST_LOG overrides it
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Classify camera frames and show them, until the camera ends or Ctrl-C (the default command)
    Run(RunArgs),
    /// Classify picture files, one line each
    Classify(ClassifyArgs),
    /// Save camera frames as PNG files, to check a camera or to collect pictures for `models evaluate`
    Capture(CaptureArgs),
    /// Pick the largest model that fits this machine, and explain the choice
    Pick(PickArgs),
    /// Benchmark this machine and print a latency model for each engine
    #[command(alias = "measure")]
    Profile(ProfileArgs),
    /// Build TensorRT engines ahead of time: minutes for each model, once
    #[command(alias = "prepare")]
    BuildEngines(BuildEnginesArgs),
    /// Benchmark one model, stage by stage
    Bench(BenchArgs),
    /// Compute EfficientNets at any φ: depth, width, resolution, MACs; compare, search, export and plot them
    Scale(ScaleArgs),
    /// List, verify, add, evaluate and remove models
    Models(ModelsArgs),
    /// Check this machine: cameras, displays, engines, models, power; say what is missing and what to do
    Doctor(DoctorArgs),
    /// Report the health of the running service: exit code 0 if healthy, 4 if not
    Health(HealthArgs),
    /// Print shell completions
    Completions {
        /// For example: phicam completions bash > ~/.local/share/bash-completion/completions/phicam
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub board: BoardArgs,
    /// usb, /dev/video0, csi:0, rtsp://HOST/PATH, a folder, a film, auto; or v4l2:/dev/video0?size=1280x720&fps=30,
    /// csi:1?size=1280x720&fps=30, gst:'GSTREAMER PIPELINE', files:'a/*.jpg', pattern:640x480@60 [default: the board's]
    #[arg(long, value_name = "URI")]
    pub camera: Option<phicam_camera::Settings>,
    /// screen, hdmi, terminal, text (a line for each answer), none; or drm:HDMI-A-1@1280x720, /dev/fb1, png:FILE,
    /// png:FILE@800x480; can be given several times [default: the board's]
    #[arg(long, value_name = "URI")]
    pub display: Vec<phicam_display::Settings>,
    #[command(flatten)]
    pub budget: BudgetArgs,
    #[command(flatten)]
    pub model_args: ModelArgs,
    #[command(flatten)]
    pub prediction: PredictionArgs,
    /// Page of the screens: the picture with the answer, or numbers of the model and the board [default: as the board file]
    #[arg(long, value_name = "PAGE", value_parser = enum_values::page())]
    pub screen: Option<Page>,
    /// Time constant of temporal smoothing in milliseconds; 0 turns smoothing off
    #[arg(long, value_name = "MS", default_value_t = postprocess::SMOOTHING_MS)]
    pub smoothing_ms: u64,
    /// Stop after this many classifications
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: Option<u64>,
    /// Discard cached measurements and measure again; keeps the current model unless results change by more than 5 %
    #[arg(long, alias = "fresh")]
    pub remeasure: bool,
    /// Print one JSON object for each classification on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ClassifyArgs {
    /// JPEG, PNG or WebP files, or folders of them; - reads one from standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub board: BoardArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
    #[command(flatten)]
    pub model_args: ModelArgs,
    #[command(flatten)]
    pub prediction: PredictionArgs,
    /// Write the network input (NAME.png) and its scores (NAME.f32, little-endian) into this folder
    #[arg(long, value_name = "DIR")]
    pub dump: Option<PathBuf>,
    /// Print one JSON object for each file on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct PickArgs {
    #[command(flatten)]
    pub board: BoardArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
    #[command(flatten)]
    pub model_args: ModelArgs,
    /// Discard cached measurements and measure again; keeps the current model unless results change by more than 5 %
    #[arg(long, alias = "fresh")]
    pub remeasure: bool,
    /// Also time published networks that are not in the catalog, with random weights
    #[arg(long)]
    pub what_if: bool,
    /// Plot latencies, latency models and the budget into this file: PNG, or SVG if its name ends in .svg
    #[arg(long, value_name = "FILE")]
    pub explain: Option<PathBuf>,
    /// Run the pick for this many seconds at the budget's frame rate, and step down if it misses the budget
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds, allow_negative_numbers = true)]
    pub soak: Option<f64>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    pub model_args: ModelArgs,
    /// Input resolution in pixels along a side, for a FILE with a dynamic input
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(sides()))]
    pub side: Option<u32>,
    /// Load packed weights from the cache if there are any, as `run` does after a restart
    #[arg(long)]
    pub packed: bool,
    /// Frames to time [default: 20 or more, for about 1.5 s]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: Option<u64>,
    /// Minimum benchmark time in milliseconds; times more frames if needed [default: 0 with --frames, else 1500]
    #[arg(long, alias = "least-ms", value_name = "MS", value_parser = values::milliseconds, allow_negative_numbers = true)]
    pub min_time_ms: Option<f64>,
    /// Maximum benchmark time in milliseconds; times fewer frames if needed, five at least [default: no limit]
    #[arg(long, alias = "most-ms", value_name = "MS", value_parser = values::milliseconds, allow_negative_numbers = true)]
    pub max_time_ms: Option<f64>,
    /// Minimum milliseconds from one frame to the next, as in service [default: no pause]
    #[arg(long, alias = "pace-ms", value_name = "MS", value_parser = values::milliseconds, allow_negative_numbers = true)]
    pub interval_ms: Option<f64>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
    /// Print every digit, for the measurement store
    #[arg(long, hide = true)]
    pub exact: bool,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub folder: ModelsFolder,
    /// Print one JSON object for each finding on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Healthy if a frame was classified within this many seconds
    #[arg(long, value_name = "S", default_value_t = phicam_pipeline::health::DEFAULT_MAX_ANSWER_AGE_S,
          value_parser = values::seconds, allow_negative_numbers = true)]
    pub within: f64,
    /// Folder that holds health.json [default: PHICAM_RUNTIME, RUNTIME_DIRECTORY, /run/phicam, or XDG_RUNTIME_DIR/phicam]
    #[arg(long, value_name = "DIR")]
    pub runtime: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Default, Args)]
pub struct ModelsFolder {
    /// Folder that holds catalog.toml [default: PHICAM_MODELS, else the first standard location]
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
pub struct BoardArgs {
    /// Board name or board file [default: the detected board, else generic]
    #[arg(long, value_name = "NAME|FILE")]
    pub board: Option<String>,
}

/// Limits of one inference; a limit that is not given is the board's.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct BudgetArgs {
    /// MACs (multiply-accumulates) of one inference, such as 800M; the paper's FLOPS count MACs too
    #[arg(long, visible_alias = "macs", value_name = "N", value_parser = parse_macs, allow_negative_numbers = true)]
    pub flops: Option<f64>,
    /// Latency in milliseconds from a decoded frame to its predictions, at the 95th percentile
    #[arg(long, value_name = "MS", value_parser = values::frame_ms, allow_negative_numbers = true)]
    pub frame_ms: Option<f64>,
    /// Frame rate that the latency must keep up with: --fps 15 is --frame-ms 66.7
    #[arg(long, value_name = "N", value_parser = values::fps, allow_negative_numbers = true,
          conflicts_with = "frame_ms")]
    pub fps: Option<f64>,
    /// Peak resident memory in MiB
    #[arg(long, value_name = "MIB", value_parser = values::memory_mib, allow_negative_numbers = true)]
    pub memory: Option<f64>,
    /// Share of the CPU in percent, rounded down to whole cores, one at least
    #[arg(long, alias = "cpu", value_name = "PERCENT", value_parser = values::cpu_percent,
          allow_negative_numbers = true, conflicts_with = "threads")]
    pub cpu_percent: Option<f64>,
    /// Temperature limit in °C: a smaller model runs while the board is hotter
    #[arg(long, alias = "celsius", value_name = "DEGREES", value_parser = values::celsius,
          allow_negative_numbers = true)]
    pub max_celsius: Option<f64>,
}

impl BudgetArgs {
    /// Returns the limits that were given.
    pub fn budget(&self) -> Budget {
        let frame_ms = self.frame_ms.or(self.fps.map(|fps| 1000.0 / fps));
        let Self { flops: million_macs, memory: memory_mib, cpu_percent, max_celsius: celsius, .. } = *self;
        Budget { million_macs, frame_ms, memory_mib, cpu_percent, celsius }
    }
}

/// Returns [`phicam_model::catalog::SIDES`] in clap's type.
fn sides() -> std::ops::RangeInclusive<i64> {
    i64::from(*phicam_model::catalog::SIDES.start())..=i64::from(*phicam_model::catalog::SIDES.end())
}

#[derive(Clone, Copy, Debug, Args)]
pub struct PredictionArgs {
    /// Crop: centre (as trained), whole (letterboxed), or region:LEFT,TOP,WIDTH,HEIGHT as fractions of the frame
    /// [default: the board's]
    #[arg(long)]
    pub view: Option<CropMode>,
    /// Number of predictions in --json
    #[arg(long, alias = "top", value_name = "K", default_value_t = 5,
          value_parser = clap::value_parser!(u8).range(1..=postprocess::MAX_PREDICTIONS as i64))]
    pub top_k: u8,
    /// Probability (0 to 1) below which a classification is shown as unsure
    #[arg(long, alias = "unsure-below", value_name = "P", default_value_t = postprocess::MIN_CONFIDENCE, value_parser = values::probability,
          allow_negative_numbers = true)]
    pub min_confidence: f32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_the_default_command() {
        let cli = Cli::try_parse_from(["phicam", "--fps", "15", "--display", "none", "-v"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.run.display, [phicam_display::Settings::None {}]);
        assert!((cli.run.budget.budget().frame_ms.unwrap() - 66.67).abs() < 0.01);
    }

    #[test]
    fn old_names_of_flags_and_commands_still_parse() {
        for line in [
            "phicam run --fresh --cpu 50 --celsius 75 --top 3 --unsure-below 0.2",
            "phicam pick --macs 800M --fresh",
            "phicam bench --least-ms 1 --most-ms 2 --pace-ms 3",
            "phicam measure --all --fresh",
            "phicam prepare --fresh",
            "phicam models add a.onnx --try photos",
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }
}
