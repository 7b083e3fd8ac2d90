//! Reading a prompt: prefill with eviction layer by layer, told to a watcher.

use std::time::Instant;

use super::event::{CachePicture, Event, EvictionRound, LayerEviction, Trigger, Turn};
use super::evict::Evictor;
use super::picture::{counts, full_bytes, round};
use super::session::Watcher;
use crate::cache::{KvCache, LayerState};
use crate::model::{ModelError, Network, PrefillHooks};

/// A prompt that was read.
pub(super) struct Reading {
    pub seconds: f64,
    /// `None` when it was stopped on its way.
    pub through: Option<Through>,
}

/// What there is at the end of a prefill.
pub(super) struct Through {
    pub cache: KvCache,
    /// Of the next token.
    pub logits: Vec<f32>,
    /// What was evicted, if anything.
    pub round: Option<EvictionRound>,
    /// Most bytes of the cache's buffers on the way.
    pub peak: u64,
}

/// Reads `tokens` into `cache`, a copy that is dropped when it is stopped or fails.
pub(super) fn read(
    network: &dyn Network,
    mut cache: KvCache,
    tokens: &[u32],
    evictor: &Evictor,
    turn: Turn,
    watcher: &mut dyn Watcher,
) -> Result<Reading, ModelError> {
    let begun = Instant::now();
    let mut hooks = Hooks {
        evictor,
        turn,
        tokens: tokens.len(),
        begun,
        total: 0,
        evicting: 0.0,
        evicted: Vec::new(),
        peak: 0,
        full: full_bytes(network, cache.position + tokens.len()),
        watcher,
    };
    let logits = network.prefill(&mut cache, tokens, &mut hooks)?;
    let (evicting, evicted, peak) = (hooks.evicting, hooks.evicted, hooks.peak);
    let through = logits.map(|logits| Through {
        cache,
        logits,
        round: (!evicted.is_empty())
            .then(|| round(network, Trigger::Prefill, turn, evicted, evicting)),
        peak,
    });
    Ok(Reading {
        seconds: begun.elapsed().as_secs_f64(),
        through,
    })
}

/// Evicts layer by layer and tells the watcher.
struct Hooks<'a> {
    evictor: &'a Evictor,
    turn: Turn,
    tokens: usize,
    begun: Instant,
    total: usize,
    /// Milliseconds spent on eviction.
    evicting: f64,
    evicted: Vec<LayerEviction>,
    peak: u64,
    full: u64,
    watcher: &'a mut dyn Watcher,
}

impl PrefillHooks for Hooks<'_> {
    fn stopped(&self) -> bool {
        self.watcher.stopped()
    }

    fn progress(&mut self, done: usize, total: usize) {
        self.total = total;
        self.watcher.event(Event::Prefill {
            turn: self.turn,
            done,
            total,
            tokens: self.tokens,
            seconds: self.begun.elapsed().as_secs_f64(),
        });
    }

    fn layer_done(
        &mut self,
        network: &dyn Network,
        staged: &mut [LayerState],
        before: &KvCache,
    ) -> Result<(), ModelError> {
        let allocated = |staged: &[LayerState]| {
            let own = staged.iter().zip(&before.layers);
            let own: usize = own.map(|(s, b)| s.layer.own_bytes(&b.layer)).sum();
            (own + before.allocated_bytes()) as u64
        };
        let mut peak = allocated(staged);
        let index = staged.len().saturating_sub(1);
        let begun = Instant::now();
        let position = before.position + self.tokens;
        if let Some(state) = staged.last_mut()
            && let Some(found) = self.evictor.evict(network, index, state, position)?
        {
            // The layer and what is kept of it stood side by side.
            peak += state.layer.allocated_bytes() as u64;
            self.evicted.push(found.report);
        }
        self.peak = self.peak.max(peak);
        self.evicting += begun.elapsed().as_secs_f64() * 1000.0;
        let standing = &before.layers[staged.len()..];
        let layers = staged.iter().chain(standing);
        let lens: Vec<Vec<usize>> = layers.clone().map(|s| s.layer.lens()).collect();
        self.watcher.picture(CachePicture {
            lens: counts(&lens),
            filled_layers: Some(staged.len()),
            used_bytes: layers.map(|s| s.layer.used_bytes() as u64).sum(),
            allocated_bytes: allocated(staged),
            peak_bytes: self.peak,
            full_bytes: self.full,
            process_bytes: memory_stats::memory_stats().map_or(0, |m| m.physical_mem as u64),
            position,
            bound_entries: self.evictor.total(
                network.description().layers,
                position,
                network.description().kv_heads,
            ),
            holders: Vec::new(),
        });
        Ok(())
    }
}
