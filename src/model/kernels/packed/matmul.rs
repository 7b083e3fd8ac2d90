//! The product: which tiles meet which activation rows, on which thread.

#![allow(unsafe_code, reason = "threads write disjoint columns of one output")]

use super::{
    PackedMatrix,
    activations::{Activations, PANEL},
    dispatch::Kernel,
    layout::TILE,
    residue,
};
use crate::model::kernels::pool::Pool;

/// Multiply-adds per item of the pool, at least: about a microsecond.
const ITEM_MACS: usize = 1 << 16;
/// Items per thread, at most (if they are no smaller): enough to even out what threads get done.
const ITEMS_PER_THREAD: usize = 8;

/// Where threads write disjoint elements of the output.
struct Output(*mut f32);

// SAFETY: every item writes its own (activation rows × weight rows) rectangle.
unsafe impl Sync for Output {}

impl PackedMatrix {
    /// `out[m, rows] = x[m, cols] · Wᵀ`, the activations quantised to int8 per 32 columns.
    ///
    /// A NaN or infinity in a row of `x` makes that row of `out` NaN.
    ///
    /// # Panics
    /// When `x` is not `[m, cols]` or `out` not `[m, rows]`.
    pub fn matmul(&self, pool: &Pool, x: &[f32], out: &mut [f32]) {
        self.matmul_with(Kernel::best(), pool, x, out);
    }

    /// [`PackedMatrix::matmul`] with a second 8-bit term for all activations, as if they had 16 bits:
    /// for short prompts, where the time is not felt and every first word depends on it.
    ///
    /// # Panics
    /// As there.
    pub fn matmul_fine(&self, pool: &Pool, x: &[f32], out: &mut [f32]) {
        self.product(Kernel::best(), pool, x, out, 0.0);
    }

    /// [`PackedMatrix::matmul`] by a certain kernel, for tests and benches.
    ///
    /// # Panics
    /// As there.
    pub fn matmul_with(&self, kernel: Kernel, pool: &Pool, x: &[f32], out: &mut [f32]) {
        self.product(kernel, pool, x, out, residue::COARSE);
    }

    fn product(&self, kernel: Kernel, pool: &Pool, x: &[f32], out: &mut [f32], coarse: f32) {
        if self.rows == 0 || x.is_empty() {
            return;
        }
        assert!(x.len().is_multiple_of(self.cols), "x must be [m, cols]");
        let m = x.len() / self.cols;
        assert_eq!(out.len(), m * self.rows, "out must be [m, rows]");
        let x = Activations::quantize(pool, x, self.cols, coarse);
        let output = Output(out.as_mut_ptr());

        // Items: panels of activations times, for each part, chunks of tiles.
        let panels = m.div_ceil(PANEL);
        let even = self.rows.div_ceil(TILE) * panels / (ITEMS_PER_THREAD * pool.threads());
        let chunk = even.max(ITEM_MACS.div_ceil(TILE * self.cols * m.min(PANEL)));
        let mut chunks = Vec::new();
        let mut first_row = 0;
        for part in &self.parts {
            for first in (0..part.tiles()).step_by(chunk) {
                chunks.push((part, first_row, first..part.tiles().min(first + chunk)));
            }
            first_row += part.rows;
        }
        pool.run(chunks.len() * panels, |item| {
            let (part, first_row, tiles) = &chunks[item / panels];
            let panel = item % panels;
            let residues = x.residues(panel);
            let x = x.panel(panel);
            let most = residues.iter().map(|r| r.rows.len()).max();
            let mut more = vec![[0.0; TILE]; most.unwrap_or(0)];
            let mut scratch = [[0.0; TILE]; PANEL];
            let scratch = &mut scratch[..x.rows];
            for tile in tiles.clone() {
                let lines = part.tile(tile, self.cols);
                (kernel.tile)(part.form, lines, x, scratch);
                for residue in residues {
                    let lines = &lines[residue.block * part.form.lines()..][..part.form.lines()];
                    let more = &mut more[..residue.rows.len()];
                    (kernel.tile)(part.form, lines, residue.panel(), more);
                    for (&row, more) in residue.rows.iter().zip(&*more) {
                        let sums = scratch[usize::from(row)].iter_mut();
                        sums.zip(more).for_each(|(sum, more)| *sum += more);
                    }
                }
                let row = first_row + tile * TILE;
                let valid = TILE.min(part.rows - tile * TILE);
                let output = &output;
                for (i, values) in scratch.iter().enumerate() {
                    // SAFETY: the panel's rows are below `m` and `row + valid <= rows`, so this is
                    // inside `out`, and no other item has the same tile and panel.
                    unsafe {
                        let to = output.0.add((panel * PANEL + i) * self.rows + row);
                        std::ptr::copy_nonoverlapping(values.as_ptr(), to, valid);
                    }
                }
            }
        });
    }
}
