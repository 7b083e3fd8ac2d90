//! `cachat completions` and `cachat man`: generated from the argument definitions.

use std::io::Write;

use clap::{Args, Command};
use clap_complete::Shell;

use super::CliError;

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

/// Prints a completion script for the whole program.
pub fn run(args: CompletionsArgs, mut program: Command) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "cachat", &mut script);
    Ok(std::io::stdout().lock().write_all(&script)?)
}

/// Prints the program's manual page, in roff.
pub fn man(program: Command) -> Result<(), CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(program).render(&mut page)?;
    Ok(std::io::stdout().lock().write_all(&page)?)
}
