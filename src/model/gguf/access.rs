//! The tensors of an open model.

use candle_core::{Device, quantized::QTensor, quantized::ggml_file::qtensor_from_ggml};

use super::error::{GgufError, Result, damaged};
use super::{GgufFile, quants, tensors::TensorInfo, types::TensorType};

impl GgufFile {
    /// Bytes of all tensors.
    pub fn tensor_bytes(&self) -> u64 {
        self.tensors
            .values()
            .map(|info| info.bytes.len() as u64)
            .sum()
    }

    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub fn has_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Shape and type of a tensor.
    pub fn tensor_info(&self, name: &str) -> Result<&TensorInfo> {
        let missing = || GgufError::NoTensor {
            name: name.to_owned(),
        };
        self.tensors.get(name).ok_or_else(missing)
    }

    /// Type, dimensions (row-major, `[rows, cols]`) and bytes of a tensor, in place; for as long as
    /// nobody changes the file.
    pub fn tensor_data(&self, name: &str) -> Result<(TensorType, Vec<usize>, &[u8])> {
        let info = self.tensor_info(name)?;
        let part = &self.parts[info.part];
        part.check_unchanged()?;
        let bytes = &part.bytes()[info.bytes.clone()];
        Ok((info.dtype, info.shape.dims().to_vec(), bytes))
    }

    /// The tensor was copied: its part of the file leaves memory until it is looked at again.
    pub fn give_back(&self, name: &str) {
        if let Ok(info) = self.tensor_info(name) {
            self.parts[info.part].give_back(info.bytes.clone());
        }
    }

    /// As [`GgufFile::tensor_data`], of `index` in the first dimension: of experts `[experts, rows,
    /// cols]`, one expert's matrix.
    ///
    /// # Errors
    /// Where there is no such tensor or slice.
    pub fn tensor_slice(
        &self,
        name: &str,
        index: usize,
    ) -> Result<(TensorType, Vec<usize>, &[u8])> {
        let (dtype, dims, bytes) = self.tensor_data(name)?;
        let slices = dims.first().copied().unwrap_or(0);
        if dims.len() < 2 || index >= slices {
            return damaged(format!(
                "the tensor {} has the dimensions {dims:?}, and its slice {index} is needed",
                name.escape_debug()
            ));
        }
        let size = bytes.len() / slices;
        Ok((dtype, dims[1..].to_vec(), &bytes[index * size..][..size]))
    }

    /// A tensor's dimensions and its numbers.
    pub fn dequantized(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let (dtype, dims, bytes) = self.tensor_data(name)?;
        Ok((dims, quants::dequantize(dtype, bytes)?))
    }

    /// A copy of the tensor on a device, in its own quantisation or the nearest that candle has.
    pub fn qtensor(&self, name: &str, device: &Device) -> Result<QTensor> {
        let (dtype, dims, bytes) = self.tensor_data(name)?;
        let (dtype, bytes) = quants::for_candle(dtype, bytes);
        Ok(qtensor_from_ggml(dtype, &bytes, dims, device)?)
    }
}
