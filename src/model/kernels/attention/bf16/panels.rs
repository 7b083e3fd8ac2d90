//! A block's keys and values as right factors.

#![allow(unsafe_code, reason = "intrinsics")]

use super::{ENTRIES, LINES, PAIR, PAIRS, Shape};
use crate::cache::{KvElement, PAGE};
use crate::model::kernels::amx::{
    DEPTH, Factors, SIDE,
    bf16::{order, pairs},
};
use crate::model::kernels::attention::simd::{Avx512, load_elements};
use crate::model::kernels::region::Line;
use crate::model::kernels::unaligned;
use std::arch::x86_64::*;

/// Keys: of each tile of 16 entries the tiles of the upper halves, then those of the lower. Values: of each tile
/// of 16 of their numbers a tile for every 32 entries.
pub(super) struct Panels<'a> {
    keys: &'a mut [Line],
    values: &'a mut [Line],
    dim: usize,
    deep: usize,
    /// NaN for entries that hold what is no number, else 0.
    pub broken: [f32; ENTRIES],
    pub any_broken: bool,
}

impl<'a> Panels<'a> {
    pub fn new(shape: &Shape, keys: &'a mut [Line], values: &'a mut [Line]) -> Self {
        Panels {
            keys,
            values,
            dim: shape.dim,
            deep: shape.deep,
            broken: [0.0; ENTRIES],
            any_broken: false,
        }
    }

    /// A block is begun.
    pub fn clear(&mut self) {
        self.broken.fill(0.0);
        self.any_broken = false;
    }

    /// The upper halves of a pair of tiles of keys, and the lower.
    pub fn keys(&self, pair: usize) -> [Factors<'_>; 2] {
        let (tile, lines) = (2 * self.deep * LINES, self.deep * LINES);
        let of = |at: usize| &self.keys[at..][..lines];
        let (first, second) = (2 * pair * tile, (2 * pair + 1) * tile);
        [0, lines].map(|half| Factors(of(first + half), of(second + half)))
    }

    /// A pair of tiles of the values' numbers, of entries in some tiles of depth.
    pub fn values(&self, pair: usize, tiles: std::ops::Range<usize>) -> Factors<'_> {
        let of = |tile: usize| {
            &self.values[(tile * PAIRS + tiles.start) * LINES..][..tiles.len() * LINES]
        };
        Factors(of(2 * pair), of(2 * pair + 1))
    }

    /// Packs the first `n` entries of the block's page `at`, `[dim, PAGE]` keys and `[PAGE, dim]` values.
    ///
    /// # Safety
    /// The CPU has the features.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx2,fma,f16c")]
    pub unsafe fn pack<T: KvElement>(
        &mut self,
        s: Avx512,
        at: usize,
        (keys, values): (&[T], &[T]),
        n: usize,
    ) {
        let order = order();
        assert!(keys.len() >= self.dim * PAGE && values.len() >= self.dim * PAGE && n <= PAGE);
        // SAFETY: the caller's promise.
        unsafe {
            self.pack_keys(s, order, at, keys, n);
            if self.pack_values(s, order, at, values, n) {
                return;
            }
            // A weight of 0 would not hide what is no number from a row that does not see it.
            let mut numbers = values.to_vec();
            for (e, row) in numbers.chunks_exact_mut(self.dim).enumerate().take(n) {
                if !row.iter().all(|x| x.to_f32().is_finite()) {
                    row.fill(T::from_f32(0.0));
                    self.broken[at * PAGE + e] = f32::NAN;
                    self.any_broken = true;
                }
            }
            self.pack_values(s, order, at, &numbers, n);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx2,fma,f16c")]
    unsafe fn pack_keys<T: KvElement>(
        &mut self,
        s: Avx512,
        order: __m512i,
        at: usize,
        keys: &[T],
        n: usize,
    ) {
        let high = _mm512_set1_epi32(0xffff_0000_u32 as i32);
        let lines = self.deep * LINES;
        for column in 0..n.div_ceil(SIDE) {
            let tile = (at * (PAGE / SIDE) + column) * 2 * lines;
            let (upper, lower) = self.keys[tile..][..2 * lines].split_at_mut(lines);
            let mut numbers = _mm512_setzero_ps();
            for (pair, (upper, lower)) in upper.iter_mut().zip(lower).enumerate() {
                let d = 2 * pair;
                let (mut x, mut y) = (_mm512_setzero_ps(), _mm512_setzero_ps());
                // SAFETY: inside the page's keys; lines are aligned.
                unsafe {
                    let from = keys.as_ptr().add(column * SIDE);
                    if d < self.dim {
                        x = load_elements(s, from.add(d * PAGE));
                    }
                    if d + 1 < self.dim {
                        y = load_elements(s, from.add((d + 1) * PAGE));
                    }
                    // 0, or NaN for good.
                    numbers = _mm512_fmadd_ps(x, _mm512_setzero_ps(), numbers);
                    numbers = _mm512_fmadd_ps(y, _mm512_setzero_ps(), numbers);
                    let both = pairs(order, x, y);
                    let x = _mm512_sub_ps(x, _mm512_castsi512_ps(_mm512_slli_epi32::<16>(both)));
                    let y = _mm512_sub_ps(y, _mm512_castsi512_ps(_mm512_and_si512(both, high)));
                    _mm512_store_si512(upper.0.as_mut_ptr().cast(), both);
                    _mm512_store_si512(lower.0.as_mut_ptr().cast(), pairs(order, x, y));
                }
            }
            if _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(numbers, numbers) != 0 {
                let mut of = [0.0f32; SIDE];
                // SAFETY: 16 numbers.
                unsafe { unaligned::write(of.as_mut_ptr().cast(), numbers) };
                let broken = &mut self.broken[at * PAGE + column * SIDE..][..SIDE];
                let valid = SIDE.min(n - column * SIDE);
                broken[..valid].copy_from_slice(&of[..valid]);
                self.any_broken = true;
            }
        }
    }

    /// Whether all of them are numbers.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx2,fma,f16c")]
    unsafe fn pack_values<T: KvElement>(
        &mut self,
        s: Avx512,
        order: __m512i,
        at: usize,
        values: &[T],
        n: usize,
    ) -> bool {
        let dim = self.dim;
        let mut numbers = _mm512_setzero_ps();
        for tile in 0..2 * self.deep {
            let first = tile * SIDE;
            let width = dim.saturating_sub(first).min(SIDE);
            for e in (0..n.next_multiple_of(DEPTH)).step_by(2) {
                let (mut x, mut y) = (_mm512_setzero_ps(), _mm512_setzero_ps());
                for (e, to) in [(e, &mut x), (e + 1, &mut y)] {
                    if e >= n || width == 0 {
                        continue;
                    }
                    let from = &values[e * dim + first..][..width];
                    // SAFETY: 16 numbers.
                    *to = match width {
                        SIDE => unsafe { load_elements(s, from.as_ptr()) },
                        _ => {
                            let mut some = [0.0f32; SIDE];
                            for (some, x) in some.iter_mut().zip(from) {
                                *some = x.to_f32();
                            }
                            unsafe { unaligned::read(some.as_ptr().cast::<__m512>()) }
                        }
                    };
                }
                numbers = _mm512_fmadd_ps(x, _mm512_setzero_ps(), numbers);
                numbers = _mm512_fmadd_ps(y, _mm512_setzero_ps(), numbers);
                let entry = at * PAGE + e;
                let line = (tile * PAIRS + entry / PAIR) * LINES + entry % PAIR / 2;
                // SAFETY: lines are aligned.
                unsafe {
                    _mm512_store_si512(self.values[line].0.as_mut_ptr().cast(), pairs(order, x, y))
                };
            }
        }
        _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(numbers, numbers) == 0
    }
}
