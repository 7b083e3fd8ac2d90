//! One work item: a tile of query rows of one KV head against a range of its pages.
//!
//! The `group` query heads that share a KV head are stacked: stacked row `m` is query row
//! `m / group`, head `m % group` of the group, so one sweep over a page serves them all.

#![allow(unsafe_code, reason = "loads and stores whole registers")]

use super::Queries;
use super::gemm::{Gemm, full_rows, pack, packed_len};
use super::simd::{Simd, exp};
use crate::cache::{Head, HostLayer, KvElement, PAGE};
use std::ops::Range;

/// From this many stacked rows on a page is converted once into f32 panels, below it in registers.
const DIRECT_ROWS: usize = 12;

/// The arguments of one call.
pub(super) struct Call<'a, T> {
    pub layer: &'a HostLayer<T>,
    pub queries: &'a Queries<'a>,
}

impl<T: KvElement> Call<'_, T> {
    /// The head dimension, or nothing where there is nothing to do.
    ///
    /// # Panics
    /// If the query heads do not divide among the KV heads, a head has fewer entries than rows,
    /// or `q` has another length: mistakes of the caller that no input leads to.
    pub fn check(&self) -> Option<usize> {
        let heads = &self.layer.heads;
        let dim = heads.first()?.head_dim();
        let Queries { q, rows, .. } = *self.queries;
        if rows == 0 || self.queries.heads == 0 || dim == 0 {
            return None;
        }
        assert!(
            self.queries.heads.is_multiple_of(heads.len()),
            "query heads per KV head"
        );
        assert_eq!(q.len(), rows * self.queries.heads * dim, "queries");
        if let Some(sinks) = self.queries.sinks {
            assert_eq!(sinks.len(), self.queries.heads, "a sink per query head");
        }
        let least = rows + self.queries.span.behind;
        for head in heads {
            assert!(head.head_dim() == dim && head.len() >= least, "entries");
        }
        Some(dim)
    }

    /// Query heads per KV head.
    pub fn group(&self) -> usize {
        self.queries.heads / self.layer.heads.len()
    }

    /// Entries of `head` up to the last that query row `row` sees.
    pub fn seen(&self, head: &Head<T>, row: usize) -> usize {
        (head.len() + 1 + row).saturating_sub(self.queries.rows + self.queries.span.behind)
    }

    /// Entries of `head` before the first that query row `row` sees.
    pub fn hidden(&self, head: &Head<T>, row: usize) -> usize {
        let window = self.queries.span.window;
        window.map_or(0, |w| self.seen(head, row).saturating_sub(w))
    }

    /// What the rows see of `head`, for the inner loops.
    pub fn sight(&self, head: &Head<T>) -> Sight {
        Sight {
            first: self.seen(head, 0),
            window: self.queries.span.window.unwrap_or(usize::MAX),
        }
    }

    /// What the sink of stacked row `m` of KV head `head` adds to the row's sum of e^(score − max).
    pub fn sunk(&self, head: usize, m: usize, max: f32) -> f32 {
        let sink = |sinks: &[f32]| sinks[head * self.group() + m % self.group()];
        let sinks = self.queries.sinks;
        sinks.map_or(0.0, |sinks| (sink(sinks) - max).exp())
    }

    /// Squashes the scores of a page where the layer caps them.
    pub fn cap(&self, scores: &mut [f32]) {
        if let Some(cap) = self.queries.soft_cap {
            scores.iter_mut().for_each(|x| *x = cap * (*x / cap).tanh());
        }
    }
}

/// Query rows × pages of one KV head.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub head: usize,
    pub rows: Range<usize>,
    pub pages: Range<usize>,
}

/// How an item's matrices are laid out.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Stacked rows.
    pub m: usize,
    /// `m` padded for full tiles.
    pub padded: usize,
    pub dim: usize,
    /// Row stride of the output accumulator.
    pub ldo: usize,
    keys_packed: bool,
    values_packed: bool,
    key_panels: usize,
    value_panels: usize,
}

impl Shape {
    pub fn new<S: Simd>(m: usize, dim: usize) -> Self {
        let keys_packed = m > DIRECT_ROWS;
        // Rows of values that do not divide into vectors are padded in the panels.
        let values_packed = keys_packed || !dim.is_multiple_of(S::LANES);
        let full = full_rows::<S>();
        Shape {
            m,
            padded: if values_packed {
                m.next_multiple_of(full)
            } else {
                m
            },
            dim,
            ldo: dim.next_multiple_of(S::LANES),
            keys_packed,
            values_packed,
            key_panels: if keys_packed {
                packed_len::<S>(dim, PAGE)
            } else {
                0
            },
            value_panels: if values_packed {
                packed_len::<S>(PAGE, dim)
            } else {
                0
            },
        }
    }

    /// Lengths of: queries, scores, key panels, value panels, output, maxima, sums.
    pub fn lengths(&self) -> [usize; 7] {
        let m = self.padded;
        [
            m * self.dim,
            m * PAGE,
            self.key_panels,
            self.value_panels,
            m * self.ldo,
            m,
            m,
        ]
    }
}

/// Stacks and scales an item's queries into `to`; padding rows are zero.
pub(super) fn load_queries<T: KvElement>(
    call: &Call<T>,
    item: &Item,
    shape: &Shape,
    to: &mut [f32],
) {
    let width = call.group() * shape.dim;
    let (used, padding) = to.split_at_mut(shape.m * shape.dim);
    padding.fill(0.0);
    for (row, to) in item.rows.clone().zip(used.chunks_exact_mut(width)) {
        let from = (row * call.queries.heads + item.head * call.group()) * shape.dim;
        for (to, x) in to.iter_mut().zip(&call.queries.q[from..from + width]) {
            *to = x * call.queries.scale;
        }
    }
}

/// `scores[.., ..n]` = queries · keys of `page`, for the first `vectors · LANES` slots.
#[inline(always)]
pub(super) fn page_scores<S: Simd, T: KvElement>(
    s: S,
    shape: &Shape,
    keys: &[T],
    vectors: usize,
    q: &[f32],
    panels: &mut [f32],
    scores: &mut [f32],
) {
    let (m, dim) = (shape.padded, shape.dim);
    assert!(q.len() >= m * dim && scores.len() >= m * PAGE && vectors * S::LANES <= PAGE);
    assert!(keys.len() >= dim * PAGE);
    let g = Gemm {
        a: q.as_ptr(),
        lda: dim,
        b: keys.as_ptr(),
        ldb: PAGE,
        packed: false,
        c: scores.as_mut_ptr(),
        ldc: PAGE,
        m,
        k: dim,
        vectors,
        accumulate: false,
    };
    // SAFETY: lengths asserted above, and by `pack` for the panels; `m` is padded if packed.
    unsafe {
        if shape.keys_packed {
            pack(s, keys, dim, PAGE, panels);
            s.gemm(&g.with_panels::<S>(panels));
        } else {
            s.gemm(&g);
        }
    }
}

/// `out += weights[.., ..n] · values` of a page's first `n` slots.
#[inline(always)]
pub(super) fn page_values<S: Simd, T: KvElement>(
    s: S,
    shape: &Shape,
    values: &[T],
    n: usize,
    weights: &[f32],
    panels: &mut [f32],
    out: &mut [f32],
) {
    let (m, dim) = (shape.padded, shape.dim);
    assert!(weights.len() >= m * PAGE && out.len() >= m * shape.ldo && n <= PAGE);
    assert!(values.len() >= n * dim);
    let g = Gemm {
        a: weights.as_ptr(),
        lda: PAGE,
        b: values.as_ptr(),
        ldb: dim,
        packed: false,
        c: out.as_mut_ptr(),
        ldc: shape.ldo,
        m,
        k: n,
        vectors: shape.ldo / S::LANES,
        accumulate: true,
    };
    // SAFETY: as in `page_scores`; unpacked, `dim` is a multiple of LANES and equals `ldo`.
    unsafe {
        if shape.values_packed {
            pack(s, values, n, dim, panels);
            s.gemm(&g.with_panels::<S>(panels));
        } else {
            s.gemm(&g);
        }
    }
}

impl<T: KvElement> Gemm<T> {
    /// The same product with `b` packed.
    #[inline(always)]
    fn with_panels<S: Simd>(&self, panels: &[f32]) -> Gemm<f32> {
        Gemm {
            a: self.a,
            lda: self.lda,
            b: panels.as_ptr(),
            ldb: 2 * S::LANES,
            packed: true,
            c: self.c,
            ldc: self.ldc,
            m: self.m,
            k: self.k,
            vectors: self.vectors,
            accumulate: self.accumulate,
        }
    }
}

/// The slots of a page that a row sees.
pub(super) type Slots = Range<usize>;

/// Which entries of a head each query row sees.
#[derive(Clone, Copy)]
pub(super) struct Sight {
    /// Entries up to the last that row 0 sees.
    first: usize,
    window: usize,
}

impl Sight {
    /// Slots of page `index` that query row `row` sees.
    #[inline(always)]
    pub fn slots(self, row: usize, index: usize) -> Slots {
        self.entries(row, index * PAGE)
    }

    /// Entries that query row `row` sees, counted from entry `before` on.
    #[inline(always)]
    pub fn entries(self, row: usize, before: usize) -> Slots {
        let seen = self.first + row;
        seen.saturating_sub(self.window).saturating_sub(before)..seen.saturating_sub(before)
    }
}

/// Hides all scores of a row but those of `visible`.
#[inline(always)]
pub(super) fn mask(row: &mut [f32], visible: &Slots) {
    let len = row.len();
    row[visible.end.min(len)..].fill(f32::NEG_INFINITY);
    if visible.start > 0 {
        row[..visible.start.min(len)].fill(f32::NEG_INFINITY);
    }
}

/// One row's scores of one page: hides what is not `visible` and raises the running maximum.
/// Returns the new maximum.
#[inline(always)]
pub(super) fn mask_and_max<S: Simd>(s: S, row: &mut [f32], visible: &Slots, max: f32) -> f32 {
    mask(row, visible);
    let mut high = s.splat(max);
    for x in row.chunks_exact(S::LANES) {
        // SAFETY: a chunk holds LANES f32.
        high = s.max(unsafe { s.load(x.as_ptr()) }, high);
    }
    s.max_lane(high)
}

/// Turns a row of scores into e^(score − max) and returns their sum.
#[inline(always)]
pub(super) fn weigh<S: Simd>(s: S, row: &mut [f32], max: f32) -> f32 {
    let max = s.splat(max);
    let mut sum = s.splat(0.0);
    for x in row.chunks_exact_mut(S::LANES) {
        // SAFETY: a chunk holds LANES f32.
        unsafe {
            let w = exp(s, s.sub(s.load(x.as_ptr()), max));
            s.store(x.as_mut_ptr(), w);
            sum = s.add(sum, w);
        }
    }
    s.sum_lanes(sum)
}

/// The flash-attention step over all pages of an item: `out` (not yet divided by `sums`), the
/// maxima and the sums of every stacked row.
#[inline(always)]
pub(super) fn sweep<S: Simd, T: KvElement>(
    s: S,
    call: &Call<T>,
    item: &Item,
    shape: &Shape,
    buffers: [&mut [f32]; 7],
) {
    let [q, scores, key_panels, value_panels, out, maxima, sums] = buffers;
    let head = &call.layer.heads[item.head];
    let (group, sight) = (call.group(), call.sight(head));
    load_queries(call, item, shape, q);
    out.fill(0.0);
    maxima.fill(f32::NEG_INFINITY);
    sums.fill(0.0);
    let most = call.seen(head, item.rows.end - 1);
    for index in item.pages.clone() {
        let page = &head.pages()[index];
        let n = most.saturating_sub(index * PAGE).min(PAGE);
        let vectors = n.div_ceil(S::LANES);
        page_scores(s, shape, page.keys(), vectors, q, key_panels, scores);
        call.cap(&mut scores[..shape.m * PAGE]);
        for m in 0..shape.m {
            let row = &mut scores[m * PAGE..][..vectors * S::LANES];
            let visible = sight.slots(item.rows.start + m / group, index);
            let max = mask_and_max(s, row, &visible, maxima[m]);
            if max > maxima[m] {
                let shrink = (maxima[m] - max).exp();
                sums[m] *= shrink;
                scale_row(s, &mut out[m * shape.ldo..][..shape.ldo], shrink);
                maxima[m] = max;
            }
            if max == f32::NEG_INFINITY {
                row.fill(0.0); // a range of pages that this row does not see at all
            } else {
                sums[m] += weigh(s, row, max);
            }
        }
        page_values(s, shape, page.values(), n, scores, value_panels, out);
    }
}

#[inline(always)]
pub(super) fn scale_row<S: Simd>(s: S, row: &mut [f32], by: f32) {
    for x in row.chunks_exact_mut(S::LANES) {
        // SAFETY: a chunk holds LANES f32.
        unsafe { s.store(x.as_mut_ptr(), s.mul(s.load(x.as_ptr()), s.splat(by))) };
    }
}
