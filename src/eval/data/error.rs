//! What is wrong with a data file.

use std::path::{Path, PathBuf};

/// Each says what to look at.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{}: {what}", path.display())]
    File { path: PathBuf, what: String },
    #[error("{}, line {line}: {what}", path.display())]
    Row {
        path: PathBuf,
        line: usize,
        what: String,
    },
}

impl DataError {
    pub fn file(path: &Path, what: impl ToString) -> DataError {
        DataError::File {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }

    pub fn row(path: &Path, line: usize, what: String) -> DataError {
        DataError::Row {
            path: path.to_owned(),
            line,
            what,
        }
    }
}
