//! Weight matrices of plain numbers, kept in memory as the file has them: f32, f16 or bf16, times f32
//! activations, added up in f32.

mod product;
#[cfg(test)]
mod tests;

use half::{bf16, f16};
use std::sync::Arc;

use super::packed::PackError;
use super::pool::Pool;
use super::region::{Line, Lines};
use crate::model::gguf::{TensorType, quants};

/// Weights `[rows (outputs), cols (inputs)]`.
#[derive(Clone, Debug)]
pub struct DenseMatrix {
    rows: usize,
    cols: usize,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    F32,
    F16,
    BF16,
}

/// Rows of one kind.
#[derive(Clone, Debug)]
struct Part {
    kind: Kind,
    rows: usize,
    /// Row after row, each filled up with zeros to whole lines.
    lines: Arc<Lines>,
}

impl Kind {
    fn of(dtype: TensorType) -> Kind {
        match dtype {
            TensorType::F16 => Kind::F16,
            TensorType::BF16 => Kind::BF16,
            _ => Kind::F32,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Kind::F32 => 4,
            Kind::F16 | Kind::BF16 => 2,
        }
    }

    /// Lines of a row.
    fn row_lines(self, cols: usize) -> usize {
        (cols * self.bytes()).div_ceil(size_of::<Line>())
    }

    /// Elements of a row, with the zeros behind it.
    fn stride(self, cols: usize) -> usize {
        self.row_lines(cols) * size_of::<Line>() / self.bytes()
    }
}

/// Bytes that a matrix will take.
pub fn dense_bytes(dtype: TensorType, rows: usize, cols: usize) -> usize {
    rows * Kind::of(dtype).row_lines(cols) * size_of::<Line>()
}

impl DenseMatrix {
    /// A tensor as GGML stores it, row after row; of a type with blocks, its numbers in f32.
    ///
    /// # Errors
    /// When `data` has the wrong length, or there is no memory left.
    pub fn from_ggml(
        dtype: impl Into<TensorType>,
        rows: usize,
        cols: usize,
        data: &[u8],
    ) -> Result<Self, PackError> {
        let dtype = dtype.into();
        let row_bytes = match dtype.bytes(cols) {
            Some(bytes) if cols > 0 => bytes,
            _ => return Err(PackError::Columns(cols, dtype)),
        };
        if rows.checked_mul(row_bytes) != Some(data.len()) {
            return Err(PackError::Size {
                dtype,
                rows,
                cols,
                expected: rows.saturating_mul(row_bytes),
                actual: data.len(),
            });
        }
        let kind = Kind::of(dtype);
        let row_lines = kind.row_lines(cols);
        let mut lines = Lines::zeroed(rows.saturating_mul(row_lines))?;
        for (row, to) in data
            .chunks_exact(row_bytes)
            .zip(lines.chunks_exact_mut(row_lines))
        {
            if dtype.is_plain() {
                fill(to, row);
            } else {
                fill(to, bytemuck::cast_slice(&quants::dequantize(dtype, row)?));
            }
        }
        let lines = Arc::new(lines);
        Ok(DenseMatrix {
            rows,
            cols,
            parts: vec![Part { kind, rows, lines }],
        })
    }

    /// Stacks matrices by rows.
    ///
    /// # Errors
    /// When the numbers of columns differ.
    pub fn concat(matrices: impl IntoIterator<Item = DenseMatrix>) -> Result<Self, PackError> {
        let mut all = DenseMatrix {
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
        let bytes = |part: &Part| size_of_val(&**part.lines);
        self.parts.iter().map(bytes).sum()
    }

    /// Row `row` in f32. `out` is `[cols]`.
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
            let row_lines = part.kind.row_lines(self.cols);
            let lines = &part.lines[row * row_lines..][..row_lines];
            let bytes = lines
                .iter()
                .flat_map(|line| line.0.chunks_exact(part.kind.bytes()));
            for (out, b) in out.iter_mut().zip(bytes) {
                *out = match part.kind {
                    Kind::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
                    Kind::F16 => f16::from_le_bytes([b[0], b[1]]).to_f32(),
                    Kind::BF16 => bf16::from_le_bytes([b[0], b[1]]).to_f32(),
                };
            }
            return;
        }
        panic!("row {row} beyond the {} of the matrix", self.rows);
    }

    /// `out[m, rows] = x[m, cols] · Wᵀ`. A row of `out` is the same whatever other rows there are.
    ///
    /// # Panics
    /// When `x` is not `[m, cols]` or `out` not `[m, rows]`.
    pub fn matmul(&self, pool: &Pool, x: &[f32], out: &mut [f32]) {
        product::product(super::attention::Level::detect(), self, pool, x, out);
    }
}

/// A row's bytes; what is behind them stays.
fn fill(lines: &mut [Line], row: &[u8]) {
    for (line, bytes) in lines.iter_mut().zip(row.chunks(size_of::<Line>())) {
        line.0[..bytes.len()].copy_from_slice(bytes);
    }
}
