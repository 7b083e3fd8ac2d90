//! The register-blocked product that both halves of attention are: scores = queries · keys, and
//! output += weights · values. A page's layouts make it row-major `[m, k] · [k, n]` both times.

#![allow(unsafe_code, reason = "walks three matrices by pointer")]

use super::simd::{Simd, load_elements};
use crate::cache::KvElement;

/// `c = a · b`, or `c += a · b`. All strides count elements.
pub(in crate::model::kernels) struct Gemm<E> {
    /// `[m, k]`, row stride `lda`.
    pub a: *const f32,
    pub lda: usize,
    /// `[k, n]`: row stride `ldb`, or packed by [`pack`] with `ldb` = 2 · LANES.
    pub b: *const E,
    pub ldb: usize,
    pub packed: bool,
    /// `[m, n]`, row stride `ldc`.
    pub c: *mut f32,
    pub ldc: usize,
    pub m: usize,
    pub k: usize,
    /// `n / LANES`
    pub vectors: usize,
    pub accumulate: bool,
}

/// Rows of the tile that fills the registers; packed products want `m` a multiple of it.
pub(super) const fn full_rows<S: Simd>() -> usize {
    if S::WIDE { 12 } else { 6 }
}

/// # Safety
/// The three matrices are valid for their shapes, `c` for writing and apart from the others;
/// with `packed`, `m` is a multiple of [`full_rows`].
#[inline(always)]
pub(super) unsafe fn gemm<S: Simd, E: KvElement>(s: S, g: &Gemm<E>) {
    // SAFETY: every tile lies inside the caller's shapes.
    unsafe {
        let mut row = 0;
        if g.packed {
            // One panel of `b` stays in L1 while all rows pass over it.
            let mut v = 0;
            while v < g.vectors {
                for row in (0..g.m).step_by(full_rows::<S>()) {
                    match (S::WIDE, v + 2 <= g.vectors) {
                        (true, true) => tile::<S, E, 12, 2>(s, g, row, v),
                        (true, false) => tile::<S, E, 12, 1>(s, g, row, v),
                        (false, true) => tile::<S, E, 6, 2>(s, g, row, v),
                        (false, false) => tile::<S, E, 6, 1>(s, g, row, v),
                    }
                }
                v += 2;
            }
            return;
        }
        while row < g.m {
            let left = g.m - row;
            let take = if left > 6 {
                left.div_ceil(2).min(6)
            } else {
                left
            };
            match (take, S::WIDE) {
                (1, true) => rows::<S, E, 1, 4>(s, g, row),
                (1, false) => rows::<S, E, 1, 8>(s, g, row),
                (2, _) => rows::<S, E, 2, 4>(s, g, row),
                (3, true) => rows::<S, E, 3, 4>(s, g, row),
                // 3 × 4 would fit on paper, but makes the compiler spill a sum.
                (3, false) => rows::<S, E, 3, 3>(s, g, row),
                (4, true) => rows::<S, E, 4, 4>(s, g, row),
                (4, false) => rows::<S, E, 4, 2>(s, g, row),
                (5, true) => rows::<S, E, 5, 4>(s, g, row),
                (5, false) => rows::<S, E, 5, 2>(s, g, row),
                (_, true) => rows::<S, E, 6, 4>(s, g, row),
                (_, false) => rows::<S, E, 6, 2>(s, g, row),
            }
            row += take;
        }
    }
}

/// `MR` rows over all columns, `NR` vectors at a time.
#[inline(always)]
unsafe fn rows<S: Simd, E: KvElement, const MR: usize, const NR: usize>(
    s: S,
    g: &Gemm<E>,
    row: usize,
) {
    // SAFETY: `v + width <= vectors` for every tile.
    unsafe {
        let mut v = 0;
        while v + NR <= g.vectors {
            tile::<S, E, MR, NR>(s, g, row, v);
            v += NR;
        }
        while v + 2 <= g.vectors {
            tile::<S, E, MR, 2>(s, g, row, v);
            v += 2;
        }
        if v < g.vectors {
            tile::<S, E, MR, 1>(s, g, row, v);
        }
    }
}

/// `MR` rows × `NR` vectors of `c`, held in registers over all of `k`.
#[allow(clippy::needless_range_loop)] // `MR × NR` as the loops that LLVM unrolls
#[inline(always)]
unsafe fn tile<S: Simd, E: KvElement, const MR: usize, const NR: usize>(
    s: S,
    g: &Gemm<E>,
    row: usize,
    v: usize,
) {
    // SAFETY: the caller's promise: rows `row..row + MR`, vectors `v..v + NR`, depth `0..k`.
    unsafe {
        let a = g.a.add(row * g.lda);
        let c = g.c.add(row * g.ldc + v * S::LANES);
        let mut b = if g.packed {
            g.b.add(v * S::LANES * g.k)
        } else {
            g.b.add(v * S::LANES)
        };
        let mut t = [[s.splat(0.0); NR]; MR];
        if g.accumulate {
            for i in 0..MR {
                for j in 0..NR {
                    t[i][j] = s.load(c.add(i * g.ldc + j * S::LANES));
                }
            }
        }
        for p in 0..g.k {
            // The longer side one at a time: fewer registers.
            if NR > MR {
                let mut y = [s.splat(0.0); MR];
                for i in 0..MR {
                    y[i] = s.splat(*a.add(i * g.lda + p));
                }
                for j in 0..NR {
                    let x = load_elements(s, b.add(j * S::LANES));
                    for i in 0..MR {
                        t[i][j] = s.fma(y[i], x, t[i][j]);
                    }
                }
            } else {
                let mut x = [s.splat(0.0); NR];
                for j in 0..NR {
                    x[j] = load_elements(s, b.add(j * S::LANES));
                }
                for i in 0..MR {
                    let y = s.splat(*a.add(i * g.lda + p));
                    for j in 0..NR {
                        t[i][j] = s.fma(y, x[j], t[i][j]);
                    }
                }
            }
            b = b.wrapping_add(g.ldb);
        }
        for i in 0..MR {
            for j in 0..NR {
                s.store(c.add(i * g.ldc + j * S::LANES), t[i][j]);
            }
        }
    }
}

/// Elements that [`pack`] writes for `[k, n]`.
pub(super) fn packed_len<S: Simd>(k: usize, n: usize) -> usize {
    k * n.next_multiple_of(2 * S::LANES)
}

/// Row-major `[k, n]` → f32 panels of two vectors' columns, each `[k, 2 · LANES]`, zero padded.
#[inline(always)]
pub(super) fn pack<S: Simd, E: KvElement>(s: S, b: &[E], k: usize, n: usize, to: &mut [f32]) {
    assert!(b.len() >= k * n && to.len() >= packed_len::<S>(k, n));
    let width = 2 * S::LANES;
    for panel in 0..n.div_ceil(width) {
        let columns = (n - panel * width).min(width);
        for row in 0..k {
            let from = &b[row * n + panel * width..][..columns];
            let to = &mut to[(panel * k + row) * width..][..width];
            if columns == width {
                // SAFETY: both slices hold two vectors.
                unsafe {
                    s.store(to.as_mut_ptr(), load_elements(s, from.as_ptr()));
                    let half = S::LANES;
                    let second = load_elements(s, from.as_ptr().add(half));
                    s.store(to.as_mut_ptr().add(half), second);
                }
            } else {
                to.fill(0.0);
                for (to, from) in to.iter_mut().zip(from) {
                    *to = from.to_f32();
                }
            }
        }
    }
}
