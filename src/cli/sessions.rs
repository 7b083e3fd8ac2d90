//! `cachat sessions`: the saved conversations, without the app.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::CliError;
use super::safe::{self, name, shown, write_json_pretty};
use crate::dirs::Dirs;
use crate::document::{Question, framed};
use crate::engine::event::{Message, Role};
use crate::model::thoughts::{Told, quoted, split};
use crate::saved::{Piece, SavedConversation, SavedTurn, SessionError, Store, Summary};
use crate::unseen;

#[derive(Args, Clone, Debug, Default)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
A name may be shortened as long as only one conversation begins so.

Examples:
  cachat sessions                     all of them, the newest first
  cachat sessions list contract       those that mention a contract
  cachat sessions export 2026-11 --json > talk.json
  cachat --resume 2026-11-03          go on with one in the app"
)]
pub struct SessionsArgs {
    #[command(subcommand)]
    command: Option<SessionsCommand>,
}

#[derive(Subcommand, Clone, Debug)]
enum SessionsCommand {
    /// List conversations, the newest first
    List {
        /// Only those in which this text occurs, in any case
        query: Option<String>,
        /// Print JSON in place of the table
        #[arg(long)]
        json: bool,
    },
    /// Print a conversation
    Show {
        name: String,
        /// With what was thought before the answers
        #[arg(long)]
        thoughts: bool,
    },
    /// Write a conversation as Markdown or JSON
    Export {
        name: String,
        /// A list of messages with role and content, in place of Markdown
        #[arg(long)]
        json: bool,
        /// With what was thought before the answers
        #[arg(long)]
        thoughts: bool,
        /// The file to write, which must not exist [default: stdout]
        #[arg(short, long, value_name = "PATH")]
        output: Option<PathBuf>,
    },
    /// Remove everything that was archived; conversations stay, and are read once more when they go on
    Free,
    /// Delete a conversation for good
    Delete {
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// Does what was asked with the saved conversations.
pub fn run(args: SessionsArgs, dirs: &Dirs) -> Result<(), CliError> {
    let store = Store::new(&dirs.sessions);
    match args.command {
        None => {
            list(&store, "", false)?;
            match crate::archive::bytes(&dirs.archive) {
                0 => Ok(()),
                bytes => Ok(writeln!(
                    std::io::stdout(),
                    "\narchive: {} in {} (`cachat sessions free` removes it)",
                    crate::human::bytes(bytes),
                    dirs.archive.display()
                )?),
            }
        }
        Some(SessionsCommand::Free) => {
            let freed = crate::human::bytes(crate::archive::free(&dirs.archive));
            Ok(writeln!(std::io::stdout(), "removed {freed}")?)
        }
        Some(SessionsCommand::List { query, json }) => {
            list(&store, query.as_deref().unwrap_or_default(), json)
        }
        Some(SessionsCommand::Show { name, thoughts }) => {
            let text = shown(&markdown(&store.show(&name)?, thoughts));
            Ok(write!(std::io::stdout().lock(), "{text}")?)
        }
        Some(SessionsCommand::Export {
            name,
            json,
            thoughts,
            output,
        }) => {
            let conversation = store.show(&name)?;
            let text = match json {
                true => {
                    let said = messages(&conversation);
                    let said: Vec<Told> = said.iter().map(|m| Told::given(m, thoughts)).collect();
                    unseen::json(&serde_json::to_string_pretty(&said)?).into_owned() + "\n"
                }
                false => markdown(&conversation, thoughts),
            };
            export(&text, output)
        }
        Some(SessionsCommand::Delete { name, yes }) => delete(&store, &name, yes),
    }
}

fn list(store: &Store, query: &str, json: bool) -> Result<(), CliError> {
    let all = store.all(query);
    let time = |moment| chrono::DateTime::<chrono::Local>::from(moment);
    // Of its own: the one of stdout is written out at each line.
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if json {
        let line = |s: &Summary| {
            json!({"name": s.name, "title": s.title, "turns": s.turns, "more": s.more,
                   "modified": time(s.modified).to_rfc3339()})
        };
        let lines: Vec<_> = all.iter().map(line).collect();
        write_json_pretty(&mut out, &lines)?;
        return Ok(out.flush()?);
    }
    for s in &all {
        let title = name(&s.title);
        writeln!(
            out,
            "{}  {}  {:>8}  {title}",
            name(&s.name),
            time(s.modified).format("%Y-%m-%d %H:%M"),
            s.turns()
        )?;
    }
    out.flush()?;
    if all.is_empty() {
        let why = match query {
            "" => "no conversation is saved yet; `cachat` begins one".to_owned(),
            query => format!("no conversation mentions `{}`", shown(query)),
        };
        writeln!(std::io::stderr(), "cachat: {why}")?;
    }
    Ok(())
}

/// The file must be new: an export never writes over something.
fn export(text: &str, output: Option<PathBuf>) -> Result<(), CliError> {
    let Some(path) = output else {
        // Into a file or a pipe as it is; a terminal would obey it.
        let mut out = std::io::stdout().lock();
        let text = match out.is_terminal() {
            true => &shown(text),
            false => text,
        };
        return Ok(write!(out, "{text}")?);
    };
    crate::disk::write_new(&path, text.as_bytes())
        .map_err(|e| CliError::failed(format!("cannot write {}: {e}", path.display())))
}

fn delete(store: &Store, name: &str, yes: bool) -> Result<(), CliError> {
    let conversation = match store.show(name) {
        // They say that it is to be deleted.
        Err(SessionError::TooLarge { .. } | SessionError::Crowded(_)) => None,
        shown => Some(shown?),
    };
    if !yes {
        if !std::io::stdin().is_terminal() {
            return Err(CliError::usage("without a terminal, say --yes to delete"));
        }
        let what = conversation.map_or_else(
            || safe::name(name),
            |c| {
                let title = c.title();
                let (title, turns) = (safe::name(&title), c.turns.len());
                format!("\u{201c}{title}\u{201d} ({turns} turns)")
            },
        );
        write!(std::io::stderr(), "Delete {what} for good? [y/N] ")?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(writeln!(std::io::stderr(), "kept")?);
        }
    }
    let name = store.delete(name)?;
    Ok(writeln!(
        std::io::stdout(),
        "deleted {}",
        safe::name(&name)
    )?)
}

/// A question as it was asked, with its documents written out.
pub(super) fn question(pieces: &[Piece]) -> String {
    let mut question = Question::default();
    for piece in pieces {
        match piece {
            Piece::Text(text) => question.typed(text),
            Piece::Paste(text) => question.attached(text),
            Piece::File { name, text } => question.document(name, &framed(name, text)),
        }
    }
    question.text().trim().to_owned()
}

fn markdown(conversation: &SavedConversation, thoughts: bool) -> String {
    let turn = |turn: &SavedTurn| {
        let said = split(turn.answer.as_deref().unwrap_or_default());
        let thought = match thoughts && !said.thoughts.trim().is_empty() {
            true => quoted(&said.thoughts),
            false => String::new(),
        };
        let (question, answer) = (question(&turn.question), said.answer.trim());
        format!("## You\n\n{question}\n\n## Cachat\n\n{thought}{answer}\n\n")
    };
    conversation.turns.iter().map(turn).collect()
}

/// The conversation as the model is told it.
pub(super) fn messages(conversation: &SavedConversation) -> Vec<Message> {
    let turn = |turn: &SavedTurn| {
        let said = |role, content| Message { role, content };
        let question = said(Role::User, question(&turn.question));
        let answer = turn.answer.clone().map(|a| said(Role::Assistant, a));
        std::iter::once(question).chain(answer)
    };
    conversation.turns.iter().flat_map(turn).collect()
}
