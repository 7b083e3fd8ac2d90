//! `cachat inspect`: what eviction decides for a prompt.

use std::path::PathBuf;

use clap::Args;

use super::CliError;
use super::args::{EvictionArgs, ModelArgs, PromptArgs, settings};
use crate::config::Settings;
use crate::dirs::Dirs;

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  cachat inspect --exact --tokens prompt.json --budget 256 --generate 32
  cachat inspect --file report.txt --policy ada-reach | jq '.layers[0].budgets'")]
pub struct InspectArgs {
    /// The prompt, as text
    #[arg(value_name = "PROMPT", conflicts_with = "tokens")]
    pub prompt: Option<String>,

    /// JSON file: an array of token ids, or an object with the key `tokens`; taken as they are,
    /// without template or special tokens
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub tokens: Option<PathBuf>,

    /// Also decode N tokens greedily, with the full and the evicted cache
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub generate: usize,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,

    #[command(flatten)]
    pub conversation: PromptArgs,
}

impl InspectArgs {
    /// The settings in force.
    pub fn settings(&self, dirs: &Dirs) -> Result<Settings, CliError> {
        settings(
            dirs,
            &self.model,
            Some(&self.eviction),
            None,
            Some(&self.conversation),
        )
    }
}

/// Prints the decisions as one JSON object.
pub fn run(args: InspectArgs, dirs: &Dirs) -> Result<(), CliError> {
    let _settings = args.settings(dirs)?;
    Err(super::not_built_yet("inspect"))
}
