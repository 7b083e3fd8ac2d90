//! The portable backend: ordinary tensor operations, for any device candle knows. On the CPU it
//! is what the kernels are tested against.

use std::sync::Arc;

use candle_core::{D, DType, Device, Module, Tensor, quantized::QMatMul};

use super::{
    backend::Backend,
    decoder::Run,
    description::{Description, RopePairing},
    error::{ModelError, Result},
    gguf::GgufFile,
};
use crate::cache::{Layer, LayerState, Query, QueryWindow, TensorLayer};
use crate::policy::HeadScores;

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
        super::load::expect_shape(name, tensor.shape().dims(), &[outputs, inputs])?;
        Ok(match self.exact {
            true => QMatMul::Tensor(tensor.dequantize(&self.device)?.to_dtype(DType::F32)?),
            false => QMatMul::from_qtensor(tensor)?,
        })
    }
}

fn tensors(layer: &Layer) -> Result<&TensorLayer> {
    match layer {
        Layer::Tensor(layer) => Ok(layer),
        _ => Err(ModelError::KvDtype("host pages".into())),
    }
}

impl Backend for Portable {
    type Rows = Tensor;
    type Linear = Linear;
    type Vector = Tensor;
    /// `[vocabulary, hidden]`; f16 but in exact mode.
    type Embedding = Tensor;

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

    fn load_linear(
        &self,
        file: &GgufFile,
        parts: &[(String, usize)],
        inputs: usize,
    ) -> Result<Linear> {
        let weight = |(name, outputs): &(String, usize)| self.weight(file, name, *outputs, inputs);
        let bias = super::load::biases(file, parts)?;
        let bias = bias.map(|b| Tensor::new(b, &self.device)).transpose()?;
        Ok(Linear {
            parts: parts.iter().map(weight).collect::<Result<_>>()?,
            bias,
        })
    }

    fn load_vector(&self, file: &GgufFile, name: &str, len: usize) -> Result<Tensor> {
        Ok(Tensor::new(
            super::load::vector(file, name, len)?,
            &self.device,
        )?)
    }

    fn load_embedding(&self, file: &Arc<GgufFile>, d: &Description) -> Result<Tensor> {
        let name = "token_embd.weight";
        let tensor = file.qtensor(name, &self.device)?;
        super::load::expect_shape(
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

    fn swiglu(&self, gate_up: &Tensor) -> Result<Tensor> {
        let width = gate_up.dim(1)? / 2;
        let gate = gate_up.narrow(1, 0, width)?;
        let up = gate_up.narrow(1, width, width)?;
        Ok((gate.silu()? * up)?)
    }

    fn add(&self, x: Tensor, y: Tensor) -> Result<Tensor> {
        Ok((x + y)?)
    }

    fn append(
        &self,
        d: &Description,
        state: &mut LayerState,
        qkv: Tensor,
        run: Run,
    ) -> Result<Tensor> {
        let (q_width, kv_width) = (d.heads * d.head_dim, d.kv_heads * d.head_dim);
        let heads = |start: usize, heads: usize| -> candle_core::Result<Tensor> {
            qkv.narrow(1, start, heads * d.head_dim)?
                .reshape((run.rows, heads, d.head_dim))
        };
        let (cos, sin) = run.angles.rows(run.offset, run.rows);
        let angles = |x: &[f32]| Tensor::from_slice(x, (run.rows, run.angles.half), &self.device);
        let (cos, sin) = (angles(cos)?, angles(sin)?);
        let turn = |x: Tensor| -> candle_core::Result<Tensor> {
            // candle wants [batch, heads, rows, head_dim]
            let x = x.transpose(0, 1)?.unsqueeze(0)?.contiguous()?;
            let x = match d.rope_pairing {
                RopePairing::Interleaved => candle_nn::rotary_emb::rope_i(&x, &cos, &sin)?,
                RopePairing::Halves => candle_nn::rotary_emb::rope(&x, &cos, &sin)?,
            };
            x.squeeze(0)?.transpose(0, 1)?.contiguous()
        };
        let q = turn(heads(0, d.heads)?)?;
        let k = turn(heads(q_width, d.kv_heads)?)?;
        let v = heads(q_width + kv_width, d.kv_heads)?;
        let Layer::Tensor(layer) = &mut state.layer else {
            return Err(ModelError::KvDtype("host pages".into()));
        };
        let positions: Vec<u32> = (0..run.rows).map(|r| (run.start + r) as u32).collect();
        layer.append(&positions, &k, &v)?;
        for r in run.rows - state.window.wants(run.rows)..run.rows {
            state.window.push(Query::Tensor(q.narrow(0, r, 1)?.copy()?));
        }
        Ok(q.reshape((run.rows, q_width))?)
    }

    fn attend(&self, d: &Description, layer: &Layer, q: &Tensor) -> Result<Tensor> {
        let layer = tensors(layer)?;
        let rows = q.dim(0)?;
        let q = q.reshape((rows, d.heads, d.head_dim))?;
        let mut heads = Vec::with_capacity(d.kv_heads);
        for h in 0..d.kv_heads {
            let weights = self.weights(d, layer, h, &q)?;
            let (_, values) = layer.head(h)?;
            let out = weights
                .reshape((d.group() * rows, ()))?
                .matmul(&values.to_dtype(DType::F32)?)?;
            heads.push(
                out.reshape((d.group(), rows, d.head_dim))?
                    .transpose(0, 1)?,
            );
        }
        Ok(Tensor::cat(&heads, 1)?.reshape((rows, d.heads * d.head_dim))?)
    }

    fn window_scores(&self, d: &Description, state: &LayerState) -> Result<Vec<HeadScores>> {
        let layer = tensors(&state.layer)?;
        let q = self.queries(d, &state.window)?;
        let score = |h: usize| -> Result<HeadScores> {
            let weights = self.weights(d, layer, h, &q)?;
            Ok(HeadScores {
                mean: weights.mean(1)?.mean(0)?.to_vec1()?,
                peak: weights.max(1)?.max(0)?.to_vec1()?,
            })
        };
        (0..d.kv_heads).map(score).collect()
    }

    fn last_query(&self, window: &QueryWindow) -> Result<Tensor> {
        match window.rows().back() {
            Some(Query::Tensor(q)) => Ok(q.flatten_from(1)?),
            _ => Err(ModelError::KvDtype("host rows".into())),
        }
    }

    fn empty_layer(&self, d: &Description) -> Result<Layer> {
        let layer = TensorLayer::new(d.kv_heads, d.head_dim, self.dtype, &self.device)?;
        Ok(Layer::Tensor(layer))
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
    /// Causal softmax weights of the queries `[rows, heads, head_dim]`, the last rows of the
    /// layer, over one KV head's entries: `[group, rows, len]`.
    fn weights(
        &self,
        d: &Description,
        layer: &TensorLayer,
        h: usize,
        q: &Tensor,
    ) -> Result<Tensor> {
        let rows = q.dim(0)?;
        let (keys, _) = layer.head(h)?;
        let len = keys.dim(0)?;
        let q = q
            .narrow(1, h * d.group(), d.group())?
            .transpose(0, 1)?
            .contiguous()?;
        let q = (q.reshape((d.group() * rows, d.head_dim))? * f64::from(d.scale()))?;
        let scores = q.matmul(&keys.to_dtype(DType::F32)?.t()?)?;
        let scores = scores.reshape((d.group(), rows, len))?;
        let scores = match rows {
            1 => scores,
            _ => scores.broadcast_add(&self.mask(rows, len)?)?,
        };
        debug_assert_eq!(scores.dim(D::Minus1)?, len);
        Ok(candle_nn::ops::softmax_last_dim(&scores)?)
    }

    /// 0 where row `r` of the last `rows` may look, −∞ behind it, `[rows, len]`.
    fn mask(&self, rows: usize, len: usize) -> Result<Tensor> {
        let row = |r: usize| {
            (0..len).map(move |e| {
                if e + rows <= len + r {
                    0.0
                } else {
                    f32::NEG_INFINITY
                }
            })
        };
        let mask: Vec<f32> = (0..rows).flat_map(row).collect();
        Ok(Tensor::from_vec(mask, (rows, len), &self.device)?)
    }

    /// The window's queries, `[rows, heads, head_dim]`.
    fn queries(&self, d: &Description, window: &QueryWindow) -> Result<Tensor> {
        let rows: Vec<&Tensor> = window
            .rows()
            .iter()
            .filter_map(|q| match q {
                Query::Tensor(q) => Some(q),
                Query::Host(_) => None,
            })
            .collect();
        let q = Tensor::cat(&rows, 0)?;
        Ok(q.reshape((rows.len(), d.heads, d.head_dim))?)
    }
}
