//! The transformer, read top to bottom; what a row of numbers is, is the backend's business.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{
    backend::{Backend, NumbersOf, Place},
    block::Block,
    description::Description,
    error::{ModelError, Result},
    gguf::GgufFile,
    rope::Rope,
    shape::Rotary,
    weights::Scaled,
};
use crate::cache::{KvCache, LayerState, QueryWindow, State, Store};

/// More tokens than a template begins an answer with (`<think>`).
const BEGINNING: usize = 16;

/// Layers that a prefill has filled, and what came out behind the last.
type Filled<B, X> = (Vec<LayerState<<B as Backend>::Layer>>, X);

/// What stands before a run of tokens: a fork of each layer, with the first `position` entries.
pub(super) struct Behind<'a, B: Backend> {
    pub position: usize,
    pub layer: &'a dyn Fn(usize) -> Result<LayerState<B::Layer>>,
}

/// What happens around a prefill whose layers are staged.
pub(super) trait Stages<B: Backend> {
    /// Looked at between blocks.
    fn stopped(&self) -> bool {
        false
    }

    /// `done` of `total` blocks over all layers are through.
    fn progress(&mut self, _done: usize, _total: usize) {}

    /// A layer has seen the tokens before `position`.
    fn block_done(&mut self, _position: usize, _state: &LayerState<B::Layer>) -> Result<()> {
        Ok(())
    }

    /// The last of `staged`, layer `layer`, has all its entries.
    fn layer_done(&mut self, _layer: usize, _staged: &mut Vec<LayerState<B::Layer>>) -> Result<()> {
        Ok(())
    }

    /// All of them.
    fn all_done(&mut self, _staged: &mut Vec<LayerState<B::Layer>>) -> Result<()> {
        Ok(())
    }
}

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
    pub(super) weight_bytes: u64,
    /// Of the weights and of what the backend makes of them.
    pub(super) fingerprint: [u8; 32],
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
        let head = backend.load_linear(
            file,
            &[(output.into(), d.vocabulary)],
            d.hidden,
            Scaled::Product,
        )?;
        let embedding = backend.load_embedding(file, &d)?;
        step();
        let rotaries: Vec<_> = d.layers.iter().map(|l| l.attention()?.rotary).collect();
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
            norm: backend.load_vector(file, output_norm(file), d.hidden)?,
            head,
            weight_bytes: file.tensor_bytes(),
            fingerprint: fingerprint(file, &backend),
            description: d,
            backend,
        })
    }

    /// The blocks of `len` tokens, by where they begin, and `len`. Of a model with states the last tokens
    /// are a block of their own: a template may write the beginning of an answer otherwise when it is said
    /// again, and what stands before that should be found.
    fn cuts(&self, len: usize) -> Vec<usize> {
        let tail = match self.description.state_bytes() {
            0 => 0,
            _ => BEGINNING,
        };
        let rows = self.backend.block_rows(&self.description).max(1);
        let body = len.saturating_sub(tail);
        let mut cuts: Vec<usize> = (0..body).step_by(rows).collect();
        if body < len {
            cuts.push(body);
        }
        cuts.push(len);
        cuts
    }

    /// Positions of a read of `from..len` before which the states of its layers are worth keeping: the
    /// end, and ends of blocks ever farther from it, so that going back reads little more than what
    /// changed.
    pub(super) fn snapshots(&self, from: usize, len: usize) -> Vec<usize> {
        let cuts = self.cuts(len - from);
        let blocks = cuts.len() - 1;
        let back = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| *n < blocks);
        let mut at: Vec<usize> = back.map(|n| from + cuts[blocks - n]).collect();
        at.reverse();
        at.push(len);
        at
    }

    /// Tokens behind `before` others.
    fn embed(&self, tokens: &[u32], before: usize) -> Result<B::Rows> {
        let vocab = self.description.vocabulary;
        if let Some(&id) = tokens.iter().find(|&&id| id as usize >= vocab) {
            return Err(ModelError::Token { id, vocab });
        }
        let b = &self.backend;
        let rows = b.embed(&self.embedding, &self.head, tokens, before)?;
        match self.description.scales.embedding {
            1.0 => Ok(rows),
            scale => b.scale(rows, scale),
        }
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
        self.predicted(&last)
    }

    /// Logits of each of `rows`, one behind the other.
    fn predicted(&self, rows: &B::Rows) -> Result<Vec<f32>> {
        let (b, scales) = (&self.backend, &self.description.scales);
        let h = b.rms_norm(rows, &self.norm, self.description.rms_epsilon)?;
        let mut logits = b.to_host(b.linear(&self.head, &h)?)?;
        if scales.logits != 1.0 {
            logits.iter_mut().for_each(|logit| *logit *= scales.logits);
        }
        if let Some(cap) = scales.logit_cap {
            let squash = |logit: &mut f32| *logit = cap * (*logit / cap).tanh();
            logits.iter_mut().for_each(squash);
        }
        Ok(logits)
    }

    /// What a layer remembers of no tokens.
    pub(super) fn no_state(&self, layer: usize) -> Result<State<NumbersOf<B>>> {
        let lens = self.description.layers[layer].state().into_iter();
        let parts = lens.map(|len| self.backend.numbers(vec![0.0; len]));
        Ok(State::new(parts.collect::<Result<_>>()?, 0))
    }

    pub(super) fn empty_cache(&self, window: usize) -> Result<KvCache<B::Layer>> {
        let layers = self.description.layers.iter().enumerate();
        let state = layers.map(|(l, shape)| -> Result<LayerState<B::Layer>> {
            Ok(LayerState {
                layer: self.backend.empty_layer(shape.attention())?,
                window: QueryWindow::new(window),
                state: self.no_state(l)?,
            })
        });
        Ok(KvCache {
            layers: state.collect::<Result<_>>()?,
            position: 0,
        })
    }

    /// Runs `tokens` behind what there is, layer by layer, on staged forks of its layers, and
    /// returns those with the stream of the last `wanted` tokens; `None` when it was stopped.
    fn stage(
        &self,
        behind: &Behind<B>,
        tokens: &[u32],
        stages: &mut dyn Stages<B>,
        wanted: usize,
    ) -> Result<Option<Filled<B, B::Rows>>> {
        let (b, d) = (&self.backend, &self.description);
        let layers = d.layers.len();
        let angles = self.angles(behind.position, tokens.len())?;
        let cuts = self.cuts(tokens.len());
        let blocks = cuts.len() - 1;
        let mut x = self.embed(tokens, behind.position)?;
        let mut staged = Vec::with_capacity(layers);
        for (l, block) in self.blocks.iter().enumerate() {
            let mut state = (behind.layer)(l)?;
            for (i, cut) in cuts.windows(2).enumerate() {
                if stages.stopped() {
                    return Ok(None);
                }
                let (offset, rows) = (cut[0], cut[1] - cut[0]);
                let place = Place {
                    start: behind.position + offset,
                    rows,
                    angles: self.rope_of[l].map(|kind| &angles[kind]),
                    offset,
                };
                let after = tokens.len() - offset - rows;
                let wanted = match l + 1 == layers {
                    true => wanted.saturating_sub(after).min(rows),
                    false => rows,
                };
                let slice = b.slice(&x, offset, rows)?;
                if let Some(out) = block.forward(b, d, slice, &mut state, place, wanted)? {
                    b.put(&mut x, offset + rows - wanted, &out)?;
                }
                stages.block_done(behind.position + offset + rows, &state)?;
                stages.progress(l * blocks + i + 1, layers * blocks);
            }
            staged.push(state);
            stages.layer_done(l, &mut staged)?;
        }
        stages.all_done(&mut staged)?;
        Ok(Some((staged, b.last(x, wanted)?)))
    }

    /// Reads `tokens` behind what there is and gives the layers that hold both, with the logits of the
    /// last token; `None` when it was stopped.
    pub(super) fn prefill(
        &self,
        behind: &Behind<B>,
        tokens: &[u32],
        stages: &mut dyn Stages<B>,
    ) -> Result<Option<Filled<B, Vec<f32>>>> {
        // Behind the last layer only the last token's stream is looked at.
        match self.stage(behind, tokens, stages, 1)? {
            Some((staged, x)) => Ok(Some((staged, self.logits(x)?))),
            None => Ok(None),
        }
    }

    /// [`Network::log_likelihoods`](super::Network::log_likelihoods).
    pub(super) fn log_likelihoods(&self, tokens: &[u32]) -> Result<Vec<f64>> {
        if tokens.len() < 2 {
            return Ok(Vec::new());
        }
        let b = &self.backend;
        let cache = self.empty_cache(0)?;
        let behind = Behind {
            position: 0,
            layer: &|l| Ok(cache.layers[l].clone()),
        };
        let Some((_, x)) = self.stage(&behind, tokens, &mut Unwatched, tokens.len())? else {
            return Ok(Vec::new());
        };
        let mut out = Vec::with_capacity(tokens.len());
        // The logits of a block at a time: all of them would be `tokens × vocabulary`.
        let block_rows = b.block_rows(&self.description).max(1);
        for (i, next) in tokens[1..].chunks(block_rows).enumerate() {
            let rows = b.slice(&x, i * block_rows, next.len())?;
            let logits = self.predicted(&rows)?;
            let rows = logits.chunks_exact(self.description.vocabulary);
            out.extend(rows.zip(next).map(|(row, &id)| log_softmax(row, id)));
        }
        Ok(out)
    }

    /// [`Sequence::decode`](super::Sequence::decode) on a cache of this network.
    pub(super) fn decode(
        &self,
        cache: &mut KvCache<B::Layer>,
        token: u32,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<f32>>> {
        let (b, d) = (&self.backend, &self.description);
        let angles = self.angles(cache.position, 1)?;
        let mut x = self.embed(&[token], cache.position)?;
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
                    let upto = l + usize::from(cache.layers[l].has_seen(cache.position));
                    take_back(&mut cache.layers[..upto]);
                    return Err(error);
                }
            }
        }
        match self.logits(x) {
            Ok(logits) => {
                cache.position += 1;
                Ok(Some(logits))
            }
            Err(error) => {
                take_back(&mut cache.layers);
                Err(error)
            }
        }
    }
}

/// The norm before the output head; LFM2's files call it as other files call another one.
fn output_norm(file: &GgufFile) -> &'static str {
    let usual = "output_norm.weight";
    match file.has_tensor(usual) {
        true => usual,
        false => "token_embd_norm.weight",
    }
}

/// ln p of `id` under a row of logits; −∞ for a token that is none.
fn log_softmax(logits: &[f32], id: u32) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&x| f64::from(x - max).exp()).sum();
    let of = logits.get(id as usize).copied();
    f64::from(of.unwrap_or(f32::NEG_INFINITY) - max) - sum.ln()
}

/// Of keys and values: those of other weights, types or roundings are others.
fn fingerprint<B: Backend>(file: &GgufFile, backend: &B) -> [u8; 32] {
    let hash = Sha256::new().chain_update(file.fingerprint());
    hash.chain_update(backend.precision()).finalize().into()
}

/// A prefill that nobody watches.
struct Unwatched;

impl<B: Backend> Stages<B> for Unwatched {}

/// Undoes the appending of a token that did not get through all layers.
fn take_back<S: Store>(layers: &mut [LayerState<S>]) {
    layers.iter_mut().for_each(LayerState::take_back);
}
