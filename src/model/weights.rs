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
