//! A decoder as the engine sees it: a network, its sequences, and their layers, also while a prefill
//! has not committed them.

use std::sync::Arc;

use super::{
    backend::Backend,
    decoder::{Decoder, Stages},
    description::Description,
    error::{ModelError, Result},
    network::{Layers, Network, PrefillHooks, Sequence},
    shape::Span,
};
use crate::cache::{KvCache, LayerState, Store};
use crate::policy::{Choice, Round};

impl<B: Backend> Network for Decoder<B> {
    fn description(&self) -> &Description {
        &self.description
    }

    fn device(&self) -> String {
        self.backend.device()
    }

    fn kv_dtype(&self) -> (&'static str, usize) {
        self.backend.kv_dtype()
    }

    fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    fn sequence(self: Arc<Self>, window: usize) -> Result<Box<dyn Sequence>> {
        let cache = self.empty_cache(window)?;
        Ok(Box::new(Running {
            decoder: self,
            cache,
        }))
    }

    fn log_likelihoods(&self, tokens: &[u32]) -> Result<Vec<f64>> {
        Decoder::log_likelihoods(self, tokens)
    }
}

/// A decoder with one sequence's cache.
struct Running<B: Backend> {
    decoder: Arc<Decoder<B>>,
    cache: KvCache<B::Layer>,
}

impl<B: Backend> Sequence for Running<B> {
    fn prefill(
        &mut self,
        tokens: &[u32],
        hooks: &mut dyn PrefillHooks,
    ) -> Result<Option<Vec<f32>>> {
        let mut stages = Committing {
            decoder: &self.decoder,
            before: &self.cache,
            tokens: tokens.len(),
            hooks,
        };
        let read = self.decoder.prefill(&self.cache, tokens, &mut stages)?;
        let Some((layers, logits)) = read else {
            return Ok(None);
        };
        let logits = finite(logits, &self.decoder.description)?;
        self.cache.layers = layers;
        self.cache.position += tokens.len();
        Ok(Some(logits))
    }

    fn decode(&mut self, token: u32, stopped: &dyn Fn() -> bool) -> Result<Option<Vec<f32>>> {
        let logits = self.decoder.decode(&mut self.cache, token, stopped)?;
        let check = |logits| finite(logits, &self.decoder.description);
        logits.map(check).transpose()
    }

    fn fork(&self) -> Box<dyn Sequence> {
        Box::new(Running {
            decoder: self.decoder.clone(),
            cache: self.cache.clone(),
        })
    }

    fn resize_window(&mut self, window: usize) {
        for state in &mut self.cache.layers {
            state.window.resize(window);
        }
    }
}

/// Logits that a token can be drawn from: damaged weights give others.
fn finite(logits: Vec<f32>, of: &Description) -> Result<Vec<f32>> {
    // All of them, by their bits: without an early end the loop takes many at a time.
    let magnitude = |logit: &f32| logit.to_bits() & (u32::MAX >> 1);
    let largest = logits.iter().map(magnitude).fold(0, u32::max);
    match largest < f32::INFINITY.to_bits() {
        true => Ok(logits),
        false => Err(ModelError::NotFinite {
            file: of.file.clone(),
        }),
    }
}

/// Shows a prefill's layers to its hooks.
struct Committing<'a, B: Backend> {
    decoder: &'a Decoder<B>,
    before: &'a KvCache<B::Layer>,
    tokens: usize,
    hooks: &'a mut dyn PrefillHooks,
}

impl<B: Backend> Committing<'_, B> {
    fn staged<'b>(
        &'b mut self,
        layers: &'b mut Vec<LayerState<B::Layer>>,
    ) -> (Staged<'b, B>, &'b mut dyn PrefillHooks) {
        let staged = Staged {
            decoder: self.decoder,
            before: self.before,
            layers,
            tokens: self.tokens,
        };
        (staged, &mut *self.hooks)
    }
}

impl<B: Backend> Stages<B> for Committing<'_, B> {
    fn stopped(&self) -> bool {
        self.hooks.stopped()
    }

    fn progress(&mut self, done: usize, total: usize) {
        self.hooks.progress(done, total);
    }

    fn layer_done(&mut self, layer: usize, layers: &mut Vec<LayerState<B::Layer>>) -> Result<()> {
        let (mut staged, hooks) = self.staged(layers);
        hooks.layer_done(layer, &mut staged)
    }

    fn all_done(&mut self, layers: &mut Vec<LayerState<B::Layer>>) -> Result<()> {
        let (mut staged, hooks) = self.staged(layers);
        hooks.all_done(&mut staged)
    }
}

/// The layers of a prefill on its way: forks of those that are through, beside the cache that they
/// will replace.
struct Staged<'a, B: Backend> {
    decoder: &'a Decoder<B>,
    before: &'a KvCache<B::Layer>,
    layers: &'a mut Vec<LayerState<B::Layer>>,
    tokens: usize,
}

/// What [`Layers`] is made of, for either.
trait Held {
    type B: Backend;
    fn decoder(&self) -> &Decoder<Self::B>;
    fn held(&self, layer: usize) -> &LayerState<<Self::B as Backend>::Layer>;
    /// `None` for a layer that may not be changed yet.
    fn held_mut(&mut self, layer: usize) -> Option<&mut LayerState<<Self::B as Backend>::Layer>>;
    fn tokens(&self) -> usize;
    fn all_bytes(&self) -> usize;
}

impl<B: Backend> Held for Running<B> {
    type B = B;

    fn decoder(&self) -> &Decoder<B> {
        &self.decoder
    }

    fn held(&self, layer: usize) -> &LayerState<B::Layer> {
        &self.cache.layers[layer]
    }

    fn held_mut(&mut self, layer: usize) -> Option<&mut LayerState<B::Layer>> {
        self.cache.layers.get_mut(layer)
    }

    fn tokens(&self) -> usize {
        self.cache.position
    }

    fn all_bytes(&self) -> usize {
        self.cache.allocated_bytes()
    }
}

impl<B: Backend> Held for Staged<'_, B> {
    type B = B;

    fn decoder(&self) -> &Decoder<B> {
        self.decoder
    }

    fn held(&self, layer: usize) -> &LayerState<B::Layer> {
        let staged = self.layers.get(layer);
        staged.unwrap_or_else(|| &self.before.layers[layer])
    }

    fn held_mut(&mut self, layer: usize) -> Option<&mut LayerState<B::Layer>> {
        self.layers.get_mut(layer)
    }

    fn tokens(&self) -> usize {
        self.before.position + self.tokens
    }

    fn all_bytes(&self) -> usize {
        let own = self.layers.iter().zip(&self.before.layers);
        let own: usize = own.map(|(s, b)| s.layer.own_bytes(&b.layer)).sum();
        own + self.before.allocated_bytes()
    }
}

impl<T: Held> Layers for T {
    fn description(&self) -> &Description {
        &self.decoder().description
    }

    fn element_bytes(&self) -> usize {
        self.decoder().backend.kv_dtype().1
    }

    fn position(&self) -> usize {
        self.tokens()
    }

    fn lens(&self, layer: usize) -> Vec<usize> {
        self.held(layer).layer.lens()
    }

    fn positions(&self, layer: usize, head: usize) -> &[u32] {
        self.held(layer).layer.positions(head)
    }

    fn used_bytes(&self) -> usize {
        let layers = 0..self.count();
        layers.map(|l| self.held(l).layer.used_bytes()).sum()
    }

    fn allocated_bytes(&self) -> usize {
        self.all_bytes()
    }

    fn layer_bytes(&self, layer: usize) -> usize {
        self.held(layer).layer.allocated_bytes()
    }

    fn select(&self, layer: usize, index: usize, round: &mut dyn Round) -> Result<Vec<Choice>> {
        let (b, d) = (&self.decoder().backend, &self.decoder().description);
        let attention = d.layers[layer].attention();
        b.select(attention, self.held(layer), index, round)
    }

    fn keep(&mut self, layer: usize, kept: &[Vec<u32>]) -> Result<()> {
        if let Some(state) = self.held_mut(layer) {
            state.layer = state.layer.gather(kept)?;
        }
        Ok(())
    }

    fn attention_output(&self, layer: usize) -> Result<Vec<f32>> {
        let decoder = self.decoder();
        let (b, d) = (&decoder.backend, &decoder.description);
        let LayerState {
            layer: held,
            window,
        } = self.held(layer);
        let attention = d.layers[layer].attention();
        let span = Span {
            behind: 0,
            window: attention.window,
        };
        let a = b.attend(attention, held, &b.last_query(window)?, span)?;
        b.to_host(b.linear(&decoder.blocks[layer].attention_out, &a)?)
    }
}
