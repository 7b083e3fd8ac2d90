//! What can be wrong with the settings.

use std::path::PathBuf;

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the settings file {}: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}:{line}: {message}", path.display())]
    Invalid {
        path: PathBuf,
        line: usize,
        message: String,
    },
    /// A value out of range, wherever it was said: wrong usage.
    #[error("{0}")]
    Range(String),
    #[error("{} exists already; it was left as it is", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        path: PathBuf,
        source: std::io::Error,
    },
}
