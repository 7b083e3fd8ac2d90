//! Experts beside an MLP (Gemma 4): both look at the stream, each through norms of its own, and a third
//! look at it chooses the experts.

use super::gated::Gated;
use crate::model::{backend::Backend, error::Result, gguf::GgufFile, weights};

pub struct Beside<B: Backend> {
    mlp: Gated<B>,
    mlp_out_norm: B::Vector,
    experts: B::Experts,
    experts_norm: B::Vector,
    experts_out_norm: B::Vector,
    router_norm: B::Vector,
    epsilon: f32,
}

impl<B: Backend> Beside<B> {
    /// Of the block `blk.N`.
    pub fn load(
        b: &B,
        file: &GgufFile,
        block: &str,
        (mlp, experts): (Gated<B>, B::Experts),
        (hidden, epsilon): (usize, f32),
    ) -> Result<Self> {
        let vector = |part: &str| b.load_vector(file, &format!("{block}.{part}.weight"), hidden);
        let router = weights::vector(file, &format!("{block}.ffn_gate_inp.scale"), hidden)?;
        let by = 1.0 / (hidden as f32).sqrt();
        Ok(Beside {
            mlp,
            mlp_out_norm: vector("post_ffw_norm_1")?,
            experts,
            experts_norm: vector("pre_ffw_norm_2")?,
            experts_out_norm: vector("post_ffw_norm_2")?,
            router_norm: b.vector(router.into_iter().map(|x| x * by).collect())?,
            epsilon,
        })
    }

    /// `x` is the stream behind the MLP's norm.
    pub fn forward(&self, b: &B, stream: &B::Rows, x: &B::Rows) -> Result<B::Rows> {
        let normed = |y: &B::Rows, norm: &B::Vector| b.rms_norm(y, norm, self.epsilon);
        let said = normed(&self.mlp.forward(b, x)?, &self.mlp_out_norm)?;
        let by = normed(stream, &self.router_norm)?;
        let experts = b.experts(&self.experts, &normed(stream, &self.experts_norm)?, &by)?;
        b.add(said, normed(&experts, &self.experts_out_norm)?)
    }
}
