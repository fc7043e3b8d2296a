//! `measure`.

use clap::Args;

use super::{BoardArgs, ModelArgs};

#[derive(Debug, Args)]
pub struct MeasureArgs {
    #[command(flatten)]
    pub board: BoardArgs,
    #[command(flatten)]
    pub model_args: ModelArgs,
    /// Time every model that is admitted, and not only three sizes of each engine; three do with half of the threads
    #[arg(long)]
    pub all: bool,
    /// Forget what was measured before
    #[arg(long)]
    pub fresh: bool,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
