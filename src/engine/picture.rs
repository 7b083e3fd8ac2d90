//! The cache and its evictions as the screen is told of them.

use super::event::{CachePicture, EvictionRound, LayerEviction, Trigger, Turn};
use super::lane::{Evicted, Lane, Peak};
use super::memory::ProcessMemory;
use crate::model::Layers;
use crate::model::shape::LayerShape;

/// A lane's cache as it is, without [`CachePicture::holders`].
pub(super) fn picture(lane: &Lane) -> CachePicture {
    let layers = lane.layers();
    picture_of(layers, lane.evictor().total(layers), lane.peak())
}

/// The same with who holds what: some milliseconds for a long full cache.
pub(super) fn picture_with_holders(lane: &Lane) -> CachePicture {
    CachePicture {
        holders: lane.layers().holders(),
        ..picture(lane)
    }
}

/// Layers of a cache, `bound` entries where a policy bounds them.
pub(super) fn picture_of(layers: &dyn Layers, bound: Option<usize>, peak: Peak) -> CachePicture {
    let lens = (0..layers.count()).map(|l| layers.lens(l));
    let counts = |lens: Vec<usize>| lens.into_iter().map(|n| n as u32).collect();
    CachePicture {
        lens: lens.map(counts).collect(),
        windows: windows(layers),
        states: states(layers),
        sources: sources(layers),
        filled_layers: None,
        used_bytes: layers.used_bytes() as u64,
        allocated_bytes: layers.allocated_bytes() as u64,
        peak_bytes: peak.most,
        full_bytes: full_bytes(layers),
        process: ProcessMemory::now(),
        device: layers.device_memory(),
        position: layers.position(),
        bound_entries: bound,
        holders: Vec::new(),
    }
}

/// What each layer sees, where a window bounds it.
fn windows(layers: &dyn Layers) -> Vec<Option<u32>> {
    let shapes = layers.description().layers.iter();
    let window = |shape: &LayerShape| Some(u32::try_from(shape.window()?).unwrap_or(u32::MAX));
    shapes.map(window).collect()
}

/// Bytes that each layer remembers which keeps no entries.
fn states(layers: &dyn Layers) -> Vec<Option<u64>> {
    let shapes = layers.description().layers.iter();
    let bytes = |shape: &LayerShape| Some(shape.state_bytes() as u64).filter(|&bytes| bytes > 0);
    shapes.map(bytes).collect()
}

/// Whose entries each layer sees which has none.
fn sources(layers: &dyn Layers) -> Vec<Option<u32>> {
    let shapes = layers.description().layers.iter();
    shapes.map(|shape| Some(shape.source()? as u32)).collect()
}

/// Bytes of keys and values that a cache which evicts nothing would use: layers that are bounded by
/// themselves have what they have under every policy, also before a prefill has come to them.
pub fn full_bytes(layers: &dyn Layers) -> u64 {
    let (d, element) = (layers.description(), layers.element_bytes());
    let growing = layers.position() * d.token_bytes(element);
    let bounded = d.layers.iter().enumerate();
    let bytes = |(l, shape): (usize, &LayerShape)| {
        let attention = shape.attention()?;
        let seen = attention.window?.min(layers.position()) * attention.kv_heads;
        Some(layers.layer_entries(l).max(seen) * attention.entry_bytes(element))
    };
    (growing + d.state_bytes() + bounded.filter_map(bytes).sum::<usize>()) as u64
}

/// A round over the whole cache.
pub(super) fn round(
    layers: &dyn Layers,
    trigger: Trigger,
    turn: Turn,
    evicted: Evicted,
) -> EvictionRound {
    let of = evicted.layers;
    let after = |l: &LayerEviction| l.budgets.iter().map(|&n| n as usize).sum::<usize>();
    let freed = |l: &LayerEviction| {
        let shape = layers.description().layers[l.layer].attention();
        let entry = shape.map_or(0, |a| a.entry_bytes(layers.element_bytes()));
        l.before_entries.saturating_sub(after(l)) * entry
    };
    let mean = |part: fn(&LayerEviction) -> &Vec<f32>| {
        let all: Vec<f32> = of.iter().flat_map(part).copied().collect();
        all.iter().map(|&x| f64::from(x)).sum::<f64>() / all.len().max(1) as f64
    };
    EvictionRound {
        trigger,
        turn,
        before_entries: of.iter().map(|l| l.before_entries).sum(),
        after_entries: of.iter().map(after).sum(),
        freed_bytes: of.iter().map(freed).sum::<usize>() as u64,
        recalled_entries: evicted.came_back,
        retained_mass: mean(|l| &l.retained),
        uniform_retained_mass: mean(|l| &l.uniform_retained),
        milliseconds: evicted.milliseconds,
        layers: of,
    }
}
