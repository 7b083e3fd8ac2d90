//! The product of many rows on the matrix unit ([`amx`](crate::model::kernels::amx)): weights become bf16 once for all rows of a call, and
//! so do activations, which keep 8 bits each whatever stands beside them. Sums are f32 all through, with no scales to meet
//! them at every block, of which the 8-bit kernels are made up to a half.
//!
//! A row comes to the same whatever rows are multiplied with it.

#![allow(unsafe_code, reason = "threads write disjoint columns of one output")]

mod activations;
mod weights;

use super::{
    PackedMatrix, Part,
    layout::{BLOCK, TILE},
    matmul::{Output, Product},
    scales::Group,
};
use crate::model::kernels::{
    amx::{DEPTH, Factors, LINES, SIDE, Sums, Unit},
    pool::Pool,
    region::Line,
    shares::in_shares,
    unaligned,
};
use activations::Packed;
use std::cell::Cell;
use std::ops::Range;

// A tile's depth is a block, and its columns are a tile of weights.
const _: () = assert!(DEPTH == BLOCK && SIDE == TILE);

/// Rows, and outputs, that are multiplied at once: two tiles.
const PAIR: usize = 2 * SIDE;
/// Lines of activations that pass by each pair of weight tiles, about: half a megabyte, of a level-2 cache of
/// two.
const PASSING: usize = 8192;
/// Blocks of a pass are a multiple of this, so that no group of scales is read twice.
const WHOLE: usize = 8;
/// Pairs of weight tiles of an item, at most.
const MOST_PAIRS: usize = 8;
/// Items per thread (if there are so many pairs), so that threads of unequal speed end together.
const ITEMS_PER_THREAD: usize = 4;

/// What a thread keeps from one item to the next.
#[derive(Default)]
struct Scratch {
    weights: Vec<Line>,
    sums: Vec<Sums>,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch { weights: Vec::new(), sums: Vec::new() }) };
}

/// Some pairs of tiles of a part, times all rows of a product.
struct Item<'a> {
    product: usize,
    part: &'a Part,
    /// The part's first row in its matrix.
    first_row: usize,
    pairs: Range<usize>,
}

/// All products at once, see [`super::products`].
///
/// # Safety
/// The CPU has the unit, and with it AVX-512 F, BW and BF16.
///
/// # Panics
/// As there.
pub unsafe fn products(pool: &Pool, products: &mut [Product]) {
    let mut inputs = Vec::with_capacity(products.len());
    for product in products {
        let m = product.rows();
        let Product { matrix, x, out } = product;
        let matrix: &PackedMatrix = matrix;
        if matrix.rows > 0 && m > 0 {
            inputs.push((matrix, m, *x, Output(out.as_mut_ptr())));
        }
    }
    let pairs_of = |part: &Part| part.rows.div_ceil(PAIR);
    let parts = inputs.iter().flat_map(|(matrix, ..)| &matrix.parts);
    let all: usize = parts.map(pairs_of).sum();
    let pairs_each = (all / (ITEMS_PER_THREAD * pool.threads())).clamp(1, MOST_PAIRS);
    let mut items = Vec::new();
    for (product, (matrix, ..)) in inputs.iter().enumerate() {
        let mut first_row = 0;
        for part in &matrix.parts {
            let pairs = pairs_of(part);
            items.extend((0..pairs).step_by(pairs_each).map(|first| Item {
                product,
                part,
                first_row,
                pairs: first..pairs.min(first + pairs_each),
            }));
            first_row += part.rows;
        }
    }
    let rows = inputs.iter().map(|(matrix, _, x, _)| (*x, matrix.cols));
    // SAFETY: the caller's promise.
    let packed = unsafe { Packed::new(pool, rows) };
    in_shares(pool, items.len(), |i| {
        let item = &items[i];
        let (matrix, m, _, output) = &inputs[item.product];
        let mut scratch = SCRATCH.take();
        let x = packed.of(item.product);
        item.run(matrix, *m, x, &mut scratch, output);
        SCRATCH.set(scratch);
    });
}

impl Item<'_> {
    /// `x`: tiles of `m` rows, of each row tile all of its depth.
    fn run(
        &self,
        matrix: &PackedMatrix,
        m: usize,
        x: &[Line],
        scratch: &mut Scratch,
        output: &Output,
    ) {
        let Some(unit) = Unit::take() else { return };
        let depth = matrix.cols / DEPTH;
        let row_pairs = m.div_ceil(PAIR);
        let passing = (PASSING / (row_pairs * PAIR))
            .max(1)
            .next_multiple_of(WHOLE)
            .min(depth);
        scratch.weights.resize(2 * passing * LINES, Line([0; 64]));
        scratch
            .sums
            .resize(self.pairs.len() * row_pairs, Sums::ZERO);
        let mut group = Group::empty();
        for from in (0..depth).step_by(passing) {
            let blocks = from..depth.min(from + passing);
            let sums = scratch.sums.chunks_exact_mut(row_pairs);
            for (pair, sums) in self.pairs.clone().zip(sums) {
                let (first, second) = scratch.weights.split_at_mut(passing * LINES);
                let [first, second] = [first, second].map(|half| &mut half[..blocks.len() * LINES]);
                for (tile, to) in [(2 * pair, &mut *first), (2 * pair + 1, &mut *second)] {
                    if tile < self.part.tiles() {
                        let mut tile = self.part.tile(tile, matrix.cols);
                        tile.blocks = blocks.clone();
                        weights::unpack(&unit, &tile, &mut group, to);
                    }
                }
                let row_tile =
                    |tile: usize| &x[(tile * depth + from) * LINES..][..blocks.len() * LINES];
                for (r, sums) in sums.iter_mut().enumerate() {
                    let rows = Factors(row_tile(2 * r), row_tile(2 * r + 1));
                    unit.multiply(rows, Factors(first, second), sums, from > 0);
                }
            }
        }
        // SAFETY: the unit is there, and with it what this needs; no other item has the same product, part and
        // pairs, and the product's `out` is borrowed for the call.
        unsafe {
            let to = output.0.add(self.first_row + self.pairs.start * PAIR);
            let width = (self.part.rows - self.pairs.start * PAIR).min(self.pairs.len() * PAIR);
            write(&scratch.sums, m, width, to, matrix.rows);
        }
    }
}

/// Writes `m` rows of the sums, `width` of all their columns, to rows `stride` apart: row by row, as each is on
/// pages of its own.
///
/// # Safety
/// `to` is valid for writing such rows.
#[target_feature(enable = "avx512f")]
unsafe fn write(sums: &[Sums], m: usize, width: usize, to: *mut f32, stride: usize) {
    let row_pairs = m.div_ceil(PAIR);
    for i in 0..m {
        for (at, first) in (0..width).step_by(PAIR).enumerate() {
            let row = &sums[at * row_pairs + i / PAIR].0[i % PAIR];
            // SAFETY: the caller's promise.
            unsafe {
                let to = to.add(i * stride + first);
                match width - first {
                    // Of a known length it is a few moves and no call.
                    PAIR.. => unaligned::write(to.cast(), *row),
                    some => std::ptr::copy_nonoverlapping(row.as_ptr(), to, some),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
