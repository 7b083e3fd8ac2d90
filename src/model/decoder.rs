//! The transformer, read top to bottom; what a row of numbers is, is the backend's business.

use super::{
    backend::Backend,
    description::Description,
    error::{ModelError, Result},
    gguf::GgufFile,
    network::{Network, NoHooks, PrefillHooks},
    rope::{Angles, Rope},
};
use crate::cache::{KvCache, Layer, LayerState, QueryWindow};
use crate::policy::HeadScores;

/// Attention, then a gated MLP, each behind a norm and added to the stream.
struct Block<B: Backend> {
    attention_norm: B::Vector,
    /// q, k and v stacked.
    qkv: B::Linear,
    attention_out: B::Linear,
    mlp_norm: B::Vector,
    /// gate and up stacked.
    gate_up: B::Linear,
    down: B::Linear,
}

impl<B: Backend> Block<B> {
    fn load(b: &B, d: &Description, file: &GgufFile, layer: usize) -> Result<Self> {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let linear = |parts: &[(&str, usize)], inputs: usize| {
            let parts: Vec<_> = parts
                .iter()
                .map(|(p, n)| (format!("blk.{layer}.{p}"), *n))
                .collect();
            b.load_linear(file, &parts, inputs)
        };
        let (q, kv) = (d.heads * d.head_dim, d.kv_heads * d.head_dim);
        Ok(Block {
            attention_norm: b.load_vector(file, &name("attn_norm"), d.hidden)?,
            qkv: linear(&[("attn_q", q), ("attn_k", kv), ("attn_v", kv)], d.hidden)?,
            attention_out: linear(&[("attn_output", d.hidden)], q)?,
            mlp_norm: b.load_vector(file, &name("ffn_norm"), d.hidden)?,
            gate_up: linear(
                &[("ffn_gate", d.feed_forward), ("ffn_up", d.feed_forward)],
                d.hidden,
            )?,
            down: linear(&[("ffn_down", d.hidden)], d.feed_forward)?,
        })
    }

    /// Appends the rows `x` (`[rows, hidden]`) to the layer and returns the stream behind the block
    /// for the last `wanted` of them.
    fn forward(
        &self,
        b: &B,
        d: &Description,
        x: B::Rows,
        state: &mut LayerState,
        run: Run,
        wanted: usize,
    ) -> Result<Option<B::Rows>> {
        let h = b.rms_norm(&x, &self.attention_norm, d.rms_epsilon)?;
        let qkv = b.linear(&self.qkv, &h)?;
        let q = b.append(d, state, qkv, run)?;
        if wanted == 0 {
            return Ok(None);
        }
        let (x, q) = (b.last(x, wanted)?, b.last(q, wanted)?);
        let a = b.attend(d, &state.layer, &q)?;
        let x = b.add(x, b.linear(&self.attention_out, &a)?)?;
        let h = b.rms_norm(&x, &self.mlp_norm, d.rms_epsilon)?;
        let h = b.swiglu(&b.linear(&self.gate_up, &h)?)?;
        Ok(Some(b.add(x, b.linear(&self.down, &h)?)?))
    }
}

/// Where a run of rows stands.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// Position of the first row.
    pub start: usize,
    pub rows: usize,
    /// Angles of the whole prefill, and the first row's place in them.
    pub angles: &'a Angles,
    pub offset: usize,
}

/// Embedding, blocks, norm, output head.
pub struct Decoder<B: Backend> {
    backend: B,
    description: Description,
    rope: Rope,
    embedding: B::Embedding,
    blocks: Vec<Block<B>>,
    norm: B::Vector,
    head: B::Linear,
    weight_bytes: u64,
}

impl<B: Backend> Decoder<B> {
    /// Reads the weights; `progress` is told the share that is done, 0–1.
    pub fn load(
        backend: B,
        file: &std::sync::Arc<GgufFile>,
        progress: &(dyn Fn(f32) + Sync),
    ) -> Result<Self> {
        let d = Description::from_gguf(file)?;
        let done = std::sync::atomic::AtomicUsize::new(0);
        let step = || {
            let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            progress(done as f32 / (d.layers + 1) as f32);
        };
        let blocks = backend.load_all(d.layers, &|layer| {
            let block = Block::load(&backend, &d, file, layer);
            step();
            block
        })?;
        let output = if d.tied { "token_embd" } else { "output" };
        let head = backend.load_linear(file, &[(output.into(), d.vocabulary)], d.hidden)?;
        let embedding = backend.load_embedding(file, &d)?;
        step();
        Ok(Decoder {
            rope: Rope::new(&d, file)?,
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

    /// Logits of the last of `rows`.
    fn logits(&self, rows: B::Rows) -> Result<Vec<f32>> {
        let b = &self.backend;
        let last = b.last(rows, 1)?;
        let h = b.rms_norm(&last, &self.norm, self.description.rms_epsilon)?;
        b.to_host(b.linear(&self.head, &h)?)
    }

    /// Runs `tokens` behind what `cache` holds, layer by layer, on staged copies of its layers, and
    /// returns those with the stream of the last `wanted` tokens; `None` when it was stopped.
    fn stage(
        &self,
        cache: &KvCache,
        tokens: &[u32],
        hooks: &mut dyn PrefillHooks,
        wanted: usize,
    ) -> Result<Option<(Vec<LayerState>, B::Rows)>> {
        let (b, d) = (&self.backend, &self.description);
        let angles = self.rope.angles(cache.position, tokens.len());
        let block_rows = self.block_rows();
        let blocks = tokens.len().div_ceil(block_rows);
        let mut x = self.embed(tokens)?;
        let mut staged: Vec<LayerState> = Vec::with_capacity(d.layers);
        for (l, block) in self.blocks.iter().enumerate() {
            let mut state = cache.layers[l].clone();
            for i in 0..blocks {
                if hooks.stopped() {
                    return Ok(None);
                }
                let offset = i * block_rows;
                let rows = block_rows.min(tokens.len() - offset);
                let run = Run {
                    start: cache.position + offset,
                    rows,
                    angles: &angles,
                    offset,
                };
                let behind = tokens.len() - offset - rows;
                let wanted = match l + 1 == d.layers {
                    true => wanted.saturating_sub(behind).min(rows),
                    false => rows,
                };
                let slice = b.slice(&x, offset, rows)?;
                if let Some(out) = block.forward(b, d, slice, &mut state, run, wanted)? {
                    b.put(&mut x, offset + rows - wanted, &out)?;
                }
                hooks.progress(l * blocks + i + 1, d.layers * blocks);
            }
            staged.push(state);
            hooks.layer_done(self, &mut staged, cache)?;
        }
        Ok(Some((staged, b.last(x, wanted)?)))
    }

    /// Rows per block: enough to keep the kernels busy, few enough to stop soon.
    fn block_rows(&self) -> usize {
        const MACS: usize = 1_500_000_000;
        (MACS / self.description.layer_macs())
            .clamp(32, 256)
            .next_multiple_of(32)
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

    fn empty_cache(&self, window: usize) -> Result<KvCache> {
        let state = |_| -> Result<LayerState> {
            Ok(LayerState {
                layer: self.backend.empty_layer(&self.description)?,
                window: QueryWindow::new(window),
            })
        };
        Ok(KvCache {
            layers: (0..self.description.layers)
                .map(state)
                .collect::<Result<_>>()?,
            position: 0,
        })
    }

    fn prefill(
        &self,
        cache: &mut KvCache,
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
        let block_rows = self.block_rows();
        for (i, next) in tokens[1..].chunks(block_rows).enumerate() {
            let rows = b.slice(&x, i * block_rows, next.len())?;
            let h = b.rms_norm(&rows, &self.norm, self.description.rms_epsilon)?;
            let logits = b.to_host(b.linear(&self.head, &h)?)?;
            let rows = logits.chunks_exact(self.description.vocabulary);
            out.extend(rows.zip(next).map(|(row, &id)| log_softmax(row, id)));
        }
        Ok(out)
    }

    fn decode(
        &self,
        cache: &mut KvCache,
        token: u32,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<f32>>> {
        let (b, d) = (&self.backend, &self.description);
        let angles = self.rope.angles(cache.position, 1);
        let run = Run {
            start: cache.position,
            rows: 1,
            angles: &angles,
            offset: 0,
        };
        let mut x = self.embed(&[token])?;
        for (l, block) in self.blocks.iter().enumerate() {
            let outcome = match stopped() {
                true => Ok(None),
                false => block.forward(b, d, x, &mut cache.layers[l], run, 1),
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

    fn window_scores(&self, state: &LayerState) -> Result<Vec<HeadScores>> {
        self.backend.window_scores(&self.description, state)
    }

    fn attention_output(
        &self,
        index: usize,
        layer: &Layer,
        window: &QueryWindow,
    ) -> Result<Vec<f32>> {
        let (b, d) = (&self.backend, &self.description);
        let a = b.attend(d, layer, &b.last_query(window)?)?;
        b.to_host(b.linear(&self.blocks[index].attention_out, &a)?)
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
fn take_back(layers: &mut [LayerState]) {
    for state in layers {
        state.layer.take_back(1);
        state.window.take_back();
    }
}
