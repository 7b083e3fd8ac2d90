//! The small operations between the matrices, fused and in f32.
//!
//! Plain loops, compiled twice on x86-64 (baseline and AVX2) for the compiler to vectorise. A step of
//! decoding is one row and stays on the calling thread; prefill goes over the pool by rows.

#![allow(unsafe_code, reason = "calls what needs CPU features")]

use super::{pool::Pool, shared::Chunks};

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

/// Defines a function whose body is also compiled for AVX2, and picked where the CPU has it.
macro_rules! vectorised {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) $body:block) => {
        $(#[$doc])*
        fn $name($($arg: $type),*) {
            #[inline(always)]
            fn plain($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $type),*) {
                    plain($($arg),*);
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the CPU has AVX2.
                    return unsafe { avx2($($arg),*) };
                }
            }
            plain($($arg),*);
        }
    };
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

/// Turns the first `heads` heads of every row of `x` in place. `x` is `[rows, heads or more,
/// head_dim]` (in a fused q/k/v row, q and k stand first), `cos` and `sin` `[rows, head_dim / 2]`.
///
/// # Panics
/// When the lengths do not fit.
pub fn rope(
    pool: &Pool,
    x: &mut [f32],
    heads: usize,
    head_dim: usize,
    cos: &[f32],
    sin: &[f32],
    pairing: Pairing,
) {
    let half = head_dim / 2;
    assert_eq!(cos.len(), sin.len(), "cos and sin are [rows, head_dim / 2]");
    let rows = cos.len() / half;
    if rows == 0 {
        return;
    }
    let width = x.len() / rows;
    assert!(
        cos.len() == rows * half && x.len() == rows * width && heads * head_dim <= width,
        "x is [rows, heads, head_dim]"
    );
    by_rows(pool, width, x, |first, x| {
        let rows = x.len() / width;
        let cos = &cos[first * half..][..rows * half];
        let sin = &sin[first * half..][..rows * half];
        for ((x, cos), sin) in x
            .chunks_exact_mut(width)
            .zip(cos.chunks_exact(half))
            .zip(sin.chunks_exact(half))
        {
            rope_row(&mut x[..heads * head_dim], cos, sin, pairing);
        }
    });
}

vectorised! {
    fn rope_row(x: &mut [f32], cos: &[f32], sin: &[f32], pairing: Pairing) {
        let half = cos.len();
        for head in x.chunks_exact_mut(2 * half) {
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
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + 13) % 2003) as f32 / 1001.0 - 1.0)
            .collect()
    }

    fn close(a: f32, b: f64) -> bool {
        (f64::from(a) - b).abs() <= 2e-6 * (1.0 + b.abs())
    }

    #[test]
    fn exp_is_exact_to_three_in_ten_million() {
        let mut worst = 0f64;
        for i in -870_000..=870_000 {
            let x = i as f32 * 1e-4;
            let want = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) / want - 1.0).abs());
        }
        assert!(worst < 3e-7, "{worst}");
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::INFINITY).is_finite() && exp(f32::NEG_INFINITY) >= 0.0);
    }

    #[test]
    fn rms_norm_gives_rows_of_unit_mean_square_times_the_weight() {
        let pool = Pool::new(2);
        for (rows, width) in [(1, 576), (3, 21), (70, 576)] {
            let x = noise(rows * width);
            let weight = noise(width);
            let mut out = vec![0.0; rows * width];
            rms_norm(&pool, &x, &weight, 1e-5, &mut out);
            for (x, out) in x.chunks(width).zip(out.chunks(width)) {
                let squares: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
                let scale = 1.0 / (squares / width as f64 + 1e-5).sqrt();
                for ((x, w), out) in x.iter().zip(&weight).zip(out) {
                    assert!(close(*out, f64::from(*x) * scale * f64::from(*w)));
                }
            }
        }
    }

    #[test]
    fn swiglu_equals_double_precision_and_stays_finite_far_out() {
        let pool = Pool::new(2);
        for (m, n) in [(1, 1536), (2, 5), (40, 1536)] {
            let gate_up: Vec<f32> = noise(2 * m * n).iter().map(|x| x * 12.0).collect();
            let mut out = vec![0.0; m * n];
            swiglu(&pool, &gate_up, n, &mut out);
            for (i, out) in out.iter().enumerate() {
                let row = &gate_up[i / n * 2 * n..];
                let (gate, up) = (f64::from(row[i % n]), f64::from(row[n + i % n]));
                assert!(close(*out, gate * up / (1.0 + (-gate).exp())));
            }
        }
        let mut out = [0.0; 2];
        swiglu(&pool, &[1e4, -1e4, 1.0, 1.0], 2, &mut out);
        assert_eq!(out[0], 1e4);
        assert!(out[1].abs() < 1e-30);
    }

    #[test]
    fn rope_turns_each_pair_by_its_angle_and_leaves_the_rest() {
        let pool = Pool::new(2);
        let (rows, heads, dim) = (90, 4, 64);
        let width = (heads + 2) * dim;
        let angle = |row: usize, i: usize| row as f64 / 10f64.powf(i as f64 / 8.0);
        let table = |f: fn(f64) -> f64| -> Vec<f32> {
            (0..rows * dim / 2)
                .map(|at| f(angle(at / (dim / 2), at % (dim / 2))) as f32)
                .collect()
        };
        let (cos, sin) = (table(f64::cos), table(f64::sin));
        for pairing in [Pairing::Interleaved, Pairing::Halves] {
            let before = noise(rows * width);
            let mut x = before.clone();
            rope(&pool, &mut x, heads, dim, &cos, &sin, pairing);
            for row in 0..rows {
                for head in 0..heads + 2 {
                    for i in 0..dim / 2 {
                        let at = row * width + head * dim;
                        let (a, b) = match pairing {
                            Pairing::Interleaved => (at + 2 * i, at + 2 * i + 1),
                            Pairing::Halves => (at + i, at + i + dim / 2),
                        };
                        if head >= heads {
                            assert_eq!((x[a], x[b]), (before[a], before[b]));
                            continue;
                        }
                        let (sin, cos) = angle(row, i).sin_cos();
                        let (p, q) = (f64::from(before[a]), f64::from(before[b]));
                        assert!(close(x[a], p * cos - q * sin));
                        assert!(close(x[b], p * sin + q * cos));
                    }
                }
            }
        }
    }

    #[test]
    fn add_assign_adds_every_element() {
        let pool = Pool::new(2);
        let y = noise(50_001);
        let mut x = vec![1.0; y.len()];
        add_assign(&pool, &mut x, &y);
        assert!(x.iter().zip(&y).all(|(x, y)| *x == 1.0 + y));
    }
}
