//! The numbers that a policy is run with.

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
