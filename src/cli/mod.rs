//! THE COMMANDS. One file each; arguments in, output and an error kind out. Nothing here exits.

mod answering;
pub mod args;
pub mod ask;
mod auto;
pub mod bench;
pub mod chat;
pub mod compare;
pub mod completions;
pub mod config;
pub mod crash;
pub mod demo;
pub mod doctor;
mod error;
pub mod eval;
pub mod inspect;
pub mod interrupt;
mod load;
pub mod log;
pub mod models;
mod near;
pub mod progress;
mod prompt;
mod running;
pub mod safe;
pub mod sessions;
pub mod tokenize;

use clap::{CommandFactory, Parser, Subcommand};

pub use error::CliError;

use crate::dirs::Dirs;

const EXAMPLES: &str = "\
Examples:
  cachat                                     chat
  cachat --file contract.txt \"Who may end it?\"
  cachat ask --file notes.md \"What was decided?\"
  git diff | cachat ask \"Review this change\"
  cachat --policy full                       keep the whole cache, to compare
  cachat --budget 25%                        keep a quarter of each prompt

Every option can also be set in config.toml (`cachat config --init`), and most as CACHAT_NAME in
the environment (--kv-dtype is CACHAT_KV_DTYPE). CACHAT_HOME moves the app's folders.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.";

/// Chat with long documents in your terminal, and watch the KV cache work.
#[derive(Parser, Debug)]
#[command(
    name = "cachat",
    version,
    about,
    long_about = "Chat with a local language model in your terminal. The model's memory of the text \
                  (its KV cache) is kept small by Ada-KV eviction, and panels show live what each \
                  attention head keeps, what it costs and what was dropped.",
    after_help = "`cachat --help` shows examples.",
    after_long_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub chat: chat::ChatArgs,

    /// What the log file takes in; nothing of what is said, at any level
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        value_enum,
        default_value_t,
        hide_default_value = true,
        env = "CACHAT_LOG",
        hide_env = true,
        help_heading = "App"
    )]
    pub log: log::Level,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Answer one question on stdout; stdin and --file are documents
    Ask(ask::AskArgs),
    /// Show what eviction decides for a prompt, as JSON
    Inspect(inspect::InspectArgs),
    /// Measure speed and memory over context lengths and policies
    Bench(bench::BenchArgs),
    /// Watch a demonstration of a minute: a text is read, and two questions are asked about it
    Demo(demo::DemoArgs),
    /// Say what this machine and its devices can do, and test that they compute what they should
    Doctor(doctor::DoctorArgs),
    /// Answer one question under several policies and compare them
    Compare(compare::CompareArgs),
    /// Measure what policies cost: answers over data files and made tasks
    Eval(eval::EvalArgs),
    /// Turn text into the model's token ids, as a JSON array
    Tokenize(tokenize::TokenizeArgs),
    /// List the models that are here and those that can be fetched
    Models(models::ModelsArgs),
    /// List, show, export or delete saved conversations
    Sessions(sessions::SessionsArgs),
    /// Show the settings in force, or write a commented settings file
    Config(config::ConfigArgs),
    /// Print shell completions
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    Man,
}

/// Does what the arguments say.
pub fn run(cli: Cli) -> Result<(), CliError> {
    let dirs = Dirs::from_env();
    log::start(cli.log, &dirs.logs);
    let done = dispatch(cli, &dirs);
    if let Err(error) = &done {
        tracing::error!("{}", safe::shown(&error.to_string()));
    }
    done
}

fn dispatch(cli: Cli, dirs: &Dirs) -> Result<(), CliError> {
    match cli.command {
        None => {
            near::check(cli.chat.prompt.as_deref(), &Cli::command())?;
            chat::run(cli.chat, dirs)
        }
        Some(Command::Ask(args)) => ask::run(args, dirs),
        Some(Command::Inspect(args)) => inspect::run(args, dirs),
        Some(Command::Bench(args)) => bench::run(args, dirs),
        Some(Command::Demo(args)) => demo::run(args, dirs),
        Some(Command::Doctor(args)) => doctor::run(args, dirs),
        Some(Command::Compare(args)) => compare::run(args, dirs),
        Some(Command::Eval(args)) => eval::run(args, dirs),
        Some(Command::Tokenize(args)) => tokenize::run(args, dirs),
        Some(Command::Models(args)) => models::run(args, dirs),
        Some(Command::Sessions(args)) => sessions::run(args, dirs),
        Some(Command::Config(args)) => config::run(args, dirs),
        Some(Command::Completions(args)) => completions::run(args, Cli::command()),
        Some(Command::Man) => completions::man(Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surface_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_prompt_without_a_command_opens_the_app() {
        let cli = Cli::try_parse_from(["cachat", "--budget", "25%", "hello there"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.chat.prompt.as_deref(), Some("hello there"));
    }
}
