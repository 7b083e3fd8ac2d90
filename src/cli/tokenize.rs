//! `cachat tokenize`: text to token ids.

use clap::Args;

use super::CliError;
use super::args::{ModelArgs, settings};
use crate::config::Settings;
use crate::dirs::Dirs;

#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "\
Examples:
  cachat tokenize \"Hello, world\"
  cachat tokenize < book.txt | jq length")]
pub struct TokenizeArgs {
    /// Text; without it, stdin. Control tokens in it are parsed, no template is applied
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,

    #[command(flatten)]
    pub model: ModelArgs,
}

impl TokenizeArgs {
    /// The settings in force.
    pub fn settings(&self, dirs: &Dirs) -> Result<Settings, CliError> {
        settings(dirs, &self.model, None, None, None)
    }
}

/// Prints a JSON array.
pub fn run(args: TokenizeArgs, dirs: &Dirs) -> Result<(), CliError> {
    let _settings = args.settings(dirs)?;
    Err(super::not_built_yet("tokenize"))
}
