//! The first half of a block: how its tokens see each other.

mod attention;
mod convolution;
mod delta;
mod loader;

pub use attention::Attention;

use super::{
    backend::{Backend, Place},
    description::Description,
    error::Result,
    gguf::GgufFile,
    shape::Mixer,
};
use crate::cache::LayerState;
use convolution::Convolution;
use delta::Delta;
use loader::Loader;

/// A mixer's weights.
pub enum Mix<B: Backend> {
    Attention(Attention<B>),
    Convolution(Convolution<B>),
    Delta(Delta<B>),
}

impl<B: Backend> Mix<B> {
    /// Of the block `blk.N`.
    pub fn load(b: &B, d: &Description, file: &GgufFile, layer: usize) -> Result<Self> {
        let loader = Loader { b, d, file, layer };
        Ok(match &d.layers[layer].mixer {
            Mixer::Attention(shape) => Mix::Attention(Attention::load(&loader, *shape)?),
            Mixer::Convolution(shape) => Mix::Convolution(Convolution::load(&loader, *shape)?),
            Mixer::Delta(shape) => Mix::Delta(Delta::load(&loader, *shape)?),
        })
    }

    /// Takes the normed rows `x` (`[rows, hidden]`) into the layer and returns what comes of the last
    /// `wanted` of them, before it is added to the stream; `None` where none is wanted.
    pub fn forward(
        &self,
        b: &B,
        x: &B::Rows,
        state: &mut LayerState<B::Layer>,
        place: Place<B::Angles>,
        wanted: usize,
    ) -> Result<Option<B::Rows>> {
        let rows = place.rows;
        match self {
            Mix::Attention(attention) => attention.forward(b, x, state, place, wanted),
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
