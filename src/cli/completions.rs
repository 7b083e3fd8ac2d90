//! `cachat completions` and `cachat man`: generated from the argument definitions.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, CliError};

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  cachat completions bash > ~/.local/share/bash-completion/completions/cachat
  cachat completions zsh > ~/.zfunc/_cachat
  cachat completions fish > ~/.config/fish/completions/cachat.fish")]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints a completion script.
pub fn run(args: CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cachat", &mut script);
    Ok(std::io::stdout().lock().write_all(&script)?)
}

/// Prints the manual page, in roff.
pub fn man() -> Result<(), CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Ok(std::io::stdout().lock().write_all(&page)?)
}
