//! The user's message as `ask` and `inspect` take it: documents first, then the question.

use std::io::IsTerminal;

use super::CliError;
use super::args::PromptArgs;
use crate::document::{self, Document, DocumentError};
use crate::engine::event::TooLong;
use crate::human::thousands;
use crate::saved::Piece;

/// The message and what it was made of.
pub struct Prompt {
    pub text: String,
    /// Each under the name it was asked for with.
    documents: Vec<(String, Document)>,
    question: String,
}

impl Prompt {
    /// Its parts, as a conversation is saved.
    pub fn pieces(&self) -> Vec<Piece> {
        let file = |(_, document): &(String, Document)| Piece::File {
            name: document.name.clone(),
            text: document.text.clone(),
        };
        let files = self.documents.iter().map(file);
        let question = self.question.trim();
        let question = (!question.is_empty()).then(|| Piece::Text(question.to_owned()));
        files.chain(question).collect()
    }

    /// Why the message does not fit, with figures, and what can be done.
    pub fn refusal(&self, figures: TooLong) -> CliError {
        let mut text = format!(
            "the message takes {} tokens, {} more than the model's context of {}. A larger --budget \
             does not help: it bounds what is kept of a text, not how much can be read. ",
            thousands(figures.needed),
            thousands(figures.over()),
            thousands(figures.context)
        );
        match self.part(figures) {
            Some(part) => text.push_str(&format!("{part} Or take")),
            None => text.push_str("Take a part of the text, or"),
        }
        text.push_str(
            " a model with a longer context (--model; `cachat models` lists what is here)",
        );
        CliError::failed(text)
    }

    /// How to take the first part of the largest document, about as much as fits.
    fn part(&self, figures: TooLong) -> Option<String> {
        let (path, document) = self.documents.iter().max_by_key(|(_, d)| d.text.len())?;
        let share = document.text.len() as f64 / self.text.len().max(1) as f64;
        let tokens = share * figures.needed as f64;
        // An eighth of the context is left for the answer.
        let room = figures.context as f64 * 0.875 - (figures.needed as f64 - tokens);
        let all = document.pages.unwrap_or(document.lines);
        let fitting = (all as f64 * room / tokens.max(1.0)) as usize;
        let what = if document.pages.is_some() {
            "pages"
        } else {
            "lines"
        };
        let whole = !path.contains('#') && path != "stdin";
        (whole && fitting > 0).then(|| {
            format!("Take a part: --file '{path}#1-{fitting}' are about as many {what} as fit.")
        })
    }
}

/// The documents of `--file` and of standard input, and the question behind them.
///
/// # Errors
/// A document that cannot be read is a failure; nothing at all to say is wrong usage.
pub fn message(args: &PromptArgs, question: Option<&str>) -> Result<Prompt, CliError> {
    let mut documents = Vec::new();
    let mut stdin_read = false;
    for path in &args.file {
        stdin_read |= path.as_os_str() == "-";
        documents.push((path.display().to_string(), document::read(path)?));
    }
    let stdin = std::io::stdin();
    if !stdin_read && !stdin.is_terminal() {
        match document::read_from("stdin", stdin) {
            Ok(piped) => documents.push(("stdin".into(), piped)),
            // Nothing was piped: a script, a service, `< /dev/null`.
            Err(DocumentError::Empty { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let question = question.unwrap_or_default();
    if question.trim().is_empty() && documents.is_empty() {
        return Err(CliError::usage(
            "there is nothing to ask: give a question, a --file or text on standard input",
        ));
    }
    let texts: Vec<Document> = documents.iter().map(|(_, d)| d.clone()).collect();
    Ok(Prompt {
        text: document::compose(&texts, question),
        documents,
        question: question.to_owned(),
    })
}
