//! The transformer, read top to bottom; what a row of numbers is, is the backend's business.

use std::sync::Arc;

use super::{
    backend::{Backend, Place},
    block::Block,
    description::Description,
    error::{ModelError, Result},
    gguf::GgufFile,
    network::{Network, NoHooks, PrefillHooks, Sequence},
    rope::Rope,
    sequence::{Running, Staged},
    shape::Rotary,
};
use crate::cache::{KvCache, LayerState, QueryWindow, Store};

/// Layers that a prefill has filled, and the stream behind the last.
type StagedRows<B> = (Vec<LayerState<<B as Backend>::Layer>>, <B as Backend>::Rows);

/// Embedding, blocks, norm, output head.
pub struct Decoder<B: Backend> {
    pub(super) backend: B,
    pub(super) description: Description,
    /// One for each kind of rotary embedding; of each layer, which.
    ropes: Vec<Rope>,
    rope_of: Vec<Option<usize>>,
    embedding: B::Embedding,
    pub(super) blocks: Vec<Block<B>>,
    norm: B::Vector,
    head: B::Linear,
    weight_bytes: u64,
}

impl<B: Backend> Decoder<B> {
    /// Reads the weights; `progress` is told the share that is done, 0–1.
    pub fn load(backend: B, file: &Arc<GgufFile>, progress: &(dyn Fn(f32) + Sync)) -> Result<Self> {
        let d = Description::from_gguf(file)?;
        let layers = d.layers.len();
        let done = std::sync::atomic::AtomicUsize::new(0);
        let step = || {
            let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            progress(done as f32 / (layers + 1) as f32);
        };
        let blocks = backend.load_all(layers, &|layer| {
            let block = Block::load(&backend, &d, file, layer);
            step();
            block
        })?;
        let output = if d.tied { "token_embd" } else { "output" };
        let head = backend.load_linear(file, &[(output.into(), d.vocabulary)], d.hidden)?;
        let embedding = backend.load_embedding(file, &d)?;
        step();
        let rotaries: Vec<_> = d.layers.iter().map(|l| l.attention().rotary).collect();
        let mut kinds: Vec<Rotary> = Vec::new();
        let mut rope_of = Vec::with_capacity(layers);
        for rotary in rotaries {
            rope_of.push(rotary.map(|r| {
                kinds.iter().position(|k| *k == r).unwrap_or_else(|| {
                    kinds.push(r);
                    kinds.len() - 1
                })
            }));
        }
        let ropes = kinds.iter().map(|k| Rope::new(k, file));
        Ok(Decoder {
            ropes: ropes.collect::<Result<_>>()?,
            rope_of,
            embedding,
            blocks,
            norm: backend.load_vector(file, "output_norm.weight", d.hidden)?,
            head,
            weight_bytes: file.tensor_bytes(),
            description: d,
            backend,
        })
    }

    fn embed(&self, tokens: &[u32]) -> Result<B::Rows> {
        let vocab = self.description.vocabulary;
        if let Some(&id) = tokens.iter().find(|&&id| id as usize >= vocab) {
            return Err(ModelError::Token { id, vocab });
        }
        self.backend.embed(&self.embedding, &self.head, tokens)
    }

    /// The angles of each kind of layer for a run of positions.
    fn angles(&self, start: usize, rows: usize) -> Result<Vec<B::Angles>> {
        let ropes = self.ropes.iter();
        ropes.map(|r| self.backend.angles(r, start, rows)).collect()
    }

    /// Logits of the last of `rows`.
    fn logits(&self, rows: B::Rows) -> Result<Vec<f32>> {
        let b = &self.backend;
        let last = b.last(rows, 1)?;
        let h = b.rms_norm(&last, &self.norm, self.description.rms_epsilon)?;
        b.to_host(b.linear(&self.head, &h)?)
    }

    fn empty_cache(&self, window: usize) -> Result<KvCache<B::Layer>> {
        let layers = self.description.layers.iter();
        let state = layers.map(|shape| -> Result<LayerState<B::Layer>> {
            Ok(LayerState {
                layer: self.backend.empty_layer(shape.attention())?,
                window: QueryWindow::new(window),
            })
        });
        Ok(KvCache {
            layers: state.collect::<Result<_>>()?,
            position: 0,
        })
    }

    /// Runs `tokens` behind what `cache` holds, layer by layer, on staged forks of its layers, and
    /// returns those with the stream of the last `wanted` tokens; `None` when it was stopped.
    fn stage(
        &self,
        cache: &KvCache<B::Layer>,
        tokens: &[u32],
        hooks: &mut dyn PrefillHooks,
        wanted: usize,
    ) -> Result<Option<StagedRows<B>>> {
        let (b, d) = (&self.backend, &self.description);
        let layers = d.layers.len();
        let angles = self.angles(cache.position, tokens.len())?;
        let block_rows = b.block_rows(d).max(1);
        let blocks = tokens.len().div_ceil(block_rows);
        let mut x = self.embed(tokens)?;
        let mut staged = Staged::new(self, cache, tokens.len());
        for (l, block) in self.blocks.iter().enumerate() {
            let mut state = cache.layers[l].clone();
            for i in 0..blocks {
                if hooks.stopped() {
                    return Ok(None);
                }
                let offset = i * block_rows;
                let rows = block_rows.min(tokens.len() - offset);
                let place = Place {
                    start: cache.position + offset,
                    rows,
                    angles: self.rope_of[l].map(|kind| &angles[kind]),
                    offset,
                };
                let behind = tokens.len() - offset - rows;
                let wanted = match l + 1 == layers {
                    true => wanted.saturating_sub(behind).min(rows),
                    false => rows,
                };
                let slice = b.slice(&x, offset, rows)?;
                if let Some(out) = block.forward(b, d, slice, &mut state, place, wanted)? {
                    b.put(&mut x, offset + rows - wanted, &out)?;
                }
                hooks.progress(l * blocks + i + 1, layers * blocks);
            }
            staged.push(state);
            hooks.layer_done(l, &mut staged)?;
        }
        hooks.all_done(&mut staged)?;
        Ok(Some((staged.into_layers(), b.last(x, wanted)?)))
    }

    /// [`Sequence::prefill`] on a cache of this network.
    pub(super) fn prefill(
        &self,
        cache: &mut KvCache<B::Layer>,
        tokens: &[u32],
        hooks: &mut dyn PrefillHooks,
    ) -> Result<Option<Vec<f32>>> {
        // Behind the last layer only the last token's stream is looked at.
        match self.stage(cache, tokens, hooks, 1)? {
            Some((staged, x)) => {
                let logits = self.logits(x)?;
                cache.layers = staged;
                cache.position += tokens.len();
                Ok(Some(logits))
            }
            None => Ok(None),
        }
    }

    /// [`Sequence::decode`] on a cache of this network.
    pub(super) fn decode(
        &self,
        cache: &mut KvCache<B::Layer>,
        token: u32,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<f32>>> {
        let (b, d) = (&self.backend, &self.description);
        let angles = self.angles(cache.position, 1)?;
        let mut x = self.embed(&[token])?;
        for (l, block) in self.blocks.iter().enumerate() {
            let place = Place {
                start: cache.position,
                rows: 1,
                angles: self.rope_of[l].map(|kind| &angles[kind]),
                offset: 0,
            };
            let outcome = match stopped() {
                true => Ok(None),
                false => block.forward(b, d, x, &mut cache.layers[l], place, 1),
            };
            match outcome {
                Ok(Some(out)) => x = out,
                Ok(None) => {
                    take_back(&mut cache.layers[..l]);
                    return Ok(None);
                }
                Err(error) => {
                    let touched = cache.layers[l].layer.positions(0).last().copied();
                    let upto = l + usize::from(touched == Some(cache.position as u32));
                    take_back(&mut cache.layers[..upto]);
                    return Err(error);
                }
            }
        }
        let logits = self.logits(x)?;
        cache.position += 1;
        Ok(Some(logits))
    }
}

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
        Ok(Box::new(Running::new(self, cache)))
    }

    fn log_likelihoods(&self, tokens: &[u32]) -> Result<Vec<f64>> {
        if tokens.len() < 2 {
            return Ok(Vec::new());
        }
        let b = &self.backend;
        let cache = self.empty_cache(0)?;
        let Some((_, x)) = self.stage(&cache, tokens, &mut NoHooks, tokens.len())? else {
            return Ok(Vec::new());
        };
        let mut out = Vec::with_capacity(tokens.len());
        // The logits of a block at a time: all of them would be `tokens × vocabulary`.
        let block_rows = b.block_rows(&self.description).max(1);
        for (i, next) in tokens[1..].chunks(block_rows).enumerate() {
            let rows = b.slice(&x, i * block_rows, next.len())?;
            let h = b.rms_norm(&rows, &self.norm, self.description.rms_epsilon)?;
            let logits = b.to_host(b.linear(&self.head, &h)?)?;
            let rows = logits.chunks_exact(self.description.vocabulary);
            out.extend(rows.zip(next).map(|(row, &id)| log_softmax(row, id)));
        }
        Ok(out)
    }
}

/// ln p of `id` under a row of logits; −∞ for a token that is none.
fn log_softmax(logits: &[f32], id: u32) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&x| f64::from(x - max).exp()).sum();
    let of = logits.get(id as usize).copied();
    f64::from(of.unwrap_or(f32::NEG_INFINITY) - max) - sum.ln()
}

/// Undoes the appending of a token that did not get through all layers.
fn take_back<S: Store>(layers: &mut [LayerState<S>]) {
    for state in layers {
        state.layer.take_back(1);
        state.window.take_back();
    }
}
