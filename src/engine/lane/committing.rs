//! A read on its way: each layer is cut down behind its queries, and the most that is taken is noted.

use std::time::Instant;

use crate::engine::evict::{Evicting, EvictionHooks, Evictor};
use crate::engine::peak::Peak;
use crate::model::{Layers, PrefillHooks, error::Result};

/// Follows a read.
pub trait Reader {
    /// Looked at between blocks.
    fn stopped(&self) -> bool {
        false
    }

    /// `done` of `total` blocks over all layers are through.
    fn progress(&mut self, _done: usize, _total: usize) {}

    /// `layer` has all its entries and nothing of it was evicted yet.
    fn before_eviction(&mut self, _layer: usize, _layers: &dyn Layers) -> Result<()> {
        Ok(())
    }

    /// `layer` was cut down, maybe not for the last time.
    fn cut(&mut self, _layer: usize, _layers: &dyn Layers) -> Result<()> {
        Ok(())
    }

    /// `layer` is through, and evicted where that is decided already.
    fn layer_done(&mut self, _layer: usize, _layers: &dyn Layers, _peak: Peak) -> Result<()> {
        Ok(())
    }
}

/// A read that nobody follows.
pub struct Unread;

impl Reader for Unread {}

/// Keeps the most that an eviction takes on its way.
pub(super) struct PeakKeeper<'a> {
    pub peak: &'a mut Peak,
    /// Bytes before the layer at hand is cut down.
    pub held: usize,
    pub reader: &'a mut dyn Reader,
}

impl EvictionHooks for PeakKeeper<'_> {
    fn before(&mut self, _: usize, layers: &dyn Layers) -> Result<()> {
        self.held = layers.allocated_bytes();
        Ok(())
    }

    fn after(&mut self, layer: usize, layers: &dyn Layers) -> Result<()> {
        let most = self.held + layers.layer_bytes(layer);
        self.peak.most = self.peak.most.max(most as u64);
        self.reader.cut(layer, layers)
    }
}

/// A read on its way.
pub(super) struct Committing<'a> {
    pub evictor: &'a Evictor,
    /// Begun with the first layer, when the position is known.
    pub evicting: Option<Evicting>,
    /// Spent on eviction.
    pub milliseconds: f64,
    pub peak: Peak,
    pub came_back: usize,
    pub reader: &'a mut dyn Reader,
}

impl Committing<'_> {
    /// Runs a part of the round, on the clock.
    fn evict(
        &mut self,
        layers: &mut dyn Layers,
        part: impl FnOnce(&mut Evicting, &mut dyn Layers, &mut PeakKeeper) -> Result<()>,
    ) -> Result<()> {
        let begun = Instant::now();
        let evictor = self.evictor;
        let evicting = self.evicting.get_or_insert_with(|| evictor.begin(layers));
        let mut told = PeakKeeper {
            peak: &mut self.peak,
            held: 0,
            reader: &mut *self.reader,
        };
        let done = part(evicting, layers, &mut told);
        self.milliseconds += begun.elapsed().as_secs_f64() * 1000.0;
        done
    }
}

impl PrefillHooks for Committing<'_> {
    fn stopped(&self) -> bool {
        self.reader.stopped()
    }

    fn progress(&mut self, done: usize, total: usize) {
        self.reader.progress(done, total);
    }

    fn layer_done(&mut self, layer: usize, layers: &mut dyn Layers) -> Result<()> {
        self.peak.hold(layers.allocated_bytes());
        self.reader.before_eviction(layer, layers)?;
        self.evict(layers, |evicting, layers, told| {
            evicting.layer(layer, layers, told)
        })?;
        self.reader.layer_done(layer, layers, self.peak)
    }

    fn all_done(&mut self, layers: &mut dyn Layers) -> Result<()> {
        self.evict(layers, |evicting, layers, told| {
            evicting.finish(layers, told)
        })?;
        // What a window sees is no one's choice.
        let shapes = layers.description().layers.iter().enumerate();
        let growing = shapes.filter(|(_, shape)| shape.grows());
        self.came_back = growing.map(|(l, _)| layers.came_back(l)).sum();
        Ok(())
    }
}
