//! AVX2 (with FMA and F16C).
//!
//! `vpmaddubsw` multiplies 32 unsigned weights by 32 signed activations and adds neighbours in i16,
//! saturating. Nibbles are at most 15, so a pair is at most 2·15·127 = 3,810 and all eight pairs of a
//! block of 32 columns fit into i16: one `vpmaddwd` per block widens them. With a fifth bit four pairs
//! fit (31,496), with six bits two (32,004). Bytes are taken as two nibbles, `q = 16·high + low`, and that
//! `vpmaddwd` multiplies by 16; so are five and six bits in prefill, and the quants of a table, each nibble
//! from a table of its own.

#![allow(unsafe_code, reason = "intrinsics")]

mod many;

use super::{
    activations::{Panel, Sums},
    dispatch::Tile,
    layout::{BLOCK, Form, LOOKUP, Line, Quants, TILE},
    scales::Group,
};
use many::many;
use std::arch::x86_64::*;

/// Lines to ask for ahead of use: 4 KiB.
const AHEAD: usize = 64;
/// Rows of a panel up to which they wait for memory rather than for the sums: decoding, with what is
/// drafted.
pub(super) const DRAFTED: usize = 16;

/// Low and high nibbles, or the same columns of rows 0–7 and 8–15.
type Pair = (__m256i, __m256i);

/// See `portable::tile`.
///
/// # Safety
/// The CPU must have AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn tile(tile: &Tile<'_>, group: &mut Group, x: Panel<'_>, out: &mut [[f32; TILE]]) {
    match (tile.form.quants, x.rows) {
        (Quants::U4, 1) => few::<4, 1>(tile, group, x, out),
        (Quants::U4, 2) => few::<4, 2>(tile, group, x, out),
        (Quants::U4, 3) => few::<4, 3>(tile, group, x, out),
        (Quants::U4, _) => many::<4>(tile, group, x, out),
        (Quants::U5, 1) => few::<5, 1>(tile, group, x, out),
        (Quants::U5, 2) => few::<5, 2>(tile, group, x, out),
        (Quants::U5, 3) => few::<5, 3>(tile, group, x, out),
        (Quants::U5, _) => many::<5>(tile, group, x, out),
        (Quants::U6, 1) => few::<6, 1>(tile, group, x, out),
        (Quants::U6, 2) => few::<6, 2>(tile, group, x, out),
        (Quants::U6, 3) => few::<6, 3>(tile, group, x, out),
        (Quants::U6, _) => many::<6>(tile, group, x, out),
        (Quants::U8, 1) => few::<8, 1>(tile, group, x, out),
        (Quants::U8, 2) => few::<8, 2>(tile, group, x, out),
        (Quants::U8, 3) => few::<8, 3>(tile, group, x, out),
        (Quants::U8, _) => many::<8>(tile, group, x, out),
        (Quants::T4(_), 1) => few::<LOOKUP, 1>(tile, group, x, out),
        (Quants::T4(_), 2) => few::<LOOKUP, 2>(tile, group, x, out),
        (Quants::T4(_), 3) => few::<LOOKUP, 3>(tile, group, x, out),
        (Quants::T4(_), _) => many::<LOOKUP>(tile, group, x, out),
    }
}

/// Half a line: four columns of eight rows.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load(line: &Line, half: usize) -> __m256i {
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

/// The upper two bits of six, at their place, of the four groups of columns of half a block.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn upper(bits: __m256i) -> [__m256i; 4] {
    let mask = _mm256_set1_epi8(48);
    [
        _mm256_and_si256(_mm256_slli_epi16::<4>(bits), mask),
        _mm256_and_si256(_mm256_slli_epi16::<2>(bits), mask),
        _mm256_and_si256(bits, mask),
        _mm256_and_si256(_mm256_srli_epi16::<2>(bits), mask),
    ]
}

/// Lines of a block that hold bytes or nibbles.
const fn nibble_lines(bits: u8) -> usize {
    if bits == 8 { 8 } else { 4 }
}

/// The scales of a group.
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn read(group: &mut Group, form: Form, lines: &[Line]) {
    group.read(form, lines, |bytes| {
        let mut floats = [0.0; TILE];
        for (to, from) in floats.chunks_exact_mut(8).zip(bytes.chunks_exact(16)) {
            // SAFETY: 16 bytes, and 8 floats.
            unsafe {
                let halves = _mm_loadu_si128(from.as_ptr().cast());
                _mm256_storeu_ps(to.as_mut_ptr(), _mm256_cvtph_ps(halves));
            }
        }
        floats
    });
}

/// Those of eight rows.
#[inline]
#[target_feature(enable = "avx2")]
fn eight(x: &[f32; TILE], half: usize) -> __m256 {
    let x = &x[8 * half..][..8];
    // SAFETY: 8 floats.
    unsafe { _mm256_loadu_ps(x.as_ptr()) }
}

/// Scales and offsets of a block's eight rows, of its halves where they have their own.
pub(super) type Affine = [(__m256, __m256); 2];

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn affine<const BITS: u8>(group: &Group, at: usize, half: usize) -> Affine {
    match BITS {
        6 => [2 * at, 2 * at + 1].map(|of| (eight(&group.d[of], half), _mm256_setzero_ps())),
        _ => [(eight(&group.d[at], half), eight(&group.m[at], half)); 2],
    }
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

/// `out += d·xd·dot + m·xsum`; of six bits, `dots` are those of half blocks and
/// `m = −32·d`, else the first is all.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn scale<const BITS: u8>(
    out: __m256,
    dots: [__m256i; 2],
    affine: &Affine,
    xd: f32,
    sum: Sums,
) -> __m256 {
    let xd = _mm256_set1_ps(xd);
    if BITS == 6 {
        let add = |out, dot, d, sum: f32| {
            let shifted = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), xd, _mm256_set1_ps(-32.0 * sum));
            _mm256_fmadd_ps(d, shifted, out)
        };
        let out = add(out, dots[0], affine[0].0, sum.first);
        return add(out, dots[1], affine[1].0, sum.all - sum.first);
    }
    let (d, m) = affine[0];
    let out = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[0]), _mm256_mul_ps(d, xd), out);
    _mm256_fmadd_ps(m, _mm256_set1_ps(sum.all), out)
}

/// Decoding: the sums of `N` activation rows stay in registers and weights are unpacked once.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn few<const BITS: u8, const N: usize>(
    tile: &Tile<'_>,
    group: &mut Group,
    x: Panel<'_>,
    out: &mut [[f32; TILE]],
) {
    let looked = looked_up(tile.form.quants.table());
    let mut total = [[_mm256_setzero_ps(); N]; 2];
    let activations = x.q.chunks_exact(N * BLOCK);
    let scales = x.d.chunks_exact(N).zip(x.sum.chunks_exact(N));
    for ((block, q), (d, sum)) in tile.blocks.clone().zip(activations).zip(scales) {
        let (lines, place) = tile.block(block, group, |group, lines| {
            prefetch(lines);
            read(group, tile.form, lines);
        });
        prefetch(lines);
        for (half, total) in total.iter_mut().enumerate() {
            let mut low = [_mm256_setzero_si256(); N];
            let mut high = [_mm256_setzero_si256(); N];
            // Of six bits.
            let mut wide = [[_mm256_setzero_si256(); 2]; N];
            for (g, line) in lines[..nibble_lines(BITS)].iter().enumerate() {
                let (mut l, mut h) = nibbles(load(line, half));
                if BITS == 5 {
                    let bits = load(&lines[4], half);
                    l = _mm256_or_si256(l, fifth(bits, g));
                    h = _mm256_or_si256(h, fifth(bits, 4 + g));
                }
                if BITS == 6 {
                    let bits = [4, 5].map(|line| upper(load(&lines[line], half)));
                    l = _mm256_or_si256(l, bits[0][g % 4]);
                    h = _mm256_or_si256(h, bits[1][g % 4]);
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
                if BITS == 6 && g % 2 == 1 {
                    for n in 0..N {
                        for (wide, sums) in wide[n].iter_mut().zip([&mut low[n], &mut high[n]]) {
                            *wide = _mm256_add_epi32(*wide, widen(*sums, 1));
                            *sums = _mm256_setzero_si256();
                        }
                    }
                }
            }
            let affine = affine::<BITS>(group, place, half);
            for n in 0..N {
                let dots = match BITS {
                    4 => [widen(_mm256_add_epi16(low[n], high[n]), 1); 2],
                    5 => [_mm256_add_epi32(widen(low[n], 1), widen(high[n], 1)); 2],
                    6 => wide[n],
                    _ => [_mm256_add_epi32(widen(low[n], 1), widen(high[n], 16)); 2],
                };
                total[n] = scale::<BITS>(total[n], dots, &affine, d[n], sum[n]);
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
