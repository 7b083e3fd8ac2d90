//! Prefill by AVX2.

#![allow(unsafe_code, reason = "intrinsics")]

use super::super::{
    activations::{Panel, Sums},
    dispatch::Tile,
    layout::{BLOCK, LOOKUP, TILE},
    scales::Group,
};
use super::{
    Affine, DRAFTED, Pair, add_product, affine, begin, broadcast, bytes, fitting, load, looked_up,
    nibbles, prefetch, read, scale, split, widen,
};
use crate::model::kernels::unaligned;
use std::arch::x86_64::*;

/// A block, unpacked: eight pairs, each against the same four activations. Of up to six bits, a pair is
/// the bytes of rows 0–7 and 8–15; of more, the low and high nibbles of eight rows (hence two of these).
#[repr(align(32))]
struct Unpacked([[u8; 64]; 8]);

/// Prefill: per block, unpack once, then four activation rows at a time.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn many<const BITS: u8>(
    tile: &Tile<'_>,
    group: &mut Group,
    x: Panel<'_>,
    out: &mut [[f32; TILE]],
) {
    let looked = looked_up(tile.form.quants.table());
    let out = &mut out[..x.rows];
    out.as_flattened_mut().fill(0.0);
    let mut unpacked = Unpacked([[0; 64]; 8]);
    let activations = x.q.chunks_exact(x.rows * BLOCK);
    let scales = x.d.chunks_exact(x.rows).zip(x.sum.chunks_exact(x.rows));
    for ((block, q), (d, sum)) in tile.blocks().zip(activations).zip(scales) {
        read(group, tile.form, &block);
        let lines = block.quants;
        if x.rows <= DRAFTED {
            prefetch(lines);
        }
        let affine = [
            affine::<BITS>(tile.form, &block, group, 0),
            affine::<BITS>(tile.form, &block, group, 1),
        ];
        for half in 0..if fitting(BITS) > 0 { 1 } else { 2 } {
            if BITS == 8 {
                for (line, to) in lines.iter().zip(&mut unpacked.0) {
                    store(to, nibbles(load(line, half)));
                }
            } else if BITS == LOOKUP {
                for (g, line) in lines.iter().enumerate() {
                    let (l, h) = nibbles(load(line, half));
                    store(&mut unpacked.0[g], split(looked, l));
                    store(&mut unpacked.0[4 + g], split(looked, h));
                }
            } else {
                let (first, second) = (bytes::<BITS>(lines, 0), bytes::<BITS>(lines, 1));
                for (to, pair) in unpacked.0.iter_mut().zip(first.into_iter().zip(second)) {
                    store(to, pair);
                }
            }
            let mut i = 0;
            while i + 4 <= x.rows {
                rows::<BITS, 4>(&unpacked, &affine, half, q, d, sum, i, out);
                i += 4;
            }
            while i < x.rows {
                rows::<BITS, 1>(&unpacked, &affine, half, q, d, sum, i, out);
                i += 1;
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(to: &mut [u8; 64], (a, b): Pair) {
    let to = to.as_mut_ptr().cast::<__m256i>();
    // SAFETY: 64 bytes, aligned by `Unpacked`.
    unsafe {
        _mm256_store_si256(to, a);
        _mm256_store_si256(to.add(1), b);
    }
}

/// Adds a block's products with activation rows `i..i + N`.
#[allow(
    clippy::needless_range_loop,
    reason = "numbers for several arrays; iterators of vectors are not inlined"
)]
#[inline]
#[target_feature(enable = "avx2,fma")]
#[allow(clippy::too_many_arguments)]
fn rows<const BITS: u8, const N: usize>(
    weights: &Unpacked,
    affine: &[Affine; 2],
    half: usize,
    q: &[i8],
    d: &[f32],
    sum: &[Sums],
    i: usize,
    out: &mut [[f32; TILE]],
) {
    let q = &q[i * BLOCK..][..N * BLOCK];
    let (d, sum) = (&d[i..][..N], &sum[i..][..N]);
    let out = &mut out[i..][..N];
    let fitting = if fitting(BITS) > 0 { fitting(BITS) } else { 8 };
    // Loops and no closures: what is not compiled for AVX2 itself takes vectors through memory.
    // Of five and six bits, of the first half block.
    let mut before = [[_mm256_setzero_si256(); N]; 2];
    let mut sums = [[_mm256_setzero_si256(); N]; 2];
    for from in (0..8).step_by(fitting) {
        for n in 0..N {
            let begin = begin::<BITS>(&sum[n].centre, from / 4);
            for of in 0..2 {
                if from > 0 {
                    before[of][n] = widen(sums[of][n], 1);
                }
                sums[of][n] = begin;
            }
        }
        // The compiler must not know how many there are, or it unrolls the loop and adds up in an order for
        // which there are not enough registers.
        let some = std::hint::black_box(&weights.0[from..from + fitting]);
        for (g, pair) in some.iter().enumerate() {
            let pair = pair.as_ptr().cast::<__m256i>();
            // SAFETY: 64 bytes, aligned by `Unpacked`.
            let (a, b) = unsafe { (_mm256_load_si256(pair), _mm256_load_si256(pair.add(1))) };
            for n in 0..N {
                let x = broadcast(q, n * BLOCK + 4 * (from + g));
                add_product(&mut sums[0][n], a, x);
                add_product(&mut sums[1][n], b, x);
            }
        }
    }
    for n in 0..N {
        if BITS == 8 || BITS == LOOKUP {
            let dot = _mm256_add_epi32(widen(sums[0][n], 1), widen(sums[1][n], 16));
            add::<BITS>(&mut out[n], half, [dot; 2], affine, d[n], sum[n]);
            continue;
        }
        for half in 0..2 {
            let last = widen(sums[half][n], 1);
            let dots = match BITS {
                4 => [last; 2],
                5 => [_mm256_add_epi32(before[half][n], last); 2],
                _ => [before[half][n], last],
            };
            add::<BITS>(&mut out[n], half, dots, affine, d[n], sum[n]);
        }
    }
}

/// Adds dots of eight rows of weights to an activation row's results.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add<const BITS: u8>(
    out: &mut [f32; TILE],
    half: usize,
    dots: [__m256i; 2],
    affine: &[Affine; 2],
    xd: f32,
    sum: Sums,
) {
    let out = &mut out[8 * half..][..8];
    // SAFETY: 8 floats.
    unsafe {
        let total = unaligned::read(out.as_ptr().cast::<__m256>());
        let total = scale::<BITS>(total, dots, &affine[half], xd, sum);
        unaligned::write(out.as_mut_ptr().cast::<__m256>(), total);
    }
}
