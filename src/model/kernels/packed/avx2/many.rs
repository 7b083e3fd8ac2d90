//! Prefill by AVX2.

#![allow(unsafe_code, reason = "intrinsics")]

use super::super::{
    activations::{Panel, Sums},
    dispatch::Tile,
    layout::{BLOCK, LOOKUP, TILE},
    scales::Group,
};
use super::{
    Affine, DRAFTED, Pair, add_product, affine, broadcast, fifth, load, looked_up, nibbles,
    prefetch, read, scale, split, upper, widen,
};
use std::arch::x86_64::*;

/// A block's nibbles, unpacked: eight pairs, each against the same four activations. Of nibbles, a
/// pair is rows 0–7 and 8–15; of more bits, the low and high nibbles of eight rows (hence two of these).
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
    for ((block, q), (d, sum)) in tile.blocks.clone().zip(activations).zip(scales) {
        let (lines, place) = tile.block(block, group, |group, lines| {
            read(group, tile.form, lines);
        });
        if x.rows <= DRAFTED {
            prefetch(lines);
        }
        let affine = [0, 1].map(|half| affine::<BITS>(group, place, half));
        for half in 0..if BITS == 4 { 1 } else { 2 } {
            if BITS == 8 {
                for (line, to) in lines.iter().zip(&mut unpacked.0) {
                    store(to, nibbles(load(line, half)));
                }
            } else if BITS == 5 {
                // As bytes, of which the fifth bit is the high nibble.
                let bits = load(&lines[4], half);
                for (g, line) in lines[..4].iter().enumerate() {
                    let (l, h) = nibbles(load(line, half));
                    let high = |g| _mm256_srli_epi16::<4>(fifth(bits, g));
                    store(&mut unpacked.0[g], (l, high(g)));
                    store(&mut unpacked.0[4 + g], (h, high(4 + g)));
                }
            } else if BITS == 6 {
                let bits = [4, 5].map(|line| upper(load(&lines[line], half)));
                for (g, line) in lines[..4].iter().enumerate() {
                    let (l, h) = nibbles(load(line, half));
                    let high = |of: usize| _mm256_srli_epi16::<4>(bits[of][g]);
                    store(&mut unpacked.0[g], (l, high(0)));
                    store(&mut unpacked.0[4 + g], (h, high(1)));
                }
            } else if BITS == LOOKUP {
                for (g, line) in lines.iter().enumerate() {
                    let (l, h) = nibbles(load(line, half));
                    store(&mut unpacked.0[g], split(looked, l));
                    store(&mut unpacked.0[4 + g], split(looked, h));
                }
            } else {
                for (g, line) in lines.iter().enumerate() {
                    let (l0, h0) = nibbles(load(line, 0));
                    let (l1, h1) = nibbles(load(line, 1));
                    store(&mut unpacked.0[g], (l0, l1));
                    store(&mut unpacked.0[4 + g], (h0, h1));
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
    let (d, sum, out) = (&d[i..][..N], &sum[i..][..N], &mut out[i..][..N]);
    let mut first = [_mm256_setzero_si256(); N];
    let mut second = [_mm256_setzero_si256(); N];
    // Of six bits, the first half block.
    let mut before = [_mm256_setzero_si256(); N];
    for (g, pair) in weights.0.iter().enumerate() {
        if BITS == 6 && g == 4 {
            for n in 0..N {
                before[n] = _mm256_add_epi32(widen(first[n], 1), widen(second[n], 16));
            }
            first = [_mm256_setzero_si256(); N];
            second = [_mm256_setzero_si256(); N];
        }
        let pair = pair.as_ptr().cast::<__m256i>();
        // SAFETY: 64 bytes, aligned by `Unpacked`.
        let (a, b) = unsafe { (_mm256_load_si256(pair), _mm256_load_si256(pair.add(1))) };
        for n in 0..N {
            let x = broadcast(q, n * BLOCK + 4 * g);
            add_product(&mut first[n], a, x);
            add_product(&mut second[n], b, x);
        }
    }
    for n in 0..N {
        let mut add = |half: usize, dots| {
            let out = &mut out[n][8 * half..][..8];
            // SAFETY: 8 floats.
            unsafe {
                let total = _mm256_loadu_ps(out.as_ptr());
                let total = scale::<BITS>(total, dots, &affine[half], d[n], sum[n]);
                _mm256_storeu_ps(out.as_mut_ptr(), total);
            }
        };
        if BITS == 4 {
            add(0, [widen(first[n], 1); 2]);
            add(1, [widen(second[n], 1); 2]);
            continue;
        }
        let dot = _mm256_add_epi32(widen(first[n], 1), widen(second[n], 16));
        let dots = if BITS == 6 {
            [before[n], dot]
        } else {
            [dot; 2]
        };
        add(half, dots);
    }
}
