//! The gated delta rule, token by token (arXiv 2412.06464, equation 10): a head's matrix `S`,
//! `[keys, values]`, forgets by `decay`, and what it says of a key is corrected towards the value,
//! `S ← decay · S + k ⊗ beta (v − decay · Sᵀk)`; a query reads `Sᵀq`.
//!
//! Columns of `S` know nothing of each other: a few of them at a time stay in the nearest cache for a
//! whole run of tokens.

#![allow(unsafe_code, reason = "calls what needs CPU features")]

use super::{pool::Pool, shared::Chunks, vectorised::vectorised};

/// Columns that are gone through together.
const COLUMNS: usize = 32;

/// What each token does, of all heads.
pub struct Tokens<'a> {
    pub rows: usize,
    pub key_heads: usize,
    pub value_heads: usize,
    pub head_dim: usize,
    /// `[rows, queries | keys | values]`; queries and keys of length 1, or as they should be.
    pub qkv: &'a [f32],
    /// `[rows, value_heads]`, 0–1 each.
    pub beta: &'a [f32],
    pub decay: &'a [f32],
}

/// Takes the tokens into `states`, `[value_heads, head_dim, head_dim]`, and returns what each reads,
/// `[value_heads, rows, head_dim]`.
///
/// # Panics
/// When the lengths do not fit.
pub fn delta(pool: &Pool, tokens: &Tokens, states: &mut [f32]) -> Vec<f32> {
    let dim = tokens.head_dim;
    let mut out = vec![0.0; tokens.value_heads * tokens.rows * dim];
    let outs = Chunks::new(&mut out, tokens.rows * dim);
    let states = Chunks::new(states, dim * dim);
    pool.run(tokens.value_heads, |head| {
        let (Some(out), Some(state)) = (outs.claim(head), states.claim(head)) else {
            return;
        };
        let mut column = 0;
        while column < dim {
            let columns = COLUMNS.min(dim - column);
            let mut panel = [0.0; COLUMNS * 256];
            let mut large = Vec::new();
            let panel = match dim <= 256 {
                true => &mut panel[..dim * COLUMNS],
                false => {
                    large.resize(dim * COLUMNS, 0.0);
                    &mut large[..]
                }
            };
            let rows = state.chunks_exact(dim);
            for (to, from) in panel.chunks_exact_mut(COLUMNS).zip(rows) {
                to[..columns].copy_from_slice(&from[column..column + columns]);
            }
            run(tokens, head, column, columns, panel, out);
            let rows = state.chunks_exact_mut(dim);
            for (from, to) in panel.chunks_exact(COLUMNS).zip(rows) {
                to[column..column + columns].copy_from_slice(&from[..columns]);
            }
            column += columns;
        }
    });
    out
}

vectorised! {
    /// `columns` columns of a head's matrix from `column` on, `[head_dim, COLUMNS]` in `panel`, of
    /// which the last may be none.
    fn run(
        tokens: &Tokens,
        head: usize,
        column: usize,
        columns: usize,
        panel: &mut [f32],
        out: &mut [f32]
    ) {
        let dim = tokens.head_dim;
        let key_width = tokens.key_heads * dim;
        let width = 2 * key_width + tokens.value_heads * dim;
        let key_at = head % tokens.key_heads * dim;
        for (r, row) in tokens.qkv.chunks_exact(width).enumerate() {
            let (q, rest) = row.split_at(key_width);
            let (k, v) = rest.split_at(key_width);
            let (q, k) = (&q[key_at..key_at + dim], &k[key_at..key_at + dim]);
            let v = &v[head * dim + column..][..columns];
            let beta = tokens.beta[r * tokens.value_heads + head];
            let decay = tokens.decay[r * tokens.value_heads + head];
            let mut said = [0.0f32; COLUMNS];
            for (s, k) in panel.chunks_exact(COLUMNS).zip(k) {
                for (said, s) in said.iter_mut().zip(s) {
                    *said += k * s;
                }
            }
            let mut change = [0.0f32; COLUMNS];
            for ((change, v), said) in change.iter_mut().zip(v).zip(said) {
                *change = beta * (v - decay * said);
            }
            let mut read = [0.0f32; COLUMNS];
            for ((s, k), q) in panel.chunks_exact_mut(COLUMNS).zip(k).zip(q) {
                for ((s, change), read) in s.iter_mut().zip(&change).zip(&mut read) {
                    *s = decay * *s + k * change;
                    *read += q * *s;
                }
            }
            out[r * dim + column..][..columns].copy_from_slice(&read[..columns]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the formula stands.
    fn obvious(t: &Tokens, states: &mut [f64]) -> Vec<f64> {
        let dim = t.head_dim;
        let width = (2 * t.key_heads + t.value_heads) * dim;
        let mut out = vec![0.0; t.value_heads * t.rows * dim];
        for r in 0..t.rows {
            for h in 0..t.value_heads {
                let row = &t.qkv[r * width..][..width];
                let q = &row[h % t.key_heads * dim..][..dim];
                let k = &row[(t.key_heads + h % t.key_heads) * dim..][..dim];
                let v = &row[(2 * t.key_heads + h) * dim..][..dim];
                let s = &mut states[h * dim * dim..][..dim * dim];
                let (beta, decay) = (
                    t.beta[r * t.value_heads + h],
                    t.decay[r * t.value_heads + h],
                );
                s.iter_mut().for_each(|s| *s *= f64::from(decay));
                for j in 0..dim {
                    let said: f64 = (0..dim).map(|i| s[i * dim + j] * f64::from(k[i])).sum();
                    let change = f64::from(beta) * (f64::from(v[j]) - said);
                    (0..dim).for_each(|i| s[i * dim + j] += f64::from(k[i]) * change);
                    let read = (0..dim).map(|i| s[i * dim + j] * f64::from(q[i])).sum();
                    out[(h * t.rows + r) * dim + j] = read;
                }
            }
        }
        out
    }

    #[test]
    fn it_is_the_formula_and_runs_may_be_cut_anywhere() {
        let pool = Pool::new(2);
        let (key_heads, value_heads, rows) = (2, 4, 21);
        let dims: &[usize] = if cfg!(miri) { &[9] } else { &[8, 33, 128] };
        for &dim in dims {
            let number = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5;
            let width = (2 * key_heads + value_heads) * dim;
            let qkv: Vec<f32> = (0..rows * width).map(number).collect();
            let gate = |i: usize| 0.5 + 0.9 * number(i + 5);
            let beta: Vec<f32> = (0..rows * value_heads).map(gate).collect();
            let decay: Vec<f32> = (0..rows * value_heads).map(|i| gate(3 * i)).collect();
            let tokens = |from: usize, to: usize| Tokens {
                rows: to - from,
                key_heads,
                value_heads,
                head_dim: dim,
                qkv: &qkv[from * width..to * width],
                beta: &beta[from * value_heads..to * value_heads],
                decay: &decay[from * value_heads..to * value_heads],
            };
            let mut states = vec![0.0; value_heads * dim * dim];
            let out = delta(&pool, &tokens(0, rows), &mut states);
            let mut wanted_states = vec![0.0; states.len()];
            let wanted = obvious(&tokens(0, rows), &mut wanted_states);
            let largest = wanted.iter().fold(0.0f64, |a, b| a.max(b.abs()));
            for (a, b) in out.iter().zip(&wanted) {
                assert!((f64::from(*a) - b).abs() < 1e-5 * largest, "{a} {b}");
            }
            let mut again = vec![0.0; states.len()];
            delta(&pool, &tokens(0, 13), &mut again);
            delta(&pool, &tokens(13, rows), &mut again);
            assert_eq!(states, again);
        }
    }
}
