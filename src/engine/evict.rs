//! Eviction: the network's measures, the policy's choice, the cache's gathering.

use super::event::LayerEviction;
use crate::model::{Layers, error::Result};
use crate::policy::{self, Choice, Extent, Params, Preset, Round};

/// A policy with its budget resolved for a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evictor {
    pub preset: Preset,
    pub params: Params,
    /// `B`: entries per KV head, window included. Without meaning for `full`.
    pub budget: usize,
}

/// Told what a round does while it does it.
pub trait EvictionHooks {
    /// `layer` is about to be cut down to what was chosen.
    fn before(&mut self, _layer: usize, _layers: &dyn Layers) -> Result<()> {
        Ok(())
    }

    /// It was.
    fn after(&mut self, _layer: usize, _layers: &dyn Layers) -> Result<()> {
        Ok(())
    }
}

impl Evictor {
    /// One that keeps everything.
    pub fn none(params: Params) -> Self {
        Evictor {
            preset: Preset::FULL,
            params,
            budget: 0,
        }
    }

    /// Whether the cache is bounded at all.
    pub fn bounded(&self) -> bool {
        self.preset.policy().layers.bounded()
    }

    /// The budget where there is one.
    pub fn bound_per_head(&self) -> Option<usize> {
        self.bounded().then_some(self.budget)
    }

    /// Of all there will be when `more` tokens have come.
    fn extent(&self, layers: &dyn Layers, more: usize) -> Extent {
        let growing = layers.description().layers.iter().filter(|l| l.grows());
        Extent {
            layers: growing.count(),
            position: layers.position() + more,
            budget: self.budget,
            waits: layers.waits(),
        }
    }

    /// The layers that a policy bounds: each with its place among them and its KV heads.
    fn growing(layers: &dyn Layers) -> Vec<(usize, usize)> {
        let all = layers.description().layers.iter().enumerate();
        let growing = all.filter(|(_, shape)| shape.grows());
        let of = growing.map(|(layer, shape)| (layer, shape.kv_heads()));
        of.collect()
    }

    /// The layers that a policy bounds.
    pub fn bounded_layers(&self, layers: &dyn Layers) -> Vec<usize> {
        Self::growing(layers).into_iter().map(|(l, _)| l).collect()
    }

    /// Entries each layer that grows keeps after an eviction when `more` tokens have come: (layer, KV
    /// heads, entries).
    fn targets(&self, layers: &dyn Layers, more: usize) -> Vec<(usize, usize, usize)> {
        let (extent, policy) = (self.extent(layers, more), self.preset.policy());
        let target = |(index, (layer, kv_heads))| {
            let base = extent.base(policy.layers, &self.params, index);
            let kept = base.saturating_add(self.params.window);
            (layer, kv_heads, kept.saturating_mul(kv_heads))
        };
        let growing = Self::growing(layers).into_iter().enumerate();
        growing.map(target).collect()
    }

    /// Entries the whole cache keeps after an eviction of all layers; `None` = no bound. The
    /// safeguard's rounding may leave a few more.
    pub fn total(&self, layers: &dyn Layers) -> Option<usize> {
        let targets = || self.targets(layers, 0).into_iter().map(|(_, _, n)| n);
        self.bounded()
            .then(|| targets().fold(0, usize::saturating_add))
    }

    /// Layers that one more token would take over their bound, budget and slack; where the heads of
    /// all layers share one total, all of them or none.
    pub fn due(&self, layers: &dyn Layers) -> Vec<usize> {
        self.due_behind(layers, 0)
    }

    /// Tokens, `most` at most and one at least, that can come before any layer is due.
    pub fn room(&self, layers: &dyn Layers, most: usize) -> usize {
        if !self.bounded() {
            return most;
        }
        let fits = |more: &usize| self.due_behind(layers, *more).is_empty();
        (1..most).take_while(fits).count() + 1
    }

    /// [`Evictor::due`] once `more` tokens have come.
    fn due_behind(&self, layers: &dyn Layers, more: usize) -> Vec<usize> {
        if !self.bounded() {
            return Vec::new();
        }
        let slack = self.params.slack;
        let targets = self.targets(layers, more);
        let next = |layer: usize, heads: usize| layers.layer_entries(layer) + heads * (more + 1);
        let bound =
            |&(_, heads, n): &(usize, usize, usize)| n.saturating_add(slack.saturating_mul(heads));
        if self.preset.policy().allocator.pools() {
            let most = targets.iter().map(bound).fold(0, usize::saturating_add);
            let all = targets.iter().map(|(layer, heads, _)| next(*layer, *heads));
            return match all.sum::<usize>() > most {
                true => targets.iter().map(|(layer, _, _)| *layer).collect(),
                false => Vec::new(),
            };
        }
        let over = |target: &(usize, usize, usize)| next(target.0, target.1) > bound(target);
        let due = targets.into_iter().filter(over);
        due.map(|(layer, _, _)| layer).collect()
    }

    /// Begins a round over `layers`.
    pub fn begin(&self, layers: &dyn Layers) -> Evicting {
        let policy = self.preset.policy();
        let active = self.bounded() && layers.position() > self.budget;
        let extent = self.extent(layers, 0);
        Evicting {
            evictor: *self,
            extent,
            growing: self.bounded_layers(layers),
            round: active.then(|| policy::begin(policy, self.params, extent)),
            shown: Vec::new(),
            done: Vec::new(),
        }
    }
}

/// A round of eviction on its way over the layers.
pub struct Evicting {
    evictor: Evictor,
    extent: Extent,
    /// Layers of the network that the round counts, in its order.
    growing: Vec<usize>,
    /// Of these, those that the round was shown, with their entries then.
    shown: Vec<(usize, usize)>,
    /// `None` where there is nothing to evict.
    round: Option<Box<dyn Round>>,
    done: Vec<LayerEviction>,
}

impl Evicting {
    /// Another round in the place of the policy's.
    pub fn judged(mut self, by: impl FnOnce(Box<dyn Round>) -> Box<dyn Round>) -> Evicting {
        self.round = self.round.map(by);
        self
    }

    /// `layer` has all its entries: shows it to the policy and does what that decides.
    pub fn layer(
        &mut self,
        layer: usize,
        layers: &mut dyn Layers,
        told: &mut dyn EvictionHooks,
    ) -> Result<()> {
        let Some(round) = &mut self.round else {
            return Ok(());
        };
        let Some(index) = self.growing.iter().position(|&l| l == layer) else {
            return Ok(());
        };
        let (policy, params) = (self.evictor.preset.policy(), &self.evictor.params);
        if !policy.allocator.pools() {
            // Before anything is measured.
            let lens = layers.lens(layer);
            let evictable = lens.iter().map(|n| n.saturating_sub(params.window)).sum();
            let base = self.extent.base(policy.layers, params, index);
            if policy.layers.fits(evictable, base * lens.len()) {
                return Ok(());
            }
        }
        self.shown.push((layer, layers.layer_entries(layer)));
        let choices = layers.select(layer, index, &mut **round)?;
        if choices.is_empty() && policy.allocator.pools() {
            layers.set_aside(layer)?;
        }
        self.apply(choices, layers, told)
    }

    /// All layers were shown.
    pub fn finish(&mut self, layers: &mut dyn Layers, told: &mut dyn EvictionHooks) -> Result<()> {
        let choices = self.round.as_mut().map(|round| round.finish());
        self.apply(choices.unwrap_or_default(), layers, told)
    }

    /// What was decided for each layer, in their order.
    pub fn into_report(mut self) -> Vec<LayerEviction> {
        self.done.sort_by_key(|l| l.layer);
        self.done
    }

    fn apply(
        &mut self,
        choices: Vec<Choice>,
        layers: &mut dyn Layers,
        told: &mut dyn EvictionHooks,
    ) -> Result<()> {
        for Choice { layer, selection } in choices {
            // Only what the round was shown can be cut.
            let layer = self.growing.get(layer);
            let shown = self.shown.iter().find(|(l, _)| Some(l) == layer);
            let Some(&(layer, before)) = shown else {
                continue;
            };
            told.before(layer, layers)?;
            layers.keep(layer, &selection.kept)?;
            told.after(layer, layers)?;
            let report = LayerEviction {
                layer,
                before_entries: before,
                budgets: selection.kept.iter().map(|k| k.len() as u32).collect(),
                retained: selection.retained,
                uniform_retained: selection.uniform_retained,
            };
            // A layer that is cut down again stands once, from what it had at first.
            match self.done.iter_mut().find(|l| l.layer == layer) {
                Some(first) => {
                    let before_entries = first.before_entries;
                    *first = LayerEviction {
                        before_entries,
                        ..report
                    };
                }
                None => self.done.push(report),
            }
        }
        Ok(())
    }
}
