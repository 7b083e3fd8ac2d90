//! Rotary position embedding: the angles. Turning is the kernels' and the backends' business.

use super::{error::Result, gguf::GgufFile, shape::Rotary};

/// Inverse frequencies of a layer, `[rotary dimensions / 2]`.
#[derive(Clone, Debug)]
pub struct Rope {
    frequencies: Vec<f32>,
}

/// Cosines and sines of a run of positions, each `[rows, rotary dimensions / 2]`.
#[derive(Clone, Debug)]
pub struct Angles {
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
    pub half: usize,
}

impl Rope {
    /// From the base; `rope_freqs.weight`, where the file has it (llama 3), stretches each
    /// frequency by its own factor.
    pub fn new(rotary: &Rotary, file: &GgufFile) -> Result<Self> {
        let half = rotary.dim / 2;
        let mut frequencies: Vec<f32> = (0..half)
            .map(|i| {
                let exponent = 2.0 * i as f64 / rotary.dim as f64;
                (f64::from(rotary.base).powf(-exponent) / f64::from(rotary.scale)) as f32
            })
            .collect();
        if file.has_tensor("rope_freqs.weight") {
            let (_, factors) = file.dequantized("rope_freqs.weight")?;
            for (f, factor) in frequencies.iter_mut().zip(factors) {
                *f /= factor;
            }
        }
        Ok(Rope { frequencies })
    }

    /// Angles of `rows` positions from `start` on.
    pub fn angles(&self, start: usize, rows: usize) -> Angles {
        let half = self.frequencies.len();
        let mut cos = Vec::with_capacity(rows * half);
        let mut sin = Vec::with_capacity(rows * half);
        for position in start..start + rows {
            for &f in &self.frequencies {
                // The product in f32, as the models were trained and the references computed.
                let angle = f64::from(position as f32 * f);
                cos.push(angle.cos() as f32);
                sin.push(angle.sin() as f32);
            }
        }
        Angles { cos, sin, half }
    }
}

impl Angles {
    /// The angles of `rows` rows from `start` on.
    pub fn rows(&self, start: usize, rows: usize) -> (&[f32], &[f32]) {
        let range = start * self.half..(start + rows) * self.half;
        (&self.cos[range.clone()], &self.sin[range])
    }
}
