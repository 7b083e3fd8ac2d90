//! Weights on the CPU: packed where they have few bits, else as the file has them.

use std::sync::Arc;

use crate::model::error::Result;
use crate::model::gguf::{GgufFile, TensorType, quants};
use crate::model::kernels::dense::DenseMatrix;
use crate::model::kernels::ops;
use crate::model::kernels::packed::{PackError, PackedMatrix, Precision, Product, products};
use crate::model::kernels::pool::Pool;
use crate::model::weights;

/// A weight matrix with its bias.
pub struct Linear {
    pub weight: Weight,
    /// `[outputs]`, or nothing.
    pub scales: Vec<f32>,
    /// `[outputs]`, or nothing.
    pub bias: Vec<f32>,
}

/// A matrix `[outputs, inputs]`, stacked from as few products as its types allow.
pub struct Weight {
    parts: Vec<Matrix>,
}

enum Matrix {
    /// Low-bit weights times 8-bit or bf16 activations: the mode people use.
    Packed(PackedMatrix),
    /// Numbers as they are stored; in exact mode, and where a shape cannot be packed, all in f32.
    Dense(DenseMatrix),
}

/// The token table.
pub enum Embedding {
    /// The output head is the table.
    Tied,
    /// Its rows are read from the mapped file as they are needed.
    Mapped(Arc<GgufFile>),
}

impl Linear {
    /// `x[m, inputs] · Wᵀ`, scaled and shifted; taking `precision` of the activations.
    pub fn forward(&self, pool: &Pool, x: &[f32], m: usize, precision: Precision) -> Vec<f32> {
        let mut out = self.weight.product(pool, x, m, precision);
        self.finish(pool, &mut out);
        out
    }

    /// Scales and shifts rows of products.
    pub fn finish(&self, pool: &Pool, out: &mut [f32]) {
        ops::by_columns(pool, out, &self.scales, |x, s| x * s);
        ops::by_columns(pool, out, &self.bias, |x, b| x + b);
    }
}

impl Weight {
    /// Stacks the named weights; `exact` rounds nothing.
    pub fn load(
        file: &GgufFile,
        parts: &[(String, usize)],
        inputs: usize,
        exact: bool,
    ) -> Result<Weight> {
        let data = parts.iter().map(|(name, outputs)| {
            let (dtype, _, data) = weight_data(file, name, *outputs, inputs)?;
            Ok((dtype, *outputs, data))
        });
        let weight = Weight::of(&data.collect::<Result<Vec<_>>>()?, inputs, exact)?;
        for (name, _) in parts {
            file.give_back(&format!("{name}.weight"));
        }
        Ok(weight)
    }

    /// Stacks matrices of the same inputs: type, outputs and bytes of each.
    pub fn of(parts: &[(TensorType, usize, &[u8])], inputs: usize, exact: bool) -> Result<Weight> {
        let matrix = |&(dtype, outputs, data): &_| Matrix::of(dtype, outputs, inputs, data, exact);
        Weight::stack(parts.iter().map(matrix).collect::<Result<_>>()?)
    }

    /// Matrices of the same inputs, one over the other.
    fn stack(matrices: Vec<Matrix>) -> Result<Weight> {
        let mut parts: Vec<Matrix> = Vec::new();
        for matrix in matrices {
            let joined = match (parts.pop(), matrix) {
                (Some(Matrix::Packed(a)), Matrix::Packed(b)) => {
                    Matrix::Packed(PackedMatrix::concat([a, b])?)
                }
                (Some(Matrix::Dense(a)), Matrix::Dense(b)) => {
                    Matrix::Dense(DenseMatrix::concat([a, b])?)
                }
                (before, matrix) => {
                    parts.extend(before);
                    matrix
                }
            };
            parts.push(joined);
        }
        Ok(Weight { parts })
    }

    /// `x[m, inputs] · Wᵀ`, `[m, outputs]`; taking `precision` of the activations.
    pub fn product(&self, pool: &Pool, x: &[f32], m: usize, precision: Precision) -> Vec<f32> {
        if let [matrix] = self.parts.as_slice() {
            return matrix.product(pool, x, m, precision);
        }
        let outputs = self.outputs();
        let mut all = vec![0.0; m * outputs];
        let mut first = 0;
        for matrix in &self.parts {
            let width = matrix.outputs();
            let some = matrix.product(pool, x, m, precision);
            for (all, some) in all.chunks_exact_mut(outputs).zip(some.chunks_exact(width)) {
                all[first..first + width].copy_from_slice(some);
            }
            first += width;
        }
        all
    }

    pub fn outputs(&self) -> usize {
        self.parts.iter().map(Matrix::outputs).sum()
    }

    /// Rows of the matrix as a table, `[rows, inputs]`.
    pub fn rows(&self, rows: &[u32]) -> Vec<f32> {
        let inputs = self.parts.first().map_or(0, Matrix::inputs);
        let mut data = vec![0.0; rows.len() * inputs];
        for (out, &row) in data.chunks_exact_mut(inputs.max(1)).zip(rows) {
            let mut row = row as usize;
            for matrix in &self.parts {
                if row < matrix.outputs() {
                    matrix.row(row, out);
                    break;
                }
                row -= matrix.outputs();
            }
        }
        data
    }
}

impl Matrix {
    /// A tensor of two dimensions, or a slice of one with three.
    fn of(
        dtype: TensorType,
        outputs: usize,
        inputs: usize,
        data: &[u8],
        exact: bool,
    ) -> Result<Matrix> {
        if !exact && !dtype.is_plain() {
            match PackedMatrix::from_ggml(dtype, outputs, inputs, data) {
                Ok(matrix) => return Ok(Matrix::Packed(matrix)),
                // Unpacked it would take several times as much.
                Err(error @ PackError::Memory(_)) => return Err(error.into()),
                Err(_) => {}
            }
        }
        let matrix = DenseMatrix::from_ggml(dtype, outputs, inputs, data)?;
        Ok(Matrix::Dense(matrix))
    }

    fn outputs(&self) -> usize {
        match self {
            Matrix::Packed(matrix) => matrix.rows(),
            Matrix::Dense(matrix) => matrix.rows(),
        }
    }

    fn inputs(&self) -> usize {
        match self {
            Matrix::Packed(matrix) => matrix.cols(),
            Matrix::Dense(matrix) => matrix.cols(),
        }
    }

    fn row(&self, row: usize, out: &mut [f32]) {
        match self {
            Matrix::Packed(matrix) => matrix.dequantize_row(row, out),
            Matrix::Dense(matrix) => matrix.dequantize_row(row, out),
        }
    }

    fn product(&self, pool: &Pool, x: &[f32], m: usize, precision: Precision) -> Vec<f32> {
        let mut out = vec![0.0; m * self.outputs()];
        match self {
            Matrix::Packed(matrix) => matrix.matmul_in(precision, pool, x, &mut out),
            Matrix::Dense(matrix) => matrix.matmul(pool, x, &mut out),
        }
        out
    }
}

/// Products of several, each with rows of its own: `x` and what is returned are their rows one behind
/// the other. All threads work on all of them.
pub fn together(
    pool: &Pool,
    linears: &[(&Linear, usize)],
    x: &[f32],
    precision: Precision,
) -> Vec<f32> {
    let sizes = linears.iter().map(|(l, rows)| rows * l.weight.outputs());
    let mut all = vec![0.0; sizes.sum()];
    let rows: usize = linears.iter().map(|(_, rows)| rows).sum();
    let inputs = x.len() / rows.max(1);
    let (mut x, mut out) = (x, &mut all[..]);
    let mut packed = Vec::with_capacity(linears.len());
    for &(linear, rows) in linears {
        let of = x.split_off(..rows * inputs).unwrap_or_default();
        let to = out.split_off_mut(..rows * linear.weight.outputs());
        let to = to.unwrap_or_default();
        match linear.weight.parts.as_slice() {
            [Matrix::Packed(matrix)] => packed.push(Product {
                matrix,
                x: of,
                out: to,
            }),
            _ => to.copy_from_slice(&linear.weight.product(pool, of, rows, precision)),
        }
    }
    products(pool, &mut packed, precision);
    drop(packed);
    let mut out = &mut all[..];
    for &(linear, rows) in linears {
        let to = out.split_off_mut(..rows * linear.weight.outputs());
        linear.finish(pool, to.unwrap_or_default());
    }
    all
}

/// Checks a weight's shape and gives its bytes.
pub fn weight_data<'a>(
    file: &'a GgufFile,
    name: &str,
    outputs: usize,
    inputs: usize,
) -> Result<(TensorType, Vec<usize>, &'a [u8])> {
    let name = format!("{name}.weight");
    let (dtype, dims, data) = file.tensor_data(&name)?;
    weights::expect_matrix(name, &dims, outputs, inputs)?;
    Ok((dtype, dims, data))
}

/// Rows of the token table, dequantised from the mapped file.
pub fn mapped_rows(file: &GgufFile, tokens: &[u32]) -> Result<Vec<f32>> {
    let (dtype, dims, bytes) = file.tensor_data("token_embd.weight")?;
    let row_bytes = bytes.len() / dims[0];
    let picked: Vec<u8> = tokens
        .iter()
        .flat_map(|&id| &bytes[id as usize * row_bytes..][..row_bytes])
        .copied()
        .collect();
    Ok(quants::dequantize(dtype, &picked)?)
}
