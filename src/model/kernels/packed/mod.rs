//! Packed low-bit weight matrices: weights of 4 to 8 bits, or 4-bit places in a table, times int8
//! activations, or as bf16 times bf16.

mod activations;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avxvnni;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod bf16;
mod dispatch;
mod ggml;
mod layout;
mod matmul;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod quantize;
mod residue;
mod scales;
#[cfg(test)]
mod tests;

use crate::model::gguf::TensorType;
use crate::model::kernels::region::Lines;
use crate::model::plain::plain;
pub use dispatch::Kernel;
use dispatch::Tile;
use layout::{BLOCK, Form, TILE};
pub use matmul::{Precision, Product, products};
use std::sync::Arc;

/// Why a tensor cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("{0} columns are not a multiple of 32 (or of the blocks of {1})")]
    Columns(usize, TensorType),
    #[error("{rows} × {cols} weights of {dtype} take {expected} bytes, there are {actual}")]
    Size {
        dtype: TensorType,
        rows: usize,
        cols: usize,
        expected: usize,
        actual: usize,
    },
    #[error("stacked matrices must have the same number of columns: {0} and {1}")]
    Stack(usize, usize),
    #[error(
        "there is no memory left for the weights ({0}); use a smaller model, or end other programs"
    )]
    Memory(#[from] std::io::Error),
    #[error("{}", plain(.0))]
    Candle(#[from] candle_core::Error),
}

/// Weights `[rows (outputs), cols (inputs)]`, packed for the products of CPUs.
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    rows: usize,
    cols: usize,
    parts: Vec<Part>,
}

/// Bytes that a matrix will take; `None` where it cannot be packed.
pub fn packed_bytes(dtype: TensorType, rows: usize, cols: usize) -> Option<usize> {
    let fits = cols > 0 && cols.is_multiple_of(BLOCK) && cols.is_multiple_of(dtype.block_size());
    let lines = rows.div_ceil(TILE) * ggml::form(dtype).lines(cols / BLOCK);
    fits.then_some(lines * size_of::<crate::model::kernels::region::Line>())
}

/// Rows of one form; a stack of tensors with different dtypes has several.
#[derive(Clone, Debug)]
struct Part {
    form: Form,
    rows: usize,
    /// Whole tiles, the last one filled up with zeros.
    lines: Arc<Lines>,
}

impl PackedMatrix {
    /// Packs a tensor as GGML stores it, row after row.
    ///
    /// # Errors
    /// When `cols` is no multiple of 32 or of the dtype's block, or `data` has the wrong length.
    pub fn from_ggml(
        dtype: impl Into<TensorType>,
        rows: usize,
        cols: usize,
        data: &[u8],
    ) -> Result<Self, PackError> {
        let dtype = dtype.into();
        if cols == 0 || !cols.is_multiple_of(BLOCK) || !cols.is_multiple_of(dtype.block_size()) {
            return Err(PackError::Columns(cols, dtype));
        }
        let row_bytes = cols / dtype.block_size() * dtype.type_size();
        if rows.checked_mul(row_bytes) != Some(data.len()) {
            return Err(PackError::Size {
                dtype,
                rows,
                cols,
                expected: rows.saturating_mul(row_bytes),
                actual: data.len(),
            });
        }
        let form = ggml::form(dtype);
        let tile_lines = form.lines(cols / BLOCK);
        let mut lines = Lines::zeroed(rows.div_ceil(TILE) * tile_lines)?;
        for (row, data) in data.chunks_exact(row_bytes).enumerate() {
            let tile = &mut lines[row / TILE * tile_lines..][..tile_lines];
            ggml::pack_row(dtype, data, row % TILE, tile)?;
        }
        Ok(PackedMatrix {
            rows,
            cols,
            parts: vec![Part {
                form,
                rows,
                lines: Arc::new(lines),
            }],
        })
    }

    /// Stacks matrices by rows (q over k over v), so that one pass over the activations serves all.
    ///
    /// # Errors
    /// When the numbers of columns differ.
    pub fn concat(matrices: impl IntoIterator<Item = PackedMatrix>) -> Result<Self, PackError> {
        let mut all = PackedMatrix {
            rows: 0,
            cols: 0,
            parts: Vec::new(),
        };
        for matrix in matrices {
            if all.parts.is_empty() {
                all.cols = matrix.cols;
            } else if all.cols != matrix.cols {
                return Err(PackError::Stack(all.cols, matrix.cols));
            }
            all.rows += matrix.rows;
            all.parts.extend(matrix.parts);
        }
        Ok(all)
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes the weights take in memory.
    pub fn bytes(&self) -> usize {
        self.parts
            .iter()
            .map(|part| size_of_val(&**part.lines))
            .sum()
    }

    /// Row `row` in f32, for an embedding look-up in a tied output head. `out` is `[cols]`.
    ///
    /// # Panics
    /// When `row` or the length of `out` is out of range.
    pub fn dequantize_row(&self, row: usize, out: &mut [f32]) {
        assert_eq!(out.len(), self.cols, "a row has `cols` weights");
        let mut row = row;
        for part in &self.parts {
            if row >= part.rows {
                row -= part.rows;
                continue;
            }
            portable::row(&part.tile(row / TILE, self.cols), row % TILE, out);
            return;
        }
        panic!("row {row} beyond the {} of the matrix", self.rows);
    }
}

impl Part {
    fn tiles(&self) -> usize {
        self.rows.div_ceil(TILE)
    }

    fn tile(&self, tile: usize, cols: usize) -> Tile<'_> {
        let blocks = cols / BLOCK;
        let lines = self.form.lines(blocks);
        Tile {
            form: self.form,
            lines: &self.lines[tile * lines..][..lines],
            blocks: 0..blocks,
        }
    }
}
