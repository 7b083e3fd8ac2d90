//! The lines of a session's file.

use serde::{Deserialize, Serialize};

/// The first line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the format.
    pub cachat: u32,
    /// RFC 3339.
    pub created: String,
    #[serde(default)]
    pub model: String,
    #[serde(default)]
    pub policy: String,
}

/// A part of a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Piece {
    Text(String),
    Paste(String),
    File { name: String, text: String },
}

/// Every line after the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    User(Vec<Piece>),
    /// The next piece of the answer to the last question.
    Answer(String),
    /// Only so many messages (questions and answers) count from here on.
    Truncate(usize),
}
