//! The cache and its evictions as the screen is told of them.

use super::event::{CachePicture, EvictionRound, LayerEviction, Trigger, Turn};
use super::evict::Evictor;
use crate::cache::KvCache;
use crate::model::Network;

/// The cache as it is, without [`CachePicture::holders`].
pub(super) fn picture(
    network: &dyn Network,
    cache: &KvCache,
    evictor: Option<&Evictor>,
    peak_bytes: u64,
) -> CachePicture {
    let d = network.description();
    let bound = |e: &Evictor| e.total(d.layers, cache.position, d.kv_heads);
    CachePicture {
        lens: counts(&cache.lens()),
        filled_layers: None,
        used_bytes: cache.used_bytes() as u64,
        allocated_bytes: cache.allocated_bytes() as u64,
        peak_bytes,
        full_bytes: full_bytes(network, cache.position),
        process_bytes: memory_stats::memory_stats().map_or(0, |m| m.physical_mem as u64),
        position: cache.position,
        bound_entries: evictor.and_then(bound),
        holders: Vec::new(),
    }
}

/// Bytes of keys and values that a cache which evicts nothing would use.
pub(super) fn full_bytes(network: &dyn Network, position: usize) -> u64 {
    let d = network.description();
    let entry = d.entry_bytes(network.kv_dtype().1);
    (position * d.all_kv_heads() * entry) as u64
}

pub(super) fn round(
    network: &dyn Network,
    trigger: Trigger,
    turn: Turn,
    layers: Vec<LayerEviction>,
    milliseconds: f64,
) -> EvictionRound {
    let before_entries: usize = layers.iter().map(|l| l.before_entries).sum();
    let after: u32 = layers.iter().flat_map(|l| &l.budgets).sum();
    let entry = network.description().entry_bytes(network.kv_dtype().1);
    let mean = |of: fn(&LayerEviction) -> &Vec<f32>| {
        let all: Vec<f32> = layers.iter().flat_map(of).copied().collect();
        all.iter().map(|&x| f64::from(x)).sum::<f64>() / all.len().max(1) as f64
    };
    EvictionRound {
        trigger,
        turn,
        before_entries,
        after_entries: after as usize,
        freed_bytes: (before_entries.saturating_sub(after as usize) * entry) as u64,
        retained_mass: mean(|l| &l.retained),
        uniform_retained_mass: mean(|l| &l.uniform_retained),
        milliseconds,
        layers,
    }
}

pub(super) fn counts(lens: &[Vec<usize>]) -> Vec<Vec<u32>> {
    let layer = |l: &Vec<usize>| l.iter().map(|&n| n as u32).collect();
    lens.iter().map(layer).collect()
}
