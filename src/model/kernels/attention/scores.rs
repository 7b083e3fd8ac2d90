//! Window scores in two passes: maxima and sums of every row, then the weights. The products of a short
//! past are kept from one to the other; of a long one they are computed again, which is cheaper than
//! sending `window × len` of them through memory.

#![allow(unsafe_code, reason = "loads and stores whole registers")]

use super::HeadScores;
use super::scratch::Scratch;
use super::simd::{Level, Simd, Task, exp};
use super::tile::{Call, Item, Shape, Slots, load_queries, mask, mask_and_max, page_scores, weigh};
use super::{Chunks, Plan, Pool};
use crate::cache::{KvElement, PAGE};
use std::cell::Cell;

/// Most products that are kept: 4 MiB of f32, about what the caches of the cores hold.
const KEPT: usize = 1 << 20;

thread_local! {
    /// The kept products of one call, kept for the next.
    static PRODUCTS: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// What a pass does with one stacked row's scores of one page.
trait Pass {
    fn page(&mut self);
    /// `#[inline(always)]`, as [`Task::run`].
    fn row<S: Simd>(&mut self, s: S, m: usize, row: &mut [f32], visible: &Slots);
    fn page_done(&mut self, page: usize, stacked: usize);
}

/// First pass: the maximum and the sum of every stacked row over the item's pages.
struct Normalisers<'a> {
    maxima: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Pass for Normalisers<'_> {
    fn page(&mut self) {}

    #[inline(always)]
    fn row<S: Simd>(&mut self, s: S, m: usize, row: &mut [f32], visible: &Slots) {
        let max = mask_and_max(s, row, visible, self.maxima[m]);
        if max > f32::NEG_INFINITY {
            if max > self.maxima[m] {
                self.sums[m] *= (self.maxima[m] - max).exp();
                self.maxima[m] = max;
            }
            self.sums[m] += weigh(s, row, max);
        }
    }

    fn page_done(&mut self, _: usize, _: usize) {}
}

/// Second pass: the weights, summed over the rows of a page and compared.
struct Weights<'a> {
    maxima: &'a [f32],
    sums: &'a [f32],
    total: [f32; PAGE],
    high: [f32; PAGE],
    mean: &'a Chunks<'a, f32>,
    peak: &'a Chunks<'a, f32>,
}

impl Pass for Weights<'_> {
    fn page(&mut self) {
        self.total.fill(0.0);
        self.high.fill(0.0);
    }

    #[inline(always)]
    fn row<S: Simd>(&mut self, s: S, m: usize, row: &mut [f32], visible: &Slots) {
        mask(row, visible);
        let (total, high) = (&mut self.total, &mut self.high);
        add_weights(s, row, self.maxima[m], self.sums[m], total, high);
    }

    fn page_done(&mut self, page: usize, stacked: usize) {
        if let (Some(mean), Some(peak)) = (self.mean.claim(page), self.peak.claim(page)) {
            peak.copy_from_slice(&self.high[..peak.len()]);
            for (mean, total) in mean.iter_mut().zip(self.total) {
                *mean = total / stacked as f32;
            }
        }
    }
}

#[inline(always)]
fn add_weights<S: Simd>(
    s: S,
    row: &[f32],
    max: f32,
    sum: f32,
    total: &mut [f32; PAGE],
    high: &mut [f32; PAGE],
) {
    let (max, inverse) = (s.splat(max), s.splat(1.0 / sum));
    let lanes = total
        .chunks_exact_mut(S::LANES)
        .zip(high.chunks_exact_mut(S::LANES));
    for (x, (total, high)) in row.chunks_exact(S::LANES).zip(lanes) {
        // SAFETY: all three chunks hold LANES f32.
        unsafe {
            let w = s.mul(exp(s, s.sub(s.load(x.as_ptr()), max)), inverse);
            s.store(total.as_mut_ptr(), s.add(s.load(total.as_ptr()), w));
            s.store(high.as_mut_ptr(), s.max(w, s.load(high.as_ptr())));
        }
    }
}

/// A pass over an item's pages.
struct Sweep<'a, 'b, T, P> {
    call: &'a Call<'b, T>,
    item: &'a Item,
    pass: P,
    products: Products<'a>,
}

/// Where the products of an item's pages come from and go to, `[pages, stacked rows, PAGE]`.
enum Products<'a> {
    Compute,
    Keep(&'a mut [f32]),
    Kept(&'a mut [f32]),
}

impl<T: KvElement, P: Pass> Task for Sweep<'_, '_, T, P> {
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (call, item) = (self.call, self.item);
        let head = &call.layer.heads[item.head];
        let (group, sight) = (call.group(), call.sight(head));
        let shape = Shape::new::<S>(item.rows.len() * group, head.head_dim());
        let mut scratch = Scratch::take();
        let [q, scores, panels, ..] = scratch.carve(shape.lengths());
        load_queries(call, item, &shape, q);
        for index in item.pages.clone() {
            let page = &head.pages()[index];
            let vectors = (head.len() - index * PAGE).min(PAGE).div_ceil(S::LANES);
            let at = (index - item.pages.start) * shape.m * PAGE;
            let scores = match &mut self.products {
                Products::Kept(kept) => &mut kept[at..][..shape.m * PAGE],
                products => {
                    page_scores(s, &shape, page.keys(), vectors, q, panels, scores);
                    call.cap(&mut scores[..shape.m * PAGE]);
                    if let Products::Keep(kept) = products {
                        let from = &scores[..shape.m * PAGE];
                        kept[at..][..shape.m * PAGE].copy_from_slice(from);
                    }
                    &mut scores[..shape.m * PAGE]
                }
            };
            self.pass.page();
            for m in 0..shape.m {
                let row = &mut scores[m * PAGE..][..vectors * S::LANES];
                let visible = sight.slots(m / group, index);
                self.pass.row(s, m, row, &visible);
            }
            self.pass.page_done(index, shape.m);
        }
    }
}

pub(super) fn window_scores<T: KvElement>(
    level: Level,
    pool: &Pool,
    call: &Call<T>,
) -> Vec<HeadScores> {
    let mut out: Vec<HeadScores> = call
        .layer
        .heads
        .iter()
        .map(|head| HeadScores {
            mean: vec![0.0; head.len()],
            peak: vec![0.0; head.len()],
        })
        .collect();
    let stacked = call.queries.rows * call.group();
    if stacked == 0 {
        return out;
    }
    let plan = Plan::whole_rows(call, pool.threads());
    let most = plan.items.iter().map(|i| i.pages.len()).max().unwrap_or(0) * stacked * PAGE;
    let keep = plan.items.len() * most <= KEPT;
    let mut products = PRODUCTS.take();
    if keep && products.len() < plan.items.len() * most {
        products.resize(plan.items.len() * most, 0.0);
    }
    let mut parts = vec![0.0f32; plan.items.len() * 2 * stacked];
    let chunks = Chunks::new(&mut parts, 2 * stacked);
    let kept = Chunks::new(&mut products, most.max(1));
    plan.run(pool, |i| {
        if let Some(to) = chunks.claim(i) {
            let (maxima, sums) = to.split_at_mut(stacked);
            maxima.fill(f32::NEG_INFINITY);
            let item = &plan.items[i];
            let to = kept.claim(i).filter(|_| keep);
            let products = to.map_or(Products::Compute, Products::Keep);
            let pass = Normalisers { maxima, sums };
            let sweep = Sweep {
                call,
                item,
                pass,
                products,
            };
            level.run(sweep);
        }
    });
    drop(kept);
    // Merge each head's parts into its first, and its sinks with them.
    for tile in &plan.tiles {
        let parts = &mut parts[tile.start * 2 * stacked..tile.end * 2 * stacked];
        let (first, rest) = parts.split_at_mut(2 * stacked);
        let (maxima, sums) = first.split_at_mut(stacked);
        for part in rest.chunks_exact(2 * stacked) {
            for m in 0..stacked {
                let max = maxima[m].max(part[m]);
                if max == f32::NEG_INFINITY {
                    continue; // a row that sees nothing of either
                }
                sums[m] =
                    sums[m] * (maxima[m] - max).exp() + part[stacked + m] * (part[m] - max).exp();
                maxima[m] = max;
            }
        }
        let head = plan.items[tile.start].head;
        for (m, (sum, max)) in sums.iter_mut().zip(&*maxima).enumerate() {
            *sum += call.sunk(head, m, *max);
        }
    }
    let mut first_of = vec![0; call.layer.heads.len()];
    for tile in &plan.tiles {
        first_of[plan.items[tile.start].head] = tile.start;
    }
    let targets: Vec<_> = out
        .iter_mut()
        .map(|head| {
            (
                Chunks::new(&mut head.mean, PAGE),
                Chunks::new(&mut head.peak, PAGE),
            )
        })
        .collect();
    let kept = Chunks::new(&mut products, most.max(1));
    plan.run(pool, |i| {
        let item = &plan.items[i];
        let from = &parts[first_of[item.head] * 2 * stacked..][..2 * stacked];
        let (maxima, sums) = from.split_at(stacked);
        let (mean, peak) = &targets[item.head];
        let pass = Weights {
            maxima,
            sums,
            total: [0.0; PAGE],
            high: [0.0; PAGE],
            mean,
            peak,
        };
        let products = kept.claim(i).filter(|_| keep);
        let products = products.map_or(Products::Compute, Products::Kept);
        let sweep = Sweep {
            call,
            item,
            pass,
            products,
        };
        level.run(sweep);
    });
    drop((targets, kept));
    PRODUCTS.set(products);
    out
}
