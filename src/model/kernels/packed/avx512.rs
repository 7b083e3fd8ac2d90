//! AVX-512 with VNNI: one `vpdpbusd` multiplies four columns of all 16 rows by four broadcast
//! activations and adds them up in i32, without saturation.

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
/// The CPU must have AVX-512 F, BW and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub unsafe fn tile(form: Form, lines: &[Line], x: Panel<'_>, out: &mut [[f32; TILE]]) {
    let table = form.table();
    match (form, x.rows) {
        (Form::U4, 1) => few::<4, 1>(lines, table, x, out),
        (Form::U4, 2) => few::<4, 2>(lines, table, x, out),
        (Form::U4, 3) => few::<4, 3>(lines, table, x, out),
        (Form::U4, _) => many::<4>(lines, table, x, out),
        (Form::U5, 1) => few::<5, 1>(lines, table, x, out),
        (Form::U5, 2) => few::<5, 2>(lines, table, x, out),
        (Form::U5, 3) => few::<5, 3>(lines, table, x, out),
        (Form::U5, _) => many::<5>(lines, table, x, out),
        (Form::U8, 1) => few::<8, 1>(lines, table, x, out),
        (Form::U8, 2) => few::<8, 2>(lines, table, x, out),
        (Form::U8, 3) => few::<8, 3>(lines, table, x, out),
        (Form::U8, _) => many::<8>(lines, table, x, out),
        (Form::T4(_), 1) => few::<LOOKUP, 1>(lines, table, x, out),
        (Form::T4(_), 2) => few::<LOOKUP, 2>(lines, table, x, out),
        (Form::T4(_), 3) => few::<LOOKUP, 3>(lines, table, x, out),
        (Form::T4(_), _) => many::<LOOKUP>(lines, table, x, out),
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
fn unpack<const BITS: u8>(lines: &[Line], table: &[u8; 16]) -> [__m512i; 8] {
    let mut quants = [_mm512_setzero_si512(); 8];
    if BITS == 8 {
        for (q, line) in quants.iter_mut().zip(&lines[1..]) {
            *q = load(line);
        }
    } else {
        let mask = _mm512_set1_epi8(15);
        for (g, line) in lines[1..].iter().enumerate().take(4) {
            let bytes = load(line);
            quants[g] = _mm512_and_si512(bytes, mask);
            quants[4 + g] = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), mask);
        }
        if BITS == 5 {
            let bits = load(&lines[5]);
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
        if BITS == LOOKUP {
            // SAFETY: 16 bytes.
            let table = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
            let table = _mm512_broadcast_i32x4(table);
            for q in &mut quants {
                *q = _mm512_shuffle_epi8(table, *q);
            }
        }
    }
    quants
}

/// Scales and offsets of the 16 rows.
#[inline]
#[target_feature(enable = "avx512f")]
fn affine(line: &Line) -> (__m512, __m512) {
    let halves = |at: usize| {
        let bytes = &line.0[at..][..32];
        // SAFETY: 32 bytes.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) })
    };
    (halves(0), halves(32))
}

/// Dots of the block's 16 rows with 32 activations.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dot(weights: &[__m512i; 8], q: &[i8]) -> __m512i {
    let x = |g: usize| {
        let bytes = &q[4 * g..][..4];
        // SAFETY: 4 bytes.
        _mm512_set1_epi32(unsafe { bytes.as_ptr().cast::<i32>().read_unaligned() })
    };
    // Two chains: the instruction takes several cycles.
    let mut even = _mm512_setzero_si512();
    let mut odd = _mm512_setzero_si512();
    for g in 0..4 {
        even = _mm512_dpbusd_epi32(even, weights[2 * g], x(2 * g));
        odd = _mm512_dpbusd_epi32(odd, weights[2 * g + 1], x(2 * g + 1));
    }
    _mm512_add_epi32(even, odd)
}

/// `out += d·xd·dot + m·xsum`
#[inline]
#[target_feature(enable = "avx512f")]
fn scale(out: __m512, dot: __m512i, (d, m): (__m512, __m512), xd: f32, xsum: f32) -> __m512 {
    let out = _mm512_fmadd_ps(
        _mm512_cvtepi32_ps(dot),
        _mm512_mul_ps(d, _mm512_set1_ps(xd)),
        out,
    );
    _mm512_fmadd_ps(m, _mm512_set1_ps(xsum), out)
}

/// Decoding: the sums of `N` activation rows stay in registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn few<const BITS: u8, const N: usize>(
    lines: &[Line],
    table: &[u8; 16],
    x: Panel<'_>,
    out: &mut [[f32; TILE]],
) {
    let mut total = [_mm512_setzero_ps(); N];
    let activations = x.q.chunks_exact(N * BLOCK);
    let scales = x.d.chunks_exact(N).zip(x.sum.chunks_exact(N));
    for ((lines, q), (d, sum)) in lines
        .chunks_exact(Form::lines_of(BITS))
        .zip(activations)
        .zip(scales)
    {
        prefetch(lines);
        let weights = unpack::<BITS>(lines, table);
        let affine = affine(&lines[0]);
        for n in 0..N {
            let dot = dot(&weights, &q[n * BLOCK..][..BLOCK]);
            total[n] = scale(total[n], dot, affine, d[n], sum[n]);
        }
    }
    for (out, total) in out.iter_mut().zip(total) {
        // SAFETY: 16 floats.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), total) };
    }
}

/// Prefill: a block's weights stay in registers while all activation rows of the panel pass by.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn many<const BITS: u8>(lines: &[Line], table: &[u8; 16], x: Panel<'_>, out: &mut [[f32; TILE]]) {
    let out = &mut out[..x.rows];
    out.as_flattened_mut().fill(0.0);
    let activations = x.q.chunks_exact(x.rows * BLOCK);
    let scales = x.d.chunks_exact(x.rows).zip(x.sum.chunks_exact(x.rows));
    for ((lines, q), (d, sum)) in lines
        .chunks_exact(Form::lines_of(BITS))
        .zip(activations)
        .zip(scales)
    {
        let weights = unpack::<BITS>(lines, table);
        let affine = affine(&lines[0]);
        let rows = out.iter_mut().zip(q.chunks_exact(BLOCK));
        for ((out, q), (d, sum)) in rows.zip(d.iter().zip(sum)) {
            let dot = dot(&weights, q);
            // SAFETY: 16 floats.
            unsafe {
                let total = _mm512_loadu_ps(out.as_ptr());
                let total = scale(total, dot, affine, *d, *sum);
                _mm512_storeu_ps(out.as_mut_ptr(), total);
            }
        }
    }
}
