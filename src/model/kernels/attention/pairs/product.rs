//! The register-blocked products of 16-bit integers: rows of pairs · panels of pairs.

#![allow(unsafe_code, reason = "walks matrices by pointer")]

use crate::model::kernels::attention::simd::{Pairs, Simd};

/// Rows of a register tile: all tiles are full, so rows are padded to a multiple of it.
pub(super) const ROWS: usize = 6;

/// `a`: rows of pairs, `lda` i16 apart; `b`: rows of pairs side by side, `ldb` i16 apart.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub a: *const i16,
    pub lda: usize,
    pub b: *const i16,
    pub ldb: usize,
    /// Depth in pairs.
    pub pairs: usize,
}

/// Sums of [`ROWS`] rows × `NR` vectors of columns from vector `v` on.
///
/// # Safety
/// All of `o` is valid for reading.
#[allow(clippy::needless_range_loop)] // `ROWS × NR` as the loops that LLVM unrolls
#[inline(always)]
pub(super) unsafe fn tile<P: Pairs, const NR: usize>(
    p: P,
    o: &Operands,
    v: usize,
) -> [[P::I; NR]; ROWS] {
    let lanes = 2 * P::Floats::LANES;
    let mut sums = [[p.zero(); NR]; ROWS];
    // SAFETY: the caller's promise.
    unsafe {
        let mut b = o.b.add(v * lanes);
        for k in 0..o.pairs {
            let mut x = [p.zero(); NR];
            for j in 0..NR {
                x[j] = p.load(b.add(j * lanes));
            }
            for i in 0..ROWS {
                let y = p.splat(o.a.add(i * o.lda + 2 * k));
                for j in 0..NR {
                    sums[i][j] = p.dot(sums[i][j], y, x[j]);
                }
            }
            b = b.wrapping_add(o.ldb);
        }
    }
    sums
}
