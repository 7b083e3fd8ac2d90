//! Draws the next token: penalties and min-p here, the rest in candle's `LogitsProcessor`.

use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling as Strategy};
use candle_transformers::utils::apply_repeat_penalty;

use super::event::Sampling;
use crate::model::error::Result;

pub struct Sampler {
    processor: LogitsProcessor,
    repeat_penalty: f32,
    repeat_last_n: usize,
    min_p: f64,
    temperature: f64,
}

impl Sampler {
    pub fn new(s: &Sampling) -> Self {
        let (temperature, k, p) = (s.temperature, s.top_k, s.top_p);
        let cut_p = p > 0.0 && p < 1.0;
        let strategy = match (temperature > 1e-7, k > 0, cut_p) {
            (false, _, _) => Strategy::ArgMax,
            (true, false, false) => Strategy::All { temperature },
            (true, true, false) => Strategy::TopK { k, temperature },
            (true, false, true) => Strategy::TopP { p, temperature },
            (true, true, true) => Strategy::TopKThenTopP { k, p, temperature },
        };
        Sampler {
            processor: LogitsProcessor::from_sampling(s.seed, strategy),
            repeat_penalty: s.repeat_penalty,
            repeat_last_n: s.repeat_last_n,
            min_p: s.min_p,
            temperature,
        }
    }

    /// The next token after `recent` (newest last), from logits `[vocabulary]`.
    pub fn draw(&mut self, logits: Vec<f32>, recent: &[u32]) -> Result<u32> {
        let count = logits.len();
        let mut logits = Tensor::from_vec(logits, count, &Device::Cpu)?;
        if self.repeat_penalty != 1.0 {
            let recent = &recent[recent.len().saturating_sub(self.repeat_last_n)..];
            logits = apply_repeat_penalty(&logits, self.repeat_penalty, recent)?;
        }
        if self.min_p > 0.0 && self.temperature > 1e-7 {
            let mut values = logits.to_vec1::<f32>()?;
            let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            // p / p_max < min_p, in logits.
            let least = max + (self.min_p.ln() * self.temperature) as f32;
            for v in values.iter_mut().filter(|v| **v < least) {
                *v = f32::NEG_INFINITY;
            }
            logits = Tensor::from_vec(values, count, &Device::Cpu)?;
        }
        Ok(self.processor.sample(&logits)?)
    }
}
