//! The transformer, read top to bottom; what a row of numbers is, is the backend's business.

mod step;

use std::sync::Arc;

pub(super) use step::Predicted;

use sha2::{Digest, Sha256};

use super::{
    backend::{Backend, NumbersOf, Place},
    block::Block,
    description::Description,
    device_memory::DeviceMemory,
    error::{ModelError, Result},
    gguf::GgufFile,
    mixer::Run,
    per_layer::Table,
    rope::Rope,
    shape::Rotary,
    sharing,
    stages::{Behind, Stages},
    weights::Scaled,
};
use crate::cache::{KvCache, LayerState, QueryWindow, State};

/// More tokens than a template begins an answer with (`<think>`).
const BEGINNING: usize = 16;

/// Layers that a prefill has filled, and what came out behind the last.
type Filled<B, X> = (Vec<LayerState<<B as Backend>::Layer>>, X);

/// What is loaded by itself.
enum Loaded<B: Backend> {
    Head(B::Linear),
    Block(Box<Block<B>>),
}

/// Embedding, blocks, norm, output head.
pub struct Decoder<B: Backend> {
    pub(super) backend: B,
    pub(super) description: Description,
    /// One for each kind of rotary embedding; of each layer, which.
    ropes: Vec<Rope>,
    rope_of: Vec<Option<usize>>,
    embedding: B::Embedding,
    /// What layers are told of tokens beside the stream.
    table: Option<Table>,
    pub(super) blocks: Vec<Block<B>>,
    norm: B::Vector,
    head: B::Linear,
    pub(super) weight_bytes: u64,
    /// What they take on a device that tells.
    on_device: u64,
    /// Of the weights and of what the backend makes of them.
    pub(super) fingerprint: [u8; 32],
}

impl<B: Backend> Decoder<B> {
    /// Reads the weights; `progress` is told the share that is done, 0–1.
    pub fn load(backend: B, file: &Arc<GgufFile>, progress: &(dyn Fn(f32) + Sync)) -> Result<Self> {
        let d = Description::from_gguf(file)?;
        let buffers = || backend.device_memory().map_or(0, |m| m.usage.buffers);
        let before = buffers();
        let layers = d.layers.len();
        let done = std::sync::atomic::AtomicUsize::new(0);
        let step = || {
            let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            progress(done as f32 / (layers + 1) as f32);
        };
        let output = if d.tied { "token_embd" } else { "output" };
        // The head first: it is the largest, and no thread should wait for it at the end.
        let loaded = backend.load_all(layers + 1, &|item| {
            let part = match item.checked_sub(1) {
                Some(layer) => Loaded::Block(Box::new(Block::load(&backend, &d, file, layer)?)),
                None => {
                    let parts = [(output.into(), d.vocabulary)];
                    Loaded::Head(backend.load_linear(file, &parts, d.hidden, Scaled::Product)?)
                }
            };
            step();
            Ok(part)
        })?;
        let (mut head, mut blocks) = (None, Vec::with_capacity(layers));
        for part in loaded {
            match part {
                Loaded::Head(linear) => head = Some(linear),
                Loaded::Block(block) => blocks.push(*block),
            }
        }
        let head = head.ok_or_else(|| ModelError::Description("it has no output head".into()))?;
        let embedding = backend.load_embedding(file, &d)?;
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
        let table = Table::open(file, &d)?;
        let table_bytes = table.as_ref().map_or(0, Table::bytes);
        let norm = backend.load_vector(file, output_norm(file), d.hidden)?;
        let on_device = buffers().saturating_sub(before);
        Ok(Decoder {
            ropes: ropes.collect::<Result<_>>()?,
            rope_of,
            embedding,
            table,
            blocks,
            norm,
            head,
            on_device,
            weight_bytes: file.tensor_bytes() - table_bytes,
            fingerprint: fingerprint(file, &backend),
            description: d,
            backend,
        })
    }

    /// What is taken of the device's memory.
    pub(super) fn device_memory(&self) -> Option<DeviceMemory> {
        let memory = self.backend.device_memory()?;
        Some(DeviceMemory {
            weights: self.on_device,
            ..memory
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

    /// Tokens that are read behind `before` others, or decoded, scaled as the stream begins.
    fn embed(&self, tokens: &[u32], before: Option<usize>) -> Result<B::Rows> {
        let rows = self.embed_plain(tokens, before)?;
        match self.description.scales.embedding {
            1.0 => Ok(rows),
            scale => self.backend.scale(rows, scale),
        }
    }

    fn embed_plain(&self, tokens: &[u32], before: Option<usize>) -> Result<B::Rows> {
        let vocab = self.description.vocabulary;
        if let Some(&id) = tokens.iter().find(|&&id| id as usize >= vocab) {
            return Err(ModelError::Token { id, vocab });
        }
        self.backend
            .embed(&self.embedding, &self.head, tokens, before)
    }

    /// The embeddings of `rows` tokens from `offset` on of those that are read behind `before` others,
    /// where layers are told of them. They are not kept: a long text's would be as large as its cache.
    fn embedded(
        &self,
        tokens: &[u32],
        before: usize,
        offset: usize,
        rows: usize,
    ) -> Result<Option<B::Rows>> {
        if self.table.is_none() {
            return Ok(None);
        }
        // As precise as the stream, whose precision hangs on all that is read at once: on whether that
        // is one token, and on where it ends.
        let more = usize::from(rows == 1 && offset > 0);
        let some = &tokens[offset - more..offset + rows];
        let before = before + tokens.len() - some.len();
        let embedded = self.embed_plain(some, Some(before))?;
        self.backend.last(embedded, rows).map(Some)
    }

    /// What a layer is told of tokens that are `embedded`.
    fn told(
        &self,
        layer: usize,
        tokens: &[u32],
        embedded: Option<&B::Rows>,
    ) -> Result<Option<B::Rows>> {
        let per_layer = self.blocks[layer].per_layer();
        let (Some(table), Some(per_layer), Some(embedded)) = (&self.table, per_layer, embedded)
        else {
            return Ok(None);
        };
        let (b, d) = (&self.backend, &self.description);
        let of_table = table.rows(layer, tokens)?;
        per_layer.told(b, d, embedded, of_table).map(Some)
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
    pub(super) fn predicted(&self, rows: &B::Rows) -> Result<Vec<f32>> {
        self.to_host(self.unscaled(rows)?)
    }

    /// What logits are made of, on the device.
    pub(super) fn unscaled(&self, rows: &B::Rows) -> Result<B::Rows> {
        let b = &self.backend;
        let h = b.rms_norm(rows, &self.norm, self.description.rms_epsilon)?;
        b.linear(&self.head, &h)
    }

    /// Makes logits of it.
    pub(super) fn to_host(&self, unscaled: B::Rows) -> Result<Vec<f32>> {
        let mut logits = self.backend.to_host(unscaled)?;
        self.scale(&mut logits);
        Ok(logits)
    }

    pub(super) fn scale(&self, logits: &mut [f32]) {
        let scales = &self.description.scales;
        if scales.logits != 1.0 {
            logits.iter_mut().for_each(|logit| *logit *= scales.logits);
        }
        if let Some(cap) = scales.logit_cap {
            let squash = |logit: &mut f32| *logit = cap * (*logit / cap).tanh();
            logits.iter_mut().for_each(squash);
        }
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
    pub(super) fn stage(
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
        let mut x = self.embed(tokens, Some(behind.position))?;
        let mut staged: Vec<LayerState<B::Layer>> = Vec::with_capacity(layers);
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
                let run = Run {
                    place,
                    wanted,
                    one_by_one: false,
                    source: d.layers[l].source().map(|s| (&staged[s].layer, after)),
                };
                let embedded = self.embedded(tokens, behind.position, offset, rows)?;
                let told = self.told(l, &tokens[offset..offset + rows], embedded.as_ref())?;
                let slice = b.slice(&x, offset, rows)?;
                if let Some(out) = block.forward(b, d, slice, &mut state, run, told)? {
                    b.put(&mut x, offset + rows - wanted, &out)?;
                }
                stages.block_done(behind.position + offset + rows, &state)?;
                stages.progress(l * blocks + i + 1, layers * blocks);
            }
            staged.push(state);
            for done in sharing::done_behind(&d.layers, l) {
                stages.layer_done(done, &mut staged)?;
            }
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
}

/// The norm before the output head; LFM2's files call it as other files call another one.
fn output_norm(file: &GgufFile) -> &'static str {
    let usual = "output_norm.weight";
    match file.has_tensor(usual) {
        true => usual,
        false => "token_embd_norm.weight",
    }
}

/// Of keys and values: those of other weights, types or roundings are others.
fn fingerprint<B: Backend>(file: &GgufFile, backend: &B) -> [u8; 32] {
    let hash = Sha256::new().chain_update(file.fingerprint());
    hash.chain_update(backend.precision()).finalize().into()
}
