//! How likely a text is.

use super::{
    backend::Backend,
    decoder::Decoder,
    error::Result,
    stages::{Behind, Unwatched},
};

impl<B: Backend> Decoder<B> {
    /// [`Network::log_likelihoods`](super::Network::log_likelihoods).
    pub(super) fn log_likelihoods(&self, tokens: &[u32]) -> Result<Vec<f64>> {
        if tokens.len() < 2 {
            return Ok(Vec::new());
        }
        let b = &self.backend;
        let cache = self.empty_cache(0)?;
        let behind = Behind {
            position: 0,
            layer: &|l| Ok(cache.layers[l].clone()),
        };
        let Some((_, x)) = self.stage(&behind, tokens, &mut Unwatched, tokens.len())? else {
            return Ok(Vec::new());
        };
        let mut out = Vec::with_capacity(tokens.len());
        // The logits of a block at a time: all of them would be `tokens × vocabulary`.
        let block_rows = b.block_rows(&self.description).max(1);
        for (i, next) in tokens[1..].chunks(block_rows).enumerate() {
            let rows = b.slice(&x, i * block_rows, next.len())?;
            let logits = self.predicted(&rows)?;
            let rows = logits.chunks_exact(self.description.vocabulary);
            out.extend(rows.zip(next).map(|(row, &id)| log_softmax(row, id)));
        }
        Ok(out)
    }
}

/// ln p of `id` under a row of logits; −∞ for a token that is none.
pub fn log_softmax(logits: &[f32], id: u32) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&x| f64::from(x - max).exp()).sum();
    let of = logits.get(id as usize).copied();
    f64::from(of.unwrap_or(f32::NEG_INFINITY) - max) - sum.ln()
}
