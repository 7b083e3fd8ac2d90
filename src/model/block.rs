//! One block of the transformer: attention, then an MLP, each added to the stream.

use super::{
    backend::{Backend, Place, QkNorms},
    description::Description,
    error::Result,
    gguf::GgufFile,
    mlp::{Gated, Mlp},
    shape::{LayerShape, Span},
    weights::Scaled,
};
use crate::cache::LayerState;

/// The weights of a block; norms that its family does without are `None`.
pub struct Block<B: Backend> {
    shape: LayerShape,
    attention_norm: Option<B::Vector>,
    /// q, k and v stacked.
    qkv: B::Linear,
    qk_norms: Option<(B::Vector, B::Vector)>,
    /// A score per query head that takes its part of the softmax and has no value.
    pub sinks: Option<B::Vector>,
    pub attention_out: B::Linear,
    attention_out_norm: Option<B::Vector>,
    mlp_norm: Option<B::Vector>,
    mlp: Mlp<B>,
    mlp_out_norm: Option<B::Vector>,
}

impl<B: Backend> Block<B> {
    pub fn load(b: &B, d: &Description, file: &GgufFile, layer: usize) -> Result<Self> {
        let names = &d.family.names;
        let shape = d.layers[layer];
        let attention = shape.attention();
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let vector = |part: &str, len| b.load_vector(file, &name(part), len);
        let norm = |part: Option<&str>| part.map(|p| vector(p, d.hidden)).transpose();
        let linear = |parts: &[(&str, usize)], inputs: usize, scaled: Scaled| {
            let parts: Vec<_> = parts
                .iter()
                .map(|(p, n)| (format!("blk.{layer}.{p}"), *n))
                .collect();
            b.load_linear(file, &parts, inputs, scaled)
        };
        let (q, kv) = attention.widths();
        let ff = shape.feed_forward;
        let fused = "attn_qkv";
        let qkv = match file.has_tensor(&name(fused)) {
            true => linear(&[(fused, q + 2 * kv)], d.hidden, Scaled::Product)?,
            false => linear(
                &[(names.q, q), (names.k, kv), (names.v, kv)],
                d.hidden,
                Scaled::Product,
            )?,
        };
        let gate_up = || match names.gate {
            Some(gate) => linear(&[(gate, ff), (names.up, ff)], d.hidden, names.mlp_scaled),
            None => linear(&[(names.up, 2 * ff)], d.hidden, names.mlp_scaled),
        };
        // Of each head, or of all together.
        let norm_of = |part: &str, width: usize| {
            let info = file.tensor_info(&name(part))?;
            let whole = info.shape.elem_count() == width;
            vector(part, if whole { width } else { attention.head_dim })
        };
        Ok(Block {
            shape,
            attention_norm: norm(names.attention_norm)?,
            qkv,
            qk_norms: match names.qk_norms {
                Some((of_q, of_k)) => Some((norm_of(of_q, q)?, norm_of(of_k, kv)?)),
                None => None,
            },
            sinks: match file.has_tensor(&name("attn_sinks")) {
                true => Some(vector("attn_sinks", attention.heads)?),
                false => None,
            },
            attention_out: linear(&[(names.attention_out, d.hidden)], q, Scaled::Product)?,
            attention_out_norm: norm(names.attention_out_norm)?,
            mlp_norm: norm(names.mlp_norm)?,
            mlp: match &shape.experts {
                Some(e) => Mlp::experts(b, file, &format!("blk.{layer}"), e, d.hidden)?,
                None => Mlp::Dense(Gated {
                    gate_up: gate_up()?,
                    down: linear(&[(names.down, d.hidden)], ff, names.mlp_scaled)?,
                    gate: d.family.gate,
                }),
            },
            mlp_out_norm: norm(names.mlp_out_norm)?,
        })
    }

    /// Appends the rows `x` (`[rows, hidden]`) to the layer and returns the stream behind the block
    /// for the last `wanted` of them.
    pub fn forward(
        &self,
        b: &B,
        d: &Description,
        x: B::Rows,
        state: &mut LayerState<B::Layer>,
        place: Place<B::Angles>,
        wanted: usize,
    ) -> Result<Option<B::Rows>> {
        let epsilon = d.rms_epsilon;
        let attention = self.shape.attention();
        let normed = |y: B::Rows, norm: &Option<B::Vector>| match norm {
            Some(norm) => b.rms_norm(&y, norm, epsilon),
            None => Ok(y),
        };
        let residual = |y: B::Rows| match d.scales.residual {
            1.0 => Ok(y),
            scale => b.scale(y, scale),
        };

        let qkv = match &self.attention_norm {
            Some(norm) => b.linear(&self.qkv, &b.rms_norm(&x, norm, epsilon)?)?,
            None => b.linear(&self.qkv, &x)?,
        };
        let norms = self.qk_norms.as_ref();
        let norms = norms.map(|(q, k)| QkNorms { q, k, epsilon });
        let q = b.append(attention, norms, state, qkv, place)?;
        if wanted == 0 {
            return Ok(None);
        }
        let (x, q) = (b.last(x, wanted)?, b.last(q, wanted)?);
        let span = Span {
            behind: 0,
            window: attention.window,
        };
        let a = b.attend(attention, &state.layer, &q, span, self.sinks.as_ref())?;
        let y = normed(b.linear(&self.attention_out, &a)?, &self.attention_out_norm)?;
        let x = b.add(x, residual(y)?)?;

        let h = match &self.mlp_norm {
            Some(norm) => self.mlp.forward(b, &b.rms_norm(&x, norm, epsilon)?)?,
            None => self.mlp.forward(b, &x)?,
        };
        let y = normed(h, &self.mlp_out_norm)?;
        Ok(Some(b.add(x, residual(y)?)?))
    }
}
