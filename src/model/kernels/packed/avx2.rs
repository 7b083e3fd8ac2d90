//! AVX2 (with FMA and F16C).
//!
//! `vpmaddubsw` multiplies 32 unsigned weights by 32 signed activations and adds neighbours in i16,
//! saturating. Nibbles are at most 15, so a pair is at most 2·15·127 = 3,810 and all eight pairs of a
//! block of 32 columns fit into i16: one `vpmaddwd` per block widens them. With a fifth bit four pairs
//! fit (31,496). Of six bits, 16-bit sums begin with −32 times the activations that meet in them, so that
//! those of four pairs end at what the centred weights give, −32..31 each: that fits (32,512), and on the way
//! they may wrap around. Bytes are taken as two nibbles, `q = 16·high + low`, and that `vpmaddwd` multiplies
//! by 16; so are the quants of a table, each nibble from a table of its own.

#![allow(unsafe_code, reason = "intrinsics")]

mod many;

use super::{
    activations::{Centre, Panel, Sums},
    dispatch::{Block, Tile},
    layout::{BLOCK, Form, LOOKUP, Line, Quants, Scales, TILE},
    scales::Group,
};
use crate::model::kernels::unaligned;
use many::many;
use std::arch::x86_64::*;

/// Lines to ask for ahead of use: 8 KiB.
const AHEAD: usize = 128;
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
/// and the hardware looks ahead no further than a page. To the second level: the first has too few places for
/// what is on its way (16 lines on a Xeon, a third of what it can have from memory meanwhile).
#[inline]
#[target_feature(enable = "sse")]
pub(super) fn prefetch(block: &[Line]) {
    for line in block {
        // A prefetch is a hint: it never faults, so it may go beyond the matrix.
        _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(line).wrapping_add(AHEAD).cast());
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
    let table = unsafe { unaligned::read(table.as_ptr().cast::<__m128i>()) };
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

/// The upper two bits of six, at their place, of the four groups of columns of half a block.
#[inline]
#[target_feature(enable = "avx2")]
fn upper(bits: __m256i) -> [__m256i; 4] {
    let mask = _mm256_set1_epi8(48);
    [
        _mm256_and_si256(_mm256_slli_epi16::<4>(bits), mask),
        _mm256_and_si256(_mm256_slli_epi16::<2>(bits), mask),
        _mm256_and_si256(bits, mask),
        _mm256_and_si256(_mm256_srli_epi16::<2>(bits), mask),
    ]
}

/// Eight rows of quants of four to six bits, or of places in a table, as bytes, `[g]` being columns `4g..4g + 4`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn bytes<const BITS: u8>(lines: &[Line], half: usize) -> [__m256i; 8] {
    let mut quants = [_mm256_setzero_si256(); 8];
    for (g, line) in lines[..4].iter().enumerate() {
        (quants[g], quants[4 + g]) = nibbles(load(line, half));
    }
    if BITS == 5 {
        let bits = load(&lines[4], half);
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
    if BITS == 6 {
        for of in 0..2 {
            let bits = upper(load(&lines[4 + of], half));
            for (q, bits) in quants[4 * of..].iter_mut().zip(bits) {
                *q = _mm256_or_si256(*q, bits);
            }
        }
    }
    quants
}

/// Eight f16 of a line.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn halves(line: &Line, eighth: usize) -> __m256 {
    let bytes = &line.0[16 * eighth..][..16];
    // SAFETY: 16 bytes.
    _mm256_cvtph_ps(unsafe { unaligned::read(bytes.as_ptr().cast::<__m128i>()) })
}

/// Reads the scales of a group where a block begins one; those that are f16 of blocks are taken as they are
/// (see [`affine`]).
#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn read(group: &mut Group, form: Form, block: &Block<'_>) {
    if block.begins && !matches!(form.scales, Scales::Affine | Scales::Centred(_)) {
        read_group(group, form, block.scales);
    }
}

#[inline(never)]
#[target_feature(enable = "avx2,f16c")]
fn read_group(group: &mut Group, form: Form, lines: &[Line]) {
    group.read(form, lines, |bytes| {
        let mut floats = [0.0; TILE];
        for (to, from) in floats.chunks_exact_mut(8).zip(bytes.chunks_exact(16)) {
            // SAFETY: 16 bytes, and 8 floats.
            unsafe {
                let halves = unaligned::read(from.as_ptr().cast::<__m128i>());
                unaligned::write(to.as_mut_ptr().cast::<__m256>(), _mm256_cvtph_ps(halves));
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
    unsafe { unaligned::read(x.as_ptr().cast::<__m256>()) }
}

/// Scales and offsets of a block's eight rows, of its halves where they have their own.
pub(super) type Affine = [(__m256, __m256); 2];

#[inline]
#[target_feature(enable = "avx2,f16c")]
pub(super) fn affine<const BITS: u8>(
    form: Form,
    block: &Block<'_>,
    group: &Group,
    half: usize,
) -> Affine {
    let at = block.at;
    match (BITS, form.scales) {
        (6, _) => [
            (eight(&group.d[2 * at], half), _mm256_setzero_ps()),
            (eight(&group.d[2 * at + 1], half), _mm256_setzero_ps()),
        ],
        (_, Scales::Affine) => {
            let line = &block.scales[0];
            [(halves(line, half), halves(line, 2 + half)); 2]
        }
        (_, Scales::Centred(by)) => {
            let d = halves(&block.scales[0], 2 * at + half);
            [(d, _mm256_mul_ps(d, _mm256_set1_ps(-f32::from(by)))); 2]
        }
        _ => [(eight(&group.d[at], half), eight(&group.m[at], half)); 2],
    }
}

/// Four activations of a row, for all eight rows of weights.
#[inline]
#[target_feature(enable = "avx2")]
fn broadcast(q: &[i8], at: usize) -> __m256i {
    let bytes = &q[at..][..4];
    // SAFETY: 4 bytes.
    _mm256_set1_epi32(unsafe { unaligned::read(bytes.as_ptr().cast::<i32>()) })
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

/// `out += d·xd·dot + m·xsum`; of six bits, `dots` are those of half blocks of centred weights, else the
/// first is all.
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
    let add = |out, dot, d| _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_mul_ps(d, xd), out);
    let [(d, m), (second_d, _)] = *affine;
    let out = add(out, dots[0], d);
    match BITS {
        6 => add(out, dots[1], second_d),
        _ => _mm256_fmadd_ps(m, _mm256_set1_ps(sum.all), out),
    }
}

/// How many of the products of two bytes each fit into i16; of eight bits, and of a table, none.
const fn fitting(bits: u8) -> usize {
    match bits {
        4 => 8,
        5 | 6 => 4,
        _ => 0,
    }
}

/// What 16-bit sums begin with: of six bits, what centres the weights of half a block.
#[inline]
#[target_feature(enable = "avx2")]
fn begin<const BITS: u8>(centre: &Centre, half: usize) -> __m256i {
    match BITS {
        6 => {
            // SAFETY: 4 bytes.
            let pair = unsafe { unaligned::read(centre[half].as_ptr().cast::<i32>()) };
            _mm256_set1_epi32(pair)
        }
        _ => _mm256_setzero_si256(),
    }
}

/// Dots of eight rows of quants of four to six bits: of six bits those of half blocks, centred, else the
/// first is all.
#[allow(
    clippy::needless_range_loop,
    reason = "numbers for several arrays; iterators of vectors are not inlined"
)]
#[inline]
#[target_feature(enable = "avx2")]
fn dots_of_bytes<const BITS: u8>(
    weights: &[__m256i; 8],
    q: &[i8],
    centre: &Centre,
) -> [__m256i; 2] {
    let mut sums = [_mm256_setzero_si256(); 2];
    for of in 0..8 / fitting(BITS) {
        let mut some = begin::<BITS>(centre, of);
        for g in of * fitting(BITS)..(of + 1) * fitting(BITS) {
            add_product(&mut some, weights[g], broadcast(q, 4 * g));
        }
        sums[of] = widen(some, 1);
    }
    match BITS {
        5 => [_mm256_add_epi32(sums[0], sums[1]); 2],
        _ => sums,
    }
}

/// Dots of eight rows of bytes, or of places in a table.
#[inline]
#[target_feature(enable = "avx2")]
fn dots_of_nibbles<const BITS: u8>(lines: &[Line], half: usize, looked: Pair, q: &[i8]) -> __m256i {
    let mut low = _mm256_setzero_si256();
    let mut high = _mm256_setzero_si256();
    for (g, line) in lines.iter().enumerate() {
        let (l, h) = nibbles(load(line, half));
        if BITS == LOOKUP {
            for (places, at) in [(l, 4 * g), (h, 4 * g + 16)] {
                let (l, h) = split(looked, places);
                let x = broadcast(q, at);
                add_product(&mut low, l, x);
                add_product(&mut high, h, x);
            }
        } else {
            let x = broadcast(q, 4 * g);
            add_product(&mut low, l, x);
            add_product(&mut high, h, x);
        }
    }
    _mm256_add_epi32(widen(low, 1), widen(high, 16))
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
    for ((block, q), (d, sum)) in tile.blocks().zip(activations).zip(scales) {
        if block.begins {
            prefetch(block.scales);
        }
        let lines = block.quants;
        prefetch(lines);
        read(group, tile.form, &block);
        for (half, total) in total.iter_mut().enumerate() {
            let affine = affine::<BITS>(tile.form, &block, group, half);
            let weights = match fitting(BITS) {
                0 => [_mm256_setzero_si256(); 8],
                _ => bytes::<BITS>(lines, half),
            };
            for n in 0..N {
                let q = &q[n * BLOCK..][..BLOCK];
                let dots = match fitting(BITS) {
                    0 => [dots_of_nibbles::<BITS>(lines, half, looked, q); 2],
                    _ => dots_of_bytes::<BITS>(&weights, q, &sum[n].centre),
                };
                total[n] = scale::<BITS>(total[n], dots, &affine, d[n], sum[n]);
            }
        }
    }
    for (n, out) in out.iter_mut().enumerate().take(N) {
        // SAFETY: 16 floats.
        unsafe {
            unaligned::write(out.as_mut_ptr().cast::<__m256>(), total[0][n]);
            unaligned::write(out.as_mut_ptr().add(8).cast::<__m256>(), total[1][n]);
        }
    }
}
