//! Layers with a state, in candle operations: all in f32, token by token.

use candle_core::{DType, Result, Tensor};

use crate::device::ops;
use crate::model::backend::DeltaGates;
use crate::model::shape::{ConvolutionShape, DeltaShape};

pub fn convolve(
    c: &ConvolutionShape,
    x: &Tensor,
    (weight, silu): (&Tensor, bool),
    before: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let (rows, dtype) = (x.dim(0)?, x.dtype());
    let kept = c.taps - 1;
    let before = before.reshape((kept, c.channels))?;
    let all = ops::cat(&[before, ops::cast(x, DType::F32)?], 0)?;
    let weight = weight.reshape((c.taps, c.channels))?;
    let tap = |t: usize| ops::mul_repeated(&all.narrow(0, t, rows)?, &weight.narrow(0, t, 1)?);
    let mut sum = tap(0)?;
    for t in 1..c.taps {
        sum = ops::add(&sum, &tap(t)?)?;
    }
    let out = if silu { ops::silu(&sum)? } else { sum };
    let newest = ops::copy(&all.narrow(0, rows, kept)?)?;
    Ok((ops::cast(&out, dtype)?, newest.flatten_all()?))
}

/// `x / √(Σ x² + ε)` of the last dimension, times `by`.
fn to_length(x: &Tensor, epsilon: f32, by: f64) -> Result<Tensor> {
    let sum = ops::mul(x, x)?.sum_keepdim(2)?;
    let scale = ops::affine(&sum, 1.0, f64::from(epsilon))?
        .sqrt()?
        .recip()?;
    ops::mul_repeated(x, &ops::affine(&scale, by, 0.0)?)
}

/// Each key head as often as value heads read with it.
fn repeated(x: &Tensor, d: &DeltaShape) -> Result<Tensor> {
    let times = d.value_heads / d.key_heads;
    ops::cat(&vec![x.clone(); times], 1)
}

pub fn delta(
    d: &DeltaShape,
    qkv: &Tensor,
    rates: &Tensor,
    gates: &DeltaGates<Tensor>,
    before: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let (rows, dtype) = (qkv.dim(0)?, qkv.dtype());
    let (heads, dim) = (d.value_heads, d.head_dim);
    let (keys, values) = d.widths();
    let qkv = ops::cast(qkv, DType::F32)?;
    let part = |from: usize, width: usize| {
        ops::contiguous(&qkv.narrow(1, from, width)?)?.reshape((rows, width / dim, dim))
    };
    let q = to_length(&part(0, keys)?, gates.epsilon, 1.0 / (dim as f64).sqrt())?;
    let k = to_length(&part(keys, keys)?, gates.epsilon, 1.0)?;
    let (q, k, v) = (repeated(&q, d)?, repeated(&k, d)?, part(2 * keys, values)?);
    let rates = ops::cast(rates, DType::F32)?;
    let beta = ops::sigmoid(&ops::contiguous(&rates.narrow(1, 0, heads)?)?)?;
    let rate = ops::contiguous(&rates.narrow(1, heads, heads)?)?;
    let rate = ops::add_repeated(&rate, &gates.bias.reshape((1, heads))?)?;
    // softplus(x) = max(x, 0) + ln(1 + exp(−|x|)) does not overflow.
    let tail = ops::affine(&rate.abs()?.neg()?.exp()?, 1.0, 1.0)?.log()?;
    let softplus = ops::add(&rate.relu()?, &tail)?;
    let decay = ops::mul_repeated(&softplus, &gates.a.reshape((1, heads))?)?.exp()?;
    let mut s = before.reshape((heads, dim, dim))?;
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        let of = |x: &Tensor| x.get(row)?.reshape((heads, 1, dim));
        let each = |x: &Tensor| x.get(row)?.reshape((heads, 1, 1));
        let (q, k, v) = (of(&q)?, of(&k)?, of(&v)?);
        s = ops::mul_repeated(&s, &each(&decay)?)?;
        let said = ops::matmul(&k, &s)?;
        let change = ops::mul_repeated(&v.sub(&said)?, &each(&beta)?)?;
        s = ops::add(&s, &ops::matmul(&ops::contiguous(&k.t()?)?, &change)?)?;
        out.push(ops::matmul(&q, &s)?.reshape((1, values))?);
    }
    Ok((ops::cast(&ops::cat(&out, 0)?, dtype)?, s.flatten_all()?))
}

pub fn gated_norm(
    d: &DeltaShape,
    x: &Tensor,
    gate: &Tensor,
    gates: &DeltaGates<Tensor>,
) -> Result<Tensor> {
    let (rows, width) = x.dims2()?;
    let of_heads = ops::cast(x, DType::F32)?.reshape((rows * d.value_heads, d.head_dim))?;
    let normed = ops::rms_norm(&of_heads, &gates.norm, gates.epsilon)?;
    let gate = ops::silu(&ops::cast(gate, DType::F32)?)?;
    let out = ops::mul(&normed.reshape((rows, width))?, &gate)?;
    ops::cast(&out, x.dtype())
}
