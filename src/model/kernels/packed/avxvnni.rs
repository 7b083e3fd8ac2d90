//! AVX-VNNI: `vpdpbusd` on 256-bit registers, for CPUs with VNNI but without AVX-512.

#![allow(unsafe_code, reason = "intrinsics")]

use super::{
    activations::Panel,
    avx2::prefetch,
    layout::{BLOCK, Form, LOOKUP, Line, TILE},
};
use std::arch::x86_64::*;

/// See `portable::tile`.
///
/// # Safety
/// The CPU must have AVX2, FMA, F16C and AVX-VNNI.
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
pub unsafe fn tile(form: Form, lines: &[Line], x: Panel<'_>, out: &mut [[f32; TILE]]) {
    let table = form.table();
    match form {
        Form::U4 => blocks::<4>(lines, table, x, out),
        Form::U5 => blocks::<5>(lines, table, x, out),
        Form::U8 => blocks::<8>(lines, table, x, out),
        Form::T4(_) => blocks::<LOOKUP>(lines, table, x, out),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(line: &Line, half: usize) -> __m256i {
    let bytes = &line.0[32 * half..][..32];
    // SAFETY: 32 bytes, and a line is aligned to 64.
    unsafe { _mm256_load_si256(bytes.as_ptr().cast()) }
}

/// Half a block's rows as bytes, `[g]` being columns `4g..4g + 4` of eight rows.
#[inline]
#[target_feature(enable = "avx2")]
fn unpack<const BITS: u8>(lines: &[Line], table: &[u8; 16], half: usize) -> [__m256i; 8] {
    let mut quants = [_mm256_setzero_si256(); 8];
    if BITS == 8 {
        for (q, line) in quants.iter_mut().zip(&lines[1..]) {
            *q = load(line, half);
        }
    } else {
        let mask = _mm256_set1_epi8(15);
        for (g, line) in lines[1..].iter().enumerate().take(4) {
            let bytes = load(line, half);
            quants[g] = _mm256_and_si256(bytes, mask);
            quants[4 + g] = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), mask);
        }
        if BITS == 5 {
            let bits = load(&lines[5], half);
            let fifth = [
                _mm256_slli_epi16::<4>(bits),
                _mm256_slli_epi16::<3>(bits),
                _mm256_slli_epi16::<2>(bits),
                _mm256_slli_epi16::<1>(bits),
                bits,
                _mm256_srli_epi16::<1>(bits),
                _mm256_srli_epi16::<2>(bits),
                _mm256_srli_epi16::<3>(bits),
            ];
            let mask = _mm256_set1_epi8(16);
            for (q, bits) in quants.iter_mut().zip(fifth) {
                *q = _mm256_or_si256(*q, _mm256_and_si256(bits, mask));
            }
        }
        if BITS == LOOKUP {
            // SAFETY: 16 bytes.
            let table = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
            let table = _mm256_broadcastsi128_si256(table);
            for q in &mut quants {
                *q = _mm256_shuffle_epi8(table, *q);
            }
        }
    }
    quants
}

/// Scales or offsets of eight rows.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn halves(line: &Line, at: usize) -> __m256 {
    let bytes = &line.0[at..][..16];
    // SAFETY: 16 bytes.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

/// Dots of eight rows with 32 activations.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn dot(weights: &[__m256i; 8], q: &[i8]) -> __m256i {
    let x = |g: usize| {
        let bytes = &q[4 * g..][..4];
        // SAFETY: 4 bytes.
        _mm256_set1_epi32(unsafe { bytes.as_ptr().cast::<i32>().read_unaligned() })
    };
    // Two chains: the instruction takes several cycles.
    let mut even = _mm256_setzero_si256();
    let mut odd = _mm256_setzero_si256();
    for g in 0..4 {
        even = _mm256_dpbusd_avx_epi32(even, weights[2 * g], x(2 * g));
        odd = _mm256_dpbusd_avx_epi32(odd, weights[2 * g + 1], x(2 * g + 1));
    }
    _mm256_add_epi32(even, odd)
}

/// Half a block's weights stay in registers while the activation rows of the panel pass by.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,avxvnni")]
fn blocks<const BITS: u8>(lines: &[Line], table: &[u8; 16], x: Panel<'_>, out: &mut [[f32; TILE]]) {
    let out = &mut out[..x.rows];
    out.as_flattened_mut().fill(0.0);
    let activations = x.q.chunks_exact(x.rows * BLOCK);
    let scales = x.d.chunks_exact(x.rows).zip(x.sum.chunks_exact(x.rows));
    for ((lines, q), (d, sum)) in lines
        .chunks_exact(Form::lines_of(BITS))
        .zip(activations)
        .zip(scales)
    {
        if x.rows < 4 {
            prefetch(lines);
        }
        for half in 0..2 {
            let weights = unpack::<BITS>(lines, table, half);
            let wd = halves(&lines[0], 16 * half);
            let wm = halves(&lines[0], 32 + 16 * half);
            let rows = out.iter_mut().zip(q.chunks_exact(BLOCK));
            for ((out, q), (d, sum)) in rows.zip(d.iter().zip(sum)) {
                let dot = _mm256_cvtepi32_ps(dot(&weights, q));
                let out = &mut out[8 * half..][..8];
                // SAFETY: 8 floats.
                unsafe {
                    let total = _mm256_loadu_ps(out.as_ptr());
                    let total = _mm256_fmadd_ps(dot, _mm256_mul_ps(wd, _mm256_set1_ps(*d)), total);
                    let total = _mm256_fmadd_ps(wm, _mm256_set1_ps(*sum), total);
                    _mm256_storeu_ps(out.as_mut_ptr(), total);
                }
            }
        }
    }
}
