//! From a block's scores to its weights: the softmax's maxima, exponentials and sums.

#![allow(unsafe_code, reason = "loads and stores whole registers")]

use super::PADDED;
use super::panels::VALUE;
use super::sweep::State;
use crate::cache::{KvElement, PAGE};
use crate::model::kernels::attention::simd::{Pairs, Simd, exp2};
use crate::model::kernels::attention::tile::{mask_and_max, scale_row};

/// The most that a row's weights on a page are together, as integers: times [`VALUE`] it stays in 31
/// bits, with half a unit of rounding for each.
const WEIGHTS: f32 = ((1 << 18) - 64) as f32;
/// The greatest integer that a weight becomes.
const WEIGHT: f32 = 32_767.0;

impl<T: KvElement> State<'_, '_, T> {
    /// The block's scores become weights; the rows' maxima rise and their sums grow. What the
    /// products of the weights and the values are to be multiplied by, row by row.
    #[inline(always)]
    pub(super) fn block_weights<P: Pairs>(
        &mut self,
        p: P,
        from: usize,
        block: usize,
        index: usize,
    ) -> [f32; PADDED] {
        let (s, lanes, ldo) = (p.floats(), P::Floats::LANES, self.shape.ldo);
        let (rows, group) = (&self.item.rows, self.call.group());
        let sight = self.call.sight(&self.call.layer.heads[self.item.head]);
        let (mut row, mut next) = (rows.start + from / group, group - from % group);
        let [mut high, mut old] = [[f32::NEG_INFINITY; PADDED]; 2];
        old[..block].copy_from_slice(&self.max[from..from + block]);
        for (i, high) in high.iter_mut().enumerate().take(block) {
            let scores = &mut self.scores[i * PAGE..][..PAGE];
            let visible = if row < rows.end {
                sight.slots(row, index)
            } else {
                0..0 // a row that only pads
            };
            *high = mask_and_max(s, scores, &visible, f32::NEG_INFINITY);
            next -= 1;
            if next == 0 {
                (row, next) = (row + 1, group);
            }
        }
        let [mut new, mut shrink, mut part, mut whole] = [[1.0; PADDED]; 4];
        for v in (0..PADDED).step_by(lanes) {
            // SAFETY: all hold `PADDED` elements, a multiple of LANES.
            unsafe {
                let [high, old] = [&high, &old].map(|x| s.load(x.as_ptr().add(v)));
                let max = s.max(high, old);
                s.store(new.as_mut_ptr().add(v), max);
                s.store(shrink.as_mut_ptr().add(v), exp2(s, s.sub(old, max)));
                s.store(part.as_mut_ptr().add(v), exp2(s, s.sub(high, max)));
            }
        }
        self.max[from..from + block].copy_from_slice(&new[..block]);
        for i in 0..block {
            if high[i] == f32::NEG_INFINITY {
                // Nothing that the row sees: all its weights are rounded to 0.
                self.scores[i * PAGE..][..PAGE].fill(0.0);
                continue;
            }
            let mut seen = [0.0; PAGE];
            let inverse = match self.panels.broken {
                false => &*self.panels.inverse,
                true => {
                    // A weight of 0 would not hide what is no number from a row that does not see it.
                    let slots = sight.slots(rows.start + (from + i) / group, index);
                    let slots = slots.start.min(PAGE)..slots.end.min(PAGE);
                    seen[slots.clone()].copy_from_slice(&self.panels.inverse[slots]);
                    &seen
                }
            };
            let scores = &mut self.scores[i * PAGE..][..PAGE];
            let sums = &mut self.sums[(from + i) * lanes..][..lanes];
            // SAFETY: `scores` and the scales hold `PAGE` elements, a multiple of LANES, `sums` LANES.
            unsafe {
                let max = s.splat(high[i]);
                let [mut all, mut sum] = [s.splat(0.0); 2];
                for v in (0..PAGE).step_by(lanes) {
                    let x = scores.as_mut_ptr().add(v);
                    let w = exp2(s, s.sub(s.load(x), max));
                    s.store(x, w);
                    all = s.add(all, w);
                    sum = s.fma(w, s.load(inverse.as_ptr().add(v)), sum);
                }
                let before = s.mul(s.load(sums.as_ptr()), s.splat(shrink[i]));
                s.store(sums.as_mut_ptr(), s.fma(sum, s.splat(part[i]), before));
                whole[i] = s.sum_lanes(all);
            }
            if high[i] > old[i] {
                scale_row(s, &mut self.out[(from + i) * ldo..][..ldo], shrink[i]);
            }
        }
        let mut up = [0.0; PADDED];
        for i in 0..PADDED {
            up[i] = (WEIGHTS / whole[i]).min(WEIGHT);
            part[i] *= 1.0 / (up[i] * VALUE);
        }
        for (i, up) in up.into_iter().enumerate().take(block) {
            let scores = &self.scores[i * PAGE..][..PAGE];
            let weights = &mut self.weights[i * PAGE..][..PAGE];
            for v in (0..PAGE).step_by(lanes) {
                // SAFETY: both hold `PAGE` elements, a multiple of LANES.
                unsafe {
                    let w = s.mul(s.load(scores.as_ptr().add(v)), s.splat(up));
                    p.store(weights.as_mut_ptr().add(v), w);
                }
            }
        }
        part
    }
}
