//! THE MATHEMATICS of eviction: scores in, kept entries out. Slices only; no tensors, no I/O.
//!
//! A policy is a value, *score × allocator × layer budget*: what an entry is worth, how a layer's
//! total is given to its heads, and how the layers' totals differ.

pub mod allocate;
pub mod budget;
pub mod layers;
pub mod preset;
pub mod score;
pub mod select;
mod top;

pub use allocate::Allocator;
pub use budget::Budget;
pub use layers::LayerBudget;
pub use preset::Preset;
pub use score::{HeadScores, Score};
pub use select::{Selection, fits, select};

/// Entries at the start of the text that StreamingLLM never evicts (attention sinks).
pub const SINKS: usize = 4;

/// What to keep and how to choose it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    pub score: Score,
    pub allocator: Allocator,
    pub layers: LayerBudget,
}

/// The numbers of the paper's section 4 and the bound of a chat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// Observation window `w`: the newest entries, always kept, whose queries score the rest.
    pub window: usize,
    /// Max-pooling kernel `k` along the sequence (odd).
    pub kernel: usize,
    /// Safeguard `α`: this share of the uniform budget is every head's floor.
    pub alpha: f64,
    /// Entries per KV head that may pile up over the budget while decoding before the next round.
    pub slack: usize,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            window: 32,
            kernel: 7,
            alpha: 0.2,
            slack: 128,
        }
    }
}
