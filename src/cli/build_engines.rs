//! Arguments of `phicam build-engines`.

use clap::Args;

use super::{BoardArgs, BudgetArgs, ModelArgs};

#[derive(Debug, Args)]
pub struct BuildEnginesArgs {
    #[command(flatten)]
    pub board: BoardArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
    #[command(flatten)]
    pub model_args: ModelArgs,
    /// Build for every candidate model, not only for those that the picker measures
    #[arg(long)]
    pub all: bool,
    /// Discard built engines and cached measurements first
    #[arg(long, alias = "fresh")]
    pub remeasure: bool,
}
