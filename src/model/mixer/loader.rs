//! The weights of one layer's mixer, from its file.

use crate::model::{
    backend::{Backend, NumbersOf},
    description::Description,
    error::Result,
    gguf::GgufFile,
    shape::ConvolutionShape,
    weights::{self, Scaled},
};

/// Where a mixer's weights come from.
pub struct Loader<'a, B> {
    pub b: &'a B,
    pub d: &'a Description,
    pub file: &'a GgufFile,
    pub layer: usize,
}

impl<B: Backend> Loader<'_, B> {
    pub fn name(&self, part: &str) -> String {
        format!("blk.{}.{part}", self.layer)
    }

    pub fn has(&self, part: &str) -> bool {
        self.file.has_tensor(&self.name(part))
    }

    pub fn vector(&self, part: &str, len: usize) -> Result<B::Vector> {
        self.b.load_vector(self.file, &self.name(part), len)
    }

    pub fn numbers(&self, part: &str, len: usize) -> Result<NumbersOf<B>> {
        let vector = weights::vector(self.file, &self.name(part), len)?;
        self.b.numbers(vector)
    }

    pub fn linear(&self, parts: &[(&str, usize)], inputs: usize) -> Result<B::Linear> {
        let parts: Vec<_> = parts.iter().map(|(p, n)| (self.name(p), *n)).collect();
        self.b
            .load_linear(self.file, &parts, inputs, Scaled::Product)
    }

    /// A convolution's weights, `[taps, channels]`: the file has `[channels, taps]`.
    pub fn taps(&self, part: &str, c: &ConvolutionShape) -> Result<NumbersOf<B>> {
        let name = self.name(part);
        let (dims, table) = self.file.dequantized(&name)?;
        weights::expect_shape(name, &dims, &[c.channels, c.taps])?;
        let of_tap = |tap: usize| table.iter().skip(tap).step_by(c.taps.max(1)).copied();
        self.b.numbers((0..c.taps).flat_map(of_tap).collect())
    }
}
