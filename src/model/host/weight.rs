//! Weights on the CPU: packed where they can be, else f32.

use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QTensor, ggml_file::qtensor_from_ggml};
use candle_core::{DType, Device, Tensor};

use crate::model::error::Result;
use crate::model::gguf::GgufFile;
use crate::model::kernels::packed::{PackError, PackedMatrix, Product, products};
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

pub enum Weight {
    /// Low-bit weights times 8-bit activations: the mode people use.
    Packed(PackedMatrix),
    /// `[outputs, inputs]` in f32: the exact mode, and shapes that cannot be packed.
    Dense(Tensor),
}

/// The token table.
pub enum Embedding {
    /// The output head is the table.
    Tied,
    /// Its rows are read from the mapped file as they are needed.
    Mapped(Arc<GgufFile>),
}

impl Linear {
    /// `x[m, inputs] · Wᵀ`, scaled and shifted; `fine` takes all of the activations' precision.
    pub fn forward(&self, pool: &Pool, x: &[f32], m: usize, fine: bool) -> Result<Vec<f32>> {
        let mut out = self.weight.product(pool, x, m, fine)?;
        self.finish(&mut out);
        Ok(out)
    }

    /// Scales and shifts rows of products.
    pub fn finish(&self, out: &mut [f32]) {
        if !self.scales.is_empty() {
            for row in out.chunks_exact_mut(self.scales.len()) {
                row.iter_mut().zip(&self.scales).for_each(|(x, s)| *x *= s);
            }
        }
        if !self.bias.is_empty() {
            for row in out.chunks_exact_mut(self.bias.len()) {
                row.iter_mut().zip(&self.bias).for_each(|(x, b)| *x += b);
            }
        }
    }
}

impl Weight {
    /// Stacks the named weights; `exact` keeps them in f32.
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
        Weight::of(&data.collect::<Result<Vec<_>>>()?, inputs, exact)
    }

    /// Stacks matrices of the same inputs: type, outputs and bytes of each.
    pub fn of(parts: &[(GgmlDType, usize, &[u8])], inputs: usize, exact: bool) -> Result<Weight> {
        if !exact {
            let mut packed = Vec::new();
            for &(dtype, outputs, data) in parts {
                match PackedMatrix::from_ggml(dtype, outputs, inputs, data) {
                    Ok(matrix) => packed.push(matrix),
                    // Unpacked it would take several times as much.
                    Err(error @ PackError::Memory(_)) => return Err(error.into()),
                    Err(_) => break,
                }
            }
            if packed.len() == parts.len() {
                return Ok(Weight::Packed(PackedMatrix::concat(packed)?));
            }
        }
        let mut dense = Vec::new();
        for &(dtype, outputs, data) in parts {
            let dims = vec![outputs, inputs];
            let tensor = qtensor_from_ggml(dtype, data, dims, &Device::Cpu)?;
            dense.push(tensor.dequantize(&Device::Cpu)?.to_dtype(DType::F32)?);
        }
        Ok(Weight::Dense(Tensor::cat(&dense, 0)?))
    }

    /// `x[m, inputs] · Wᵀ`, `[m, outputs]`.
    fn product(&self, pool: &Pool, x: &[f32], m: usize, fine: bool) -> Result<Vec<f32>> {
        match self {
            Weight::Packed(matrix) => {
                let mut out = vec![0.0; m * matrix.rows()];
                match fine {
                    true => matrix.matmul_fine(pool, x, &mut out),
                    false => matrix.matmul(pool, x, &mut out),
                }
                Ok(out)
            }
            Weight::Dense(weight) => {
                let x = Tensor::from_slice(x, (m, x.len() / m.max(1)), &Device::Cpu)?;
                Ok(x.matmul(&weight.t()?)?.flatten_all()?.to_vec1()?)
            }
        }
    }

    fn outputs(&self) -> usize {
        match self {
            Weight::Packed(matrix) => matrix.rows(),
            Weight::Dense(weight) => weight.dims()[0],
        }
    }
}

/// Products of several, each with rows of its own: `x` and what is returned are their rows one behind
/// the other. All threads work on all of them.
pub fn together(
    pool: &Pool,
    linears: &[(&Linear, usize)],
    x: &[f32],
    fine: bool,
) -> Result<Vec<f32>> {
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
        match &linear.weight {
            Weight::Packed(matrix) => packed.push(Product {
                matrix,
                x: of,
                out: to,
            }),
            dense => to.copy_from_slice(&dense.product(pool, of, rows, fine)?),
        }
    }
    products(pool, &mut packed, fine);
    drop(packed);
    let mut out = &mut all[..];
    for &(linear, rows) in linears {
        let to = out.split_off_mut(..rows * linear.weight.outputs());
        linear.finish(to.unwrap_or_default());
    }
    Ok(all)
}

/// Checks a weight's shape and gives its bytes.
pub fn weight_data<'a>(
    file: &'a GgufFile,
    name: &str,
    outputs: usize,
    inputs: usize,
) -> Result<(GgmlDType, Vec<usize>, &'a [u8])> {
    let name = format!("{name}.weight");
    let (dtype, dims, data) = file.tensor_data(&name)?;
    weights::expect_matrix(name, &dims, outputs, inputs)?;
    Ok((dtype, dims, data))
}

/// Rows of the token table, dequantised from the mapped file.
pub fn mapped_rows(file: &GgufFile, tokens: &[u32]) -> Result<Vec<f32>> {
    let (dtype, dims, bytes) = file.tensor_data("token_embd.weight")?;
    let (rows, cols) = (dims[0], dims[1]);
    let row_bytes = bytes.len() / rows;
    let picked: Vec<u8> = tokens
        .iter()
        .flat_map(|&id| &bytes[id as usize * row_bytes..][..row_bytes])
        .copied()
        .collect();
    let storage = candle_core::quantized::QStorage::from_data(picked.into(), &Device::Cpu, dtype)?;
    let table = QTensor::new(storage, (tokens.len(), cols))?;
    let rows = table.dequantize(&Device::Cpu)?.to_dtype(DType::F32)?;
    Ok(rows.flatten_all()?.to_vec1()?)
}
