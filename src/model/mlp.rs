//! The second half of a block: one gated MLP, or experts.

use super::{
    backend::Backend, error::Result, gguf::GgufFile, shape::ExpertsShape, weights::Scaled,
};
use beside::Beside;
pub use gated::Gated;

mod beside;
mod gated;

/// What comes of the normed stream before it is added to it.
pub enum Mlp<B: Backend> {
    Dense(Gated<B>),
    Experts {
        routed: B::Experts,
        shared: Option<Shared<B>>,
    },
    Beside(Beside<B>),
}

/// The MLP that all tokens go through beside their experts.
pub struct Shared<B: Backend> {
    mlp: Gated<B>,
    /// Its output is multiplied by σ of this.
    gate: Option<B::Linear>,
}

impl<B: Backend> Mlp<B> {
    /// The experts of the block `blk.N`.
    pub fn experts(
        b: &B,
        file: &GgufFile,
        block: &str,
        e: &ExpertsShape,
        hidden: usize,
    ) -> Result<Self> {
        let shared = e
            .shared
            .map(|width| Shared::load(b, file, block, e, width, hidden));
        Ok(Mlp::Experts {
            routed: b.load_experts(file, block, e, hidden)?,
            shared: shared.transpose()?,
        })
    }

    /// The same with `mlp` beside them.
    pub fn beside(
        b: &B,
        file: &GgufFile,
        block: &str,
        e: &ExpertsShape,
        mlp: Gated<B>,
        (hidden, epsilon): (usize, f32),
    ) -> Result<Self> {
        let experts = b.load_experts(file, block, e, hidden)?;
        let beside = Beside::load(b, file, block, (mlp, experts), (hidden, epsilon))?;
        Ok(Mlp::Beside(beside))
    }

    /// What comes of the stream `stream`, which is `x` behind the norm.
    pub fn forward(&self, b: &B, stream: &B::Rows, x: &B::Rows) -> Result<B::Rows> {
        match self {
            Mlp::Dense(mlp) => mlp.forward(b, x),
            Mlp::Beside(both) => both.forward(b, stream, x),
            Mlp::Experts { routed, shared } => {
                let y = b.experts(routed, x, x)?;
                match shared {
                    Some(shared) => b.add(y, shared.forward(b, x)?),
                    None => Ok(y),
                }
            }
        }
    }
}

impl<B: Backend> Shared<B> {
    fn load(
        b: &B,
        file: &GgufFile,
        block: &str,
        e: &ExpertsShape,
        width: usize,
        hidden: usize,
    ) -> Result<Self> {
        let name = |part: &str| format!("{block}.ffn_{part}_shexp");
        let has = |part: &str| file.has_tensor(&format!("{}.weight", name(part)));
        let linear = |parts: &[(&str, usize)], inputs: usize| {
            let parts: Vec<_> = parts.iter().map(|(p, n)| (name(p), *n)).collect();
            b.load_linear(file, &parts, inputs, Scaled::Sum)
        };
        Ok(Shared {
            mlp: Gated {
                gate_up: match has("gate") {
                    true => linear(&[("gate", width), ("up", width)], hidden)?,
                    false => linear(&[("up", 2 * width)], hidden)?,
                },
                down: linear(&[("down", hidden)], width)?,
                gate: e.gate,
            },
            gate: match has("gate_inp") {
                true => Some(linear(&[("gate_inp", 1)], hidden)?),
                false => None,
            },
        })
    }

    fn forward(&self, b: &B, x: &B::Rows) -> Result<B::Rows> {
        let y = self.mlp.forward(b, x)?;
        match &self.gate {
            Some(gate) => b.opened(y, &b.linear(gate, x)?),
            None => Ok(y),
        }
    }
}
#[cfg(test)]
mod tests;
