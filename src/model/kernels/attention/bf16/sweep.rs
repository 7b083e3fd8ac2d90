//! The flash-attention step of an item, in blocks of entries and pairs of row tiles.

#![allow(unsafe_code, reason = "calls what needs CPU features")]

use super::panels::Panels;
use super::queries::Stacked;
use super::{ENTRIES, LINES, PAIR, PAIRS, Shape};
use crate::cache::{KvElement, PAGE};
use crate::model::kernels::amx::{Factors, Sums, Unit};
use crate::model::kernels::attention::simd::Avx512;
use crate::model::kernels::attention::tile::{Call, Item};
use crate::model::kernels::region::Line;
use std::f32::consts::LOG2_E;
use std::ops::Range;

/// An item's matrices, and how far it is.
pub(super) struct State<'a, 'b, T> {
    pub unit: Unit,
    pub call: &'a Call<'b, T>,
    pub item: &'a Item,
    pub shape: Shape,
    pub queries: Stacked<'a>,
    pub panels: Panels<'a>,
    /// Of a pair of row tiles and each pair of a block's tiles of entries.
    pub scores: &'a mut [Sums],
    /// Of two row tiles: tiles of a depth of 32 entries.
    pub weights: &'a mut [Line],
    /// Not yet divided by the sums: of each pair of row tiles those of the values' numbers.
    pub out: &'a mut [Sums],
    /// What `out` and `sums` are 2 to the power of: no score of the row is above.
    pub max: &'a mut [f32],
    pub sums: &'a mut [f32],
}

impl<T: KvElement> State<'_, '_, T> {
    /// The flash-attention step over all pages of the item.
    ///
    /// # Safety
    /// The CPU has the features.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx2,fma,f16c")]
    pub unsafe fn sweep(&mut self, s: Avx512) {
        let (call, item) = (self.call, self.item);
        let head = &call.layer.heads[item.head];
        let most = call.seen(head, item.rows.end - 1);
        let pages = ENTRIES / PAGE;
        for block in item.pages.start / pages..item.pages.end.div_ceil(pages) {
            let (first, end) = (block * pages, (block + 1) * pages);
            let of_block = first.max(item.pages.start)..end.min(item.pages.end);
            self.panels.clear();
            for index in of_block.clone() {
                let page = &head.pages()[index];
                let n = most.saturating_sub(index * PAGE).min(PAGE);
                // SAFETY: the caller's promise.
                unsafe {
                    let numbers = (page.keys(), page.values());
                    self.panels.pack(s, index - first, numbers, n);
                }
            }
            // Entries of the block that are packed.
            let packed = (of_block.start - first) * PAGE
                ..most
                    .saturating_sub(first * PAGE)
                    .min((of_block.end - first) * PAGE);
            for pair in 0..self.shape.row_pairs {
                let seen = self.seen(pair, block);
                let tiles =
                    seen.start.max(packed.start) / PAIR..seen.end.min(packed.end).div_ceil(PAIR);
                if tiles.is_empty() {
                    continue;
                }
                self.scores(pair, tiles.clone());
                // SAFETY: the caller's promise.
                unsafe { self.weigh(s, pair, block, tiles.clone()) };
                self.values(pair, tiles);
            }
        }
    }

    /// Query rows of a pair of row tiles.
    fn rows(&self, pair: usize) -> Range<usize> {
        let (rows, group) = (&self.item.rows, self.call.group());
        let end = ((pair + 1) * PAIR).min(self.shape.m) - 1;
        rows.start + pair * PAIR / group..rows.start + end / group + 1
    }

    /// Entries of a block that some of a pair's rows see.
    fn seen(&self, pair: usize, block: usize) -> Range<usize> {
        let sight = self.call.sight(&self.call.layer.heads[self.item.head]);
        let rows = self.rows(pair);
        let before = block * ENTRIES;
        sight.entries(rows.start, before).start
            ..sight.entries(rows.end - 1, before).end.min(ENTRIES)
    }

    /// Scores as powers of two.
    fn scores(&mut self, pair: usize, tiles: Range<usize>) {
        let [upper, lower] = self.queries.pair(pair);
        for (tile, to) in tiles.clone().zip(&mut self.scores[tiles]) {
            let [high, low] = self.panels.keys(tile);
            self.unit.begin(None);
            self.unit.add(upper, high);
            self.unit.add(lower, high);
            self.unit.add(upper, low);
            self.unit.end(to);
            if let Some(cap) = self.call.queries.soft_cap {
                for x in to.0.as_flattened_mut() {
                    *x = (cap * LOG2_E) * (*x / cap).tanh();
                }
            }
        }
    }

    /// Adds weights · values.
    fn values(&mut self, pair: usize, tiles: Range<usize>) {
        let deep = self.shape.deep;
        let of = |row_tile: usize| {
            &self.weights[(row_tile * PAIRS + tiles.start) * LINES..][..tiles.len() * LINES]
        };
        let rows = Factors(of(0), of(1));
        for (number, out) in self.out[pair * deep..][..deep].iter_mut().enumerate() {
            self.unit
                .multiply(rows, self.panels.values(number, tiles.clone()), out, true);
        }
    }
}
