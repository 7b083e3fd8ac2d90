//! The small operations between the matrices, fused and in f32.
//!
//! Plain loops, compiled twice on x86-64 (baseline and AVX2) for the compiler to vectorise. A step of
//! decoding is one row and stays on the calling thread; prefill goes over the pool by rows.

#![allow(unsafe_code, reason = "calls what needs CPU features")]

use super::{pool::Pool, shared::Chunks, vectorised::vectorised};
use crate::model::shape::Gate;

/// Elements per item of the pool: some microseconds.
const ITEM: usize = 16 << 10;

/// Which two numbers of a head RoPE turns together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// `(2i, 2i + 1)`: how GGUF files of the llama architecture order their q and k rows.
    Interleaved,
    /// `(i, i + head_dim / 2)`, NeoX style: qwen2 and most others.
    Halves,
}

/// Calls `f(first row, rows of out)` for pieces of `out`, `[rows, width]`.
fn by_rows(pool: &Pool, width: usize, out: &mut [f32], f: impl Fn(usize, &mut [f32]) + Sync) {
    if out.len() <= ITEM || width == 0 {
        return f(0, out);
    }
    let rows = (ITEM / width).max(1);
    let pieces = out.len().div_ceil(rows * width);
    let chunks = Chunks::new(out, rows * width);
    pool.run(pieces, |i| {
        if let Some(out) = chunks.claim(i) {
            f(i * rows, out);
        }
    });
}

/// `out = x / sqrt(mean(x²) + eps) · weight` for every row of `x` and `out`, `[rows, weight.len()]`.
///
/// # Panics
/// When the lengths do not fit.
pub fn rms_norm(pool: &Pool, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "x and out are [rows, width]");
    let width = weight.len();
    by_rows(pool, width, out, |first, out| {
        let x = &x[first * width..][..out.len()];
        rms_norm_rows(x, weight, eps, out);
    });
}

vectorised! {
    fn rms_norm_rows(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
        let width = weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            // Sixteen partial sums: fast, and more exact than one.
            let mut sums = [0.0f32; 16];
            let whole = x.chunks_exact(16);
            let rest: f32 = whole.remainder().iter().map(|x| x * x).sum();
            for x in whole {
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum += x * x;
                }
            }
            let mean = (sums.iter().sum::<f32>() + rest) / width as f32;
            let scale = 1.0 / (mean + eps).sqrt();
            for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
                *out = x * scale * weight;
            }
        }
    }
}

/// `gate(g) · u` of `gate_up`, `[m, 2n]`, g then u: `[m, n]`.
///
/// # Panics
/// When the lengths do not fit.
pub fn gated(pool: &Pool, gate: Gate, gate_up: &[f32], n: usize) -> Vec<f32> {
    let mut out = vec![0.0; gate_up.len() / 2];
    let gated = match gate {
        Gate::Silu => swiglu,
        Gate::Gelu => geglu,
        Gate::Clamped => clamped_swiglu,
    };
    gated(pool, gate_up, n, &mut out);
    out
}

/// `out = silu(gate) · up`: `gate_up` is `[m, 2n]`, gate then up, and `out` `[m, n]`.
///
/// # Panics
/// When the lengths do not fit.
pub fn swiglu(pool: &Pool, gate_up: &[f32], n: usize, out: &mut [f32]) {
    assert_eq!(
        gate_up.len(),
        2 * out.len(),
        "gate_up is [m, 2n], out [m, n]"
    );
    by_rows(pool, n, out, |first, out| {
        swiglu_rows(&gate_up[2 * first * n..][..2 * out.len()], n, out);
    });
}

/// [`swiglu`] with GELU (its tanh form) in place of SiLU.
///
/// # Panics
/// When the lengths do not fit.
pub fn geglu(pool: &Pool, gate_up: &[f32], n: usize, out: &mut [f32]) {
    assert_eq!(
        gate_up.len(),
        2 * out.len(),
        "gate_up is [m, 2n], out [m, n]"
    );
    by_rows(pool, n, out, |first, out| {
        geglu_rows(&gate_up[2 * first * n..][..2 * out.len()], n, out);
    });
}

/// `out = g · σ(1.702 g) · (u + 1)` with the gate `g` held below 7 and `u` within ±7, laid out as for
/// [`swiglu`].
///
/// # Panics
/// When the lengths do not fit.
pub fn clamped_swiglu(pool: &Pool, gate_up: &[f32], n: usize, out: &mut [f32]) {
    assert_eq!(
        gate_up.len(),
        2 * out.len(),
        "gate_up is [m, 2n], out [m, n]"
    );
    by_rows(pool, n, out, |first, out| {
        clamped_swiglu_rows(&gate_up[2 * first * n..][..2 * out.len()], n, out);
    });
}

vectorised! {
    fn clamped_swiglu_rows(gate_up: &[f32], n: usize, out: &mut [f32]) {
        for (gate_up, out) in gate_up.chunks_exact(2 * n).zip(out.chunks_exact_mut(n)) {
            let (gate, up) = gate_up.split_at(n);
            for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
                let gate = gate.min(7.0);
                *out = gate * (up.clamp(-7.0, 7.0) + 1.0) / (1.0 + exp(-1.702 * gate));
            }
        }
    }
}

/// `out = x · Wᵀ` in f32, each row alike whatever stands beside it: `x` is `[m, cols]`, `weight`
/// `[rows, cols]` and `out` `[m, rows]`. For small matrices.
///
/// # Panics
/// When the lengths do not fit.
pub fn small_matmul(pool: &Pool, x: &[f32], weight: &[f32], cols: usize, out: &mut [f32]) {
    let rows = weight.len() / cols.max(1);
    assert_eq!(
        x.len() * rows,
        out.len() * cols,
        "x is [m, cols], out [m, rows]"
    );
    by_rows(pool, rows, out, |first, out| {
        let x = &x[first * cols..][..out.len() / rows * cols];
        small_matmul_rows(x, weight, cols, out);
    });
}

vectorised! {
    fn small_matmul_rows(x: &[f32], weight: &[f32], cols: usize, out: &mut [f32]) {
        let rows = weight.len() / cols;
        for (x, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(rows)) {
            for (weight, out) in weight.chunks_exact(cols).zip(out) {
                let mut sums = [0.0f32; 16];
                let (x, y) = (x.as_chunks::<16>(), weight.as_chunks::<16>());
                for (x, y) in x.0.iter().zip(y.0) {
                    for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
                        *sum += x * y;
                    }
                }
                let rest: f32 = x.1.iter().zip(y.1).map(|(x, y)| x * y).sum();
                *out = sums.iter().sum::<f32>() + rest;
            }
        }
    }
}

/// `out[r] = Σ weights[r, i] · x[places[r, i]]`, in this order: `places` and `weights` are `[m, n]`,
/// `x` has rows of `width` and `out` is `[m, width]`.
///
/// # Panics
/// When the lengths do not fit.
pub fn weighted_sums(
    pool: &Pool,
    x: &[f32],
    places: &[usize],
    weights: &[f32],
    width: usize,
    out: &mut [f32],
) {
    let n = weights.len() * width / out.len().max(1);
    assert_eq!(places.len(), weights.len(), "places and weights are [m, n]");
    by_rows(pool, width, out, |first, out| {
        let range = first * n..(first + out.len() / width) * n;
        weighted_sum_rows(x, &places[range.clone()], &weights[range], width, out);
    });
}

vectorised! {
    fn weighted_sum_rows(x: &[f32], places: &[usize], weights: &[f32], width: usize, out: &mut [f32]) {
        let n = weights.len() * width / out.len().max(1);
        for (r, out) in out.chunks_exact_mut(width).enumerate() {
            out.fill(0.0);
            for i in r * n..(r + 1) * n {
                let x = &x[places[i] * width..][..width];
                for (out, x) in out.iter_mut().zip(x) {
                    *out += weights[i] * x;
                }
            }
        }
    }
}

vectorised! {
    fn geglu_rows(gate_up: &[f32], n: usize, out: &mut [f32]) {
        for (gate_up, out) in gate_up.chunks_exact(2 * n).zip(out.chunks_exact_mut(n)) {
            let (gate, up) = gate_up.split_at(n);
            for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
                // ½(1 + tanh u) = σ(2u), u = √(2/π)·(x + 0.044715 x³)
                let u2 = gate * (1.595_769 + 0.071_354_82 * gate * gate);
                *out = gate * up / (1.0 + exp(-u2));
            }
        }
    }
}

vectorised! {
    fn swiglu_rows(gate_up: &[f32], n: usize, out: &mut [f32]) {
        for (gate_up, out) in gate_up.chunks_exact(2 * n).zip(out.chunks_exact_mut(n)) {
            let (gate, up) = gate_up.split_at(n);
            for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
                *out = gate * up / (1.0 + exp(-gate));
            }
        }
    }
}

/// `eˣ` with a relative error below 3e-7 for |x| ≤ 87, held there beyond; NaN stays NaN. No branches
/// and no calls, so that loops around it vectorise.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding this rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, the first with few bits, so that n times it is exact.
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let series = 1.0
        + r * (1.0
            + r * (0.5
                + r * (0.166_666_67
                    + r * (0.041_666_67 + r * (0.008_333_334 + r * 0.001_388_889)))));
    let exponent = (shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits());
    series * f32::from_bits(exponent)
}

/// How heads are turned: `cos` and `sin` are `[rows, dim / 2]`.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    pub cos: &'a [f32],
    pub sin: &'a [f32],
    /// Dimensions of a head that are turned, from the first on.
    pub dim: usize,
    pub pairing: Pairing,
}

/// Turns the first `heads` heads of every row of `x` in place. `x` is `[rows, heads or more,
/// head_dim]` (in a fused q/k/v row, q and k stand first).
///
/// # Panics
/// When the lengths do not fit.
pub fn rope(pool: &Pool, x: &mut [f32], heads: usize, head_dim: usize, turn: Turn) {
    let Turn {
        cos,
        sin,
        dim,
        pairing,
    } = turn;
    let half = dim / 2;
    assert_eq!(cos.len(), sin.len(), "cos and sin are [rows, dim / 2]");
    let rows = cos.len().checked_div(half).unwrap_or(0);
    if rows == 0 {
        return;
    }
    let width = x.len() / rows;
    assert!(
        cos.len() == rows * half && x.len() == rows * width && heads * head_dim <= width,
        "x is [rows, heads, head_dim]"
    );
    assert!(dim <= head_dim, "no more dimensions than a head has");
    by_rows(pool, width, x, |first, x| {
        let rows = x.len() / width;
        let cos = &cos[first * half..][..rows * half];
        let sin = &sin[first * half..][..rows * half];
        for ((x, cos), sin) in x
            .chunks_exact_mut(width)
            .zip(cos.chunks_exact(half))
            .zip(sin.chunks_exact(half))
        {
            rope_row(&mut x[..heads * head_dim], head_dim, cos, sin, pairing);
        }
    });
}

vectorised! {
    fn rope_row(x: &mut [f32], head_dim: usize, cos: &[f32], sin: &[f32], pairing: Pairing) {
        let half = cos.len();
        for head in x.chunks_exact_mut(head_dim) {
            let head = &mut head[..2 * half];
            match pairing {
                Pairing::Interleaved => {
                    for ((pair, cos), sin) in head.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
                        let [a, b] = *pair;
                        *pair = [a * cos - b * sin, a * sin + b * cos];
                    }
                }
                Pairing::Halves => {
                    let (low, high) = head.split_at_mut(half);
                    for ((a, b), (cos, sin)) in low.iter_mut().zip(high).zip(cos.iter().zip(sin)) {
                        (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
                    }
                }
            }
        }
    }
}

/// `x = f(x, y)` for every row of `x` and `y`, which is one of them, or nothing at all.
pub fn by_columns(pool: &Pool, x: &mut [f32], y: &[f32], f: impl Fn(f32, f32) -> f32 + Sync) {
    if y.is_empty() {
        return;
    }
    by_rows(pool, y.len(), x, |_, x| {
        for row in x.chunks_exact_mut(y.len()) {
            row.iter_mut().zip(y).for_each(|(x, y)| *x = f(*x, *y));
        }
    });
}

/// `x += y`.
///
/// # Panics
/// When the lengths differ.
pub fn add_assign(pool: &Pool, x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len(), "both sides of a sum have one length");
    by_rows(pool, 1, x, |first, x| add_assign_part(x, &y[first..]));
}

vectorised! {
    fn add_assign_part(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }
}

#[cfg(test)]
mod tests;
