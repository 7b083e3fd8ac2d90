//! A read on its way: shows its layers to the hooks and hands them to the archive.

use crate::archive::{Archive, Past, Recording};
use crate::cache::{HeadPages, KvCache, LayerState, PAGE, Store};
use crate::model::{
    backend::Backend,
    decoder::Decoder,
    error::{ModelError, Result},
    network::PrefillHooks,
    stages::Stages,
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
    /// Where the layers are kept.
    pub archive: Option<&'a Archive>,
    /// Layers that were put aside until they are cut down.
    pub aside: &'a mut [bool],
    /// All of the conversation, once every layer is archived.
    pub all: Option<&'a Past>,
}

/// Shows a prefill's layers to its hooks.
pub(super) struct Committing<'a, 'r, B: Backend> {
    decoder: &'a Decoder<B>,
    before: &'a KvCache<B::Layer>,
    from: usize,
    tokens: usize,
    hooks: &'a mut dyn PrefillHooks,
    archiving: Option<Archiving<'r>>,
    tails: Vec<Option<B::Layer>>,
    /// Of the layer that is read, its state before the positions to be recorded.
    states: HeadPages,
    aside: Vec<bool>,
    all: Option<Past>,
}

/// Where layers come from and go to.
pub(super) struct Archiving<'r> {
    pub archive: &'r Archive,
    /// All of the conversation's.
    pub tokens: &'r [u32],
    pub past: &'r Past,
    pub recording: Option<Recording<'r>>,
    /// Position from which on they are recorded.
    pub first: usize,
    /// Positions before which states are recorded.
    pub snapshots: Vec<usize>,
}

impl<'a, 'r, B: Backend> Committing<'a, 'r, B> {
    /// To take the place of what `before` holds; behind `from` tokens, `tokens` in all.
    pub fn new(
        decoder: &'a Decoder<B>,
        before: &'a KvCache<B::Layer>,
        from: usize,
        tokens: usize,
        hooks: &'a mut dyn PrefillHooks,
    ) -> Self {
        Committing {
            decoder,
            before,
            from,
            tokens,
            hooks,
            archiving: None,
            tails: before.layers.iter().map(|_| None).collect(),
            states: Vec::new(),
            aside: vec![false; before.layers.len()],
            all: None,
        }
    }

    /// Behind what is archived, and into the archive.
    pub fn archiving(self, archiving: Archiving<'r>) -> Self {
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
        self.tails.into_iter().flatten().collect()
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
            archive: self.archiving.as_ref().map(|archiving| archiving.archive),
            aside: &mut self.aside,
            all: self.all.as_ref(),
        };
        (staged, &mut *self.hooks)
    }

    /// Commits the archive's part before the cache's, so that layers that were put aside can be had
    /// from there.
    fn archive_all(&mut self) -> Result<()> {
        let Some(archiving) = &mut self.archiving else {
            return Err(ModelError::Archive);
        };
        if let Some(recording) = archiving.recording.take() {
            recording.commit();
        }
        let all = archiving.archive.find(archiving.tokens);
        match all.len() == self.tokens {
            true => self.all = Some(all),
            false => return Err(ModelError::Archive),
        }
        Ok(())
    }

    /// Hands a layer that has all its entries to the archive.
    fn record(&mut self, layer: usize, held: &B::Layer) -> Result<()> {
        let Some(archiving) = &mut self.archiving else {
            return Ok(());
        };
        if !archiving.past.is_whole() {
            return Err(ModelError::Archive);
        }
        let states = std::mem::take(&mut self.states);
        if let Some(recording) = &mut archiving.recording {
            let is_state = !self.decoder.description.layers[layer].state().is_empty();
            let pages = match is_state {
                true => vec![states],
                false => held.export(archiving.first)?,
            };
            recording.layer(layer, pages);
        }
        let tail = held.gather(&held.since(self.tokens / PAGE * PAGE))?;
        self.tails[layer] = Some(tail);
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

    fn block_done(&mut self, position: usize, state: &LayerState<B::Layer>) -> Result<()> {
        if let Some(archiving) = &self.archiving
            && state.state.exists()
            && position > archiving.first
            && archiving.snapshots.contains(&position)
        {
            self.states.push(state.state.page()?);
        }
        Ok(())
    }

    fn layer_done(&mut self, layer: usize, layers: &mut Vec<LayerState<B::Layer>>) -> Result<()> {
        self.record(layer, &layers[layer].layer)?;
        // No later query sees what is behind the window.
        if let Some(window) = self.decoder.description.layers[layer].window()
            && self.tokens > window
        {
            let state = &mut layers[layer];
            state.layer = state
                .layer
                .gather(&state.layer.since(self.tokens - window))?;
        }
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
        if self.aside.contains(&true) {
            self.archive_all()?;
        }
        let (mut staged, hooks) = self.staged(layers);
        hooks.all_done(&mut staged)?;
        if let Some(all) = self.all.take() {
            (0..layers.len()).for_each(|layer| all.give_back(layer));
            if !all.is_whole() {
                return Err(ModelError::Archive);
            }
        }
        Ok(())
    }
}
