//! Layers with a state, on the CPU.

use std::sync::Arc;

use super::rows::Rows;
use crate::model::backend::DeltaGates;
use crate::model::kernels::{convolution, delta, ops, pool::Pool};
use crate::model::shape::{ConvolutionShape, DeltaShape};

/// Numbers of a state.
pub type Numbers = Arc<Vec<f32>>;

/// A copy of `of` that can be written to, in the memory of `spare` if nobody else has it.
fn copy(of: &[f32], spare: Option<Numbers>) -> Vec<f32> {
    let mut copy = spare
        .and_then(|s| Arc::try_unwrap(s).ok())
        .unwrap_or_default();
    copy.clear();
    copy.extend_from_slice(of);
    copy
}

pub fn convolve(
    pool: &Pool,
    c: &ConvolutionShape,
    x: &Rows,
    (weight, silu): (&Numbers, bool),
    before: &Numbers,
    spare: Option<Numbers>,
) -> (Rows, Numbers) {
    let mut all = Vec::with_capacity(before.len() + x.data.len());
    all.extend_from_slice(before);
    all.extend_from_slice(&x.data);
    let data = convolution::convolve(pool, &all, weight, c.channels, silu);
    let newest = &all[all.len() - c.state()..];
    (Rows { data, ..*x }, Arc::new(copy(newest, spare)))
}

/// `x / √(Σ x² + ε)` of each run of `len`, times `by`.
fn to_length(x: &mut [f32], len: usize, epsilon: f32, by: f32) {
    for x in x.chunks_exact_mut(len) {
        let sum: f64 = x.iter().map(|x| f64::from(x * x)).sum();
        let scale = by / (sum as f32 + epsilon).sqrt();
        x.iter_mut().for_each(|x| *x *= scale);
    }
}

pub fn delta(
    pool: &Pool,
    d: &DeltaShape,
    qkv: &Rows,
    rates: &Rows,
    gates: &DeltaGates<Numbers>,
    before: &Numbers,
    spare: Option<Numbers>,
) -> (Rows, Numbers) {
    let (heads, dim) = (d.value_heads, d.head_dim);
    let (keys, values) = d.widths();
    let mut all = qkv.data.clone();
    for row in all.chunks_exact_mut(2 * keys + values) {
        to_length(
            &mut row[..keys],
            dim,
            gates.epsilon,
            1.0 / (dim as f32).sqrt(),
        );
        to_length(&mut row[keys..2 * keys], dim, gates.epsilon, 1.0);
    }
    let mut beta = Vec::with_capacity(qkv.rows * heads);
    let mut decay = Vec::with_capacity(qkv.rows * heads);
    for row in rates.data.chunks_exact(2 * heads) {
        let (of_beta, of_rate) = row.split_at(heads);
        beta.extend(of_beta.iter().map(|x| 1.0 / (1.0 + (-x).exp())));
        let rates = of_rate.iter().zip(gates.bias.iter()).zip(gates.a.iter());
        decay.extend(rates.map(|((x, bias), a)| (a * softplus(x + bias)).exp()));
    }
    let tokens = delta::Tokens {
        rows: qkv.rows,
        key_heads: d.key_heads,
        value_heads: heads,
        head_dim: dim,
        qkv: &all,
        beta: &beta,
        decay: &decay,
    };
    let mut states = copy(before, spare);
    let by_head = delta::delta(pool, &tokens, &mut states);
    let mut data = Vec::with_capacity(by_head.len());
    for row in 0..qkv.rows {
        for head in 0..heads {
            data.extend_from_slice(&by_head[(head * qkv.rows + row) * dim..][..dim]);
        }
    }
    (Rows { data, ..*qkv }, Arc::new(states))
}

fn softplus(x: f32) -> f32 {
    // As far as f32 can tell, itself.
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

pub fn gated_norm(pool: &Pool, x: &Rows, gate: &Rows, gates: &DeltaGates<Numbers>) -> Rows {
    let mut data = vec![0.0; x.data.len()];
    ops::rms_norm(pool, &x.data, &gates.norm, gates.epsilon, &mut data);
    for (x, g) in data.iter_mut().zip(&gate.data) {
        *x *= g / (1.0 + (-g).exp());
    }
    Rows { data, ..*x }
}
