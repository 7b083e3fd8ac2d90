//! One round of eviction over the layers of a cache.
//!
//! The engine shows a round one layer after the other, and the round says what to keep: of the
//! layer at hand, of earlier ones, or of none before it has seen them all. So a round may let the
//! heads of all layers compete for one total, at once or by cutting earlier layers down again.

use super::{Needs, Observed, Params, Policy, Selection, select};

/// What a round is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Layers that a policy bounds; the round counts them from 0.
    pub layers: usize,
    /// Tokens the conversation has had, `N`.
    pub position: usize,
    /// Entries per KV head, window included, `B`.
    pub budget: usize,
}

impl Extent {
    /// Entries per KV head that layer `layer` keeps besides the window, `base_l`.
    pub fn base(&self, policy: &Policy, params: &Params, layer: usize) -> usize {
        let base = self.budget.saturating_sub(params.window);
        let seen = self.position.saturating_sub(params.window);
        policy.layers.base(base, seen, layer, self.layers)
    }
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

/// Every layer by itself, as in the paper.
pub struct LayerByLayer {
    policy: Policy,
    params: Params,
    extent: Extent,
}

impl LayerByLayer {
    pub fn new(policy: Policy, params: Params, extent: Extent) -> Self {
        LayerByLayer {
            policy,
            params,
            extent,
        }
    }
}

impl Round for LayerByLayer {
    fn needs(&self) -> Needs {
        self.policy.needs()
    }

    fn observe(&mut self, layer: usize, heads: Vec<Observed>) -> Vec<Choice> {
        let base = self.extent.base(&self.policy, &self.params, layer);
        let selection = select(&self.policy, &self.params, base, &heads);
        let choice = |selection| Choice { layer, selection };
        selection.map(choice).into_iter().collect()
    }
}
