//! A read on its way: shows its layers to the hooks and hands them to the archive.

use super::Running;
use crate::archive::{Past, Recording};
use crate::cache::{KvCache, LayerState, PAGE, Store};
use crate::model::{
    backend::Backend,
    decoder::{Decoder, Stages},
    error::{ModelError, Result},
    network::PrefillHooks,
};

/// The layers of a prefill on its way: forks of those that are through, beside the cache that they
/// will replace.
pub(super) struct Staged<'a, B: Backend> {
    pub decoder: &'a Decoder<B>,
    pub before: &'a KvCache<B::Layer>,
    pub layers: &'a mut Vec<LayerState<B::Layer>>,
    /// Tokens before those that are read.
    pub from: usize,
    /// All of the conversation's.
    pub tokens: usize,
}

/// Shows a prefill's layers to its hooks.
pub(super) struct Committing<'a, 'r, B: Backend> {
    decoder: &'a Decoder<B>,
    before: &'a KvCache<B::Layer>,
    from: usize,
    tokens: usize,
    hooks: &'a mut dyn PrefillHooks,
    archiving: Option<Archiving<'r>>,
    tails: Vec<B::Layer>,
}

/// Where layers come from and go to.
struct Archiving<'r> {
    past: &'r Past,
    recording: Option<Recording<'r>>,
    /// Position from which on they are recorded.
    first: usize,
}

impl<'a, 'r, B: Backend> Committing<'a, 'r, B> {
    /// To take the place of what `running` holds; behind `from` tokens, `tokens` in all.
    pub fn new(
        running: &'a Running<B>,
        from: usize,
        tokens: usize,
        hooks: &'a mut dyn PrefillHooks,
    ) -> Self {
        Committing {
            decoder: &running.decoder,
            before: &running.cache,
            from,
            tokens,
            hooks,
            archiving: None,
            tails: Vec::new(),
        }
    }

    /// Behind `past`; from `first` on, everything goes into `recording`.
    pub fn archiving(self, past: &'r Past, recording: Option<Recording<'r>>, first: usize) -> Self {
        let archiving = Archiving {
            past,
            recording,
            first,
        };
        Committing {
            archiving: Some(archiving),
            ..self
        }
    }

    /// Everything is through; of each layer, what does not fill a page.
    pub fn commit(self) -> Vec<B::Layer> {
        if let Some(Archiving {
            recording: Some(recording),
            ..
        }) = self.archiving
        {
            recording.commit();
        }
        self.tails
    }

    fn staged<'b>(
        &'b mut self,
        layers: &'b mut Vec<LayerState<B::Layer>>,
    ) -> (Staged<'b, B>, &'b mut dyn PrefillHooks) {
        let staged = Staged {
            decoder: self.decoder,
            before: self.before,
            layers,
            from: self.from,
            tokens: self.tokens,
        };
        (staged, &mut *self.hooks)
    }

    /// Hands a layer that has all its entries to the archive.
    fn record(&mut self, layer: usize, held: &B::Layer) -> Result<()> {
        let Some(archiving) = &mut self.archiving else {
            return Ok(());
        };
        if !archiving.past.is_whole() {
            return Err(ModelError::Archive);
        }
        if let Some(recording) = &mut archiving.recording {
            recording.layer(layer, held.export(archiving.first)?);
        }
        let tail = held.gather(&held.since(self.tokens / PAGE * PAGE))?;
        self.tails.push(tail);
        Ok(())
    }
}

impl<B: Backend> Stages<B> for Committing<'_, '_, B> {
    fn stopped(&self) -> bool {
        self.hooks.stopped()
    }

    fn progress(&mut self, done: usize, total: usize) {
        self.hooks.progress(done, total);
    }

    fn layer_done(&mut self, layer: usize, layers: &mut Vec<LayerState<B::Layer>>) -> Result<()> {
        self.record(layer, &layers[layer].layer)?;
        let (mut staged, hooks) = self.staged(layers);
        hooks.layer_done(layer, &mut staged)?;
        if let Some(archiving) = &self.archiving {
            // What was gathered from lost bytes is not taken either.
            if !archiving.past.is_whole() {
                return Err(ModelError::Archive);
            }
            layers[layer].layer.detach();
            archiving.past.give_back(layer);
        }
        Ok(())
    }

    fn all_done(&mut self, layers: &mut Vec<LayerState<B::Layer>>) -> Result<()> {
        let (mut staged, hooks) = self.staged(layers);
        hooks.all_done(&mut staged)
    }
}
