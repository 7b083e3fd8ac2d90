//! One answer with everything that is needed to check it: a line of the file of answers.

use serde::{Deserialize, Serialize};

/// An answer under one variant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// `eos`, `length` or `line`; `choice` where options were weighed, `text` where nothing was asked,
    /// `no room` where a question was not.
    pub stop: String,
    pub references: Vec<String>,
    pub metric: String,
    pub score: f64,
    /// KL to the full cache over the first steps of its answer, nats; and how often the likeliest token
    /// is the same.
    pub kl: Option<f64>,
    pub top1: Option<f64>,
    /// What could be chosen, where options were weighed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Chance>,
    /// How the text goes on, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed: Option<Followed>,
    pub seconds: f64,
}

/// How likely an option is behind its prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    pub text: String,
    pub tokens: usize,
    /// ln p of all of them.
    pub log_likelihood: f64,
}

/// What the tokens that really follow a text say of a cache that was selected behind it. A step is the
/// prediction of one of them; the first token is predicted by the reading itself and is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Followed {
    /// KL to the full cache at each step, nats.
    pub kl: Vec<f32>,
    /// −ln p of each token, nats.
    pub surprise: Vec<f32>,
    /// Steps at which the likeliest token is not the full cache's.
    pub differs: Vec<usize>,
    /// Share of their attention to the text, in the full cache, that goes to entries which are kept;
    /// the mean over layers and KV heads.
    pub retained: f64,
    /// ‖y − ŷ‖₁ / ‖y‖₁ of the attention output for the last token that was read, the mean over layers.
    pub l1: f64,
    /// The paper's bound on that, `ε / ‖y‖₁` with `ε = 2hC − 2C·Σ A`, where `h` is the number of query heads, `C` the
    /// longest value behind the output projection and the sum over the entries that are kept; the mean over layers.
    #[serde(default)]
    pub bound: f64,
    /// Share of that token's attention that went to entries which are gone: `ε` as a share of 2hC.
    pub lost: f64,
}

impl Followed {
    /// Share of the steps at which the likeliest token is the full cache's.
    pub fn agreement(&self) -> f64 {
        let steps = self.kl.len().max(1) as f64;
        1.0 - self.differs.len() as f64 / steps
    }

    /// The first step that differs, or their number where none does.
    pub fn first_divergence(&self) -> usize {
        self.differs.first().copied().unwrap_or(self.kl.len())
    }
}

/// The mode of records that say how a text goes on.
pub const TEXT: &str = "text";

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
