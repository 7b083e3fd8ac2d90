//! `cachat ask`: one answer to stdout.

use clap::Args;

use super::CliError;
use super::args::{EvictionArgs, ModelArgs, PromptArgs, SamplingArgs, settings};
use crate::config::Settings;
use crate::dirs::Dirs;

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  cachat ask \"What is a KV cache?\"
  cachat ask --file report.txt --budget 512 \"Which risks are named?\"
  cat notes.md | cachat ask \"Summarise this\"
  cachat ask --json --temperature 0 \"2 + 2?\" | jq .kv")]
pub struct AskArgs {
    /// The question; without one, the documents stand alone
    #[arg(value_name = "QUESTION")]
    pub question: Option<String>,

    /// Print one JSON object with the answer, timings, memory and evictions
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,

    #[command(flatten)]
    pub conversation: PromptArgs,

    #[command(flatten)]
    pub sampling: SamplingArgs,
}

impl AskArgs {
    /// The settings in force for this answer.
    pub fn settings(&self, dirs: &Dirs) -> Result<Settings, CliError> {
        settings(
            dirs,
            &self.model,
            Some(&self.eviction),
            Some(&self.sampling),
            Some(&self.conversation),
        )
    }
}

/// Answers one question.
pub fn run(args: AskArgs, dirs: &Dirs) -> Result<(), CliError> {
    let _settings = args.settings(dirs)?;
    Err(super::not_built_yet("ask"))
}
