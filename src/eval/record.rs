//! One answer with everything that is needed to check it: a line of the file of answers.

use serde::{Deserialize, Serialize};

/// An answer under one variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub sample: String,
    pub task: String,
    pub dataset: String,
    /// Tokens that a synthetic sample was made for.
    pub length: Option<usize>,
    /// Where in the text the answers stand, 0 to 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depths: Vec<f64>,
    pub mode: String,
    pub policy: String,
    /// As it was stated.
    pub budget: String,
    /// What it came to, per KV head; nothing for the full cache.
    pub entries: Option<usize>,
    /// Of the sample, from 0 on.
    pub question: usize,
    pub prompt_tokens: usize,
    /// Tokens of the text that were dropped from its middle before anything was read.
    pub lost_tokens: usize,
    /// Bytes of the cache as it was selected, and their share of what the full one has there.
    pub bytes: u64,
    pub kept_share: f64,
    pub answer: String,
    pub answer_tokens: usize,
    /// `eos`, `length` or `line`; `no room` where the question was not asked.
    pub stop: String,
    pub references: Vec<String>,
    pub metric: String,
    pub score: f64,
    /// KL to the full cache over the first steps of its answer, nats; and how often the likeliest token
    /// is the same.
    pub kl: Option<f64>,
    pub top1: Option<f64>,
    pub seconds: f64,
}

/// How a question ended for which the conversation had no room: there is no answer, and no score.
pub const NO_ROOM: &str = "no room";

/// What tells an answer from all others of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub sample: String,
    pub mode: String,
    pub policy: String,
    pub budget: String,
    pub question: usize,
}

impl Record {
    /// Whether there was an answer.
    pub fn asked(&self) -> bool {
        self.stop != NO_ROOM
    }

    pub fn key(&self) -> Key {
        Key {
            sample: self.sample.clone(),
            mode: self.mode.clone(),
            policy: self.policy.clone(),
            budget: self.budget.clone(),
            question: self.question,
        }
    }
}
