//! `prepare`.

use clap::Args;

use super::{BoardArgs, BudgetArgs, ModelArgs};

#[derive(Debug, Args)]
pub struct PrepareArgs {
    #[command(flatten)]
    pub board: BoardArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
    #[command(flatten)]
    pub model_args: ModelArgs,
    /// Prepare every model that is admitted, and not only those that the pick needs to know
    #[arg(long)]
    pub all: bool,
    /// Forget what was built and measured before
    #[arg(long)]
    pub fresh: bool,
}
