//! LFM2's short convolution between two gates.

use super::loader::Loader;
use crate::cache::State;
use crate::model::{
    backend::{Backend, NumbersOf},
    error::Result,
    shape::ConvolutionShape,
};

/// Of `[b | c | x]` each token gives, `c · convolution(b · x)`.
pub struct Convolution<B: Backend> {
    shape: ConvolutionShape,
    into: B::Linear,
    weight: NumbersOf<B>,
    out: B::Linear,
}

impl<B: Backend> Convolution<B> {
    pub(super) fn load(from: &Loader<B>, shape: ConvolutionShape) -> Result<Self> {
        let (hidden, channels) = (from.d.hidden, shape.channels);
        Ok(Convolution {
            into: from.linear(&[("shortconv.in_proj", 3 * channels)], hidden)?,
            weight: from.taps("shortconv.conv.weight", &shape)?,
            out: from.linear(&[("shortconv.out_proj", hidden)], channels)?,
            shape,
        })
    }

    pub(super) fn forward(
        &self,
        b: &B,
        x: &B::Rows,
        state: &mut State<NumbersOf<B>>,
        rows: usize,
        wanted: usize,
    ) -> Result<Option<B::Rows>> {
        let n = self.shape.channels;
        let all = b.linear(&self.into, x)?;
        let part = |i: usize| b.columns(&all, 3 * n, i * n, n);
        let x = b.times(part(0)?, &part(2)?)?;
        let (now, mut spare) = state.parts();
        let spare = spare.pop().flatten();
        let (y, next) = b.convolve(&self.shape, &x, &self.weight, false, &now[0], spare)?;
        state.advance(vec![next], rows);
        if wanted == 0 {
            return Ok(None);
        }
        let gate = b.last(part(1)?, wanted)?;
        let y = b.times(b.last(y, wanted)?, &gate)?;
        Ok(Some(b.linear(&self.out, &y)?))
    }
}
