//! AVX2 (with FMA and F16C).
//!
//! `vpmaddubsw` multiplies 32 unsigned weights by 32 signed activations and adds neighbours in i16,
//! saturating. Nibbles are at most 15, so a pair is at most 2·15·127 = 3,810 and all eight pairs of a
//! block of 32 columns fit into i16: one `vpmaddwd` per block widens them. With a fifth bit four pairs
//! fit (31,496). Bytes are taken as two nibbles, `q = 16·high + low`, and that `vpmaddwd` multiplies
//! by 16; so are five bits in prefill, and the quants of a table, each nibble from a table of its own.

#![allow(unsafe_code, reason = "intrinsics")]

use super::{
    activations::Panel,
    layout::{BLOCK, Form, LOOKUP, Line, TILE},
};
use std::arch::x86_64::*;

/// Lines to ask for ahead of use: 4 KiB.
const AHEAD: usize = 64;

/// Low and high nibbles, or the same columns of rows 0–7 and 8–15.
type Pair = (__m256i, __m256i);

/// See `portable::tile`.
///
/// # Safety
/// The CPU must have AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
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

/// Half a line: four columns of eight rows.
#[inline]
#[target_feature(enable = "avx2")]
fn load(line: &Line, half: usize) -> __m256i {
    let bytes = &line.0[32 * half..][..32];
    // SAFETY: 32 bytes, and a line is aligned to 64.
    unsafe { _mm256_load_si256(bytes.as_ptr().cast()) }
}

/// Asks for the block that is some blocks ahead, perhaps of the next tile: decoding waits for memory,
/// and the hardware looks ahead no further than a page.
#[inline]
#[target_feature(enable = "sse")]
pub(super) fn prefetch(block: &[Line]) {
    for line in block {
        // A prefetch is a hint: it never faults, so it may go beyond the matrix.
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(line).wrapping_add(AHEAD).cast());
    }
}

/// Low and high nibbles of all bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn nibbles(bytes: __m256i) -> Pair {
    let mask = _mm256_set1_epi8(15);
    (
        _mm256_and_si256(bytes, mask),
        _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), mask),
    )
}

/// A table's quants, as their low and high nibbles.
#[inline]
#[target_feature(enable = "avx2")]
fn looked_up(table: &[u8; 16]) -> Pair {
    // SAFETY: 16 bytes.
    let table = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
    nibbles(_mm256_broadcastsi128_si256(table))
}

/// Low and high nibbles of the quants at these places of the table.
#[inline]
#[target_feature(enable = "avx2")]
fn split(table: Pair, places: __m256i) -> Pair {
    (
        _mm256_shuffle_epi8(table.0, places),
        _mm256_shuffle_epi8(table.1, places),
    )
}

/// The fifth bits of column group `g`, at their place.
#[inline]
#[target_feature(enable = "avx2")]
fn fifth(bits: __m256i, g: usize) -> __m256i {
    let bit = _mm256_set1_epi8((1u8 << g) as i8);
    let set = _mm256_cmpeq_epi8(_mm256_and_si256(bits, bit), bit);
    _mm256_and_si256(set, _mm256_set1_epi8(16))
}

/// Behind the lines of a block that hold bytes or nibbles.
const fn quants_end(bits: u8) -> usize {
    if bits == 5 { 5 } else { Form::lines_of(bits) }
}

/// Scales and offsets of eight rows.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn affine(line: &Line, half: usize) -> (__m256, __m256) {
    let halves = |at: usize| {
        let bytes = &line.0[at..][..16];
        // SAFETY: 16 bytes.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
    };
    (halves(16 * half), halves(32 + 16 * half))
}

/// Four activations of a row, for all eight rows of weights.
#[inline]
#[target_feature(enable = "avx2")]
fn broadcast(q: &[i8], at: usize) -> __m256i {
    let bytes = &q[at..][..4];
    // SAFETY: 4 bytes.
    _mm256_set1_epi32(unsafe { bytes.as_ptr().cast::<i32>().read_unaligned() })
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_product(sum: &mut __m256i, weights: __m256i, x: __m256i) {
    *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(weights, x));
}

/// Integer dots of eight rows out of the i16 sums, times `weight`.
#[inline]
#[target_feature(enable = "avx2")]
fn widen(sums: __m256i, weight: i16) -> __m256i {
    _mm256_madd_epi16(sums, _mm256_set1_epi16(weight))
}

/// `out += d·xd·dot + m·xsum`
#[inline]
#[target_feature(enable = "avx2,fma")]
fn scale(out: __m256, dot: __m256i, (d, m): (__m256, __m256), xd: f32, xsum: f32) -> __m256 {
    let out = _mm256_fmadd_ps(
        _mm256_cvtepi32_ps(dot),
        _mm256_mul_ps(d, _mm256_set1_ps(xd)),
        out,
    );
    _mm256_fmadd_ps(m, _mm256_set1_ps(xsum), out)
}

/// Decoding: the sums of `N` activation rows stay in registers and weights are unpacked once.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn few<const BITS: u8, const N: usize>(
    lines: &[Line],
    table: &[u8; 16],
    x: Panel<'_>,
    out: &mut [[f32; TILE]],
) {
    let looked = looked_up(table);
    let mut total = [[_mm256_setzero_ps(); N]; 2];
    let activations = x.q.chunks_exact(N * BLOCK);
    let scales = x.d.chunks_exact(N).zip(x.sum.chunks_exact(N));
    for ((lines, q), (d, sum)) in lines
        .chunks_exact(Form::lines_of(BITS))
        .zip(activations)
        .zip(scales)
    {
        prefetch(lines);
        for (half, total) in total.iter_mut().enumerate() {
            let mut low = [_mm256_setzero_si256(); N];
            let mut high = [_mm256_setzero_si256(); N];
            for (g, line) in lines[1..quants_end(BITS)].iter().enumerate() {
                let (mut l, mut h) = nibbles(load(line, half));
                if BITS == 5 {
                    let bits = load(&lines[5], half);
                    l = _mm256_or_si256(l, fifth(bits, g));
                    h = _mm256_or_si256(h, fifth(bits, 4 + g));
                }
                if BITS == LOOKUP {
                    let (first, last) = (split(looked, l), split(looked, h));
                    for n in 0..N {
                        let at = n * BLOCK + 4 * g;
                        let (x, y) = (broadcast(q, at), broadcast(q, at + 16));
                        add_product(&mut low[n], first.0, x);
                        add_product(&mut high[n], first.1, x);
                        add_product(&mut low[n], last.0, y);
                        add_product(&mut high[n], last.1, y);
                    }
                    continue;
                }
                for n in 0..N {
                    let at = n * BLOCK + 4 * g;
                    add_product(&mut low[n], l, broadcast(q, at));
                    let at = if BITS == 8 { at } else { at + 16 };
                    add_product(&mut high[n], h, broadcast(q, at));
                }
            }
            let affine = affine(&lines[0], half);
            for n in 0..N {
                let dot = match BITS {
                    4 => widen(_mm256_add_epi16(low[n], high[n]), 1),
                    5 => _mm256_add_epi32(widen(low[n], 1), widen(high[n], 1)),
                    _ => _mm256_add_epi32(widen(low[n], 1), widen(high[n], 16)),
                };
                total[n] = scale(total[n], dot, affine, d[n], sum[n]);
            }
        }
    }
    for (n, out) in out.iter_mut().enumerate().take(N) {
        // SAFETY: 16 floats.
        unsafe {
            _mm256_storeu_ps(out.as_mut_ptr(), total[0][n]);
            _mm256_storeu_ps(out.as_mut_ptr().add(8), total[1][n]);
        }
    }
}

/// A block's nibbles, unpacked: eight pairs, each against the same four activations. Of nibbles, a
/// pair is rows 0–7 and 8–15; of more bits, the low and high nibbles of eight rows (hence two of these).
#[repr(align(32))]
struct Unpacked([[u8; 64]; 8]);

/// Prefill: per block, unpack once, then four activation rows at a time.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn many<const BITS: u8>(lines: &[Line], table: &[u8; 16], x: Panel<'_>, out: &mut [[f32; TILE]]) {
    let looked = looked_up(table);
    let out = &mut out[..x.rows];
    out.as_flattened_mut().fill(0.0);
    let mut unpacked = Unpacked([[0; 64]; 8]);
    let activations = x.q.chunks_exact(x.rows * BLOCK);
    let scales = x.d.chunks_exact(x.rows).zip(x.sum.chunks_exact(x.rows));
    for ((lines, q), (d, sum)) in lines
        .chunks_exact(Form::lines_of(BITS))
        .zip(activations)
        .zip(scales)
    {
        let affine = [affine(&lines[0], 0), affine(&lines[0], 1)];
        for half in 0..if BITS == 4 { 1 } else { 2 } {
            if BITS == 8 {
                for (line, to) in lines[1..].iter().zip(&mut unpacked.0) {
                    store(to, nibbles(load(line, half)));
                }
            } else if BITS == 5 {
                // As bytes, of which the fifth bit is the high nibble.
                let bits = load(&lines[5], half);
                for (g, line) in lines[1..5].iter().enumerate() {
                    let (l, h) = nibbles(load(line, half));
                    let high = |g| _mm256_srli_epi16::<4>(fifth(bits, g));
                    store(&mut unpacked.0[g], (l, high(g)));
                    store(&mut unpacked.0[4 + g], (h, high(4 + g)));
                }
            } else if BITS == LOOKUP {
                for (g, line) in lines[1..].iter().enumerate() {
                    let (l, h) = nibbles(load(line, half));
                    store(&mut unpacked.0[g], split(looked, l));
                    store(&mut unpacked.0[4 + g], split(looked, h));
                }
            } else {
                for (g, line) in lines[1..].iter().enumerate() {
                    let (l0, h0) = nibbles(load(line, 0));
                    let (l1, h1) = nibbles(load(line, 1));
                    store(&mut unpacked.0[g], (l0, l1));
                    store(&mut unpacked.0[4 + g], (h0, h1));
                }
            }
            let mut i = 0;
            while i + 4 <= x.rows {
                rows::<BITS, 4>(&unpacked, affine, half, q, d, sum, i, out);
                i += 4;
            }
            while i < x.rows {
                rows::<BITS, 1>(&unpacked, affine, half, q, d, sum, i, out);
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
    affine: [(__m256, __m256); 2],
    half: usize,
    q: &[i8],
    d: &[f32],
    sum: &[f32],
    i: usize,
    out: &mut [[f32; TILE]],
) {
    let q = &q[i * BLOCK..][..N * BLOCK];
    let (d, sum, out) = (&d[i..][..N], &sum[i..][..N], &mut out[i..][..N]);
    let mut first = [_mm256_setzero_si256(); N];
    let mut second = [_mm256_setzero_si256(); N];
    for (g, pair) in weights.0.iter().enumerate() {
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
        let mut add = |half: usize, dot| {
            let out = &mut out[n][8 * half..][..8];
            // SAFETY: 8 floats.
            unsafe {
                let total = _mm256_loadu_ps(out.as_ptr());
                let total = scale(total, dot, affine[half], d[n], sum[n]);
                _mm256_storeu_ps(out.as_mut_ptr(), total);
            }
        };
        if BITS != 4 {
            add(
                half,
                _mm256_add_epi32(widen(first[n], 1), widen(second[n], 16)),
            );
        } else {
            add(0, widen(first[n], 1));
            add(1, widen(second[n], 1));
        }
    }
}
