//! Arguments of `phicam capture`.

use std::path::PathBuf;

use clap::Args;

use super::BoardArgs;

#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// Camera as in `run --camera`, such as v4l2:/dev/video0?format=NV12&size=1280x720&fps=30 [default: the board's]
    #[arg(value_name = "URI")]
    pub camera: Option<phicam_camera::Settings>,
    #[command(flatten)]
    pub board: BoardArgs,
    /// Number of frames to save
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub frames: u64,
    /// Frames to skip first: exposure settles within about ten
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip: u64,
    /// Interval between saved frames in milliseconds [default: every frame]
    #[arg(long, value_name = "MS")]
    pub every_ms: Option<u64>,
    /// Folder for the files
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// Also save the driver's bytes as NAME.raw, described by one JSON object for each frame on standard output
    #[arg(long)]
    pub raw: bool,
    /// Print one JSON object for each frame on standard output
    #[arg(long)]
    pub json: bool,
}
