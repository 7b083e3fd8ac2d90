//! The flash-attention step of an item, in blocks of stacked rows.

#![allow(unsafe_code, reason = "loads and stores whole registers")]

use super::panels::{Panels, pack};
use super::product::{Operands, ROWS, tile};
use super::{BLOCK, PADDED, Shape};
use crate::cache::{KvElement, PAGE};
use crate::model::kernels::attention::simd::{Pairs, Simd};
use crate::model::kernels::attention::tile::{Call, Item};
use std::f32::consts::LOG2_E;

/// An item's matrices, and how far it is.
pub(super) struct State<'a, 'b, T> {
    pub call: &'a Call<'b, T>,
    pub item: &'a Item,
    pub shape: Shape,
    pub q: &'a [i16],
    pub q_scales: &'a [f32],
    pub panels: Panels<'a>,
    /// `[BLOCK, PAGE]`
    pub scores: &'a mut [f32],
    /// `[BLOCK, PAGE]`
    pub weights: &'a mut [i16],
    /// Not yet divided by the sums.
    pub out: &'a mut [f32],
    /// What `out` and `sums` are 2 to the power of: no score of the row, where an entry's scale
    /// counts with it, is above.
    pub max: &'a mut [f32],
    /// A vector for each row.
    pub sums: &'a mut [f32],
}

impl<T: KvElement> State<'_, '_, T> {
    /// The flash-attention step over all pages of the item.
    #[inline(always)]
    pub fn sweep<P: Pairs>(&mut self, p: P) {
        let (call, item) = (self.call, self.item);
        let head = &call.layer.heads[item.head];
        let (group, sight) = (call.group(), call.sight(head));
        let most = call.seen(head, item.rows.end - 1);
        for index in item.pages.clone() {
            let page = &head.pages()[index];
            let n = most.saturating_sub(index * PAGE).min(PAGE);
            // Rows that see nothing of the page are not computed.
            let sees = |row: usize| {
                let slots = sight.slots(row, index);
                slots.start < n && slots.start < slots.end
            };
            let mut rows = item.rows.clone();
            while !rows.is_empty() && !sees(rows.start) {
                rows.start += 1;
            }
            while !rows.is_empty() && !sees(rows.end - 1) {
                rows.end -= 1;
            }
            if rows.is_empty() {
                continue;
            }
            pack(
                p,
                &self.shape,
                (page.keys(), page.values()),
                n,
                &mut self.panels,
            );
            let first = (rows.start - item.rows.start) * group / ROWS * ROWS;
            let end = ((rows.end - item.rows.start) * group).next_multiple_of(ROWS);
            for from in (first..end).step_by(BLOCK) {
                let block = (end - from).min(BLOCK);
                self.block_scores(p, from, block);
                let ups = self.block_weights(p, from, block, index);
                self.block_values(p, from, block, n, &ups);
            }
        }
    }

    /// Scores of `block` stacked rows, as powers of two and with each entry's scale.
    #[inline(always)]
    fn block_scores<P: Pairs>(&mut self, p: P, from: usize, block: usize) {
        let width = 2 * self.shape.pairs;
        assert!(self.q.len() >= (from + block) * width && self.scores.len() >= block * PAGE);
        assert!(self.q_scales.len() >= from + block && block.is_multiple_of(ROWS));
        assert!(self.panels.keys.len() >= self.shape.pairs * 2 * PAGE);
        for i in (0..block).step_by(ROWS) {
            let o = Operands {
                // SAFETY: inside the queries, asserted above.
                a: unsafe { self.q.as_ptr().add((from + i) * width) },
                lda: width,
                b: self.panels.keys.as_ptr(),
                ldb: 2 * PAGE,
                pairs: self.shape.pairs,
            };
            let step = if P::Floats::WIDE { 4 } else { 2 };
            for v in (0..PAGE / P::Floats::LANES).step_by(step) {
                // SAFETY: `PAGE` is a multiple of four vectors; lengths are asserted above.
                unsafe {
                    if P::Floats::WIDE {
                        self.score_tile::<P, 4>(p, &o, from, i, v);
                    } else {
                        self.score_tile::<P, 2>(p, &o, from, i, v);
                    }
                }
            }
        }
        if let Some(cap) = self.call.queries.soft_cap {
            for row in self.scores[..block * PAGE].chunks_exact_mut(PAGE) {
                for (x, exponent) in row.iter_mut().zip(&*self.panels.exponent) {
                    *x = (cap * LOG2_E) * (*x / cap).tanh() + exponent;
                }
            }
        }
    }

    #[allow(clippy::needless_range_loop)] // as in `tile`
    #[inline(always)]
    unsafe fn score_tile<P: Pairs, const NR: usize>(
        &mut self,
        p: P,
        o: &Operands,
        from: usize,
        i: usize,
        v: usize,
    ) {
        let (s, at) = (p.floats(), v * P::Floats::LANES);
        // SAFETY: the caller's promise.
        unsafe {
            let sums = tile::<P, NR>(p, o, v);
            for j in 0..NR {
                let column = at + j * P::Floats::LANES;
                let scale = s.load(self.panels.key_scale.as_ptr().add(column));
                let exponent = if self.call.queries.soft_cap.is_some() {
                    s.splat(0.0)
                } else {
                    s.load(self.panels.exponent.as_ptr().add(column))
                };
                for r in 0..ROWS {
                    let x = s.mul(p.to_f32(sums[r][j]), scale);
                    let x = s.fma(x, s.splat(self.q_scales[from + i + r]), exponent);
                    s.store(self.scores.as_mut_ptr().add((i + r) * PAGE + column), x);
                }
            }
        }
    }

    /// Adds the block's weights · values, each row times its `ups`.
    #[inline(always)]
    fn block_values<P: Pairs>(
        &mut self,
        p: P,
        from: usize,
        block: usize,
        n: usize,
        ups: &[f32; PADDED],
    ) {
        let (s, ldo) = (p.floats(), self.shape.ldo);
        let vectors = ldo / P::Floats::LANES;
        assert!(self.out.len() >= (from + block) * ldo && self.weights.len() >= block * PAGE);
        assert!(self.panels.values.len() >= PAGE * ldo && n <= PAGE && block <= BLOCK);
        for i in (0..block).step_by(ROWS) {
            let o = Operands {
                // SAFETY: inside the weights, asserted above.
                a: unsafe { self.weights.as_ptr().add(i * PAGE) },
                lda: PAGE,
                b: self.panels.values.as_ptr(),
                ldb: 2 * ldo,
                pairs: n.div_ceil(2),
            };
            let out = &mut self.out[(from + i) * ldo..][..ROWS * ldo];
            let ups: &[f32; ROWS] = ups[i..].first_chunk().unwrap_or(&[0.0; ROWS]);
            let mut v = 0;
            // SAFETY: `v + NR ≤ vectors`, and lengths are asserted above.
            unsafe {
                while P::Floats::WIDE && v + 4 <= vectors {
                    value_tile::<P, 4>(p, s, &o, v, ups, out, ldo);
                    v += 4;
                }
                while v + 2 <= vectors {
                    value_tile::<P, 2>(p, s, &o, v, ups, out, ldo);
                    v += 2;
                }
                if v < vectors {
                    value_tile::<P, 1>(p, s, &o, v, ups, out, ldo);
                }
            }
        }
    }
}

#[allow(clippy::needless_range_loop)] // as in `tile`
#[inline(always)]
unsafe fn value_tile<P: Pairs, const NR: usize>(
    p: P,
    s: P::Floats,
    o: &Operands,
    v: usize,
    ups: &[f32; ROWS],
    out: &mut [f32],
    ldo: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let sums = tile::<P, NR>(p, o, v);
        for r in 0..ROWS {
            for j in 0..NR {
                let at = (v + j) * P::Floats::LANES;
                let to = out.as_mut_ptr().add(r * ldo + at);
                let x = s.fma(p.to_f32(sums[r][j]), s.splat(ups[r]), s.load(to));
                s.store(to, x);
            }
        }
    }
}
