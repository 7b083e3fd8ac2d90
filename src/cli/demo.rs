//! `cachat demo`: the app with a text and questions of its own, so that nobody has to type.

use std::path::Path;

use clap::Args;

use super::CliError;
use super::args::{EvictionArgs, ModelArgs};
use super::chat::{self, ChatArgs};
use crate::dirs::Dirs;
use crate::policy::Budget;

/// Some 2,700 tokens.
const LOGBOOK: &str = include_str!("demo/logbook.txt");
/// The first is answered from a reading, the other from what the archive kept of it. Both are within what the default
/// model, the smallest, can do.
const QUESTIONS: [&str; 2] = [
    "What is the number of the spare key?",
    "Where are our savings?",
];
/// Entries per head: a tenth of the text.
const BUDGET: usize = 256;
/// Most tokens of an answer.
const ANSWER: usize = 40;

#[derive(Args, Clone, Debug, Default)]
pub struct DemoArgs {
    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub eviction: EvictionArgs,

    /// Theme by name, or auto
    #[arg(long, value_name = "NAME", env = "CACHAT_THEME", hide_env = true)]
    pub theme: Option<String>,

    /// Leave the mouse to the terminal
    #[arg(long)]
    pub no_mouse: bool,
}

/// Opens the app, which asks by itself and stays open. It leaves nothing behind: neither conversation nor archive.
pub fn run(args: DemoArgs, dirs: &Dirs) -> Result<(), CliError> {
    let folder = tempfile::tempdir()
        .map_err(|e| CliError::failed(format!("no folder for the demonstration: {e}")))?;
    let text = folder.path().join("logbook.txt");
    std::fs::write(&text, LOGBOOK)
        .map_err(|e| CliError::failed(format!("{} cannot be written: {e}", text.display())))?;
    let dirs = Dirs {
        sessions: folder.path().join("sessions"),
        archive: folder.path().join("archive"),
        ..dirs.clone()
    };
    chat::run(chat_args(args, &text), &dirs)
}

fn chat_args(args: DemoArgs, text: &Path) -> ChatArgs {
    let mut chat = ChatArgs {
        model: args.model,
        eviction: args.eviction,
        theme: args.theme,
        no_mouse: args.no_mouse,
        ..ChatArgs::default()
    };
    chat.eviction.budget.get_or_insert(Budget::Tokens(BUDGET));
    chat.sampling.temperature = Some(0.0);
    chat.sampling.max_tokens = Some(ANSWER);
    chat.conversation.file = vec![text.to_owned()];
    let mut questions = QUESTIONS.map(str::to_owned).into_iter();
    chat.prompt = questions.next();
    chat.then = questions.collect();
    chat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_stands_in_the_text_once() {
        for said in ["spare key is 7291", "savings are under the third"] {
            assert_eq!(LOGBOOK.matches(said).count(), 1, "{said}");
        }
    }

    #[test]
    fn a_budget_of_ones_own_is_kept() {
        let chat = chat_args(DemoArgs::default(), Path::new("a.txt"));
        assert_eq!(chat.eviction.budget, Some(Budget::Tokens(BUDGET)));
        assert_eq!((chat.prompt.is_some(), chat.then.len()), (true, 1));
        let mut args = DemoArgs::default();
        args.eviction.budget = Some(Budget::Share(0.5));
        let chat = chat_args(args, Path::new("a.txt"));
        assert_eq!(chat.eviction.budget, Some(Budget::Share(0.5)));
    }
}
