//! Weights of a file, checked against what the description expects.

use candle_core::{DType, Device, quantized::GgmlDType};

use super::{
    error::{ModelError, Result},
    gguf::GgufFile,
};

/// A vector of the file in f32.
pub fn vector(file: &GgufFile, name: &str, len: usize) -> Result<Vec<f32>> {
    let tensor = file.qtensor(name, &Device::Cpu)?;
    expect_shape(name.into(), tensor.shape().dims(), &[len])?;
    Ok(tensor
        .dequantize(&Device::Cpu)?
        .to_dtype(DType::F32)?
        .to_vec1()?)
}

/// A table `[rows, cols]` of the file in f32, if it has it.
pub fn table(file: &GgufFile, name: &str, rows: usize, cols: usize) -> Result<Option<Vec<f32>>> {
    if !file.has_tensor(name) {
        return Ok(None);
    }
    let tensor = file.qtensor(name, &Device::Cpu)?;
    expect_shape(name.into(), tensor.shape().dims(), &[rows, cols])?;
    let table = tensor.dequantize(&Device::Cpu)?.to_dtype(DType::F32)?;
    Ok(Some(table.flatten_all()?.to_vec1()?))
}

/// Type and bytes of matrix `index` of the tensor `NAME.weight`, `[count, outputs, inputs]`.
pub fn matrix_of<'a>(
    file: &'a GgufFile,
    name: &str,
    [count, outputs, inputs]: [usize; 3],
    index: usize,
) -> Result<(GgmlDType, &'a [u8])> {
    let name = format!("{name}.weight");
    let (dtype, dims, bytes) = file.tensor_data(&name)?;
    expect_shape(name, &dims, &[count, outputs, inputs])?;
    // Rows hold whole blocks, so that matrices begin at bytes.
    let size = bytes.len() / count.max(1);
    let matrix = bytes.get(index * size..(index + 1) * size);
    Ok((dtype, matrix.unwrap_or_default()))
}

/// The stacked biases of the named weights, zeros where one has none; `None` where none has.
pub fn biases(file: &GgufFile, parts: &[(String, usize)]) -> Result<Option<Vec<f32>>> {
    let mut all = Vec::new();
    let mut any = false;
    for (name, outputs) in parts {
        let name = format!("{name}.bias");
        if file.has_tensor(&name) {
            all.extend(vector(file, &name, *outputs)?);
            any = true;
        } else {
            all.resize(all.len() + outputs, 0.0);
        }
    }
    Ok(any.then_some(all))
}

/// The same for a matrix, which a file may hold as a vector where it has one row.
pub fn expect_matrix(name: String, dims: &[usize], outputs: usize, inputs: usize) -> Result<()> {
    match outputs == 1 && dims == [inputs] {
        true => Ok(()),
        false => expect_shape(name, dims, &[outputs, inputs]),
    }
}

pub fn expect_shape(name: String, actual: &[usize], expected: &[usize]) -> Result<()> {
    if actual == expected {
        return Ok(());
    }
    Err(ModelError::Shape {
        name,
        expected: expected.to_vec(),
        actual: actual.to_vec(),
    })
}
