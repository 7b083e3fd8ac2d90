//! `cachat tokenize`: text to token ids.

use clap::Args;

use super::CliError;
use super::args::{ModelArgs, settings};
use crate::config::{DeviceChoice, Settings};
use crate::dirs::Dirs;
use crate::document;
use crate::model::tokenizer::Tokenizer;

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
    let mut settings = args.settings(dirs)?;
    // Nothing runs.
    settings.device = DeviceChoice::Cpu;
    let text = match &args.text {
        Some(text) => text.clone(),
        None => {
            let bytes = document::bytes_from("stdin", std::io::stdin().lock())?;
            // Replacing what is wrong would give ids of another text than the one that was sent.
            String::from_utf8(bytes).map_err(|e| {
                CliError::failed(format!(
                    "standard input is not UTF-8 text: byte {} is wrong; convert it first, with \
                     `iconv -t UTF-8` for instance",
                    e.utf8_error().valid_up_to() + 1
                ))
            })?
        }
    };
    let file = super::load::file(&mut settings, dirs)?;
    let failed = |e: &dyn std::fmt::Display| CliError::failed(e.to_string());
    let tokenizer = Tokenizer::from_gguf(&file).map_err(|e| failed(&e))?;
    let ids = tokenizer.encode(&text, true).map_err(|e| failed(&e))?;
    let mut out = std::io::stdout().lock();
    super::safe::write_json(&mut out, &ids)
}
