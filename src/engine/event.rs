//! What goes into the engine and what comes out of it. The screen and the command line know the
//! engine only by these.

use std::path::PathBuf;

pub use super::comparison::CompareEvent;
pub use super::drafting::Drafts;
pub use super::memory::ProcessMemory;
pub use super::sampling::{PartialSampling, Said, Sampling};
pub use super::stop::Stop;
pub use crate::archive::Mode;
pub use crate::model::device_memory::DeviceMemory;
pub use crate::model::message::{Message, Role};
pub use crate::model::thoughts::Knows;
use crate::policy::{Budget, Preset};

/// Identifies one turn of the conversation, from 1.
pub type Turn = u32;

/// What the engine can be told (bounded channel, in order).
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Answer the user's message; `text` already holds attached documents.
    Ask {
        text: String,
    },
    /// Go on with the last answer, which was stopped or cut.
    Continue,
    /// Answer a question under several policies and leave the conversation as it is.
    Compare(Compare),
    /// Forget the conversation and empty the cache.
    Reset,
    /// From the next turn on; what is `None` stays.
    SetPolicy {
        policy: Option<Preset>,
        budget: Option<Budget>,
    },
    /// Where everything that is read is kept from now on.
    SetArchive(Mode),
    /// What the user says of sampling, from the next turn on.
    SetSampling(PartialSampling),
    /// System prompt from the next conversation on.
    SetSystem(String),
    /// Restore a conversation: it is prefilled with the next question.
    Load(Vec<Message>),
    /// When the conversation that was just loaded began, RFC 3339.
    Began(String),
    /// Count the tokens of a text; answered by [`Event::Counted`] with the same `tag`.
    Count {
        tag: u64,
        text: String,
    },
    /// Where the first `tokens` tokens of a text end, at the end of a line or a word where there is
    /// one near; answered by [`Event::Shortened`] with the same `tag`.
    Shorten {
        tag: u64,
        text: String,
        tokens: usize,
    },
    Shutdown,
}

/// Figures of a message that does not fit the model's context, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// What the conversation would take with the message, its frame included.
    pub needed: usize,
    pub context: usize,
    /// What was said before.
    pub held: usize,
}

impl TooLong {
    /// How many there are too many.
    pub fn over(&self) -> usize {
        self.needed.saturating_sub(self.context)
    }
}

/// The conversation's archive.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Archived {
    pub mode: Mode,
    /// Tokens of the conversation, from the first on, that need not be read again.
    pub tokens: usize,
    /// Bytes of their keys and values, on the disk or in memory.
    pub bytes: u64,
    /// The folder on the disk.
    pub path: Option<PathBuf>,
}

/// What is to be compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compare {
    /// `None` asks the last question again.
    pub question: Option<String>,
    /// Policies besides `full`.
    pub policies: Vec<Preset>,
    /// `None` = the one that was stated last.
    pub budget: Option<Budget>,
    pub max_tokens: usize,
}

impl Compare {
    /// What is compared where nothing is named, beside the full cache: the default policy and, to
    /// see what its allocator does, the one that gives every head the same.
    pub fn usual() -> Vec<Preset> {
        Compare::beside(Preset::default())
    }

    /// The same for the policy in force; one that gives every head the same, or keeps everything, stands
    /// beside the default.
    pub fn beside(policy: Preset) -> Vec<Preset> {
        let default = Preset::default();
        let mut both = match policy {
            full if full == Preset::FULL => vec![default.uniform(), default],
            even if even.uniform() == even => vec![even, default],
            uneven => vec![uneven.uniform(), uneven],
        };
        both.dedup();
        both
    }
}

/// The loaded model, as the panels describe it.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct ModelInfo {
    pub name: String,
    pub architecture: String,
    pub path: PathBuf,
    /// `cpu`, `cuda:0`, `metal`.
    pub device: String,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    /// Positions the model was trained for.
    pub context: usize,
    pub weight_bytes: u64,
    pub kv_dtype: String,
    /// What its file says of sampling.
    #[serde(skip)]
    pub sampling: PartialSampling,
    /// What its template lets one say about thinking.
    #[serde(skip)]
    pub thinking: Knows,
}

/// The policy as it was stated, and what its budget comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PolicyInfo {
    pub preset: Preset,
    /// As a person stated it.
    pub budget: Budget,
    pub in_force: InForce,
    pub window: usize,
    pub slack: usize,
}

/// What a stated budget comes to in the conversation as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InForce {
    /// A share of a prompt that is not there yet.
    #[default]
    Pending,
    /// Nothing is evicted, whatever was stated.
    Unbounded,
    /// Entries per KV head, window included.
    Entries(usize),
}

impl InForce {
    /// Entries per KV head, where there is a bound and it is known.
    pub fn entries(self) -> Option<usize> {
        match self {
            InForce::Entries(entries) => Some(entries),
            InForce::Pending | InForce::Unbounded => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    Prefill,
    /// The cache was selected anew from everything that was said, the archive's part included.
    Recall,
    Decode,
}

/// One eviction round over the whole cache, with its layers.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct EvictionRound {
    pub trigger: Trigger,
    pub turn: Turn,
    /// Entries over all heads of the layers that were evicted.
    pub before_entries: usize,
    pub after_entries: usize,
    pub freed_bytes: u64,
    /// Entries that the cache before did not hold and that came back from the archive.
    #[serde(skip)]
    pub recalled_entries: usize,
    /// Share of the window's mean attention that the kept entries hold, 0–1, mean over heads.
    pub retained_mass: f64,
    /// The same for uniform budgets of the same total.
    pub uniform_retained_mass: f64,
    pub milliseconds: f64,
    #[serde(skip)]
    pub layers: Vec<LayerEviction>,
}

/// One layer of an [`EvictionRound`].
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct LayerEviction {
    pub layer: usize,
    pub before_entries: usize,
    /// Kept per KV head, window included.
    pub budgets: Vec<u32>,
    /// Per KV head, 0–1.
    pub retained: Vec<f32>,
    /// Per KV head under uniform budgets of the same total.
    pub uniform_retained: Vec<f32>,
}

/// The cache as it is now (latest-wins: a reader that is slow misses pictures, never blocks).
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct CachePicture {
    /// Entries per `[layer][kv head]`.
    pub lens: Vec<Vec<u32>>,
    /// Per layer, what it sees where that is a sliding window: the window bounds it, never a policy.
    /// Layers beyond the end grow.
    pub windows: Vec<Option<u32>>,
    /// Per layer, the bytes of the state that it keeps in place of entries.
    pub states: Vec<Option<u64>>,
    /// Per layer, the earlier layer whose entries it sees: it holds none.
    pub sources: Vec<Option<u32>>,
    /// Layers already final in a running prefill; `None` when none runs.
    pub filled_layers: Option<usize>,
    /// Bytes of keys and values in use / of the buffers allocated, staged ones included.
    pub used_bytes: u64,
    pub allocated_bytes: u64,
    pub peak_bytes: u64,
    /// What a cache that evicts nothing would use for the same tokens.
    pub full_bytes: u64,
    pub process: ProcessMemory,
    /// Where the model is on a device whose memory is known.
    pub device: Option<DeviceMemory>,
    /// Positions used of the model's context.
    pub position: usize,
    /// Sum over the heads of the layers that grow which the policy allows without slack; `None` =
    /// unbounded.
    pub bound_entries: Option<usize>,
    /// How many of the conversation's tokens: for each position, how many heads of the layers that
    /// grow still hold it (length = `position`). Filled after eviction rounds and at the end of turns only.
    pub holders: Vec<u16>,
}

/// What one turn took.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TurnStats {
    pub turn: Turn,
    pub stop: Stop,
    /// Tokens prefilled in this turn.
    pub prompt_tokens: usize,
    /// Tokens before them that were read before, in this turn's conversation or another's.
    pub reused_tokens: usize,
    /// Entries that came back into the cache from the archive.
    pub recalled_entries: usize,
    pub generated_tokens: usize,
    /// Those of them that were thoughts.
    pub thought_tokens: usize,
    pub prefill_seconds: f64,
    pub decode_seconds: f64,
    #[serde(flatten)]
    pub drafts: Drafts,
}

impl TurnStats {
    /// A turn whose prompt was read.
    pub(super) fn new(turn: Turn, prompt_tokens: usize, prefill_seconds: f64) -> TurnStats {
        TurnStats {
            turn,
            stop: Stop::Interrupted,
            prompt_tokens,
            reused_tokens: 0,
            recalled_entries: 0,
            generated_tokens: 0,
            thought_tokens: 0,
            prefill_seconds,
            decode_seconds: 0.0,
            drafts: Drafts::default(),
        }
    }
}

/// What the engine says (lossless channel, in order).
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Fetching a model file; `total` in bytes where known.
    Fetching {
        what: String,
        done: u64,
        total: Option<u64>,
    },
    /// Reading weights, 0–1.
    Loading {
        share: f32,
    },
    Ready {
        model: Box<ModelInfo>,
        policy: PolicyInfo,
    },
    /// What [`Command::SetPolicy`] asked for, from the next turn on.
    PolicyChanged(PolicyInfo),
    /// What there is of the conversation in its archive; at the end of turns, and when it changes.
    Archive(Box<Archived>),
    /// The budget came to something else: a turn began, or the conversation is another one.
    InForce(InForce),
    TurnStarted {
        turn: Turn,
        prompt_tokens: usize,
        position: usize,
    },
    /// `done` of `total` work units (layers × blocks).
    Prefill {
        turn: Turn,
        done: usize,
        total: usize,
        tokens: usize,
        seconds: f64,
    },
    Eviction(Box<EvictionRound>),
    /// The next piece of the answer, thoughts and their marks included
    /// ([`thoughts::Splitter`](crate::model::thoughts::Splitter) tells them apart): whole characters only,
    /// not yet made safe for a terminal.
    Text {
        turn: Turn,
        piece: String,
    },
    /// One token was decoded (speed and context figures).
    Decoded {
        turn: Turn,
        generated: usize,
        seconds: f64,
        position: usize,
    },
    /// The answer's steps so far; where something was drafted, behind the tokens that came of it.
    Drafted {
        turn: Turn,
        drafts: Drafts,
    },
    TurnFinished(TurnStats),
    /// Something the user should know; the conversation goes on.
    Notice(String),
    /// The turn failed; the conversation is as it was before it. Says what to do next.
    Failed {
        turn: Option<Turn>,
        message: String,
    },
    /// The message does not fit; the conversation is as it was before it.
    TooLong(TooLong),
    /// The tokens of the conversation so far, for the tokens panel: text of each position.
    Tokens(Vec<String>),
    Counted {
        tag: u64,
        tokens: usize,
    },
    /// The text's first `bytes` bytes are `tokens` tokens.
    Shortened {
        tag: u64,
        bytes: usize,
        tokens: usize,
    },
    Compare(CompareEvent),
    /// The engine cannot go on (no model). Says what to do next.
    Fatal(String),
}
