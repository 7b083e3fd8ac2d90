//! A convolution over tokens, each channel by itself.

#![allow(unsafe_code, reason = "calls what needs CPU features")]

use super::{pool::Pool, shared::Chunks, vectorised::vectorised};

/// Rows of an item of the pool.
const ROWS: usize = 16;

/// `out[r] = Σ_t weight[t] · x[r + t]` for `[rows + taps − 1, channels]` in `x` and `[taps, channels]`
/// in `weight`, through SiLU where `silu` says so.
///
/// # Panics
/// When the lengths do not fit.
pub fn convolve(pool: &Pool, x: &[f32], weight: &[f32], channels: usize, silu: bool) -> Vec<f32> {
    let taps = weight.len() / channels.max(1);
    let rows = (x.len() / channels.max(1) + 1).saturating_sub(taps);
    let mut out = vec![0.0; rows * channels];
    let chunks = Chunks::new(&mut out, ROWS * channels);
    pool.run(rows.div_ceil(ROWS), |i| {
        if let Some(out) = chunks.claim(i) {
            let x = &x[i * ROWS * channels..][..out.len() + (taps - 1) * channels];
            for (tap, weight) in weight.chunks_exact(channels).enumerate() {
                accumulate(&x[tap * channels..][..out.len()], weight, out);
            }
            if silu {
                activate(out);
            }
        }
    });
    out
}

vectorised! {
    fn accumulate(x: &[f32], weight: &[f32], out: &mut [f32]) {
        let width = weight.len();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
                *out += x * weight;
            }
        }
    }
}

vectorised! {
    fn activate(x: &mut [f32]) {
        for x in x {
            *x /= 1.0 + (-*x).exp();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_sees_its_last_tokens() {
        let pool = Pool::new(2);
        let (channels, taps, rows) = (5, 3, 37);
        let number = |i: usize| ((i * 37 + 11) % 23) as f32 / 7.0 - 1.5;
        let x: Vec<f32> = (0..(rows + taps - 1) * channels).map(number).collect();
        let weight: Vec<f32> = (0..taps * channels).map(|i| number(3 * i + 1)).collect();
        for silu in [false, true] {
            let out = convolve(&pool, &x, &weight, channels, silu);
            assert_eq!(out.len(), rows * channels);
            for (i, out) in out.iter().enumerate() {
                let (r, c) = (i / channels, i % channels);
                let of = |t: usize| weight[t * channels + c] * x[(r + t) * channels + c];
                let sum: f32 = (0..taps).map(of).sum();
                let wanted = if silu {
                    sum / (1.0 + (-sum).exp())
                } else {
                    sum
                };
                assert!((out - wanted).abs() < 1e-5, "{r} {c}: {out} {wanted}");
            }
        }
    }
}
