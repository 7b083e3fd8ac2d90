//! Eviction of a layer: the model's scores, the policy's choice, the cache's gathering.

use crate::cache::LayerState;
use crate::engine::event::LayerEviction;
use crate::model::{Network, error::Result};
use crate::policy::{self, LayerBudget, Params, Policy, Preset, Score};

/// A policy with its budget resolved for a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evictor {
    pub preset: Preset,
    pub params: Params,
    /// `B`: entries per KV head, window included. Without meaning for `full`.
    pub budget: usize,
}

/// What was decided for a layer.
#[derive(Clone, Debug)]
pub struct Evicted {
    pub report: LayerEviction,
    /// Per KV head, indices of the kept entries in the layer before.
    pub kept: Vec<Vec<u32>>,
}

impl Evictor {
    fn policy(&self) -> Policy {
        self.preset.policy()
    }

    /// Whether the cache is bounded at all.
    pub fn bounded(&self) -> bool {
        self.policy().layers != LayerBudget::Unbounded
    }

    /// Entries per KV head besides the window that layer `layer` of `layers` keeps when the
    /// conversation has had `position` tokens.
    fn base(&self, layer: usize, layers: usize, position: usize) -> usize {
        let window = self.params.window;
        let base = self.budget.saturating_sub(window);
        let seen = position.saturating_sub(window);
        self.policy().layers.base(base, seen, layer, layers)
    }

    /// Most entries the layer may ever hold while decoding: its budget and the slack.
    pub fn bound(&self, layer: usize, layers: usize, position: usize, kv_heads: usize) -> usize {
        let per_head = self.base(layer, layers, position) + self.params.window + self.params.slack;
        per_head * kv_heads
    }

    /// Entries the layer keeps after an eviction.
    pub fn target(&self, layer: usize, layers: usize, position: usize, kv_heads: usize) -> usize {
        (self.base(layer, layers, position) + self.params.window) * kv_heads
    }

    /// Entries the whole cache keeps after an eviction of all layers; `None` = no bound. The
    /// safeguard's rounding may leave a few more.
    pub fn total(&self, layers: usize, position: usize, kv_heads: usize) -> Option<usize> {
        let targets = (0..layers).map(|l| self.target(l, layers, position, kv_heads));
        self.bounded().then(|| targets.sum())
    }

    /// Evicts a layer down to its budget; `None` when everything fits.
    pub fn evict(
        &self,
        network: &dyn Network,
        index: usize,
        state: &mut LayerState,
        position: usize,
    ) -> Result<Option<Evicted>> {
        if !self.bounded() || position <= self.budget {
            return Ok(None);
        }
        let d = network.description();
        let base = self.base(index, d.layers, position);
        let lens = state.layer.lens();
        let window = self.params.window;
        let evictable: usize = lens.iter().map(|n| n.saturating_sub(window)).sum();
        let policy = self.policy();
        if policy::fits(&policy, evictable, base * lens.len()) {
            return Ok(None);
        }
        let scores = network.window_scores(state)?;
        let Some(selection) = policy::select(&policy, &self.params, &lens, base, &scores) else {
            return Ok(None);
        };
        state.layer = state.layer.gather(&selection.kept)?;
        // Streaming asks no attention; its uniform twin is a SnapKV of the same total.
        let uniform_retained = match policy.score {
            Score::Recency => {
                let snap = Preset::SnapKv.policy();
                policy::select(&snap, &self.params, &lens, base, &scores)
                    .map_or(selection.uniform_retained, |s| s.retained)
            }
            _ => selection.uniform_retained,
        };
        Ok(Some(Evicted {
            report: LayerEviction {
                layer: index,
                before_entries: lens.iter().sum(),
                budgets: selection.kept.iter().map(|k| k.len() as u32).collect(),
                retained: selection.retained,
                uniform_retained,
            },
            kept: selection.kept,
        }))
    }
}
