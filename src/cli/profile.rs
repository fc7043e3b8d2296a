//! Arguments of `phicam profile`.

use clap::Args;

use super::{BoardArgs, ModelArgs};

#[derive(Debug, Args)]
pub struct ProfileArgs {
    #[command(flatten)]
    pub board: BoardArgs,
    #[command(flatten)]
    pub model_args: ModelArgs,
    /// Time every candidate model, not only three sizes for each engine (always three with half of the threads)
    #[arg(long)]
    pub all: bool,
    /// Discard cached measurements first
    #[arg(long, alias = "fresh")]
    pub remeasure: bool,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
