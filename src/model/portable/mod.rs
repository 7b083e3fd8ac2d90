//! The portable backend: ordinary tensor operations, for any device candle knows. On the CPU it
//! is what the kernels are tested against; for GPUs it is the way that works everywhere.
//!
//! A GPU waits for the host here: what counts is how many operations a step takes, and that nothing is
//! copied between host and device but tokens, angles and logits. So q, k and v (and gate and up) are one
//! product where the file has them in one type, a decoded token's queries and keys are turned, scaled and told
//! from the values in one operation, appended in one, and all heads are attended to at once (see [`crate::cache::tensor`]).

mod angles;
mod attention;
mod experts;
mod gate;
mod linear;
mod masks;
mod states;
#[cfg(test)]
mod tests;
mod turned;

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::{
    backend::{Backend, DeltaGates, HeadNorms, Place},
    description::Description,
    error::Result,
    gguf::GgufFile,
    rope::Rope,
    shape::{AttentionShape, ConvolutionShape, DeltaShape, ExpertsShape, Gate, Span},
    weights::{self, Scaled},
};
use crate::cache::{LayerState, QueryWindow, Store, TensorLayer, tensor::Query};
use crate::device::ops;
use crate::policy::{HeadScores, Needs, Observed};
use angles::Angles;
use experts::Experts;
use linear::{Linear, Precision};
use masks::Masks;

/// A candle device, and the types of what is computed on it.
pub struct Portable {
    device: Device,
    exact: bool,
    cache: DType,
    rows: DType,
    masks: Masks,
}

impl Portable {
    /// `cache` is the type of keys and values, `rows` that of activations; `exact` keeps weights in f32.
    pub fn new(device: Device, exact: bool, cache: DType, rows: DType) -> Self {
        Portable {
            masks: Masks::new(&device, cache),
            device,
            exact,
            cache,
            rows,
        }
    }
}

impl Backend for Portable {
    type Rows = Tensor;
    type Linear = Linear;
    type Vector = Tensor;
    /// `[vocabulary, hidden]`; f16 but in exact mode.
    type Embedding = Tensor;
    type Experts = Experts;
    type Angles = Angles;
    type Layer = TensorLayer;

    fn device(&self) -> String {
        match &self.device {
            Device::Cpu => "cpu".into(),
            Device::Cuda(_) => "cuda".into(),
            Device::Metal(_) => "metal".into(),
        }
    }

    fn kv_dtype(&self) -> (&'static str, usize) {
        (self.cache.as_str(), self.cache.size_in_bytes())
    }

    fn exact(&self) -> bool {
        self.exact
    }

    fn precision(&self) -> String {
        let (device, [cache, rows]) = (self.device(), [self.cache, self.rows].map(|t| t.as_str()));
        format!("{device} {cache} rows: {rows} exact: {}", self.exact)
    }

    fn block_rows(&self, d: &Description) -> usize {
        let (macs, least, most) = match self.device.is_cpu() {
            true => (1_500_000_000, 32, 256),
            false => (400_000_000_000, 512, 2048),
        };
        (macs / d.layer_macs().max(1))
            .clamp(least, most)
            .next_multiple_of(32)
    }

    fn load_linear(
        &self,
        file: &GgufFile,
        parts: &[(String, usize)],
        inputs: usize,
        scaled: Scaled,
    ) -> Result<Linear> {
        // Logits are told apart more finely than activations.
        let in_block = parts.iter().all(|(name, _)| name.starts_with("blk."));
        let precision = Precision {
            exact: self.exact,
            rows: if in_block { self.rows } else { DType::F32 },
        };
        Linear::load(file, parts, inputs, scaled, &self.device, precision)
    }

    fn load_slice(
        &self,
        file: &GgufFile,
        name: &str,
        shape: [usize; 3],
        index: usize,
    ) -> Result<Linear> {
        let (dtype, bytes) = weights::slice_of(file, name, shape, index)?;
        let [_, outputs, inputs] = shape;
        let (matrices, none) = ([(dtype, outputs, bytes)], (&[][..], &[][..]));
        let precision = Precision {
            exact: self.exact,
            rows: self.rows,
        };
        Ok(Linear::of(
            &matrices,
            inputs,
            none,
            &self.device,
            precision,
        )?)
    }

    fn load_vector(&self, file: &GgufFile, name: &str, len: usize) -> Result<Tensor> {
        self.vector(weights::vector(file, name, len)?)
    }

    fn vector(&self, host: Vec<f32>) -> Result<Tensor> {
        Ok(Tensor::new(host, &self.device)?.to_dtype(self.rows)?)
    }

    fn load_embedding(&self, file: &Arc<GgufFile>, d: &Description) -> Result<Tensor> {
        let name = "token_embd.weight";
        weights::expect_shape(
            name.into(),
            file.tensor_info(name)?.shape.dims(),
            &[d.vocabulary, d.hidden],
        )?;
        if self.exact {
            let (dims, table) = file.dequantized(name)?;
            return Ok(Tensor::from_vec(table, dims, &self.device)?);
        }
        let table = file.qtensor(name, &self.device)?;
        Ok(table.dequantize(&self.device)?.to_dtype(DType::F16)?)
    }

    fn load_experts(
        &self,
        file: &GgufFile,
        block: &str,
        e: &ExpertsShape,
        hidden: usize,
    ) -> Result<Experts> {
        let precision = Precision {
            exact: self.exact,
            rows: self.rows,
        };
        Experts::load(file, block, e, hidden, &self.device, precision)
    }

    fn load_all<T: Send>(
        &self,
        n: usize,
        load: &(dyn Fn(usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>> {
        (0..n).map(load).collect()
    }

    fn embed(
        &self,
        table: &Tensor,
        _head: &Linear,
        tokens: &[u32],
        _before: Option<usize>,
    ) -> Result<Tensor> {
        let ids = ops::upload(tokens, tokens.len(), &self.device)?;
        Ok(ops::cast(&ops::select(table, &ids)?, self.rows)?)
    }

    fn rows(&self, host: Vec<f32>, like: &Tensor) -> Result<Tensor> {
        let rows = like.dim(0)?;
        let shape = (rows, host.len() / rows.max(1));
        Ok(ops::cast(
            &ops::upload(&host, shape, &self.device)?,
            self.rows,
        )?)
    }

    fn rms_norm(&self, x: &Tensor, weight: &Tensor, epsilon: f32) -> Result<Tensor> {
        Ok(ops::rms_norm(x, weight, epsilon)?)
    }

    fn linear(&self, linear: &Linear, x: &Tensor) -> Result<Tensor> {
        Ok(linear.forward(x)?)
    }

    fn gated(&self, kind: Gate, gate_up: &Tensor) -> Result<Tensor> {
        Ok(gate::gated(kind, gate_up)?)
    }

    fn opened(&self, x: Tensor, gate: &Tensor) -> Result<Tensor> {
        Ok(ops::mul_repeated(&x, &ops::sigmoid(gate)?)?)
    }

    fn experts(&self, experts: &Experts, x: &Tensor, by: &Tensor) -> Result<Tensor> {
        experts.forward(x, by)
    }

    fn add(&self, x: Tensor, y: Tensor) -> Result<Tensor> {
        Ok(ops::add(&x, &y)?)
    }

    fn scale(&self, x: Tensor, by: f32) -> Result<Tensor> {
        Ok(ops::affine(&x, f64::from(by), 0.0)?)
    }

    fn times(&self, x: Tensor, y: &Tensor) -> Result<Tensor> {
        Ok(ops::mul(&x, y)?)
    }

    fn columns(&self, x: &Tensor, every: usize, from: usize, len: usize) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        let runs = width / every;
        let part = x.reshape((rows, runs, every))?.narrow(2, from, len)?;
        Ok(ops::contiguous(&part)?.reshape((rows, runs * len))?)
    }

    fn beside(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        Ok(ops::cat(&[x.clone(), y.clone()], 1)?)
    }

    fn numbers(&self, host: Vec<f32>) -> Result<Tensor> {
        Ok(ops::upload(&host, host.len(), &self.device)?)
    }

    fn convolve(
        &self,
        c: &ConvolutionShape,
        x: &Tensor,
        weight: &Tensor,
        silu: bool,
        before: &Tensor,
        _spare: Option<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        Ok(states::convolve(c, x, (weight, silu), before)?)
    }

    fn delta(
        &self,
        d: &DeltaShape,
        qkv: &Tensor,
        rates: &Tensor,
        gates: &DeltaGates<Tensor>,
        before: &Tensor,
        _spare: Option<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        Ok(states::delta(d, qkv, rates, gates, before)?)
    }

    fn gated_norm(
        &self,
        d: &DeltaShape,
        x: Tensor,
        gate: &Tensor,
        gates: &DeltaGates<Tensor>,
    ) -> Result<Tensor> {
        Ok(states::gated_norm(d, &x, gate, gates)?)
    }

    fn angles(&self, rope: &Rope, start: usize, rows: usize) -> Result<Angles> {
        let host = rope.angles(start, rows);
        Ok(Angles::new(host, rows, &self.device, self.rows))
    }

    fn append(
        &self,
        a: &AttentionShape,
        norms: Option<HeadNorms<'_, Tensor>>,
        state: &mut LayerState<TensorLayer>,
        qkv: Tensor,
        place: Place<'_, Angles>,
    ) -> Result<Tensor> {
        let (q, both) = self.turned(a, norms, &qkv, &place)?;
        if let Some(both) = both {
            let positions: Vec<u32> = (0..place.rows).map(|r| (place.start + r) as u32).collect();
            state.layer.append(&positions, &both)?;
        }
        let wanted = state.window.wants(place.rows);
        if wanted > 0 {
            let newest = q.narrow(0, place.rows - wanted, wanted)?;
            // A block's queries are not kept for the sake of a few.
            let newest = match wanted == place.rows {
                true => newest,
                false => ops::copy(&newest)?,
            };
            Query::each(&newest).for_each(|query| state.window.push(query));
        }
        Ok(q)
    }

    fn attend(
        &self,
        a: &AttentionShape,
        layer: &TensorLayer,
        q: &Tensor,
        span: Span,
        sinks: Option<&Tensor>,
    ) -> Result<Tensor> {
        let out = attention::attend(a, &self.masks, layer, q, span, sinks)?;
        Ok(ops::cast(&out, self.rows)?)
    }

    fn observe(
        &self,
        a: &AttentionShape,
        state: &LayerState<TensorLayer>,
        needs: Needs,
        sinks: Option<&Tensor>,
    ) -> Result<Vec<Observed>> {
        let layer = &state.layer;
        let all = layer.aligned()?;
        let q = Query::stacked(state.window.rows().iter())?;
        let judged = attention::judged(a, &self.masks, &all, &q, needs.peak, sinks)?;
        let (longest, judged) = (judged.dim(2)?, ops::read(&judged)?);
        let host = |x: &Tensor, needed: bool| match needed {
            true => ops::read(x),
            false => Ok(Vec::new()),
        };
        let keys = host(&all.keys, needs.keys)?;
        let values = host(&all.values, needs.values)?;
        let queries = host(&q, needs.queries)?;
        let heads = layer.lens().into_iter().enumerate();
        let observed = heads.map(|(h, len)| {
            let of_head = |x: &[f32], width: usize| -> Vec<f32> {
                let end = (h + 1) * longest * width;
                x.get(end - len * width..end).unwrap_or_default().to_vec()
            };
            let (mean, peak) = judged.split_at(a.kv_heads * longest);
            Observed {
                scores: HeadScores {
                    mean: of_head(mean, 1),
                    peak: of_head(peak, 1),
                },
                positions: layer.positions(h).to_vec(),
                keys: of_head(&keys, a.head_dim),
                values: of_head(&values, a.head_dim),
                projected: Vec::new(),
                queries: a.queries_of(h, &queries),
                group: a.group(),
                head_dim: a.head_dim,
            }
        });
        Ok(observed.collect())
    }

    fn last_query(&self, window: &QueryWindow<Query>) -> Result<Tensor> {
        Ok(Query::stacked(window.last().rows().iter())?)
    }

    fn empty_layer(&self, a: Option<&AttentionShape>) -> Result<TensorLayer> {
        let (kv_heads, dim) = a.map_or((0, 1), |a| (a.kv_heads, a.head_dim));
        Ok(TensorLayer::new(kv_heads, dim, self.cache, &self.device)?)
    }

    fn slice(&self, x: &Tensor, start: usize, rows: usize) -> Result<Tensor> {
        Ok(x.narrow(0, start, rows)?)
    }

    fn put(&self, x: &mut Tensor, start: usize, rows: &Tensor) -> Result<()> {
        Ok(ops::set(x, rows, 0, start)?)
    }

    fn last(&self, x: Tensor, rows: usize) -> Result<Tensor> {
        let all = x.dim(0)?;
        Ok(x.narrow(0, all - rows, rows)?)
    }

    fn to_host(&self, x: Tensor) -> Result<Vec<f32>> {
        Ok(ops::read(&x)?)
    }
}
