//! Activations in bf16, in tiles.

#![allow(unsafe_code, reason = "intrinsics")]

use super::{DEPTH, LINES, PAIR, SIDE};
use crate::model::kernels::{amx::bf16::numbers, pool::Pool, region::Line, unaligned};
use std::arch::x86_64::*;
use std::cell::Cell;
use std::ops::Range;
use std::sync::Mutex;

thread_local! {
    /// The last call's, kept for the next: fresh memory would cost as much as what is written there.
    static LINES_OF: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Activations of several products: of each the tiles of its rows, filled up to pairs of tiles with zeros, and
/// of a row tile one tile behind the other along its depth.
pub struct Packed {
    lines: Vec<Line>,
    inputs: Vec<Range<usize>>,
}

impl Packed {
    /// `[m, cols]` each, `cols` a multiple of [`DEPTH`].
    ///
    /// # Safety
    /// The CPU has AVX-512 F, BW and BF16.
    pub unsafe fn new<'a>(
        pool: &Pool,
        inputs: impl Iterator<Item = (&'a [f32], usize)> + Clone,
    ) -> Packed {
        let tiles = |x: &[f32], cols: usize| (x.len() / cols).div_ceil(PAIR) * 2;
        let mut at = 0;
        let ranges = inputs.clone().map(|(x, cols)| {
            let from = at;
            at += tiles(x, cols) * cols / DEPTH * LINES;
            from..at
        });
        let ranges: Vec<_> = ranges.collect();
        let mut lines = LINES_OF.take();
        if lines.len() < at {
            lines.resize(at, Line([0; 64]));
        }
        let mut rest = &mut lines[..];
        let mut jobs = Vec::new();
        for (x, cols) in inputs {
            for tile in 0..tiles(x, cols) {
                let rows =
                    &x[x.len().min(tile * SIDE * cols)..x.len().min((tile + 1) * SIDE * cols)];
                let to = rest
                    .split_off_mut(..cols / DEPTH * LINES)
                    .unwrap_or_default();
                jobs.push(Mutex::new((rows, cols, to)));
            }
        }
        pool.run(jobs.len(), |i| {
            if let Ok(mut job) = jobs[i].lock() {
                let (rows, cols, to) = &mut *job;
                // SAFETY: the caller's promise.
                unsafe { pack(rows, *cols, to) }
            }
        });
        drop(jobs);
        Packed {
            lines,
            inputs: ranges,
        }
    }

    /// The tiles of an input.
    pub fn of(&self, input: usize) -> &[Line] {
        &self.lines[self.inputs[input].clone()]
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        LINES_OF.set(std::mem::take(&mut self.lines));
    }
}

/// Up to 16 rows, to a tile for every 32 columns.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack(rows: &[f32], cols: usize, to: &mut [Line]) {
    let m = rows.len() / cols;
    for (tile, to) in to.chunks_exact_mut(LINES).enumerate() {
        for (row, line) in to.iter_mut().enumerate() {
            if row >= m {
                line.0 = [0; 64];
                continue;
            }
            let x = &rows[row * cols + tile * DEPTH..][..DEPTH];
            // SAFETY: twice 16 numbers, and a line of as many of half their size.
            unsafe {
                let low = unaligned::read(x.as_ptr().cast::<__m512>());
                let high = unaligned::read(x.as_ptr().cast::<__m512>().add(1));
                let both = numbers(low, high);
                // What is infinite would be so in some of the outputs only.
                let exponent = _mm512_set1_epi16(0x7f80);
                let broken = _mm512_cmpeq_epi16_mask(_mm512_and_si512(both, exponent), exponent);
                let both = _mm512_mask_mov_epi16(both, broken, _mm512_set1_epi16(0x7fff));
                _mm512_store_si512(line.0.as_mut_ptr().cast(), both);
            }
        }
    }
}
