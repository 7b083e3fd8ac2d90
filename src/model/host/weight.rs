//! Weights on the CPU: packed where they can be, else f32.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::model::error::Result;
use crate::model::gguf::{GgufFile, quants};
use crate::model::kernels::packed::{PackError, PackedMatrix};
use crate::model::weights;

/// A weight matrix with its bias.
pub struct Linear {
    pub weight: Weight,
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

impl Weight {
    /// Stacks the named weights; `exact` keeps them in f32.
    pub fn load(
        file: &GgufFile,
        parts: &[(String, usize)],
        inputs: usize,
        exact: bool,
    ) -> Result<Weight> {
        if !exact {
            let mut packed = Vec::new();
            for (name, outputs) in parts {
                let (dtype, _, data) = weight_data(file, name, *outputs, inputs)?;
                match PackedMatrix::from_ggml(dtype, *outputs, inputs, data) {
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
        for (name, outputs) in parts {
            weight_data(file, name, *outputs, inputs)?;
            let (dims, numbers) = file.dequantized(&format!("{name}.weight"))?;
            dense.push(Tensor::from_vec(numbers, dims, &Device::Cpu)?);
        }
        Ok(Weight::Dense(Tensor::cat(&dense, 0)?))
    }
}

/// Checks a weight's shape and gives its bytes.
pub fn weight_data<'a>(
    file: &'a GgufFile,
    name: &str,
    outputs: usize,
    inputs: usize,
) -> Result<(crate::model::gguf::TensorType, Vec<usize>, &'a [u8])> {
    let name = format!("{name}.weight");
    let (dtype, dims, data) = file.tensor_data(&name)?;
    weights::expect_shape(name, &dims, &[outputs, inputs])?;
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
