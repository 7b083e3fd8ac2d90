//! Weights of a file, checked against what the description expects.

use super::{
    error::{ModelError, Result},
    gguf::{GgufFile, TensorType},
};

/// A vector of the file in f32.
pub fn vector(file: &GgufFile, name: &str, len: usize) -> Result<Vec<f32>> {
    let (dims, vector) = file.dequantized(name)?;
    expect_shape(name.into(), &dims, &[len])?;
    Ok(vector)
}

/// A table `[rows, cols]` of the file in f32, if it has it.
pub fn table(file: &GgufFile, name: &str, rows: usize, cols: usize) -> Result<Option<Vec<f32>>> {
    if !file.has_tensor(name) {
        return Ok(None);
    }
    let (dims, table) = file.dequantized(name)?;
    expect_shape(name.into(), &dims, &[rows, cols])?;
    Ok(Some(table))
}

/// Type, outputs and bytes of each of the named matrices `NAME.weight`, all over the same inputs.
pub fn matrices<'a>(
    file: &'a GgufFile,
    names: &[(String, usize)],
    inputs: usize,
) -> Result<Vec<(TensorType, usize, &'a [u8])>> {
    let matrix = |(name, outputs): &(String, usize)| {
        let name = format!("{name}.weight");
        let (dtype, dims, bytes) = file.tensor_data(&name)?;
        expect_matrix(name, &dims, *outputs, inputs)?;
        Ok((dtype, *outputs, bytes))
    };
    names.iter().map(matrix).collect()
}

/// Type and bytes of matrix `index` of the tensor `NAME.weight`, `[count, outputs, inputs]`.
pub fn matrix_of<'a>(
    file: &'a GgufFile,
    name: &str,
    [count, outputs, inputs]: [usize; 3],
    index: usize,
) -> Result<(TensorType, &'a [u8])> {
    part_of(file, name, &[count, outputs, inputs], count, index)
}

/// The same of a tensor that has the matrices one below the other, `[count × outputs, inputs]`.
pub fn slice_of<'a>(
    file: &'a GgufFile,
    name: &str,
    [count, outputs, inputs]: [usize; 3],
    index: usize,
) -> Result<(TensorType, &'a [u8])> {
    part_of(file, name, &[count * outputs, inputs], count, index)
}

/// Part `index` of `count` equal ones of a tensor of such a shape.
fn part_of<'a>(
    file: &'a GgufFile,
    name: &str,
    shape: &[usize],
    count: usize,
    index: usize,
) -> Result<(TensorType, &'a [u8])> {
    let name = format!("{name}.weight");
    let (dtype, dims, bytes) = file.tensor_data(&name)?;
    expect_shape(name, &dims, shape)?;
    // Rows hold whole blocks, so that matrices begin at bytes.
    let size = bytes.len() / count.max(1);
    let matrix = bytes.get(index * size..(index + 1) * size);
    Ok((dtype, matrix.unwrap_or_default()))
}

/// The stacked biases of the named weights, zeros where one has none; `None` where none has.
fn biases(file: &GgufFile, parts: &[(String, usize)]) -> Result<Option<Vec<f32>>> {
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

/// Whether the outputs of a weight are multiplied by its `NAME.scale`, where the file has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaled {
    No,
    /// Before the bias is added.
    Product,
    /// Together with the bias.
    Sum,
}

/// What stands behind a product, a number per output.
#[derive(Debug, Default)]
pub struct Behind {
    pub scales: Option<Vec<f32>>,
    pub bias: Option<Vec<f32>>,
}

/// Of the stacked weights.
pub fn behind(file: &GgufFile, parts: &[(String, usize)], scaled: Scaled) -> Result<Behind> {
    let mut bias = biases(file, parts)?;
    if scaled == Scaled::No {
        return Ok(Behind { scales: None, bias });
    }
    let scales = scales(file, parts)?;
    if let (Scaled::Sum, Some(scales), Some(bias)) = (scaled, &scales, &mut bias) {
        bias.iter_mut().zip(scales).for_each(|(b, s)| *b *= s);
    }
    Ok(Behind { scales, bias })
}

fn scales(file: &GgufFile, parts: &[(String, usize)]) -> Result<Option<Vec<f32>>> {
    let mut all = Vec::new();
    let mut any = false;
    for (name, outputs) in parts {
        let name = format!("{name}.scale");
        let scale = match file.has_tensor(&name) {
            true => vector(file, &name, 1)?[0],
            false => 1.0,
        };
        any |= scale != 1.0;
        all.resize(all.len() + outputs, scale);
    }
    Ok(any.then_some(all))
}

/// As [`expect_shape`] for a matrix, which a file may hold as a vector where it has one row.
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
