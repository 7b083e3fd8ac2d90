//! `cachat models`: what is on this machine and what can be fetched.

use clap::Args;

use super::CliError;
use crate::dirs::Dirs;

#[derive(Args, Clone, Debug, Default)]
pub struct ModelsArgs {
    /// Fetch a model now: a name of the list, or OWNER/REPO:FILE of the Hub
    #[arg(long, value_name = "NAME")]
    pub fetch: Option<String>,

    /// Print JSON in place of the table
    #[arg(long)]
    pub json: bool,
}

/// Prints the table.
pub fn run(_args: ModelsArgs, _dirs: &Dirs) -> Result<(), CliError> {
    Err(super::not_built_yet("models"))
}
