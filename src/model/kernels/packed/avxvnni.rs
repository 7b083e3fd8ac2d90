//! AVX-VNNI: `vpdpbusd` on 256-bit registers, for CPUs with VNNI but without AVX-512.

#![allow(unsafe_code, reason = "intrinsics")]

use super::{
    activations::{Panel, Sums},
    avx2::{Affine, DRAFTED, affine, bytes, load, prefetch, read, scale},
    dispatch::Tile,
    layout::{BLOCK, LOOKUP, Line, Quants, TILE},
    scales::Group,
};
use crate::model::kernels::unaligned;
use std::arch::x86_64::*;

/// See `portable::tile`.
///
/// # Safety
/// The CPU must have AVX2, FMA, F16C and AVX-VNNI.
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
pub unsafe fn tile(tile: &Tile<'_>, group: &mut Group, x: Panel<'_>, out: &mut [[f32; TILE]]) {
    match tile.form.quants {
        Quants::U4 => blocks::<4>(tile, group, x, out),
        Quants::U5 => blocks::<5>(tile, group, x, out),
        Quants::U6 => blocks::<6>(tile, group, x, out),
        Quants::U8 => blocks::<8>(tile, group, x, out),
        Quants::T4(_) => blocks::<LOOKUP>(tile, group, x, out),
    }
}

/// Half a block's rows as bytes, `[g]` being columns `4g..4g + 4` of eight rows.
#[inline]
#[target_feature(enable = "avx2")]
fn unpack<const BITS: u8>(lines: &[Line], table: &[u8; 16], half: usize) -> [__m256i; 8] {
    if BITS == 8 {
        let mut quants = [_mm256_setzero_si256(); 8];
        for (q, line) in quants.iter_mut().zip(lines) {
            *q = load(line, half);
        }
        return quants;
    }
    let mut quants = bytes::<BITS>(lines, half);
    if BITS == LOOKUP {
        // SAFETY: 16 bytes.
        let table = unsafe { unaligned::read(table.as_ptr().cast::<__m128i>()) };
        let table = _mm256_broadcastsi128_si256(table);
        for q in &mut quants {
            *q = _mm256_shuffle_epi8(table, *q);
        }
    }
    quants
}

/// Dots of eight rows with 32 activations, of each half block.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn dots(weights: &[__m256i; 8], q: &[i8]) -> [__m256i; 2] {
    let x = |g: usize| {
        let bytes = &q[4 * g..][..4];
        // SAFETY: 4 bytes.
        _mm256_set1_epi32(unsafe { unaligned::read(bytes.as_ptr().cast::<i32>()) })
    };
    // Two chains: the instruction takes several cycles.
    let mut first = _mm256_setzero_si256();
    let mut second = _mm256_setzero_si256();
    for g in 0..4 {
        first = _mm256_dpbusd_avx_epi32(first, weights[g], x(g));
        second = _mm256_dpbusd_avx_epi32(second, weights[4 + g], x(4 + g));
    }
    [first, second]
}

/// Of six bits, `out += d·(xd·dot − 32·xsum)` of each half block.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn scale_halves(
    out: __m256,
    [first, second]: [__m256i; 2],
    affine: &Affine,
    xd: f32,
    sum: Sums,
) -> __m256 {
    let xd = _mm256_set1_ps(xd);
    let add = |out, dot, d, sum: f32| {
        let shifted = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), xd, _mm256_set1_ps(-32.0 * sum));
        _mm256_fmadd_ps(d, shifted, out)
    };
    let out = add(out, first, affine[0].0, sum.first);
    add(out, second, affine[1].0, sum.all - sum.first)
}

/// Half a block's weights stay in registers while the activation rows of the panel pass by.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
fn blocks<const BITS: u8>(
    tile: &Tile<'_>,
    group: &mut Group,
    x: Panel<'_>,
    out: &mut [[f32; TILE]],
) {
    let table = tile.form.quants.table();
    let out = &mut out[..x.rows];
    out.as_flattened_mut().fill(0.0);
    let activations = x.q.chunks_exact(x.rows * BLOCK);
    let scales = x.d.chunks_exact(x.rows).zip(x.sum.chunks_exact(x.rows));
    for ((block, q), (d, sum)) in tile.blocks().zip(activations).zip(scales) {
        read(group, tile.form, &block);
        if x.rows <= DRAFTED {
            prefetch(block.quants);
        }
        for half in 0..2 {
            let weights = unpack::<BITS>(block.quants, table, half);
            let affine = affine::<BITS>(tile.form, &block, group, half);
            let rows = out.iter_mut().zip(q.chunks_exact(BLOCK));
            for ((out, q), (d, sum)) in rows.zip(d.iter().zip(sum)) {
                let [first, second] = dots(&weights, q);
                let out = &mut out[8 * half..][..8];
                // SAFETY: 8 floats.
                let total = unsafe { unaligned::read(out.as_ptr().cast::<__m256>()) };
                let total = match BITS {
                    6 => scale_halves(total, [first, second], &affine, *d, *sum),
                    _ => {
                        let dots = [_mm256_add_epi32(first, second); 2];
                        scale::<BITS>(total, dots, &affine, *d, *sum)
                    }
                };
                // SAFETY: 8 floats.
                unsafe { unaligned::write(out.as_mut_ptr().cast::<__m256>(), total) };
            }
        }
    }
}
