//! The product: which tiles meet which activation rows, on which thread.

use super::{PackedMatrix, activations::Activations, layout::TILE, portable};
use crate::model::kernels::pool::Pool;

/// Activation rows per kernel call.
const ROWS: usize = 64;
/// Multiply-adds per item of the pool, at least: some 10 µs.
const ITEM_MACS: usize = 1 << 18;

/// Where threads write disjoint elements of the output.
struct Output(*mut f32);

// SAFETY: every item writes its own (activation rows × weight rows) rectangle.
unsafe impl Sync for Output {}

impl PackedMatrix {
    /// `out[m, rows] = x[m, cols] · Wᵀ`, the activations quantised to int8 per 32 columns.
    ///
    /// # Panics
    /// When `x` is not `[m, cols]` or `out` not `[m, rows]`.
    pub fn matmul(&self, pool: &Pool, x: &[f32], out: &mut [f32]) {
        if self.rows == 0 || x.is_empty() {
            return;
        }
        assert!(x.len().is_multiple_of(self.cols), "x must be [m, cols]");
        let m = x.len() / self.cols;
        assert_eq!(out.len(), m * self.rows, "out must be [m, rows]");
        let x = Activations::quantize(pool, x, self.cols);
        let output = Output(out.as_mut_ptr());

        // Items: for each part, chunks of tiles times chunks of activation rows.
        let row_chunks = m.div_ceil(ROWS);
        let tile_macs = TILE * self.cols * m.min(ROWS);
        let chunk = ITEM_MACS.div_ceil(tile_macs);
        let tile_chunks: Vec<_> = {
            let mut first_row = 0;
            let mut chunks = Vec::new();
            for part in &self.parts {
                for first in (0..part.tiles()).step_by(chunk) {
                    chunks.push((part, first_row, first..part.tiles().min(first + chunk)));
                }
                first_row += part.rows;
            }
            chunks
        };
        pool.run(tile_chunks.len() * row_chunks, |item| {
            let (part, first_row, tiles) = &tile_chunks[item / row_chunks];
            let first = item % row_chunks * ROWS;
            let mut scratch = [[0.0; TILE]; ROWS];
            let scratch = &mut scratch[..ROWS.min(m - first)];
            for tile in tiles.clone() {
                portable::tile(part.form, part.tile(tile, self.cols), &x, first, scratch);
                let row = first_row + tile * TILE;
                let valid = TILE.min(part.rows - tile * TILE);
                let output = &output;
                for (i, values) in scratch.iter().enumerate() {
                    // SAFETY: `first + i < m` and `row + valid <= rows`, so this is inside `out`,
                    // and no other item has the same tile and activation rows.
                    unsafe {
                        let to = output.0.add((first + i) * self.rows + row);
                        std::ptr::copy_nonoverlapping(values.as_ptr(), to, valid);
                    }
                }
            }
        });
    }
}
