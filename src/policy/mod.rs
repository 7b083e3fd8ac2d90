//! THE MATHEMATICS of eviction: scores in, kept entries out. Slices only; no tensors, no I/O.
//!
//! A policy is a value, *score × allocator × layer budget*: what an entry is worth
//! ([`score`]), how a total is given to the heads ([`allocate`]), and how the layers' totals differ
//! ([`layers`]). [`preset`] names them. Who has an idea for a score writes one file and one row.

pub mod allocate;
pub mod budget;
pub mod layers;
pub mod observed;
pub mod preset;
pub mod round;
pub mod score;
pub mod select;
mod top;

pub use allocate::Allocator;
pub use budget::Budget;
pub use layers::LayerBudget;
pub use observed::{HeadScores, Needs, Observed};
pub use preset::Preset;
pub use round::{Choice, Extent, Round};
pub use score::Score;
pub use select::{Selection, select};

/// What to keep and how to choose it.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub score: &'static dyn Score,
    pub allocator: &'static dyn Allocator,
    pub layers: LayerBudget,
}

impl Policy {
    /// What has to be measured for it, and for the uniform budgets it is held against.
    pub fn needs(&self) -> Needs {
        let judge = self.score.judge().map_or(Needs::NONE, Score::needs);
        self.score.needs().or(judge)
    }

    /// A round over the layers of a cache.
    pub fn round(self, params: Params, extent: Extent) -> Box<dyn Round> {
        self.allocator.round(self, params, extent)
    }
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
