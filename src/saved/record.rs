//! The lines of a session's file.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Nobody asks a question of more pieces; an empty one takes several times as much memory as it takes
/// in the file.
pub(super) const PIECES: usize = 1 << 14;

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
    User(#[serde(deserialize_with = "pieces")] Vec<Piece>),
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

/// At most [`PIECES`]; a longer line is damaged.
fn pieces<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Piece>, D::Error> {
    struct Pieces;

    impl<'de> Visitor<'de> for Pieces {
        type Value = Vec<Piece>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("the pieces of a question")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Piece>, A::Error> {
            let mut pieces = Vec::new();
            while let Some(piece) = seq.next_element()? {
                if pieces.len() == PIECES {
                    return Err(A::Error::custom("too many pieces"));
                }
                pieces.push(piece);
            }
            Ok(pieces)
        }
    }

    from.deserialize_seq(Pieces)
}
