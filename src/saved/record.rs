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

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// By the model itself.
    Complete,
    /// At the longest length.
    Length,
    /// By the user.
    Stopped,
}

/// What it took to think before an answer; what was thought is in the answer, with the model's marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Thought {
    pub tokens: usize,
    pub seconds: f64,
}

/// Every line after the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    User(Vec<Piece>),
    /// The next piece of the answer to the last question, as the model wrote it.
    Answer(String),
    /// What was thought before the answer took.
    Thought(Thought),
    /// The answer ended; where this line is missing, the app ended first. Pieces that follow go on
    /// with the answer.
    End(Ending),
    /// Only so many messages (questions and answers) count from here on.
    Truncate(usize),
}
