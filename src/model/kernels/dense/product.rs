//! The product. Lanes run along the columns: a sum is one register over all of a row, added up at the
//! end. So each output is the same numbers added in the same order, whatever is computed beside it.
//!
//! Decoding reads eight rows of weights at a time and widens them on the way. A prefill widens four
//! rows, some columns of them, into the first cache once and takes some rows of activations at a time.

#![allow(
    unsafe_code,
    reason = "walks matrices by pointer, and threads write disjoint columns"
)]

use std::borrow::Cow;

use half::{bf16, f16};

use super::{DenseMatrix, Kind, Part};
use crate::cache::KvElement;
use crate::model::kernels::attention::Level;
use crate::model::kernels::attention::simd::{Simd, Task, load_elements};
use crate::model::kernels::pool::Pool;

/// Multiply-adds per item of the pool, at least.
const ITEM_MACS: usize = 1 << 16;
/// Items per thread, at most (if they are no smaller).
const ITEMS_PER_THREAD: usize = 8;
/// Rows of weights in a group: of decoding, and of a prefill.
const FEW: usize = 8;
const MANY: usize = 4;
/// Activation rows from which weights are widened first.
const PREFILL: usize = 8;
/// Rows of activations that meet a group while it is in the cache, at most.
const PANEL: usize = 60;
/// Floats of a panel of activations, about: they should stay in the second cache.
const PANEL_FLOATS: usize = 192 << 10;
/// Columns at a time: some rows of weights and of activations fit into the first cache.
const DEPTH: usize = 512;
/// Bytes of a group, at most, of which the next is asked for while it is read.
const NEAR: usize = 16 << 10;
/// Bytes to ask for ahead of use in longer rows.
const FAR: usize = 1 << 10;
/// More lanes than any register has.
const LANES: usize = 16;

/// Where threads write disjoint elements of the output.
struct Output(*mut f32);

// SAFETY: every item writes its own (activation rows × weight rows) rectangle.
unsafe impl Sync for Output {}

pub(super) fn product(level: Level, w: &DenseMatrix, pool: &Pool, x: &[f32], out: &mut [f32]) {
    if w.rows == 0 || x.is_empty() {
        return;
    }
    assert!(x.len().is_multiple_of(w.cols), "x must be [m, cols]");
    let m = x.len() / w.cols;
    assert_eq!(out.len(), m * w.rows, "out must be [m, rows]");
    // Filled up like the weights' rows: to the longest of them.
    let width = w.cols.next_multiple_of(32);
    let x = padded(x, w.cols, width);
    let output = Output(out.as_mut_ptr());

    let panel = (PANEL_FLOATS / width).clamp(PREFILL, PANEL);
    let panels = m.div_ceil(panel);
    let even = w.rows * panels / (ITEMS_PER_THREAD * pool.threads());
    let chunk = even.max(ITEM_MACS / (w.cols * m.min(panel)));
    let chunk = chunk.max(1).next_multiple_of(FEW);
    let mut chunks = Vec::new();
    let mut first = 0;
    for part in &w.parts {
        for row in (0..part.rows).step_by(chunk) {
            chunks.push((part, first, row..part.rows.min(row + chunk)));
        }
        first += part.rows;
    }
    pool.run(chunks.len() * panels, |item| {
        let (part, first, rows) = &chunks[item / panels];
        let from = item % panels * panel;
        let output = &output;
        let work = Work {
            part,
            rows: rows.clone(),
            cols: w.cols,
            x: &x[from * width..(from + panel).min(m) * width],
            width,
            // SAFETY: row `from` is below `m`, and the part's rows are among the `w.rows` columns.
            out: unsafe { output.0.add(from * w.rows + first) },
            stride: w.rows,
        };
        level.run(work);
    });
}

fn padded(x: &[f32], cols: usize, width: usize) -> Cow<'_, [f32]> {
    if cols == width {
        return x.into();
    }
    let mut wide = vec![0.0; x.len() / cols * width];
    for (to, from) in wide.chunks_exact_mut(width).zip(x.chunks_exact(cols)) {
        to[..cols].copy_from_slice(from);
    }
    wide.into()
}

/// Some rows of weights times some rows of activations.
struct Work<'a> {
    part: &'a Part,
    rows: std::ops::Range<usize>,
    cols: usize,
    /// `[m, width]`
    x: &'a [f32],
    width: usize,
    /// Valid for `[m, rows of the part]` with `stride` between rows; nobody else writes the columns
    /// `rows`.
    out: *mut f32,
    stride: usize,
}

impl Task for Work<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.part.kind {
            Kind::F32 => self.of::<S, f32>(s),
            Kind::F16 => self.of::<S, f16>(s),
            Kind::BF16 => self.of::<S, bf16>(s),
        }
    }
}

impl Work<'_> {
    #[inline(always)]
    fn of<S: Simd, E: KvElement>(&self, s: S) {
        match (self.x.len() / self.width < PREFILL, S::WIDE) {
            (true, _) => self.few::<S, E>(s),
            // As many sums as leave registers for the rest.
            (false, true) => self.many::<S, E, 6>(s),
            (false, false) => self.many::<S, E, 2>(s),
        }
    }

    /// Where `N` rows from `row` on begin; behind the last it is the last again.
    #[inline(always)]
    fn group<E, const N: usize>(&self, row: usize) -> [*const E; N] {
        let stride = self.part.kind.stride(self.cols);
        let base: *const E = self.part.lines.as_ptr().cast();
        // SAFETY: the row is below the part's end, and the lines hold all its rows.
        std::array::from_fn(|n| unsafe { base.add((row + n).min(self.rows.end - 1) * stride) })
    }

    /// Adds up the lanes of the sums of `N` weight rows from `row` on with activation row `i`.
    #[inline(always)]
    fn finish<S: Simd, const N: usize>(&self, s: S, row: usize, i: usize, sums: &[S::V; N]) {
        for (n, sum) in sums.iter().enumerate().take(self.rows.end - row) {
            // SAFETY: an element of this item's own rectangle.
            unsafe { *self.out.add(i * self.stride + row + n) = s.sum_lanes(*sum) };
        }
    }

    #[inline(always)]
    fn few<S: Simd, E: KvElement>(&self, s: S) {
        let depth = self.part.kind.stride(self.cols);
        // The next group, where rows are short; else the rows' own later columns.
        let ahead = match depth * FEW * size_of::<E>() {
            group if group <= NEAR => group,
            _ => FAR,
        };
        for row in self.rows.clone().step_by(FEW) {
            let w = self.group::<E, FEW>(row);
            for (i, x) in self.x.chunks_exact(self.width).enumerate() {
                let mut sums = [[s.splat(0.0); FEW]];
                // SAFETY: rows of weights have `depth` elements, and those of activations no fewer.
                unsafe { tile::<S, E, 1, FEW>(s, &w, x.as_ptr(), 0, depth, ahead, &mut sums) };
                self.finish(s, row, i, &sums[0]);
            }
        }
    }

    #[inline(always)]
    fn many<S: Simd, E: KvElement, const M: usize>(&self, s: S) {
        let depth = self.part.kind.stride(self.cols);
        let rows = self.x.len() / self.width;
        let mut widened = [[0.0f32; DEPTH]; MANY];
        let mut sums = vec![[s.splat(0.0); MANY]; rows];
        for row in self.rows.clone().step_by(MANY) {
            let w = self.group::<E, MANY>(row);
            sums.fill([s.splat(0.0); MANY]);
            for from in (0..depth).step_by(DEPTH) {
                let columns = DEPTH.min(depth - from);
                for (w, wide) in w.iter().zip(&mut widened) {
                    for at in (0..columns).step_by(S::LANES) {
                        // SAFETY: `from + columns` is at most the row's length, of whole lanes.
                        unsafe {
                            let lanes = load_elements(s, w.add(from + at));
                            s.store(wide.as_mut_ptr().add(at), lanes);
                        }
                    }
                }
                let wide = widened.each_ref().map(|row| row.as_ptr());
                let whole = rows / M * M;
                let (full, rest) = sums.split_at_mut(whole);
                let mut x = self.x[from..].as_ptr();
                // SAFETY: `columns` floats from `x` on in each of the rows, and of `wide`.
                unsafe {
                    for sums in full.as_chunks_mut::<M>().0 {
                        tile::<S, f32, M, MANY>(s, &wide, x, self.width, columns, 0, sums);
                        x = x.wrapping_add(M * self.width);
                    }
                    for sums in rest.as_chunks_mut::<1>().0 {
                        tile::<S, f32, 1, MANY>(s, &wide, x, self.width, columns, 0, sums);
                        x = x.wrapping_add(self.width);
                    }
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                self.finish(s, row, i, sums);
            }
        }
    }
}

/// Adds the products of `M` rows of activations and `N` of weights, and asks for what is `ahead`
/// bytes behind the weights, if anything.
///
/// # Safety
/// `depth`, a multiple of [`LANES`], elements are valid from each of `w` on, and from each of the `M`
/// rows of `x`, with `width` between them.
#[allow(clippy::needless_range_loop)] // as the loops that LLVM unrolls
#[inline(always)]
unsafe fn tile<S: Simd, E: KvElement, const M: usize, const N: usize>(
    s: S,
    w: &[*const E; N],
    x: *const f32,
    width: usize,
    depth: usize,
    ahead: usize,
    sums: &mut [[S::V; N]; M],
) {
    let mut t = *sums;
    let mut at = 0;
    while at < depth {
        let mut weights = [s.splat(0.0); N];
        for n in 0..N {
            if ahead > 0 {
                prefetch(w[n].wrapping_add(at).cast::<u8>().wrapping_add(ahead));
            }
            // SAFETY: the caller's promise.
            weights[n] = unsafe { load_elements(s, w[n].add(at)) };
        }
        for m in 0..M {
            // SAFETY: as above.
            let x = unsafe { s.load(x.add(m * width + at)) };
            for n in 0..N {
                t[m][n] = s.fma(x, weights[n], t[m][n]);
            }
        }
        at += S::LANES;
    }
    *sums = t;
}

/// Decoding waits for memory, and the hardware looks ahead no further than a page.
#[inline(always)]
fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE, and a prefetch is a hint that never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

const _: () = assert!(DEPTH.is_multiple_of(LANES));
