//! AVX-512 with VNNI: one `vpdpbusd` multiplies four columns of all 16 rows by four broadcast
//! activations and adds them up in i32, without saturation.

#![allow(unsafe_code, reason = "intrinsics")]

use super::{
    activations::{Panel, Sums},
    avx2::{DRAFTED, prefetch},
    dispatch::{Block, Tile},
    layout::{BLOCK, Form, LOOKUP, Line, Quants, Scales, TILE},
    scales::Group,
};
use crate::model::kernels::unaligned;
use std::arch::x86_64::*;

/// See `portable::tile`.
///
/// # Safety
/// The CPU must have AVX-512 F, BW and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub unsafe fn tile(tile: &Tile<'_>, group: &mut Group, x: Panel<'_>, out: &mut [[f32; TILE]]) {
    match tile.form.quants {
        Quants::U4 => rows::<4>(tile, group, x, out),
        Quants::U5 => rows::<5>(tile, group, x, out),
        Quants::U6 => rows::<6>(tile, group, x, out),
        Quants::U8 => rows::<8>(tile, group, x, out),
        Quants::T4(_) => rows::<LOOKUP>(tile, group, x, out),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn rows<const BITS: u8>(tile: &Tile<'_>, group: &mut Group, x: Panel<'_>, out: &mut [[f32; TILE]]) {
    match x.rows {
        1 => few::<BITS, 1>(tile, group, x, out),
        2 => few::<BITS, 2>(tile, group, x, out),
        3 => few::<BITS, 3>(tile, group, x, out),
        4 => few::<BITS, 4>(tile, group, x, out),
        5 => few::<BITS, 5>(tile, group, x, out),
        6 => few::<BITS, 6>(tile, group, x, out),
        7 => few::<BITS, 7>(tile, group, x, out),
        8 => few::<BITS, 8>(tile, group, x, out),
        _ => many::<BITS>(tile, group, x, out),
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(line: &Line) -> __m512i {
    // SAFETY: a line is 64 bytes, aligned to 64.
    unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
}

/// A block's quants as bytes, `[g]` being columns `4g..4g + 4` of the 16 rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn unpack<const BITS: u8>(lines: &[Line], table: &[u8; 16]) -> [__m512i; 8] {
    let mut quants = [_mm512_setzero_si512(); 8];
    if BITS == 8 {
        for (q, line) in quants.iter_mut().zip(lines) {
            *q = load(line);
        }
        return quants;
    }
    let mask = _mm512_set1_epi8(15);
    for (g, line) in lines.iter().enumerate().take(4) {
        let bytes = load(line);
        quants[g] = _mm512_and_si512(bytes, mask);
        quants[4 + g] = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), mask);
    }
    if BITS == 5 {
        let bits = load(&lines[4]);
        let fifth = [
            _mm512_slli_epi16::<4>(bits),
            _mm512_slli_epi16::<3>(bits),
            _mm512_slli_epi16::<2>(bits),
            _mm512_slli_epi16::<1>(bits),
            bits,
            _mm512_srli_epi16::<1>(bits),
            _mm512_srli_epi16::<2>(bits),
            _mm512_srli_epi16::<3>(bits),
        ];
        let mask = _mm512_set1_epi8(16);
        for (q, bits) in quants.iter_mut().zip(fifth) {
            *q = _mm512_or_si512(*q, _mm512_and_si512(bits, mask));
        }
    }
    if BITS == 6 {
        let mask = _mm512_set1_epi8(48);
        for half in 0..2 {
            let bits = load(&lines[4 + half]);
            let upper = [
                _mm512_slli_epi16::<4>(bits),
                _mm512_slli_epi16::<2>(bits),
                bits,
                _mm512_srli_epi16::<2>(bits),
            ];
            for (q, bits) in quants[4 * half..].iter_mut().zip(upper) {
                *q = _mm512_or_si512(*q, _mm512_and_si512(bits, mask));
            }
        }
    }
    if BITS == LOOKUP {
        // SAFETY: 16 bytes.
        let table = unsafe { unaligned::read(table.as_ptr().cast::<__m128i>()) };
        let table = _mm512_broadcast_i32x4(table);
        for q in &mut quants {
            *q = _mm512_shuffle_epi8(table, *q);
        }
    }
    quants
}

/// Half a line of f16.
#[inline]
#[target_feature(enable = "avx512f")]
fn halves(line: &Line, half: usize) -> __m512 {
    let bytes = &line.0[32 * half..][..32];
    // SAFETY: 32 bytes.
    _mm512_cvtph_ps(unsafe { unaligned::read(bytes.as_ptr().cast::<__m256i>()) })
}

/// Reads the scales of a group where a block begins one; those that are f16 of blocks are taken as they are
/// (see [`affine`]).
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn read(group: &mut Group, form: Form, block: &Block<'_>) {
    if block.begins && !matches!(form.scales, Scales::Affine | Scales::Centred(_)) {
        read_group(group, form, block.scales);
    }
}

#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw")]
fn read_group(group: &mut Group, form: Form, lines: &[Line]) {
    group.read(form, lines, |bytes| {
        let mut floats = [0.0; TILE];
        // SAFETY: 32 bytes, and 16 floats.
        unsafe {
            let halves = unaligned::read(bytes.as_ptr().cast::<__m256i>());
            unaligned::write(
                floats.as_mut_ptr().cast::<__m512>(),
                _mm512_cvtph_ps(halves),
            );
        }
        floats
    });
}

#[inline]
#[target_feature(enable = "avx512f")]
fn floats(x: &[f32; TILE]) -> __m512 {
    // SAFETY: 16 floats.
    unsafe { unaligned::read(x.as_ptr().cast::<__m512>()) }
}

/// Dots of the block's 16 rows with 32 activations, of each half block.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dots(weights: &[__m512i; 8], q: &[i8]) -> [__m512i; 2] {
    let x = |g: usize| {
        let bytes = &q[4 * g..][..4];
        // SAFETY: 4 bytes.
        _mm512_set1_epi32(unsafe { unaligned::read(bytes.as_ptr().cast::<i32>()) })
    };
    // Two chains: the instruction takes several cycles.
    let mut first = _mm512_setzero_si512();
    let mut second = _mm512_setzero_si512();
    for g in 0..4 {
        first = _mm512_dpbusd_epi32(first, weights[g], x(g));
        second = _mm512_dpbusd_epi32(second, weights[4 + g], x(4 + g));
    }
    [first, second]
}

/// Scales and offsets of a block, of its halves where they have their own.
pub(super) type Affine = [(__m512, __m512); 2];

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn affine<const BITS: u8>(form: Form, block: &Block<'_>, group: &Group) -> Affine {
    let at = block.at;
    match (BITS, form.scales) {
        (6, _) => [
            (floats(&group.d[2 * at]), _mm512_setzero_ps()),
            (floats(&group.d[2 * at + 1]), _mm512_setzero_ps()),
        ],
        (_, Scales::Affine) => {
            let line = &block.scales[0];
            [(halves(line, 0), halves(line, 1)); 2]
        }
        (_, Scales::Centred(by)) => {
            let d = halves(&block.scales[0], at);
            [(d, _mm512_mul_ps(d, _mm512_set1_ps(-f32::from(by)))); 2]
        }
        _ => [(floats(&group.d[at]), floats(&group.m[at])); 2],
    }
}

/// `out += d·xd·dot + m·xsum`; of six bits `m = −32·d`.
#[inline]
#[target_feature(enable = "avx512f")]
fn scale<const BITS: u8>(
    out: __m512,
    [first, second]: [__m512i; 2],
    affine: &Affine,
    xd: f32,
    sum: Sums,
) -> __m512 {
    let xd = _mm512_set1_ps(xd);
    if BITS == 6 {
        let add = |out, dot, d, sum: f32| {
            let shifted = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), xd, _mm512_set1_ps(-32.0 * sum));
            _mm512_fmadd_ps(d, shifted, out)
        };
        let out = add(out, first, affine[0].0, sum.first);
        return add(out, second, affine[1].0, sum.all - sum.first);
    }
    let (d, m) = affine[0];
    let dot = _mm512_cvtepi32_ps(_mm512_add_epi32(first, second));
    let out = _mm512_fmadd_ps(dot, _mm512_mul_ps(d, xd), out);
    _mm512_fmadd_ps(m, _mm512_set1_ps(sum.all), out)
}

/// Decoding, and verifying what is drafted: the sums of `N` activation rows stay in registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn few<const BITS: u8, const N: usize>(
    tile: &Tile<'_>,
    group: &mut Group,
    x: Panel<'_>,
    out: &mut [[f32; TILE]],
) {
    let table = tile.form.quants.table();
    let mut total = [_mm512_setzero_ps(); N];
    let activations = x.q.chunks_exact(N * BLOCK);
    let scales = x.d.chunks_exact(N).zip(x.sum.chunks_exact(N));
    for ((block, q), (d, sum)) in tile.blocks().zip(activations).zip(scales) {
        if block.begins {
            prefetch(block.scales);
        }
        prefetch(block.quants);
        read(group, tile.form, &block);
        let weights = unpack::<BITS>(block.quants, table);
        let affine = affine::<BITS>(tile.form, &block, group);
        for n in 0..N {
            let dots = dots(&weights, &q[n * BLOCK..][..BLOCK]);
            total[n] = scale::<BITS>(total[n], dots, &affine, d[n], sum[n]);
        }
    }
    for (out, total) in out.iter_mut().zip(total) {
        // SAFETY: 16 floats.
        unsafe { unaligned::write(out.as_mut_ptr().cast::<__m512>(), total) };
    }
}

/// Prefill: a block's weights stay in registers while all activation rows of the panel pass by.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn many<const BITS: u8>(tile: &Tile<'_>, group: &mut Group, x: Panel<'_>, out: &mut [[f32; TILE]]) {
    let table = tile.form.quants.table();
    let out = &mut out[..x.rows];
    out.as_flattened_mut().fill(0.0);
    let activations = x.q.chunks_exact(x.rows * BLOCK);
    let scales = x.d.chunks_exact(x.rows).zip(x.sum.chunks_exact(x.rows));
    for ((block, q), (d, sum)) in tile.blocks().zip(activations).zip(scales) {
        if x.rows <= DRAFTED {
            prefetch(block.quants);
        }
        read(group, tile.form, &block);
        let weights = unpack::<BITS>(block.quants, table);
        let affine = affine::<BITS>(tile.form, &block, group);
        let rows = out.iter_mut().zip(q.chunks_exact(BLOCK));
        for ((out, q), (d, sum)) in rows.zip(d.iter().zip(sum)) {
            let dots = dots(&weights, q);
            // SAFETY: 16 floats.
            unsafe {
                let total = unaligned::read(out.as_ptr().cast::<__m512>());
                let total = scale::<BITS>(total, dots, &affine, *d, *sum);
                unaligned::write(out.as_mut_ptr().cast::<__m512>(), total);
            }
        }
    }
}
