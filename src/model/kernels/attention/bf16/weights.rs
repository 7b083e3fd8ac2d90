//! From a block's scores to its weights: the softmax's maxima, exponentials and sums.

#![allow(unsafe_code, reason = "intrinsics")]

use super::sweep::State;
use super::{ENTRIES, LINES, PAIR, PAIRS};
use crate::cache::KvElement;
use crate::model::kernels::amx::{SIDE, Sums, bf16::numbers};
use crate::model::kernels::attention::simd::{Avx512, Simd, exp2};
use std::arch::x86_64::*;
use std::ops::Range;

/// What no weight is below but 0, as a power of two.
const LEAST: f32 = -126.0;

impl<T: KvElement> State<'_, '_, T> {
    /// The scores of a pair of row tiles become weights; the rows' maxima rise, their sums grow, and what was
    /// added up before shrinks.
    ///
    /// # Safety
    /// The CPU has the features.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx2,fma,f16c")]
    pub(super) unsafe fn weigh(
        &mut self,
        s: Avx512,
        pair: usize,
        block: usize,
        tiles: Range<usize>,
    ) {
        let sight = self.call.sight(&self.call.layer.heads[self.item.head]);
        let (rows, group) = (self.item.rows.clone(), self.call.group());
        for i in 0..PAIR {
            let m = pair * PAIR + i;
            let visible = match m < self.shape.m {
                true => sight.entries(rows.start + m / group, block * ENTRIES),
                false => 0..0, // a row that only pads
            };
            let scores = &mut self.scores[tiles.clone()];
            mask(scores, i, tiles.start * PAIR, &visible);
            let mut high = s.splat(f32::NEG_INFINITY);
            for tile in &*scores {
                for x in tile.0[i].chunks_exact(SIDE) {
                    // SAFETY: 16 numbers.
                    high = s.max(unsafe { s.load(x.as_ptr()) }, high);
                }
            }
            let old = self.max[m];
            let new = s.max_lane(high).max(old);
            let line = i / SIDE * PAIRS * LINES + i % SIDE;
            // 0, or NaN where the row sees what is no number.
            let slots = visible.start.max(tiles.start * PAIR)..visible.end.min(tiles.end * PAIR);
            let broken: f32 = match self.panels.any_broken {
                true => {
                    let seen = self.panels.broken.get(slots);
                    seen.unwrap_or_default().iter().sum()
                }
                false => 0.0,
            };
            self.sums[m] += broken;
            if new == f32::NEG_INFINITY {
                // Nothing that the row sees.
                for tile in tiles.clone() {
                    self.weights[line + tile * LINES].0 = [0; 64];
                }
                continue;
            }
            let max = s.splat(new);
            let mut sum = s.splat(0.0);
            for (tile, scores) in tiles.clone().zip(scores) {
                let mut both = [s.splat(0.0); 2];
                for (half, weights) in both.iter_mut().enumerate() {
                    // SAFETY: 16 numbers.
                    let x = unsafe { s.load(scores.0[i].as_ptr().add(half * SIDE)) };
                    let x = s.sub(x, max);
                    *weights = s.keep_above(x, s.splat(LEAST), exp2(s, x));
                    sum = s.add(sum, *weights);
                }
                let to = &mut self.weights[line + tile * LINES];
                // SAFETY: lines are aligned.
                unsafe { _mm512_store_si512(to.0.as_mut_ptr().cast(), numbers(both[0], both[1])) };
            }
            if new > old {
                let shrink = (old - new).exp2();
                self.max[m] = new;
                self.sums[m] *= shrink;
                for out in &mut self.out[pair * self.shape.deep..][..self.shape.deep] {
                    out.0[i].iter_mut().for_each(|x| *x *= shrink);
                }
            }
            self.sums[m] += s.sum_lanes(sum);
        }
    }
}

/// Hides all of row `i`'s scores but those of `visible`; the first is of entry `first`.
#[inline(always)]
fn mask(scores: &mut [Sums], i: usize, first: usize, visible: &Range<usize>) {
    if visible.start <= first && visible.end >= first + scores.len() * PAIR {
        return;
    }
    for (tile, scores) in scores.iter_mut().enumerate() {
        let at = first + tile * PAIR;
        for (e, x) in scores.0[i].iter_mut().enumerate() {
            if !visible.contains(&(at + e)) {
                *x = f32::NEG_INFINITY;
            }
        }
    }
}
