//! What can be wrong with a session.

use std::io;
use std::path::PathBuf;

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
    #[error("{name} is {bytes} bytes, too large for a conversation of this app")]
    TooLarge { name: String, bytes: u64 },
    #[error("cannot use {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

pub(super) type Result<T> = std::result::Result<T, SessionError>;
