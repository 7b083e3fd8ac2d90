//! Tensors of the tiny models.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Result, Tensor};

use crate::testing::random::Random;

/// Random tensors, in the order in which they were asked for.
pub struct Maker {
    random: Random,
    pub out: Vec<(String, QTensor)>,
}

impl Maker {
    pub fn new(seed: u64) -> Maker {
        Maker {
            random: Random::new(seed),
            out: Vec::new(),
        }
    }

    pub fn put(&mut self, name: String, data: Vec<f32>, shape: &[usize]) -> Result<()> {
        let tensor = Tensor::from_vec(data, shape, &Device::Cpu)?;
        let tensor = QTensor::quantize(&tensor, GgmlDType::F32)?;
        self.out.push((name, tensor));
        Ok(())
    }

    pub fn matrix(&mut self, name: String, rows: usize, cols: usize, gain: f32) -> Result<()> {
        self.tensor(name, &[rows, cols], gain)
    }

    pub fn tensor(&mut self, name: String, shape: &[usize], gain: f32) -> Result<()> {
        let scale = gain / (*shape.last().unwrap_or(&1) as f32).sqrt();
        let data = (0..shape.iter().product()).map(|_| self.random.normal() * scale);
        let data = data.collect();
        self.put(name, data, shape)
    }

    pub fn vector(&mut self, name: String, len: usize, mean: f32) -> Result<()> {
        let data = (0..len).map(|_| mean + 0.1 * self.random.normal());
        let data = data.collect();
        self.put(name, data, &[len])
    }
}
