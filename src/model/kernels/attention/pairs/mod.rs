//! Attention of rows that are read in 16-bit integers: the tile's second way, for prefill over a cache of
//! 16 bits where the CPU multiplies integers at twice the rate of f32.
//!
//! Every query and key is scaled to one length, so that a score is off by 2⁻¹⁶ of its greatest
//! possible value, |q|·|k|: less than what f16 took from the key. Every entry's value is scaled to 13
//! bits, and the scale goes to the entry's weight: what is multiplied with a page's values are
//! `w · scale` as fractions of the greatest on the page, in up to 15 bits. Sums are taken of the weights in f32.

mod panels;
mod product;
mod sweep;
mod weights;

use super::simd::{PairTask, Pairs, Simd};
use super::tile::{Call, Item};
use super::{Output, Scratch};
use crate::cache::{KvElement, PAGE};
use panels::{Panels, load_queries};
use product::ROWS;
use std::f32::consts::{LN_2, LOG2_E};
use sweep::State;

/// Stacked rows whose scores are in work at once.
const BLOCK: usize = 4 * ROWS;
/// The same as whole vectors.
const PADDED: usize = BLOCK.next_multiple_of(16);

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
                broken: false,
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
