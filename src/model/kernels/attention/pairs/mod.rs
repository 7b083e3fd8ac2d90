//! Attention of many query rows in 16-bit integers: the tile's other way, for prefill over a cache of
//! 16 bits where the CPU multiplies integers at twice the rate of f32.
//!
//! Every query and key is scaled to one length, so that a score is off by 2⁻¹⁶ of its greatest
//! possible value, |q|·|k|: less than what f16 took from the key. Every entry's value is scaled to 13
//! bits, and the scale goes to the entry's weight: what is multiplied with a page's values are
//! `w · scale` as fractions of the greatest on the page, in up to 15 bits. Sums are taken of the weights in f32.

#![allow(unsafe_code, reason = "loads and stores whole registers")]

mod panels;
mod product;

use super::simd::{PairTask, Pairs, Simd, exp2};
use super::tile::{Call, Item, mask_and_max, scale_row};
use super::{Output, Scratch};
use crate::cache::{KvElement, PAGE};
use panels::{Panels, VALUE, load_queries, pack};
use product::{Operands, ROWS, tile};
use std::any::TypeId;
use std::f32::consts::{LN_2, LOG2_E};

/// Query rows from which on it pays. A draft's few rows are computed as decoding would compute them.
const LEAST_ROWS: usize = 17;
/// Stacked rows whose scores are in work at once.
const BLOCK: usize = 4 * ROWS;
/// The same as whole vectors.
const PADDED: usize = BLOCK.next_multiple_of(16);
/// The most that a row's weights on a page are together, as integers: times [`VALUE`] it stays in 31
/// bits, with half a unit of rounding for each.
const WEIGHTS: f32 = ((1 << 18) - 64) as f32;
/// The greatest integer that a weight becomes.
const WEIGHT: f32 = 32_767.0;

/// Whether a call is for this way.
pub(super) fn pays<T: KvElement>(call: &Call<T>) -> bool {
    // The exact mode's entries are f32.
    call.queries.rows >= LEAST_ROWS && TypeId::of::<T>() != TypeId::of::<f32>()
}

/// How an item's matrices are laid out.
struct Shape {
    /// Stacked rows.
    m: usize,
    /// `m` padded for full tiles.
    padded: usize,
    dim: usize,
    /// Pairs of a query or key.
    pairs: usize,
    /// Row stride of the output accumulator.
    ldo: usize,
}

impl Shape {
    fn new<S: Simd>(m: usize, dim: usize) -> Self {
        Shape {
            m,
            padded: m.next_multiple_of(ROWS),
            dim,
            pairs: dim.div_ceil(2),
            ldo: dim.next_multiple_of(S::LANES),
        }
    }
}

/// One item.
pub(super) struct Attend<'a, 'b, T> {
    pub call: &'a Call<'b, T>,
    pub item: &'a Item,
    pub output: Output<'a>,
}

impl<T: KvElement> PairTask for Attend<'_, '_, T> {
    #[inline(always)]
    fn run<P: Pairs>(self, p: P) {
        let (call, item) = (self.call, self.item);
        let dim = call.layer.heads[item.head].head_dim();
        let shape = Shape::new::<P::Floats>(item.rows.len() * call.group(), dim);
        let (m, ldo) = (shape.padded, shape.ldo);
        let mut scratch = Scratch::take();
        let lengths = [
            m * shape.pairs,
            m,
            shape.pairs * PAGE,
            PAGE / 2 * ldo,
            BLOCK * PAGE,
            BLOCK * PAGE / 2,
            m * ldo,
            m,
            m * P::Floats::LANES,
        ];
        let [q, q_scales, keys, values, scores, weights, out, max, sums] = scratch.carve(lengths);
        let [mut key_scale, mut exponent, mut inverse] = [[0.0; PAGE]; 3];
        let q = bytemuck::cast_slice_mut(q);
        // Scores are powers of two from here on; a soft cap wants them as they are first.
        let by = call.queries.scale * call.queries.soft_cap.map_or(LOG2_E, |_| 1.0);
        load_queries(call, item, &shape, by, q, q_scales);
        out.fill(0.0);
        max.fill(f32::NEG_INFINITY);
        sums.fill(0.0);
        let mut state = State {
            call,
            item,
            shape,
            q,
            q_scales,
            panels: Panels {
                keys: bytemuck::cast_slice_mut(keys),
                values: bytemuck::cast_slice_mut(values),
                key_scale: &mut key_scale,
                exponent: &mut exponent,
                inverse: &mut inverse,
            },
            scores,
            weights: bytemuck::cast_slice_mut(weights),
            out: &mut *out,
            max: &mut *max,
            sums: &mut *sums,
        };
        state.sweep(p);
        let m = item.rows.len() * call.group();
        max.iter_mut().for_each(|x| *x *= LN_2);
        let lanes = P::Floats::LANES;
        for i in 0..m {
            sums[i] = sums[i * lanes..][..lanes].iter().sum();
        }
        let (max, sums) = (&max[..m], &mut sums[..m]);
        self.output.write(call, item, (out, ldo), max, sums);
    }
}

struct State<'a, 'b, T> {
    call: &'a Call<'b, T>,
    item: &'a Item,
    shape: Shape,
    q: &'a [i16],
    q_scales: &'a [f32],
    panels: Panels<'a>,
    /// `[BLOCK, PAGE]`
    scores: &'a mut [f32],
    /// `[BLOCK, PAGE]`
    weights: &'a mut [i16],
    /// Not yet divided by the sums.
    out: &'a mut [f32],
    /// What `out` and `sums` are 2 to the power of: no score of the row, where an entry's scale
    /// counts with it, is above.
    max: &'a mut [f32],
    /// A vector for each row.
    sums: &'a mut [f32],
}

impl<T: KvElement> State<'_, '_, T> {
    /// The flash-attention step over all pages of the item.
    #[inline(always)]
    fn sweep<P: Pairs>(&mut self, p: P) {
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

    /// The block's scores become weights; the rows' maxima rise and their sums grow. What the
    /// products of the weights and the values are to be multiplied by, row by row.
    #[inline(always)]
    fn block_weights<P: Pairs>(
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
                    sum = s.fma(w, s.load(self.panels.inverse.as_ptr().add(v)), sum);
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
        for i in 0..block {
            let scores = &self.scores[i * PAGE..][..PAGE];
            let weights = &mut self.weights[i * PAGE..][..PAGE];
            for v in (0..PAGE).step_by(lanes) {
                // SAFETY: both hold `PAGE` elements, a multiple of LANES.
                unsafe {
                    let w = s.mul(s.load(scores.as_ptr().add(v)), s.splat(up[i]));
                    p.store(weights.as_mut_ptr().add(v), w);
                }
            }
        }
        part
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
