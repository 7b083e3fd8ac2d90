//! The first half of a block: how its tokens see each other.

mod attention;
mod convolution;
mod delta;
mod loader;
mod run;

pub use attention::Attention;
pub use run::Run;

use super::{
    backend::Backend, description::Description, error::Result, gguf::GgufFile, shape::Mixer,
};
use crate::cache::LayerState;
use convolution::Convolution;
use delta::Delta;
use loader::Loader;

/// A mixer's weights.
pub enum Mix<B: Backend> {
    Attention(Box<Attention<B>>),
    Convolution(Convolution<B>),
    Delta(Delta<B>),
}

impl<B: Backend> Mix<B> {
    /// Of the block `blk.N`.
    pub fn load(b: &B, d: &Description, file: &GgufFile, layer: usize) -> Result<Self> {
        let loader = Loader { b, d, file, layer };
        Ok(match &d.layers[layer].mixer {
            Mixer::Attention(shape) => Mix::Attention(Box::new(Attention::load(&loader, *shape)?)),
            Mixer::Convolution(shape) => Mix::Convolution(Convolution::load(&loader, *shape)?),
            Mixer::Delta(shape) => Mix::Delta(Delta::load(&loader, *shape)?),
        })
    }

    /// Takes the normed rows `x` (`[rows, hidden]`) into the layer and returns what comes of those that
    /// are wanted, before it is added to the stream; `None` where none is wanted.
    pub fn forward(
        &self,
        b: &B,
        x: &B::Rows,
        state: &mut LayerState<B::Layer>,
        run: Run<'_, B>,
    ) -> Result<Option<B::Rows>> {
        let (rows, wanted) = (run.place.rows, run.wanted);
        match self {
            Mix::Attention(attention) => attention.forward(b, x, state, run),
            Mix::Convolution(convolution) => {
                convolution.forward(b, x, &mut state.state, rows, wanted)
            }
            Mix::Delta(delta) => delta.forward(b, x, &mut state.state, rows, wanted),
        }
    }

    pub fn attention(&self) -> Option<&Attention<B>> {
        match self {
            Mix::Attention(attention) => Some(attention),
            Mix::Convolution(_) | Mix::Delta(_) => None,
        }
    }
}
