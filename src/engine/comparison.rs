//! What is compared, what came of it, and what is said on the way.

use serde::Serialize;

use super::stop::Stop;
use crate::model::thoughts;

/// Most tokens of each answer: the full cache's distributions are kept for all of them, one
/// number for each word of the vocabulary.
pub const MAX_TOKENS: usize = 256;

/// Where all runs start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Past {
    /// It is the first turn.
    Empty,
    /// The conversation's own cache, of which nothing was evicted.
    Shared,
    /// The conversation's archive: each policy selects from all of it.
    Archived,
    /// The whole conversation, read anew under each policy: the conversation's own cache was
    /// evicted already, or holds the turn itself.
    Reread,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    pub question: String,
    /// Each policy with its budget; `None` = no bound.
    pub policies: Vec<(String, Option<usize>)>,
    /// Tokens that every run reads, and tokens of the conversation with them.
    pub prompt_tokens: usize,
    pub position: usize,
    pub past: Past,
    /// The conversation's own answer to the same question is left out.
    #[serde(skip)]
    pub left_out: bool,
    pub max_tokens: usize,
}

impl Plan {
    /// The least budget, where it holds all there is and so nothing is evicted.
    pub fn within(&self) -> Option<usize> {
        let budget = self.policies.iter().filter_map(|p| p.1).min()?;
        (self.position <= budget).then_some(budget)
    }
}

/// One policy's run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyRun {
    pub policy: String,
    /// Entries per KV head, window included; `None` = no bound.
    pub budget: Option<usize>,
    /// Bytes of keys and values once everything was read and evicted, and what a full cache uses.
    pub kv_used_bytes: u64,
    pub kv_full_bytes: u64,
    pub prefill_seconds: f64,
    pub prefill_tokens_per_second: f64,
    pub decode_tokens_per_second: f64,
    pub generated_tokens: usize,
    pub stop: Stop,
    /// Share of the window's attention that the kept entries hold, mean over heads; 1 where
    /// nothing was evicted.
    pub retained_mass: f64,
    /// KL(full ‖ this) in nats per step, both fed the full cache's answer; from the second token
    /// on, since the first comes from the prefill itself. Empty for the full cache and for a run
    /// that was stopped.
    pub kl: Vec<f64>,
    pub kl_mean: Option<f64>,
    /// Share of those steps at which the likeliest token is the same.
    pub top1_agree: Option<f64>,
    /// The first token that differs from the full cache's answer, from 0.
    pub first_divergence: Option<usize>,
    /// Bytes of `answer` before that token.
    pub same_bytes: usize,
    pub answer: String,
}

impl PolicyRun {
    /// The answer without its thoughts.
    pub fn said(&self) -> String {
        thoughts::answer(&self.answer)
    }
}

/// All runs; the full cache's is the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    #[serde(flatten)]
    pub plan: Plan,
    pub runs: Vec<PolicyRun>,
    pub stopped: bool,
}

/// What a comparison says while it runs; `run` counts from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum CompareEvent {
    Started(Box<Plan>),
    Prefill {
        run: usize,
        share: f64,
    },
    /// From the next piece on, the answer differs from the full cache's.
    Diverged {
        run: usize,
    },
    Text {
        run: usize,
        piece: String,
    },
    Decoded {
        run: usize,
        generated: usize,
    },
    /// Feeding the full cache's answer.
    Measuring {
        run: usize,
        share: f64,
    },
    Finished {
        run: usize,
        result: Box<PolicyRun>,
    },
    /// All of it is over.
    Ended {
        stopped: bool,
    },
    /// Nothing can be compared. Says what to do next.
    Failed(String),
}
