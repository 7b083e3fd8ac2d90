//! The layers of a sequence, and of a read that is not committed yet.

use super::{Running, Staged};
use crate::cache::{LayerState, Store};
use crate::model::{
    backend::Backend,
    decoder::Decoder,
    description::Description,
    device_memory::DeviceMemory,
    error::{ModelError, Result},
    network::Layers,
};
use crate::policy::{Choice, Round};

/// What [`Layers`] is made of, for either.
trait Held {
    type B: Backend;
    fn decoder(&self) -> &Decoder<Self::B>;
    fn held(&self, layer: usize) -> &LayerState<<Self::B as Backend>::Layer>;
    /// `None` for a layer that may not be changed yet.
    fn held_mut(&mut self, layer: usize) -> Option<&mut LayerState<<Self::B as Backend>::Layer>>;
    fn tokens(&self) -> usize;
    fn all_bytes(&self) -> usize;
    /// [`Layers::waits`].
    fn can_wait(&self) -> bool;
    /// [`Layers::set_aside`].
    fn put_aside(&mut self, _layer: usize) -> Result<()> {
        Ok(())
    }
    /// `layer` is about to lose entries.
    fn before_cut(&mut self, _layer: usize) -> Result<()> {
        Ok(())
    }
    /// Entries of `layer` that were not read now, and that the cache which it will replace does not hold.
    fn came_back_to(&self, _layer: usize) -> usize {
        0
    }
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

    /// It is within its bound.
    fn can_wait(&self) -> bool {
        true
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
        self.tokens
    }

    fn all_bytes(&self) -> usize {
        let own = self.layers.iter().zip(&self.before.layers);
        let own = own.map(|(s, b)| s.layer.own_bytes(&b.layer) + s.state.used_bytes());
        own.sum::<usize>() + self.before.allocated_bytes()
    }

    fn can_wait(&self) -> bool {
        self.archive.is_some()
    }

    fn put_aside(&mut self, layer: usize) -> Result<()> {
        if let (true, Some(state)) = (self.archive.is_some(), self.layers.get_mut(layer)) {
            let heads = vec![Vec::new(); state.layer.lens().len()];
            state.layer = state.layer.import(heads, 0)?;
            self.aside[layer] = true;
        }
        Ok(())
    }

    fn before_cut(&mut self, layer: usize) -> Result<()> {
        if self.aside.get(layer) == Some(&true) {
            self.aside[layer] = false;
            let pages = self.all.map(|all| all.pages(layer));
            let pages = pages.and_then(std::result::Result::ok);
            let pages = pages.ok_or(ModelError::Archive)?;
            if let Some(state) = self.layers.get_mut(layer) {
                state.layer = state.layer.import(pages, self.tokens)?;
            }
        }
        Ok(())
    }

    fn came_back_to(&self, layer: usize) -> usize {
        let (new, old) = (&self.held(layer).layer, &self.before.layers[layer].layer);
        let of_head = |head| {
            let positions = new.positions(head);
            let before = positions.partition_point(|&p| (p as usize) < self.from);
            missing(&positions[..before], old.positions(head))
        };
        (0..new.lens().len()).map(of_head).sum()
    }
}

/// How many of `new` are not in `old`, both ascending.
fn missing(new: &[u32], old: &[u32]) -> usize {
    let mut old = old.iter().peekable();
    let is_new = |position: &&u32| {
        while old.next_if(|o| o < position).is_some() {}
        old.peek() != Some(position)
    };
    new.iter().filter(is_new).count()
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
        layers.map(|l| self.held(l).used_bytes()).sum()
    }

    fn allocated_bytes(&self) -> usize {
        self.all_bytes()
    }

    fn device_memory(&self) -> Option<DeviceMemory> {
        self.decoder().device_memory()
    }

    fn layer_bytes(&self, layer: usize) -> usize {
        self.held(layer).allocated_bytes()
    }

    fn select(&self, layer: usize, index: usize, round: &mut dyn Round) -> Result<Vec<Choice>> {
        let decoder = self.decoder();
        let b = &decoder.backend;
        let Some(attention) = decoder.blocks[layer].attention() else {
            return Ok(Vec::new());
        };
        let (sinks, out) = (attention.sinks.as_ref(), &attention.out);
        b.select(&attention.shape, self.held(layer), index, round, sinks, out)
    }

    fn keep(&mut self, layer: usize, kept: &[Vec<u32>]) -> Result<()> {
        self.before_cut(layer)?;
        if let Some(state) = self.held_mut(layer) {
            state.layer = state.layer.gather(kept)?;
        }
        Ok(())
    }

    fn forget_queries(&mut self, layer: usize) {
        if let Some(state) = self.held_mut(layer) {
            state.window = state.window.last();
        }
    }

    fn waits(&self) -> bool {
        self.can_wait()
    }

    fn set_aside(&mut self, layer: usize) -> Result<()> {
        self.put_aside(layer)
    }

    fn came_back(&self, layer: usize) -> usize {
        self.came_back_to(layer)
    }

    fn attention_output(&self, layer: usize) -> Result<Vec<f32>> {
        let decoder = self.decoder();
        let b = &decoder.backend;
        let Some(attention) = decoder.blocks[layer].attention() else {
            return Ok(vec![0.0; decoder.description.hidden]);
        };
        let seen = attention.shape.source.unwrap_or(layer);
        let (held, window) = (&self.held(seen).layer, &self.held(layer).window);
        let q = b.last_query(window)?;
        let (shape, span) = (&attention.shape, attention.span());
        let a = b.attend_one_by_one(shape, held, q, 1, span, attention.sinks.as_ref())?;
        b.to_host(b.linear(&attention.out, &a)?)
    }
}
