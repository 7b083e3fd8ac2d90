//! Weight matrices on a device, in the types that files have them in: a few rows are multiplied as the weights are
//! unpacked, many with the weights as 16-bit numbers, a piece at a time.

use std::sync::Arc;

use candle_core::Result;

use super::rows::{Rows, Waits};
use crate::gpu::driver::{Kernel, MatMul, Variant};
use crate::gpu::{Buffer, Element, Gpu, Grid, args};
use crate::model::error;
use crate::model::gguf::{GgufFile, TensorType, quants};
use crate::model::weights::{self, Scaled};

/// Rows that are multiplied as the weights are unpacked.
const FEW: usize = 8;
/// Bytes of unpacked weights at once.
pub(super) const PIECE: usize = 64 << 20;

/// How weights are kept and multiplied.
#[derive(Clone, Copy, Debug)]
pub struct Precision {
    /// All in f32.
    pub exact: bool,
    /// Activations stay within f16's range.
    pub half: bool,
}

/// A weight matrix `[outputs, inputs]`, stacked, with what stands behind its product.
pub struct Linear(Arc<Weights>);

pub(super) struct Weights {
    pub gpu: Arc<Gpu>,
    pub parts: Vec<Part>,
    pub scales: Option<Buffer>,
    pub bias: Option<Buffer>,
    pub inputs: usize,
    pub outputs: usize,
    precision: Precision,
}

/// Rows of one type.
pub(super) struct Part {
    data: Buffer,
    pub format: TensorType,
    pub outputs: usize,
    pub row_bytes: usize,
}

impl Linear {
    pub fn load(
        gpu: &Arc<Gpu>,
        file: &GgufFile,
        names: &[(String, usize)],
        inputs: usize,
        scaled: Scaled,
        precision: Precision,
    ) -> error::Result<Self> {
        let matrices = weights::matrices(file, names, inputs)?;
        let behind = weights::behind(file, names, scaled)?;
        let upload = |row: Option<Vec<f32>>| row.map(|row| gpu.upload(&row)).transpose();
        let weights = Weights {
            scales: upload(behind.scales)?,
            bias: upload(behind.bias)?,
            ..Weights::of(gpu, &matrices, inputs, precision)?
        };
        Ok(Linear(Arc::new(weights)))
    }

    /// Of matrices, one below the other: types, outputs and bytes.
    pub fn of(
        gpu: &Arc<Gpu>,
        matrices: &[(TensorType, usize, &[u8])],
        inputs: usize,
        precision: Precision,
    ) -> Result<Self> {
        let weights = Weights::of(gpu, matrices, inputs, precision)?;
        Ok(Linear(Arc::new(weights)))
    }

    /// The parts as kernels are told of them.
    pub fn stack(&self) -> args::Stack {
        self.0.stack()
    }

    pub fn inputs(&self) -> usize {
        self.0.inputs
    }

    pub fn outputs(&self) -> usize {
        self.0.outputs
    }

    pub fn forward(&self, x: &Rows) -> Result<Rows> {
        let weights = &self.0;
        if x.rows <= FEW && weights.parts.len() <= 3 {
            let waits = Waits::Product {
                x: x.clone(),
                weights: weights.clone(),
            };
            return Ok(Rows::waiting(&weights.gpu, waits, x.rows, weights.outputs));
        }
        let out = Rows::new(&weights.gpu, x.rows, weights.outputs)?;
        weights.many(x, &out)?;
        Ok(out)
    }
}

impl Weights {
    /// Of matrices with the same inputs.
    fn of(
        gpu: &Arc<Gpu>,
        matrices: &[(TensorType, usize, &[u8])],
        inputs: usize,
        precision: Precision,
    ) -> Result<Self> {
        if !inputs.is_multiple_of(16) {
            candle_core::bail!(
                "the GPU's kernels take {inputs} inputs only in sixteens; use --device cpu"
            );
        }
        // Neighbours of one type are one part.
        let mut parts: Vec<Part> = Vec::new();
        let mut begin = 0;
        while begin < matrices.len() {
            let kept = |m: &(TensorType, usize, &[u8])| match precision.exact || !is_known(m.0) {
                true => TensorType::F32,
                false => m.0,
            };
            let format = kept(&matrices[begin]);
            let like = matrices[begin..].iter().take_while(|m| kept(m) == format);
            let group = &matrices[begin..begin + like.count()];
            parts.push(Part::upload(gpu, group, format, inputs)?);
            begin += group.len();
        }
        Ok(Weights {
            gpu: gpu.clone(),
            parts,
            scales: None,
            bias: None,
            inputs,
            outputs: matrices.iter().map(|(_, outputs, _)| outputs).sum(),
            precision,
        })
    }

    pub fn stack(&self) -> args::Stack {
        let mut stack = args::Stack {
            data: [0; 3],
            first: [0; 3],
            format: [0; 3],
            row_bytes: [0; 3],
            parts: self.parts.len() as u32,
        };
        let mut first = 0;
        for (p, part) in self.parts.iter().enumerate().take(3) {
            stack.data[p] = part.data.at();
            stack.first[p] = first as u32;
            stack.format[p] = part.format.id();
            stack.row_bytes[p] = part.row_bytes as u32;
            first += part.outputs;
        }
        stack
    }

    fn many(&self, x: &Rows, out: &Rows) -> Result<()> {
        let all_f32 = self.parts.iter().all(|p| p.format == TensorType::F32);
        let element = |format: TensorType| match format {
            TensorType::F32 if all_f32 => Element::F32,
            TensorType::BF16 => Element::BF16,
            _ => Element::F16,
        };
        // Each row over a power of two of its own where f16 is too small for it.
        let f16 = self.parts.iter().any(|p| element(p.format) == Element::F16);
        let by = (f16 && !self.precision.half)
            .then(|| self.gpu.buffer(x.rows * size_of::<f32>()))
            .transpose()?;
        let mut converted: Vec<(Element, Buffer)> = Vec::new();
        let mut first = 0;
        for part in &self.parts {
            let element = element(part.format);
            let from = match (element, converted.iter().find(|(of, _)| *of == element)) {
                (Element::F32, _) => x.at()?,
                (_, Some((_, buffer))) => buffer.at(),
                (_, None) => {
                    let buffer = self.converted(x, element, by.as_ref())?;
                    let at = buffer.at();
                    converted.push((element, buffer));
                    at
                }
            };
            self.product(part, (element, from, x.rows), out, first)?;
            first += part.outputs;
        }
        self.behind(out, by.as_ref())
    }

    fn converted(&self, x: &Rows, to: Element, by: Option<&Buffer>) -> Result<Buffer> {
        let buffer = self.gpu.buffer(x.count() * to.bytes())?;
        let arguments = args::Convert {
            x: x.at()?,
            out: buffer.at(),
            by: by.map_or(0, Buffer::at),
            width: x.width as u32,
            pad: 0,
        };
        let grid = Grid::of([x.rows as u32, 1, 1], 256);
        self.gpu
            .launch(Kernel::Convert, Variant::Of(to), grid, &arguments)?;
        Ok(buffer)
    }

    /// One part's outputs, a piece of its weights at a time where they are unpacked for it.
    fn product(
        &self,
        part: &Part,
        (element, x, rows): (Element, u64, usize),
        out: &Rows,
        first: usize,
    ) -> Result<()> {
        let plain = matches!(
            (part.format, element),
            (TensorType::F32, Element::F32)
                | (TensorType::F16, Element::F16)
                | (TensorType::BF16, Element::BF16)
        );
        let at_once = match plain {
            true => part.outputs,
            false => (PIECE / (self.inputs * element.bytes())).clamp(1, part.outputs.max(1)),
        };
        let scratch = match plain {
            true => None,
            false => Some(self.gpu.buffer(at_once * self.inputs * element.bytes())?),
        };
        for from in (0..part.outputs).step_by(at_once.max(1)) {
            let outputs = at_once.min(part.outputs - from);
            let data = part.data.at() + (from * part.row_bytes) as u64;
            let weight = match &scratch {
                None => data,
                Some(scratch) => {
                    let arguments = args::Dequantise {
                        data,
                        out: scratch.at(),
                        row_bytes: part.row_bytes as u32,
                        inputs: self.inputs as u32,
                        count: outputs as u32,
                        format: part.format.id(),
                    };
                    let grid = Grid::over(outputs * self.inputs / 16);
                    let variant = Variant::Of(element);
                    self.gpu
                        .launch(Kernel::Dequantise, variant, grid, &arguments)?;
                    scratch.at()
                }
            };
            self.gpu.multiply(&MatMul {
                element,
                weight,
                x,
                out: out.at()? + ((first + from) * size_of::<f32>()) as u64,
                rows,
                inputs: self.inputs,
                outputs,
                stride: self.outputs,
            })?;
        }
        Ok(())
    }

    fn behind(&self, out: &Rows, by: Option<&Buffer>) -> Result<()> {
        if by.is_none() && self.scales.is_none() && self.bias.is_none() {
            return Ok(());
        }
        let arguments = args::Behind {
            x: out.at()?,
            by: by.map_or(0, Buffer::at),
            scales: at(&self.scales),
            bias: at(&self.bias),
            width: out.width as u32,
            rows: out.rows as u32,
        };
        self.gpu.launch(
            Kernel::Behind,
            Variant::Only,
            Grid::over(out.count()),
            &arguments,
        )
    }
}

/// Where it is; 0 where there is none.
pub(super) fn at(buffer: &Option<Buffer>) -> u64 {
    buffer.as_ref().map_or(0, Buffer::at)
}

impl Part {
    /// Matrices one below the other, as `format`: their own, or f32.
    fn upload(
        gpu: &Arc<Gpu>,
        matrices: &[(TensorType, usize, &[u8])],
        format: TensorType,
        inputs: usize,
    ) -> Result<Self> {
        let outputs: usize = matrices.iter().map(|(_, outputs, _)| outputs).sum();
        let row_bytes = format.bytes(inputs).unwrap_or(0);
        let data = gpu.buffer(outputs * row_bytes)?;
        let mut at = data.at();
        for &(dtype, outputs, bytes) in matrices {
            match dtype == format {
                true => gpu.write(at, bytes)?,
                false => {
                    let numbers = quants::dequantize(dtype, bytes)?;
                    gpu.write(at, bytemuck::cast_slice(&numbers))?;
                }
            }
            at += (outputs * row_bytes) as u64;
        }
        Ok(Part {
            data,
            format,
            outputs,
            row_bytes,
        })
    }
}

/// Whether the kernels can unpack it.
fn is_known(dtype: TensorType) -> bool {
    !matches!(dtype, TensorType::Q8_1 | TensorType::Q8K)
}
