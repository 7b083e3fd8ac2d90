//! `cachat bench`: speed and memory over context lengths and policies.

use clap::Args;

use super::CliError;
use super::args::{EvictionArgs, ModelArgs, settings};
use crate::config::Settings;
use crate::dirs::Dirs;

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  cachat bench
  cachat bench --contexts 512,4096,8000 --policies full,ada-snapkv --budget 1024 --json")]
pub struct BenchArgs {
    /// Context lengths in tokens, separated by commas
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [512, 2048, 4096])]
    pub contexts: Vec<usize>,

    /// Policies, separated by commas [default: full and the policy in force]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',',
          value_parser = crate::config::values::policy_name)]
    pub policies: Vec<String>,

    /// Tokens to decode for each row
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub generate: usize,

    /// Print JSON in place of the table
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,
}

impl BenchArgs {
    /// The settings in force.
    pub fn settings(&self, dirs: &Dirs) -> Result<Settings, CliError> {
        settings(dirs, &self.model, Some(&self.eviction), None, None)
    }
}

/// Measures and prints.
pub fn run(args: BenchArgs, dirs: &Dirs) -> Result<(), CliError> {
    let _settings = args.settings(dirs)?;
    Err(super::not_built_yet("bench"))
}
