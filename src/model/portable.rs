//! The portable backend: ordinary tensor operations, for any device candle knows. On the CPU it
//! is what the kernels are tested against.

use std::sync::Arc;

use candle_core::{D, DType, Device, Module, Tensor, quantized::QMatMul};

use super::{
    backend::{Backend, Place, QkNorms},
    description::Description,
    error::Result,
    gguf::GgufFile,
    rope::Rope,
    shape::{AttentionShape, Gate, RopePairing, Span},
    weights,
};
use crate::cache::{LayerState, QueryWindow, Store, TensorLayer};
use crate::policy::{HeadScores, Needs, Observed};

/// A weight matrix, stacked from parts, with its bias.
pub struct Linear {
    parts: Vec<QMatMul>,
    /// `[outputs]`
    bias: Option<Tensor>,
}

/// A candle device; activations are f32.
pub struct Portable {
    device: Device,
    exact: bool,
    dtype: DType,
}

impl Portable {
    /// `dtype` is the cache's; `exact` keeps the weights in f32.
    pub fn new(device: Device, exact: bool, dtype: DType) -> Self {
        Portable {
            device,
            exact,
            dtype,
        }
    }

    fn weight(
        &self,
        file: &GgufFile,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<QMatMul> {
        let name = format!("{name}.weight");
        let tensor = file.qtensor(&name, &self.device)?;
        weights::expect_shape(name, tensor.shape().dims(), &[outputs, inputs])?;
        Ok(match self.exact {
            true => QMatMul::Tensor(tensor.dequantize(&self.device)?.to_dtype(DType::F32)?),
            false => QMatMul::from_qtensor(tensor)?,
        })
    }
}

impl Backend for Portable {
    type Rows = Tensor;
    type Linear = Linear;
    type Vector = Tensor;
    /// `[vocabulary, hidden]`; f16 but in exact mode.
    type Embedding = Tensor;
    /// Cosines and sines, each `[rows, rotary dimensions / 2]`.
    type Angles = (Tensor, Tensor);
    type Layer = TensorLayer;

    fn device(&self) -> String {
        match &self.device {
            Device::Cpu => "cpu".into(),
            Device::Cuda(_) => "cuda".into(),
            Device::Metal(_) => "metal".into(),
        }
    }

    fn kv_dtype(&self) -> (&'static str, usize) {
        (self.dtype.as_str(), self.dtype.size_in_bytes())
    }

    fn block_rows(&self, d: &Description) -> usize {
        const MACS: usize = 1_500_000_000;
        (MACS / d.layer_macs().max(1))
            .clamp(32, 256)
            .next_multiple_of(32)
    }

    fn load_linear(
        &self,
        file: &GgufFile,
        parts: &[(String, usize)],
        inputs: usize,
    ) -> Result<Linear> {
        let weight = |(name, outputs): &(String, usize)| self.weight(file, name, *outputs, inputs);
        let bias = weights::biases(file, parts)?;
        let bias = bias.map(|b| Tensor::new(b, &self.device)).transpose()?;
        Ok(Linear {
            parts: parts.iter().map(weight).collect::<Result<_>>()?,
            bias,
        })
    }

    fn load_vector(&self, file: &GgufFile, name: &str, len: usize) -> Result<Tensor> {
        Ok(Tensor::new(
            weights::vector(file, name, len)?,
            &self.device,
        )?)
    }

    fn load_embedding(&self, file: &Arc<GgufFile>, d: &Description) -> Result<Tensor> {
        let name = "token_embd.weight";
        let tensor = file.qtensor(name, &self.device)?;
        weights::expect_shape(
            name.into(),
            tensor.shape().dims(),
            &[d.vocabulary, d.hidden],
        )?;
        let dtype = if self.exact { DType::F32 } else { DType::F16 };
        Ok(tensor.dequantize(&self.device)?.to_dtype(dtype)?)
    }

    fn load_all<T: Send>(
        &self,
        n: usize,
        load: &(dyn Fn(usize) -> Result<T> + Sync),
    ) -> Result<Vec<T>> {
        (0..n).map(load).collect()
    }

    fn embed(&self, table: &Tensor, _head: &Linear, tokens: &[u32]) -> Result<Tensor> {
        let ids = Tensor::from_slice(tokens, tokens.len(), &self.device)?;
        Ok(table.index_select(&ids, 0)?.to_dtype(DType::F32)?)
    }

    fn rms_norm(&self, x: &Tensor, weight: &Tensor, epsilon: f32) -> Result<Tensor> {
        Ok(candle_nn::ops::rms_norm(&x.contiguous()?, weight, epsilon)?)
    }

    fn linear(&self, linear: &Linear, x: &Tensor) -> Result<Tensor> {
        let outputs = linear.parts.iter().map(|part| match part {
            QMatMul::Tensor(weight) => x.matmul(&weight.t()?),
            quantised => quantised.forward(x),
        });
        let y = match &outputs.collect::<candle_core::Result<Vec<_>>>()?[..] {
            [y] => y.clone(),
            parts => Tensor::cat(parts, 1)?,
        };
        Ok(match &linear.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }

    fn gated(&self, kind: Gate, gate_up: &Tensor) -> Result<Tensor> {
        let width = gate_up.dim(1)? / 2;
        let gate = gate_up.narrow(1, 0, width)?;
        let up = gate_up.narrow(1, width, width)?;
        let gate = match kind {
            Gate::Silu => gate.silu()?,
            Gate::Gelu => gate.gelu()?,
        };
        Ok((gate * up)?)
    }

    fn add(&self, x: Tensor, y: Tensor) -> Result<Tensor> {
        Ok((x + y)?)
    }

    fn angles(&self, rope: &Rope, start: usize, rows: usize) -> Result<(Tensor, Tensor)> {
        let angles = rope.angles(start, rows);
        let shape = (rows, angles.half);
        let cos = Tensor::from_vec(angles.cos, shape, &self.device)?;
        Ok((cos, Tensor::from_vec(angles.sin, shape, &self.device)?))
    }

    fn append(
        &self,
        a: &AttentionShape,
        norms: Option<QkNorms<'_, Tensor>>,
        state: &mut LayerState<TensorLayer>,
        qkv: Tensor,
        place: Place<'_, (Tensor, Tensor)>,
    ) -> Result<Tensor> {
        let (q_width, kv_width) = a.widths();
        let heads = |start: usize, heads: usize| -> candle_core::Result<Tensor> {
            qkv.narrow(1, start, heads * a.head_dim)?
                .reshape((place.rows, heads, a.head_dim))
        };
        let turn = |x: Tensor, norm: Option<&Tensor>| -> Result<Tensor> {
            let x = match (norm, &norms) {
                (Some(norm), Some(n)) => self.rms_norm(&x, norm, n.epsilon)?,
                _ => x,
            };
            let (Some((cos, sin)), Some(rotary)) = (place.angles, &a.rotary) else {
                return Ok(x);
            };
            let angles = |x: &Tensor| x.narrow(0, place.offset, place.rows);
            let (cos, sin) = (angles(cos)?, angles(sin)?);
            // candle wants [batch, heads, rows, head_dim]
            let x = x.transpose(0, 1)?.unsqueeze(0)?;
            let part = x.narrow(3, 0, rotary.dim)?.contiguous()?;
            let part = match rotary.pairing {
                RopePairing::Interleaved => candle_nn::rotary_emb::rope_i(&part, &cos, &sin)?,
                RopePairing::Halves => candle_nn::rotary_emb::rope(&part, &cos, &sin)?,
            };
            let x = match a.head_dim - rotary.dim {
                0 => part,
                rest => Tensor::cat(&[part, x.narrow(3, rotary.dim, rest)?], 3)?,
            };
            Ok(x.squeeze(0)?.transpose(0, 1)?.contiguous()?)
        };
        let q = turn(heads(0, a.heads)?, norms.as_ref().map(|n| n.q))?;
        let k = turn(heads(q_width, a.kv_heads)?, norms.as_ref().map(|n| n.k))?;
        let v = heads(q_width + kv_width, a.kv_heads)?;
        let positions: Vec<u32> = (0..place.rows).map(|r| (place.start + r) as u32).collect();
        state.layer.append(&positions, &k, &v)?;
        for r in place.rows - state.window.wants(place.rows)..place.rows {
            state.window.push(q.narrow(0, r, 1)?.copy()?);
        }
        Ok(q.reshape((place.rows, q_width))?)
    }

    fn attend(
        &self,
        a: &AttentionShape,
        layer: &TensorLayer,
        q: &Tensor,
        span: Span,
    ) -> Result<Tensor> {
        let rows = q.dim(0)?;
        let q = q.reshape((rows, a.heads, a.head_dim))?;
        let mut heads = Vec::with_capacity(a.kv_heads);
        for h in 0..a.kv_heads {
            let weights = self.weights(a, layer, h, &q, span)?;
            let (_, values) = layer.head(h)?;
            let out = weights
                .reshape((a.group() * rows, ()))?
                .matmul(&values.to_dtype(DType::F32)?)?;
            heads.push(
                out.reshape((a.group(), rows, a.head_dim))?
                    .transpose(0, 1)?,
            );
        }
        Ok(Tensor::cat(&heads, 1)?.reshape((rows, a.heads * a.head_dim))?)
    }

    fn observe(
        &self,
        a: &AttentionShape,
        state: &LayerState<TensorLayer>,
        needs: Needs,
    ) -> Result<Vec<Observed>> {
        let layer = &state.layer;
        let q = self.queries(a, &state.window)?;
        let host = |x: Tensor, needed: bool| -> Result<Vec<f32>> {
            match needed {
                true => Ok(x.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?),
                false => Ok(Vec::new()),
            }
        };
        let observe = |h: usize| -> Result<Observed> {
            let weights = self.weights(a, layer, h, &q, Span::default())?;
            let (keys, values) = layer.head(h)?;
            Ok(Observed {
                scores: HeadScores {
                    mean: weights.mean(1)?.mean(0)?.to_vec1()?,
                    peak: weights.max(1)?.max(0)?.to_vec1()?,
                },
                positions: layer.positions(h).to_vec(),
                keys: host(keys, needs.keys)?,
                values: host(values, needs.values)?,
                head_dim: a.head_dim,
            })
        };
        (0..a.kv_heads).map(observe).collect()
    }

    fn last_query(&self, window: &QueryWindow<Tensor>) -> Result<Tensor> {
        let rows = window.last();
        let last: Vec<&Tensor> = rows.rows().iter().collect();
        Ok(Tensor::cat(&last, 0)?.flatten_from(1)?)
    }

    fn empty_layer(&self, a: &AttentionShape) -> Result<TensorLayer> {
        let (kv_heads, dim) = (a.kv_heads, a.head_dim);
        Ok(TensorLayer::new(kv_heads, dim, self.dtype, &self.device)?)
    }

    fn slice(&self, x: &Tensor, start: usize, rows: usize) -> Result<Tensor> {
        Ok(x.narrow(0, start, rows)?.contiguous()?)
    }

    fn put(&self, x: &mut Tensor, start: usize, rows: &Tensor) -> Result<()> {
        Ok(x.slice_set(&rows.contiguous()?, 0, start)?)
    }

    fn last(&self, x: Tensor, rows: usize) -> Result<Tensor> {
        let all = x.dim(0)?;
        Ok(x.narrow(0, all - rows, rows)?.contiguous()?)
    }

    fn to_host(&self, x: Tensor) -> Result<Vec<f32>> {
        Ok(x.flatten_all()?.to_vec1()?)
    }
}

impl Portable {
    /// Softmax weights of the queries `[rows, heads, head_dim]` over one KV head's entries, 0 where
    /// `span` lets them not look: `[group, rows, len]`.
    fn weights(
        &self,
        a: &AttentionShape,
        layer: &TensorLayer,
        h: usize,
        q: &Tensor,
        span: Span,
    ) -> Result<Tensor> {
        let rows = q.dim(0)?;
        let (keys, _) = layer.head(h)?;
        let len = keys.dim(0)?;
        let q = q
            .narrow(1, h * a.group(), a.group())?
            .transpose(0, 1)?
            .contiguous()?;
        let q = (q.reshape((a.group() * rows, a.head_dim))? * f64::from(a.scale))?;
        let scores = q.matmul(&keys.to_dtype(DType::F32)?.t()?)?;
        let scores = scores.reshape((a.group(), rows, len))?;
        let scores = match a.soft_cap.map(f64::from) {
            Some(cap) => ((scores / cap)?.tanh()? * cap)?,
            None => scores,
        };
        let all = rows == 1 && span.behind == 0 && span.window.is_none_or(|w| w >= len);
        let scores = match all {
            true => scores,
            false => scores.broadcast_add(&self.mask(rows, len, span)?)?,
        };
        debug_assert_eq!(scores.dim(D::Minus1)?, len);
        Ok(candle_nn::ops::softmax_last_dim(&scores)?)
    }

    /// 0 where row `r` of `rows` may look, −∞ elsewhere, `[rows, len]`.
    fn mask(&self, rows: usize, len: usize, span: Span) -> Result<Tensor> {
        let row = |r: usize| {
            let seen = (len + 1 + r).saturating_sub(rows + span.behind);
            let first = span.window.map_or(0, |w| seen.saturating_sub(w));
            (0..len).map(move |e| match (first..seen).contains(&e) {
                true => 0.0,
                false => f32::NEG_INFINITY,
            })
        };
        let mask: Vec<f32> = (0..rows).flat_map(row).collect();
        Ok(Tensor::from_vec(mask, (rows, len), &self.device)?)
    }

    /// The window's queries, `[rows, heads, head_dim]`.
    fn queries(&self, a: &AttentionShape, window: &QueryWindow<Tensor>) -> Result<Tensor> {
        let rows: Vec<&Tensor> = window.rows().iter().collect();
        let q = Tensor::cat(&rows, 0)?;
        Ok(q.reshape((rows.len(), a.heads, a.head_dim))?)
    }
}
