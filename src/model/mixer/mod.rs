//! The first half of a block: how its tokens see each other.

mod attention;
mod convolution;
mod delta;

pub use attention::Attention;
pub use delta::DeltaGates;

use super::{
    backend::{Backend, Place},
    description::Description,
    error::Result,
    gguf::GgufFile,
    shape::{ConvolutionShape, Mixer},
    weights::{self, Scaled},
};
use crate::cache::{LayerState, Store};
use convolution::Convolution;
use delta::Delta;

/// Part of a layer's state, as a backend keeps it.
pub type NumbersOf<B> = <<B as Backend>::Layer as Store>::Numbers;

/// Rows on their way through a layer.
pub struct Run<'a, B: Backend> {
    pub place: Place<'a, B::Angles>,
    /// How many of them, the last ones, something is to come of.
    pub wanted: usize,
    /// The layer whose entries they see, where theirs has none, and how many of each head lie behind
    /// the last row's own.
    pub source: Option<(&'a B::Layer, usize)>,
}

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

/// Where a mixer's weights come from.
struct Loader<'a, B> {
    b: &'a B,
    d: &'a Description,
    file: &'a GgufFile,
    layer: usize,
}

impl<B: Backend> Loader<'_, B> {
    fn name(&self, part: &str) -> String {
        format!("blk.{}.{part}", self.layer)
    }

    fn has(&self, part: &str) -> bool {
        self.file.has_tensor(&self.name(part))
    }

    fn vector(&self, part: &str, len: usize) -> Result<B::Vector> {
        self.b.load_vector(self.file, &self.name(part), len)
    }

    fn numbers(&self, part: &str, len: usize) -> Result<NumbersOf<B>> {
        let vector = weights::vector(self.file, &self.name(part), len)?;
        self.b.numbers(vector)
    }

    fn linear(&self, parts: &[(&str, usize)], inputs: usize) -> Result<B::Linear> {
        let parts: Vec<_> = parts.iter().map(|(p, n)| (self.name(p), *n)).collect();
        self.b
            .load_linear(self.file, &parts, inputs, Scaled::Product)
    }

    /// A convolution's weights, `[taps, channels]`: the file has `[channels, taps]`.
    fn taps(&self, part: &str, c: &ConvolutionShape) -> Result<NumbersOf<B>> {
        let name = self.name(part);
        let (dims, table) = self.file.dequantized(&name)?;
        weights::expect_shape(name, &dims, &[c.channels, c.taps])?;
        let of_tap = |tap: usize| table.iter().skip(tap).step_by(c.taps.max(1)).copied();
        self.b.numbers((0..c.taps).flat_map(of_tap).collect())
    }
}
