//! A decoder as the engine sees it: a network, its sequences, and their layers, also while a prefill
//! has not committed them.

mod archiver;
mod layers;
mod staged;
mod steps;

use std::sync::Arc;

use archiver::Archiver;
use staged::{Archiving, Committing, Staged};

use super::{
    backend::{Backend, NumbersOf},
    decoder::Decoder,
    description::Description,
    device_memory::DeviceMemory,
    error::{ModelError, Result},
    logits::Logits,
    network::{Network, PrefillHooks, Sequence},
    stages::Behind,
};
use crate::archive::{Archive, Identity, Layout, Part, Past};
use crate::cache::{KvCache, LayerState, PAGE, State, Store, state};

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

    fn exact(&self) -> bool {
        self.backend.exact()
    }

    fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    fn device_memory(&self) -> Option<DeviceMemory> {
        Decoder::device_memory(self)
    }

    fn forget_device_peak(&self) -> Result<()> {
        self.backend.forget_device_peak()
    }

    fn identity(&self) -> Identity {
        let element = self.backend.kv_dtype().1;
        let layers = self
            .description
            .layers
            .iter()
            .map(|shape| match shape.attention() {
                Some(a) => Part::Pages(a.kv_heads, PAGE * a.entry_bytes(element)),
                None => Part::State(shape.state_bytes()),
            });
        Identity {
            fingerprint: self.fingerprint,
            layout: Layout::new(layers),
        }
    }

    fn sequence_in(
        self: Arc<Self>,
        archive: Option<Arc<Archive>>,
        window: usize,
    ) -> Result<Box<dyn Sequence>> {
        let cache = self.empty_cache(window)?;
        let layers = cache.layers.iter().map(|state| state.layer.clone());
        let archiver = archive.map(|archive| Archiver::new(archive, layers.collect()));
        Ok(Box::new(Running {
            archiver,
            tokens: Vec::new(),
            unsettled: Vec::new(),
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
    /// All that went through, kept or evicted.
    tokens: Vec<u32>,
    /// What the cache holds beyond that until it is settled.
    unsettled: Vec<u32>,
    archiver: Option<Archiver<B::Layer>>,
}

impl<B: Backend> Running<B> {
    /// Reads `tokens` behind `position` others, whose layers `behind` gives.
    fn read(
        &self,
        behind: &Behind<B>,
        tokens: &[u32],
        mut stages: Committing<B>,
    ) -> Result<Option<Came<B>>> {
        let read = self.decoder.prefill(behind, tokens, &mut stages)?;
        let Some((layers, logits)) = read else {
            return Ok(None);
        };
        let logits = finite(logits, &self.decoder.description)?;
        let tails = stages.commit();
        Ok(Some(Came {
            layers,
            logits,
            tails,
        }))
    }

    /// How many of `tokens`, at most `most`, it holds in every head, from the first on: none once it
    /// was evicted.
    fn held(&self, tokens: &[u32], most: usize) -> usize {
        let position = self.cache.position;
        let mut layers = self.cache.layers.iter();
        if !layers.all(|state| state.layer.holds_all(position)) {
            return 0;
        }
        let pairs = self.tokens.iter().zip(tokens);
        let same = pairs.take_while(|(a, b)| a == b).count().min(most);
        match self.decoder.description.state_bytes() {
            0 => same,
            // A state is that of all tokens or of no use.
            _ if same == position => same,
            _ => 0,
        }
    }

    /// Everything that was decoded goes into the archive, unless it was computed over a cache that
    /// had lost something: that is read by the next turn, behind everything that was said before it.
    fn archive_decoded(&mut self) -> Result<()> {
        let whole = self.is_whole();
        let Some(archiver) = self.archiver.as_mut().filter(|_| whole) else {
            return Ok(());
        };
        for (l, state) in self.cache.layers.iter().enumerate() {
            archiver.capture(l, &state.layer)?;
        }
        let states: Vec<_> = self.cache.layers.iter().map(|l| &l.state).collect();
        archiver.write(&self.tokens[..self.cache.position], &states)
    }

    /// Whether the layers that grow hold everything that was said.
    fn is_whole(&self) -> bool {
        let layers = self.cache.layers.iter();
        let mut growing = layers
            .zip(&self.decoder.description.layers)
            .filter(|(_, s)| s.grows());
        growing.all(|(state, _)| state.layer.holds_all(self.cache.position))
    }

    /// A layer's first `len` entries: from the cache where it holds them all, else from the archive.
    fn past_layer(
        &self,
        past: Option<&Past>,
        len: usize,
        layer: usize,
    ) -> Result<LayerState<B::Layer>> {
        let mut state = self.cache.layers[layer].clone();
        state.window.clear();
        match past {
            None => {
                state.layer.take_back(self.cache.position - len);
                if state.state.exists() && state.state.seen() != len {
                    state.state = self.decoder.no_state(layer)?;
                }
            }
            Some(past) => {
                let lens = self.decoder.description.layers[layer].state();
                if lens.is_empty() {
                    let pages = past.pages(layer).map_err(|_| ModelError::Archive)?;
                    state.layer = state.layer.import(pages, len)?;
                } else {
                    state.state = self.past_state(past, len, layer, &lens)?;
                }
            }
        }
        Ok(state)
    }

    /// A layer's state before position `len`, of parts `lens` long.
    fn past_state(
        &self,
        past: &Past,
        len: usize,
        layer: usize,
        lens: &[usize],
    ) -> Result<State<NumbersOf<B>>> {
        if len == 0 {
            return self.decoder.no_state(layer);
        }
        let pages = past.state(layer, len).map_err(|_| ModelError::Archive)?;
        let parts = state::parts_of(&pages, lens).ok_or(ModelError::Archive)?;
        let parts = parts
            .into_iter()
            .map(|part| self.decoder.backend.numbers(part));
        Ok(State::new(parts.collect::<Result<_>>()?, len))
    }
}

/// What a read came to.
struct Came<B: Backend> {
    layers: Vec<LayerState<B::Layer>>,
    logits: Vec<f32>,
    /// Of each layer, what does not fill a page of the archive.
    tails: Vec<B::Layer>,
}

impl<B: Backend> Sequence for Running<B> {
    fn prefill(
        &mut self,
        tokens: &[u32],
        hooks: &mut dyn PrefillHooks,
    ) -> Result<Option<Vec<f32>>> {
        let behind = Behind {
            position: self.cache.position,
            layer: &|l| Ok(self.cache.layers[l].clone()),
        };
        let all = self.cache.position + tokens.len();
        let stages = Committing::new(&self.decoder, &self.cache, self.cache.position, all, hooks);
        let Some(Came { layers, logits, .. }) = self.read(&behind, tokens, stages)? else {
            return Ok(None);
        };
        self.cache.layers = layers;
        self.cache.position += tokens.len();
        self.tokens.extend(tokens);
        // What it holds is not all that was said any more.
        self.archiver = None;
        Ok(Some(logits))
    }

    fn archived(&mut self, tokens: &[u32], most: usize) -> usize {
        let held = self.held(tokens, most);
        let has_states = self.decoder.description.state_bytes() > 0;
        let Some(archiver) = &mut self.archiver else {
            return held;
        };
        let past = archiver.look_up(tokens);
        let archived = match has_states {
            true => past.snapshot_before(most),
            false => past.len().min(most),
        };
        archived.max(held)
    }

    fn recall(
        &mut self,
        tokens: &[u32],
        from: usize,
        hooks: &mut dyn PrefillHooks,
    ) -> Result<Option<Vec<f32>>> {
        let archive = self.archive().cloned();
        let mut past = match &mut self.archiver {
            Some(archiver) => archiver.found(tokens),
            None => Past::default(),
        };
        let whole = past.len();
        let in_cache = self.held(tokens, from) == from;
        if whole < from && !in_cache {
            return Err(ModelError::Archive);
        }
        // Damage may be found behind `from` as well.
        let everything = past.clone();
        past.cut(if in_cache { 0 } else { from });
        past.expect();
        let behind = Behind {
            position: from,
            layer: &|l| self.past_layer((!in_cache).then_some(&past), from, l),
        };
        // Where the search for what is archived ends, so that it goes on from there.
        let first = whole / PAGE * PAGE;
        let mut stages = Committing::new(&self.decoder, &self.cache, from, tokens.len(), hooks);
        if let Some(archive) = &archive {
            let snapshots = match self.decoder.description.state_bytes() {
                0 => Vec::new(),
                _ => self.decoder.snapshots(from, tokens.len()),
            };
            let record = || archive.record(tokens, first, &snapshots);
            stages = stages.archiving(Archiving {
                archive,
                tokens,
                past: &past,
                recording: (whole < tokens.len()).then(record),
                first,
                snapshots,
            });
        }
        let read = self.read(&behind, &tokens[from..], stages);
        if let (Err(ModelError::Archive), Some(archive)) = (&read, &archive) {
            archive.discard(&everything);
        }
        let Some(Came {
            layers,
            logits,
            tails,
        }) = read?
        else {
            return Ok(None);
        };
        self.cache.layers = layers;
        self.cache.position = tokens.len();
        self.tokens = tokens.to_vec();
        if let Some(archiver) = &mut self.archiver {
            archiver.begin(tokens.len(), tails);
        }
        Ok(Some(logits))
    }

    fn room(&self) -> usize {
        self.room_for_steps()
    }

    fn verify(
        &mut self,
        tokens: &[u32],
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<Result<Logits>>>> {
        self.append(tokens, stopped)
    }

    fn settle(&mut self, kept: usize) -> Result<()> {
        self.settle_steps(kept)
    }

    fn archive_decoded(&mut self) -> Result<()> {
        Running::archive_decoded(self)
    }

    fn leave_archive(&mut self) {
        self.archiver = None;
    }

    fn archive(&self) -> Option<&Arc<Archive>> {
        self.archiver.as_ref().map(|archiver| &archiver.archive)
    }

    fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    fn fork(&self) -> Box<dyn Sequence> {
        Box::new(Running {
            decoder: self.decoder.clone(),
            cache: self.cache.clone(),
            tokens: self.tokens.clone(),
            unsettled: Vec::new(),
            archiver: None,
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
