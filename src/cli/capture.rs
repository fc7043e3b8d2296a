//! What `phicam capture` is told.

use std::path::PathBuf;

use clap::Args;

use super::BoardArgs;

#[derive(Debug, Args)]
pub struct CaptureArgs {
    /// v4l2:, v4l2:/dev/video0?format=NV12&size=1280x720&fps=30, and all that `run --camera` knows [default: the board's]
    #[arg(value_name = "URI")]
    pub camera: Option<phicam_camera::Settings>,
    #[command(flatten)]
    pub board: BoardArgs,
    /// Pictures to take
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub frames: u64,
    /// Frames to let pass first: exposure settles within about ten
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip: u64,
    /// Milliseconds from one picture to the next [default: each frame]
    #[arg(long, value_name = "MS")]
    pub every_ms: Option<u64>,
    /// Folder to write into
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// The driver's bytes as well: NAME.raw beside NAME.png, and a line of JSON that says what they are
    #[arg(long)]
    pub raw: bool,
    /// One JSON object a picture on standard output
    #[arg(long)]
    pub json: bool,
}
