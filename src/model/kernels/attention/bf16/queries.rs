//! An item's queries as left factors.

#![allow(unsafe_code, reason = "intrinsics")]

use super::{DEPTH, LINES, PAIR, Shape};
use crate::cache::KvElement;
use crate::model::kernels::amx::{Factors, SIDE, bf16::numbers};
use crate::model::kernels::attention::tile::{Call, Item};
use crate::model::kernels::region::Line;
use crate::model::kernels::unaligned;
use std::arch::x86_64::*;
use std::f32::consts::LOG2_E;

/// Stacked queries, scaled: of each row tile the tiles of the upper halves, then those of the lower.
pub(super) struct Stacked<'a> {
    lines: &'a [Line],
    deep: usize,
}

impl<'a> Stacked<'a> {
    /// Padding rows are zero. Scores are powers of two; a soft cap wants them as they are first.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub fn new<T: KvElement>(
        call: &Call<T>,
        item: &Item,
        shape: &Shape,
        lines: &'a mut [Line],
    ) -> Self {
        let (heads, group, dim, deep) = (call.queries.heads, call.group(), shape.dim, shape.deep);
        let by = call.queries.scale * call.queries.soft_cap.map_or(LOG2_E, |_| 1.0);
        let by = _mm512_set1_ps(by);
        for m in 0..shape.row_pairs * PAIR {
            let at = m / SIDE * 2 * deep * LINES + m % SIDE;
            for tile in 0..deep {
                let (upper, lower) = (at + tile * LINES, at + (deep + tile) * LINES);
                if m >= shape.m {
                    lines[upper].0 = [0; 64];
                    lines[lower].0 = [0; 64];
                    continue;
                }
                let row = (item.rows.start + m / group) * heads + item.head * group + m % group;
                let from = &call.queries.q[row * dim..][..dim];
                let from = &from[tile * DEPTH..dim.min((tile + 1) * DEPTH)];
                let mut some = [0.0; DEPTH];
                some[..from.len()].copy_from_slice(from);
                // SAFETY: 32 numbers; lines are aligned.
                unsafe {
                    let [x, y] = unaligned::read(some.as_ptr().cast::<[__m512; 2]>());
                    let (x, y) = (_mm512_mul_ps(x, by), _mm512_mul_ps(y, by));
                    let both = numbers(x, y);
                    let x = _mm512_sub_ps(x, floats(_mm512_castsi512_si256(both)));
                    let y = _mm512_sub_ps(y, floats(_mm512_extracti64x4_epi64::<1>(both)));
                    let rest = numbers(x, y);
                    _mm512_store_si512(lines[upper].0.as_mut_ptr().cast(), both);
                    _mm512_store_si512(lines[lower].0.as_mut_ptr().cast(), rest);
                }
            }
        }
        Stacked { lines, deep }
    }

    /// The upper halves of a pair of row tiles, and the lower.
    pub fn pair(&self, pair: usize) -> [Factors<'a>; 2] {
        let (tile, lines) = (2 * self.deep * LINES, self.deep * LINES);
        let of = |tiles: usize| &self.lines[tiles..][..lines];
        let (first, second) = (2 * pair * tile, (2 * pair + 1) * tile);
        [0, lines].map(|half| Factors(of(first + half), of(second + half)))
    }
}

/// Numbers of bf16 as f32.
#[inline]
#[target_feature(enable = "avx512f")]
fn floats(x: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(x)))
}
