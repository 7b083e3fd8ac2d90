//! One round of eviction over the layers of a cache.
//!
//! The engine shows a round one layer after the other, and the round says what to keep: of the
//! layer at hand, of earlier ones, or of none before it has seen them all. So a round may let the
//! heads of all layers compete for one total, at once or by cutting earlier layers down again.

use super::{LayerBudget, Needs, Observed, Params, Score};

/// What a round is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Layers that a policy bounds; the round counts them from 0.
    pub layers: usize,
    /// Tokens the conversation has had, `N`.
    pub position: usize,
    /// Entries per KV head, window included, `B`.
    pub budget: usize,
    /// Whether entries that are not chosen yet cost nothing, so that all layers may be decided at the
    /// end: they are archived, or within the cache's bound anyway.
    pub waits: bool,
}

impl Extent {
    /// Entries per KV head that layer `layer` keeps besides the window, `base_l`.
    pub fn base(&self, layers: LayerBudget, params: &Params, layer: usize) -> usize {
        let base = self.budget.saturating_sub(params.window);
        let seen = self.position.saturating_sub(params.window);
        layers.base(base, seen, layer, self.layers)
    }
}

/// What an allocator is given for a round of its own.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub score: &'static dyn Score,
    pub layers: LayerBudget,
    pub params: Params,
    pub extent: Extent,
}

/// What one layer keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Per KV head, indices of the kept entries, ascending; the window's included.
    pub kept: Vec<Vec<u32>>,
    /// Per KV head, share of the window's mean attention that the kept entries hold, 0–1.
    pub retained: Vec<f32>,
    /// The same for uniform budgets of the same total.
    pub uniform_retained: Vec<f32>,
}

/// What to keep of a layer. The indices are of the entries that it holds now: after what the same
/// round chose for it before.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub layer: usize,
    pub selection: Selection,
}

/// The state of a round.
pub trait Round {
    /// What has to be measured.
    fn needs(&self) -> Needs;

    /// Takes a layer's entries, per KV head, and gives what is decided by now.
    fn observe(&mut self, layer: usize, heads: Vec<Observed>) -> Vec<Choice>;

    /// Every layer was shown that will be.
    fn finish(&mut self) -> Vec<Choice> {
        Vec::new()
    }
}
