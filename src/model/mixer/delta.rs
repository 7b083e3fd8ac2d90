//! Qwen3.5's gated delta net.

use super::loader::Loader;
use crate::cache::State;
use crate::model::{
    backend::{Backend, DeltaGates, NumbersOf},
    error::Result,
    shape::DeltaShape,
};

/// A convolution over queries, keys and values, the gated delta rule, and a gated norm.
pub struct Delta<B: Backend> {
    shape: DeltaShape,
    qkv: B::Linear,
    /// Of what comes out.
    gate: B::Linear,
    /// How much each head takes over and how much it forgets.
    rates: B::Linear,
    weight: NumbersOf<B>,
    gates: DeltaGates<NumbersOf<B>>,
    out: B::Linear,
}

impl<B: Backend> Delta<B> {
    pub(super) fn load(from: &Loader<B>, shape: DeltaShape) -> Result<Self> {
        let (hidden, heads) = (from.d.hidden, shape.value_heads);
        let (keys, values) = shape.widths();
        Ok(Delta {
            qkv: from.linear(&[("attn_qkv", 2 * keys + values)], hidden)?,
            gate: from.linear(&[("attn_gate", values)], hidden)?,
            rates: from.linear(&[("ssm_beta", heads), ("ssm_alpha", heads)], hidden)?,
            weight: from.taps("ssm_conv1d.weight", &shape.convolution())?,
            gates: DeltaGates {
                a: from.numbers("ssm_a", heads)?,
                bias: from.numbers("ssm_dt.bias", heads)?,
                norm: from.numbers("ssm_norm.weight", shape.head_dim)?,
                epsilon: from.d.rms_epsilon,
            },
            out: from.linear(&[("ssm_out", hidden)], values)?,
            shape,
        })
    }

    pub(super) fn forward(
        &self,
        b: &B,
        x: &B::Rows,
        state: &mut State<NumbersOf<B>>,
        rows: usize,
        wanted: usize,
    ) -> Result<Option<B::Rows>> {
        let (shape, qkv) = (&self.shape, b.linear(&self.qkv, x)?);
        let rates = b.linear(&self.rates, x)?;
        let (now, mut spare) = state.parts();
        let (of_delta, of_convolution) = (spare.pop().flatten(), spare.pop().flatten());
        let convolution = shape.convolution();
        let (qkv, seen) = b.convolve(
            &convolution,
            &qkv,
            &self.weight,
            true,
            &now[0],
            of_convolution,
        )?;
        let (y, matrices) = b.delta(shape, &qkv, &rates, &self.gates, &now[1], of_delta)?;
        state.advance(vec![seen, matrices], rows);
        if wanted == 0 {
            return Ok(None);
        }
        let gate = b.last(b.linear(&self.gate, x)?, wanted)?;
        let y = b.gated_norm(shape, b.last(y, wanted)?, &gate, &self.gates)?;
        Ok(Some(b.linear(&self.out, &y)?))
    }
}
