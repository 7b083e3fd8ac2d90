//! Why there is no model file, and what to do about it.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

/// Why a model file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(
        "there is no file {}\nGive --model an existing GGUF file, a Hub repository (OWNER/REPO:FILE) \
         or a name that `cachat models` lists.",
        .0.display()
    )]
    NoFile(PathBuf),

    #[error(
        "{} is no plain file\nGive --model an existing GGUF file; one that comes through a pipe has \
         to be saved first.",
        .0.display()
    )]
    NotAFile(PathBuf),

    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },

    #[error(
        "{} is no GGUF file: it starts with {found}, not with `GGUF`\nGive --model a model in the \
         GGUF format; `cachat models` lists some that can be fetched.",
        path.display()
    )]
    NotGguf { path: PathBuf, found: String },

    #[error("{} is a folder with {count} GGUF files in it\nName the file to use.", path.display())]
    Folder { path: PathBuf, count: usize },

    #[error("{0}")]
    Unknown(String),

    /// Nothing had it; one line for each place that was tried.
    #[error("{}", unavailable(file, place, hint, tried))]
    Unavailable {
        file: String,
        /// Where the file may be put by hand.
        place: PathBuf,
        /// Where a person can get it, and how to tell that it is right.
        hint: String,
        tried: Vec<(&'static str, String)>,
    },

    #[error(
        "what came as {file} is not that file: {problem}\nNothing was kept. Try again; if it stays \
         so, something between here and there changes it."
    )]
    Corrupt { file: String, problem: String },

    #[error(
        "cannot write {}: {source}\n{}",
        path.display(),
        advice(source)
    )]
    Unwritable { path: PathBuf, source: io::Error },
}

fn unavailable(
    file: &str,
    place: &std::path::Path,
    hint: &str,
    tried: &[(&'static str, String)],
) -> String {
    let mut text = format!("the model file {file} is not on this machine and could not be fetched");
    for (who, why) in tried {
        let _ = write!(text, "\n  {who}: {why}");
    }
    let _ = write!(
        text,
        "\nPut the file at {}{hint},\nor name another with --model PATH.",
        place.display()
    );
    text
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "The disk is full: make room, or set HF_HOME and CACHAT_HOME to folders on another disk."
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "Make the folder writable, or set HF_HOME and CACHAT_HOME to folders that are."
        }
        _ => "Set CACHAT_HOME to use another folder.",
    }
}
