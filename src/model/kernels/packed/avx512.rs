//! AVX-512 with VNNI: one `vpdpbusd` multiplies four columns of all 16 rows by four broadcast
//! activations and adds them up in i32, without saturation.

use super::{
    activations::Panel,
    avx2::prefetch,
    layout::{BLOCK, Form, Line, TILE},
};
use std::arch::x86_64::*;

/// See `portable::tile`.
///
/// # Safety
/// The CPU must have AVX-512 F, BW and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub unsafe fn tile(form: Form, lines: &[Line], x: Panel<'_>, out: &mut [[f32; TILE]]) {
    match (form, x.rows) {
        (Form::U4, 1) => few::<false, 1>(lines, x, out),
        (Form::U4, 2) => few::<false, 2>(lines, x, out),
        (Form::U4, 3) => few::<false, 3>(lines, x, out),
        (Form::U4, _) => many::<false>(lines, x, out),
        (Form::U8, 1) => few::<true, 1>(lines, x, out),
        (Form::U8, 2) => few::<true, 2>(lines, x, out),
        (Form::U8, 3) => few::<true, 3>(lines, x, out),
        (Form::U8, _) => many::<true>(lines, x, out),
    }
}

const fn lines_of(bytes: bool) -> usize {
    if bytes {
        Form::U8.lines()
    } else {
        Form::U4.lines()
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
fn unpack<const BYTES: bool>(lines: &[Line]) -> [__m512i; 8] {
    let mut quants = [_mm512_setzero_si512(); 8];
    if BYTES {
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
fn few<const BYTES: bool, const N: usize>(lines: &[Line], x: Panel<'_>, out: &mut [[f32; TILE]]) {
    let mut total = [_mm512_setzero_ps(); N];
    let activations = x.q.chunks_exact(N * BLOCK);
    let scales = x.d.chunks_exact(N).zip(x.sum.chunks_exact(N));
    for ((lines, q), (d, sum)) in lines
        .chunks_exact(lines_of(BYTES))
        .zip(activations)
        .zip(scales)
    {
        prefetch(lines);
        let weights = unpack::<BYTES>(lines);
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
fn many<const BYTES: bool>(lines: &[Line], x: Panel<'_>, out: &mut [[f32; TILE]]) {
    let out = &mut out[..x.rows];
    out.as_flattened_mut().fill(0.0);
    let activations = x.q.chunks_exact(x.rows * BLOCK);
    let scales = x.d.chunks_exact(x.rows).zip(x.sum.chunks_exact(x.rows));
    for ((lines, q), (d, sum)) in lines
        .chunks_exact(lines_of(BYTES))
        .zip(activations)
        .zip(scales)
    {
        let weights = unpack::<BYTES>(lines);
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
