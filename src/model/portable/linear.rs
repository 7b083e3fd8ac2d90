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
        let mut stacks: Vec<(TensorType, usize, Vec<u8>)> = Vec::new();
        for (name, outputs) in names {
            let name = format!("{name}.weight");
            let (dtype, dims, bytes) = file.tensor_data(&name)?;
            weights::expect_shape(name, &dims, &[*outputs, inputs])?;
            match stacks.last_mut() {
                Some((of, rows, stack)) if *of == dtype => {
                    *rows += outputs;
                    stack.extend_from_slice(bytes);
                }
                _ => stacks.push((dtype, *outputs, bytes.to_vec())),
            }
        }
        let parts = stacks.into_iter().map(|(dtype, outputs, bytes)| {
            Weight::load(dtype, (outputs, inputs), &bytes, device, precision.exact)
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let row = |row: Option<Vec<f32>>| {
            let row = row.map(|row| {
                let row = ops::upload(&row, (1, row.len()), device)?;
                ops::cast(&row, precision.rows)
            });
            row.transpose()
        };
        let behind = weights::behind(file, names, scaled)?;
        Ok(Linear {
            parts,
            scales: row(behind.scales)?,
            bias: row(behind.bias)?,
            dtype: precision.rows,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = &ops::cast(x, self.dtype)?;
        let outputs = self.parts.iter().map(|part| part.forward(x));
        let y = ops::cat(&outputs.collect::<Result<Vec<_>>>()?, 1)?;
        let y = match &self.scales {
            Some(scales) => y.broadcast_mul(scales)?,
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
