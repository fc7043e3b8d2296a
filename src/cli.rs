//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

mod capture;
mod enum_values;
mod model_args;
mod models;
mod prepare;
mod profile;
mod scale;
pub use capture::CaptureArgs;
pub use model_args::ModelArgs;
pub use models::{AddArgs, ModelsArgs, ModelsCommand, Normalisation};
pub use prepare::PrepareArgs;
pub use profile::MeasureArgs;
pub use scale::{PHIS, ScaleArgs, Which};

use phicam_pipeline::classify::crop::CropMode;
use phicam_pipeline::classify::postprocess;
use phicam_policy::budget::{Budget, parse_macs, parse_positive};

/// Says what a camera sees, with the largest EfficientNet that this machine affords.
///
/// Without a command it runs: with the sample photographs as its camera, in the terminal and into phicam-screen.png.
#[derive(Debug, Parser)]
#[command(name = "phicam", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
    /// Say more on standard error: -v each step, -vv every detail. RUST_LOG overrides it
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Camera to screen, until the camera ends or Ctrl-C (this without a command)
    Run(RunArgs),
    /// Say what is on pictures, one line each
    Classify(ClassifyArgs),
    /// Take pictures with a camera and write them as PNG files: to see what it sees, and for `models evaluate`
    Capture(CaptureArgs),
    /// Show which model fits this machine, and why
    Pick(PickArgs),
    /// Time this machine ahead of any pick, and say by which law its engines go
    Measure(MeasureArgs),
    /// Build what TensorRT needs ahead of time: it takes minutes a model, once
    Prepare(PrepareArgs),
    /// Time each stage with one model
    Bench(BenchArgs),
    /// Depth, width, side and work of EfficientNets at any φ; compare, search, write and draw them
    Scale(ScaleArgs),
    /// List the models, check their files, add one, take one out
    Models(ModelsArgs),
    /// Look at this machine: what is here, what is missing, what to do
    Doctor(DoctorArgs),
    /// Ask whether the running one is well: exit code 0 if it is, 4 if not
    Health(HealthArgs),
    /// Print completions for a shell
    Completions {
        /// Such as: phicam completions bash > ~/.local/share/bash-completion/completions/phicam
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub board: BoardArgs,
    /// v4l2:, v4l2:/dev/video0?size=1280x720&fps=30, csi:0, csi:1?size=1280x720&fps=30, gst:'GSTREAMER PIPELINE',
    /// files:DIR, files:'a/*.jpg', pattern, pattern:640x480@60 [default: the board's]
    #[arg(long, value_name = "URI")]
    pub camera: Option<phicam_camera::Settings>,
    /// auto, drm, drm:HDMI-A-1@1280x720, fb:/dev/fb1, png:FILE, png:FILE@800x480, terminal, none; can be given several
    /// times [default: the board's]
    #[arg(long, value_name = "URI")]
    pub display: Vec<phicam_display::Settings>,
    #[command(flatten)]
    pub budget: BudgetArgs,
    #[command(flatten)]
    pub model_args: ModelArgs,
    #[command(flatten)]
    pub prediction: PredictionArgs,
    /// Milliseconds in which an earlier frame's say falls to 1/e; 0 for each frame by itself
    #[arg(long, value_name = "MS", default_value_t = 300)]
    pub smoothing_ms: u64,
    /// End after this many answers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: Option<u64>,
    /// Forget what was measured, and measure again; what was picked stays where less than 5 % has changed
    #[arg(long)]
    pub fresh: bool,
    /// One JSON object an answer on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ClassifyArgs {
    /// JPEG, PNG or WebP files; - for one on standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub board: BoardArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
    #[command(flatten)]
    pub model_args: ModelArgs,
    #[command(flatten)]
    pub prediction: PredictionArgs,
    /// Write what the model saw (NAME.png) and its scores (NAME.f32, little-endian) into this folder
    #[arg(long, value_name = "DIR")]
    pub dump: Option<PathBuf>,
    /// One JSON object a file on standard output
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
    /// Forget what was measured, and measure again; what was picked stays where less than 5 % has changed
    #[arg(long)]
    pub fresh: bool,
    /// Time released networks that are not in the catalog as well, with weights from a seed
    #[arg(long)]
    pub what_if: bool,
    /// Draw it: what each variant takes, the laws, the budget; as PNG, or as SVG where the name ends in .svg
    #[arg(long, value_name = "FILE")]
    pub explain: Option<PathBuf>,
    /// Run the pick for so long, at the budget's rate, and step down if it does not hold
    #[arg(long, value_name = "SECONDS", value_parser = parse_positive)]
    pub soak: Option<f64>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    pub model_args: ModelArgs,
    /// Pixels along a side, for a FILE that takes any
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(sides()))]
    pub side: Option<u32>,
    /// Load as `run` does at a restart: from the weights that an earlier start has packed, where there are some
    #[arg(long)]
    pub packed: bool,
    /// Frames to time [default: at least 20, for about a second and a half]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: Option<u64>,
    /// Time more frames than asked for until this many milliseconds have passed [default: 0 with --frames, else 1500]
    #[arg(long, value_name = "MS", value_parser = parse_milliseconds)]
    pub min_ms: Option<f64>,
    /// Time fewer frames than asked for, though five, where they would take longer than this
    #[arg(long, value_name = "MS", value_parser = parse_milliseconds)]
    pub max_ms: Option<f64>,
    /// At least so many milliseconds from one frame to the next, as in service [default: as fast as it goes]
    #[arg(long, value_name = "MS", value_parser = parse_milliseconds)]
    pub pace_ms: Option<f64>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub folder: ModelsFolder,
    /// One JSON object a finding on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Seconds within which a picture must have been answered
    #[arg(long, value_name = "S", default_value_t = phicam_pipeline::health::WITHIN_S, value_parser = parse_positive)]
    pub within: f64,
    /// Folder with health.json [default: PHICAM_RUNTIME, RUNTIME_DIRECTORY, /run/phicam, or XDG_RUNTIME_DIR/phicam]
    #[arg(long, value_name = "DIR")]
    pub runtime: Option<PathBuf>,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Default, Args)]
pub struct ModelsFolder {
    /// Folder with catalog.toml [default: PHICAM_MODELS, or the first of the usual places]
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
pub struct BoardArgs {
    /// A board's name or file [default: the one this is, else generic]
    #[arg(long, value_name = "NAME|FILE")]
    pub board: Option<String>,
}

/// What a picture may cost; a limit that is not given is the board's.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct BudgetArgs {
    /// Multiply-accumulates a picture, such as 800M
    #[arg(long, value_name = "N", value_parser = parse_macs)]
    pub flops: Option<f64>,
    /// Milliseconds a picture, from decoded frame to guesses at the 95th percentile
    #[arg(long, value_name = "MS", value_parser = parse_positive)]
    pub frame_ms: Option<f64>,
    /// Pictures a second: the same limit put the other way round
    #[arg(long, value_name = "N", value_parser = parse_positive, conflicts_with = "frame_ms")]
    pub fps: Option<f64>,
    /// Resident memory in MiB
    #[arg(long, value_name = "MIB", value_parser = parse_positive)]
    pub memory: Option<f64>,
    /// Share of all cores in percent: whole ones, at least one
    #[arg(long, value_name = "PERCENT", value_parser = parse_positive, conflicts_with = "threads")]
    pub cpu: Option<f64>,
    /// Degrees to stay below while it runs, by doing less
    #[arg(long, value_name = "DEGREES", value_parser = parse_positive)]
    pub celsius: Option<f64>,
}

impl BudgetArgs {
    /// As limits.
    pub fn budget(&self) -> Budget {
        let frame_ms = self.frame_ms.or(self.fps.map(|fps| 1000.0 / fps));
        let Self { flops: million_macs, memory: memory_mib, cpu: cpu_percent, celsius, .. } = *self;
        Budget { million_macs, frame_ms, memory_mib, cpu_percent, celsius }
    }
}

/// [`phicam_model::catalog::SIDES`] as clap wants them.
fn sides() -> std::ops::RangeInclusive<i64> {
    i64::from(*phicam_model::catalog::SIDES.start())..=i64::from(*phicam_model::catalog::SIDES.end())
}

#[derive(Clone, Copy, Debug, Args)]
pub struct PredictionArgs {
    /// centre (as trained), whole (everything, with bars), or region:LEFT,TOP,WIDTH,HEIGHT in shares of the frame
    /// [default: the board's]
    #[arg(long)]
    pub view: Option<CropMode>,
    /// Predictions a picture
    #[arg(long, value_name = "K", default_value_t = 5,
          value_parser = clap::value_parser!(u8).range(1..=postprocess::MAX_GUESSES as i64))]
    pub top: u8,
    /// Probability (0 to 1) below which it is unsure
    #[arg(long, value_name = "P", default_value_t = 0.10, value_parser = parse_probability)]
    pub unsure_below: f32,
}

fn parse_milliseconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ms) if ms >= 0.0 && ms.is_finite() => Ok(ms),
        _ => Err(format!("it is `{text}`, expected milliseconds, 0 or more")),
    }
}

fn parse_probability(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("it is `{text}`, expected 0 to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_runs_with_the_options_given() {
        let cli = Cli::try_parse_from(["phicam", "--fps", "15", "--display", "none", "-v"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.run.display, [phicam_display::Settings::None {}]);
        assert!((cli.run.budget.budget().frame_ms.unwrap() - 66.67).abs() < 0.01);
    }
}
