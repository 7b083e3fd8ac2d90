//! Weights of a file, checked against what the description expects.

use super::{
    error::{ModelError, Result},
    gguf::GgufFile,
};

/// A vector of the file in f32.
pub fn vector(file: &GgufFile, name: &str, len: usize) -> Result<Vec<f32>> {
    let (dims, vector) = file.dequantized(name)?;
    expect_shape(name.into(), &dims, &[len])?;
    Ok(vector)
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
