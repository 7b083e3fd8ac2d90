//! Weight matrices on a device.

use candle_core::quantized::{QStorage, QTensor};
use candle_core::{DType, Device, Result, Tensor};

use crate::device::ops;
use crate::model::gguf::{GgufFile, TensorType, quants};
use crate::model::{
    error,
    weights::{self, Scaled},
};

/// A weight matrix, stacked from parts, with its bias.
pub struct Linear {
    /// As few as the parts' types allow: each is a product of its own.
    parts: Vec<Weight>,
    /// `[1, outputs]`
    scales: Option<Tensor>,
    /// `[1, outputs]`
    bias: Option<Tensor>,
    /// Rows are multiplied in this type.
    dtype: DType,
}

enum Weight {
    Quantised(QTensor),
    /// `[outputs, inputs]`
    Dense(Tensor),
}

/// How weights are kept.
#[derive(Clone, Copy, Debug)]
pub struct Precision {
    /// All in f32.
    pub exact: bool,
    /// What rows are multiplied as, and results given as.
    pub rows: DType,
}

impl Linear {
    pub fn load(
        file: &GgufFile,
        names: &[(String, usize)],
        inputs: usize,
        scaled: Scaled,
        device: &Device,
        precision: Precision,
    ) -> error::Result<Linear> {
        let matrices = weights::matrices(file, names, inputs)?;
        let behind = weights::behind(file, names, scaled)?;
        let (scales, bias) = (
            behind.scales.unwrap_or_default(),
            behind.bias.unwrap_or_default(),
        );
        Ok(Linear::of(
            &matrices,
            inputs,
            (&scales, &bias),
            device,
            precision,
        )?)
    }

    /// Of matrices with the same inputs: type, outputs and bytes of each; and scales and biases of
    /// all outputs, or none.
    pub fn of(
        matrices: &[(TensorType, usize, &[u8])],
        inputs: usize,
        (scales, biases): (&[f32], &[f32]),
        device: &Device,
        precision: Precision,
    ) -> Result<Linear> {
        let mut stacks: Vec<(TensorType, usize, Vec<u8>)> = Vec::new();
        for &(dtype, outputs, bytes) in matrices {
            match stacks.last_mut() {
                Some((of, rows, stack)) if *of == dtype => {
                    *rows += outputs;
                    stack.extend_from_slice(bytes);
                }
                _ => stacks.push((dtype, outputs, bytes.to_vec())),
            }
        }
        let parts = stacks.into_iter().map(|(dtype, outputs, bytes)| {
            Weight::load(dtype, (outputs, inputs), &bytes, device, precision.exact)
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let row = |row: &[f32]| {
            let upload = || ops::cast(&ops::upload(row, (1, row.len()), device)?, precision.rows);
            (!row.is_empty()).then(upload).transpose()
        };
        Ok(Linear {
            parts,
            scales: row(scales)?,
            bias: row(biases)?,
            dtype: precision.rows,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = &ops::cast(x, self.dtype)?;
        let outputs = self.parts.iter().map(|part| part.forward(x));
        let y = ops::cat(&outputs.collect::<Result<Vec<_>>>()?, 1)?;
        let y = match &self.scales {
            Some(scales) => ops::mul_repeated(&y, scales)?,
            None => y,
        };
        match &self.bias {
            Some(bias) => ops::add_repeated(&y, bias),
            None => Ok(y),
        }
    }
}

impl Weight {
    fn load(
        dtype: TensorType,
        shape: (usize, usize),
        bytes: &[u8],
        device: &Device,
        exact: bool,
    ) -> Result<Weight> {
        // The CPU has no fast products of other types.
        let half = match (dtype, exact || device.is_cpu()) {
            (TensorType::F16, false) => Some(DType::F16),
            (TensorType::BF16, false) => Some(DType::BF16),
            _ => None,
        };
        if let Some(half) = half {
            let weight = Tensor::from_raw_buffer(bytes, half, &[shape.0, shape.1], device)?;
            return Ok(Weight::Dense(weight));
        }
        if exact || dtype.is_plain() {
            let weight = quants::dequantize(dtype, bytes)?;
            return Ok(Weight::Dense(Tensor::from_vec(weight, shape, device)?));
        }
        let (dtype, bytes) = quants::for_candle(dtype, bytes);
        let storage = QStorage::from_data(bytes, device, dtype)?;
        Ok(Weight::Quantised(QTensor::new(storage, shape)?))
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Weight::Quantised(weight) => ops::quantised(weight, x),
            Weight::Dense(weight) => {
                let y = ops::matmul(&ops::cast(x, weight.dtype())?, &weight.t()?)?;
                ops::cast(&y, x.dtype())
            }
        }
    }
}
