//! A gated MLP.

use crate::model::{backend::Backend, error::Result, shape::Gate};

/// Gate and up, then down.
pub struct Gated<B: Backend> {
    /// gate and up stacked.
    pub gate_up: B::Linear,
    pub down: B::Linear,
    pub gate: Gate,
}

impl<B: Backend> Gated<B> {
    pub fn forward(&self, b: &B, x: &B::Rows) -> Result<B::Rows> {
        let h = b.linear(&self.gate_up, x)?;
        b.linear(&self.down, &b.gated(self.gate, &h)?)
    }
}
