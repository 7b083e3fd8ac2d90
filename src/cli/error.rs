//! How a command ends when it does not end well.

use std::io;

use crate::config::ConfigError;
use crate::document::DocumentError;
use crate::eval::EvalError;
use crate::model::source::SourceError;
use crate::saved::SessionError;

/// Each kind has its exit status; `main` turns one into the other.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Status 1. One message: what happened, and what to do next.
    #[error("{0}")]
    Failed(String),
    /// Status 2: wrong usage.
    #[error("{0}")]
    Usage(String),
    /// Status 130: stopped by the user.
    #[error("interrupted")]
    Interrupted,
    /// Status 0: whoever read the output has had enough.
    #[error("the output was closed")]
    ClosedPipe,
}

impl CliError {
    pub fn failed(message: impl Into<String>) -> Self {
        CliError::Failed(message.into())
    }

    pub fn usage(message: impl Into<String>) -> Self {
        CliError::Usage(message.into())
    }
}

/// Errors of writing to stdout: a closed pipe is no failure.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::ClosedPipe,
            io::ErrorKind::Interrupted => CliError::Interrupted,
            _ => CliError::Failed(format!("cannot write the output: {error}")),
        }
    }
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Range(message) => CliError::Usage(message),
            other => CliError::Failed(other.to_string()),
        }
    }
}

impl From<SourceError> for CliError {
    fn from(error: SourceError) -> Self {
        CliError::Failed(error.to_string())
    }
}

impl From<DocumentError> for CliError {
    fn from(error: DocumentError) -> Self {
        CliError::Failed(error.to_string())
    }
}

impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        CliError::Failed(error.to_string())
    }
}

impl From<EvalError> for CliError {
    fn from(error: EvalError) -> Self {
        CliError::Failed(error.to_string())
    }
}
