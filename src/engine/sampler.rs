//! Draws the next token. What is cut off is cut here: what is left of it, the likeliest tokens first, follows from the
//! largest logits alone, so that a device need not send all of them. Who has something to choose among is candle's.

use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling as Strategy};

use super::event::Sampling;
use super::logits;
use crate::model::error::Result;
use crate::model::logits::{Best, Logits};

/// Below it the likeliest token is taken.
const COLDEST: f64 = 1e-7;

pub struct Sampler {
    processor: LogitsProcessor,
    repeat_penalty: f32,
    repeat_last_n: usize,
    top_k: usize,
    min_p: f64,
    temperature: f64,
}

impl Sampler {
    pub fn new(s: &Sampling) -> Self {
        let (temperature, p) = (s.temperature, s.top_p);
        let strategy = match p > 0.0 && p < 1.0 {
            true => Strategy::TopP { p, temperature },
            false => Strategy::All { temperature },
        };
        Sampler {
            processor: LogitsProcessor::from_sampling(s.seed, strategy),
            repeat_penalty: s.repeat_penalty,
            repeat_last_n: s.repeat_last_n,
            top_k: s.top_k,
            min_p: s.min_p,
            temperature,
        }
    }

    /// The next token after `recent` (newest last).
    pub fn draw(&mut self, logits: Logits, recent: &[u32]) -> Result<u32> {
        let mut seen = recent[recent.len().saturating_sub(self.repeat_last_n)..].to_vec();
        seen.sort_unstable();
        seen.dedup();
        if self.repeat_penalty == 1.0 {
            seen.clear();
        }
        if let Some(best) = logits.best()
            && let Some(kept) = self.kept_of_best(best, &seen)
        {
            return self.choose(&kept);
        }
        let mut row = logits.whole()?;
        for &token in &seen {
            if let Some(logit) = row.get_mut(token as usize) {
                *logit = self.penalised(*logit);
            }
        }
        match self.kept_of_row(&row) {
            Some(kept) => self.choose(&kept),
            None => self.sample(row),
        }
    }

    fn penalised(&self, logit: f32) -> f32 {
        match logit >= 0.0 {
            true => logit / self.repeat_penalty,
            false => logit * self.repeat_penalty,
        }
    }

    fn is_warm(&self) -> bool {
        self.temperature > COLDEST
    }

    /// What is less is cut off: p / p_max < min_p, in logits.
    fn least(&self, max: impl FnOnce() -> f32) -> f32 {
        match self.min_p > 0.0 {
            true => {
                let max = max();
                // The likeliest stays whatever is said.
                (max + (self.min_p.ln() * self.temperature) as f32).min(max)
            }
            false => f32::NEG_INFINITY,
        }
    }

    fn most(&self) -> usize {
        match self.top_k {
            0 => usize::MAX,
            k => k,
        }
    }

    /// What is left of a row, sorted; `None` where nothing is cut off.
    fn kept_of_row(&self, row: &[f32]) -> Option<Vec<(f32, u32)>> {
        if !self.is_warm() {
            let token = logits::argmax(row);
            return Some(vec![(0.0, token)]);
        }
        if self.top_k == 0 && self.min_p <= 0.0 {
            return None;
        }
        let least = self.least(|| row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        Some(logits::top_from(row, self.most(), least))
    }

    /// What would be left of the whole row, as far as the largest say; `seen` is sorted.
    fn kept_of_best(&self, best: &Best, seen: &[u32]) -> Option<Vec<(f32, u32)>> {
        // Others may come up from below.
        if !seen.is_empty() && self.repeat_penalty < 1.0 {
            return None;
        }
        let mut tokens = best.tokens.clone();
        for (logit, token) in &mut tokens {
            if seen.binary_search(token).is_ok() {
                *logit = self.penalised(*logit);
            }
        }
        tokens.sort_by(logits::likelier);
        // All tokens above the floor are here; those at it may not be.
        let known = match best.floor {
            Some(floor) => tokens.partition_point(|(logit, _)| *logit > floor),
            None => tokens.len(),
        };
        let &(max, _) = tokens[..known].first()?;
        if !self.is_warm() {
            tokens.truncate(1);
            return Some(tokens);
        }
        if self.top_k == 0 && self.min_p <= 0.0 {
            return None;
        }
        let least = self.least(|| max);
        let above = tokens[..known].partition_point(|(logit, _)| *logit >= least);
        let most = self.most();
        let all = above >= most || above < known || best.floor.is_none_or(|floor| floor < least);
        tokens.truncate(above.min(most));
        all.then_some(tokens)
    }

    /// One of these, the likeliest first.
    fn choose(&mut self, kept: &[(f32, u32)]) -> Result<u32> {
        let index = match kept {
            [_] => 0,
            _ => self.sample(kept.iter().map(|(logit, _)| *logit).collect())?,
        };
        Ok(kept.get(index as usize).map_or(0, |(_, token)| *token))
    }

    fn sample(&mut self, logits: Vec<f32>) -> Result<u32> {
        let count = logits.len();
        let logits = Tensor::from_vec(logits, count, &Device::Cpu)?;
        Ok(self.processor.sample(&logits)?)
    }
}

#[cfg(test)]
mod tests;
