//! The user's message as `ask` and `inspect` take it: documents first, then the question.

use std::io::IsTerminal;

use super::CliError;
use super::args::PromptArgs;
use crate::document::{self, DocumentError};

/// The documents of `--file` and of standard input, and the question behind them.
///
/// # Errors
/// A document that cannot be read is a failure; nothing at all to say is wrong usage.
pub fn message(args: &PromptArgs, question: Option<&str>) -> Result<String, CliError> {
    let mut documents = Vec::new();
    let mut stdin_read = false;
    for path in &args.file {
        stdin_read |= path.as_os_str() == "-";
        documents.push(document::read(path)?);
    }
    let stdin = std::io::stdin();
    if !stdin_read && !stdin.is_terminal() {
        match document::read_from("stdin", stdin) {
            Ok(piped) => documents.push(piped),
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
    Ok(document::compose(&documents, question))
}
