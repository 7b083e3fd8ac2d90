//! What can be wrong with a session.

use std::io;
use std::path::PathBuf;

/// Larger files are not read: it takes as much memory again to understand them.
pub(super) const LARGEST: u64 = 512 << 20;

/// Why a session cannot be had. Each says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("there is no conversation `{0}`; `cachat sessions` lists them")]
    Unknown(String),
    #[error("`{0}` fits several conversations; write more of the name")]
    Ambiguous(String),
    #[error("there is no earlier conversation")]
    None,
    #[error("the conversation {0} is open in another window; close it there first")]
    InUse(String),
    #[error(
        "{name} is {bytes} bytes, and of a conversation at most {} MiB are read; delete the file, or \
         take some of its lines out with an editor",
        LARGEST >> 20
    )]
    TooLarge { name: String, bytes: u64 },
    #[error("{0} has more turns than any conversation; it was not written by this app, delete it")]
    Crowded(String),
    #[error("cannot use {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

pub(super) type Result<T> = std::result::Result<T, SessionError>;
