//! What a prefill begins with, and what happens around it.

use super::{backend::Backend, error::Result};
use crate::cache::LayerState;

/// What stands before a run of tokens: a fork of each layer, with the first `position` entries.
pub struct Behind<'a, B: Backend> {
    pub position: usize,
    pub layer: &'a dyn Fn(usize) -> Result<LayerState<B::Layer>>,
}

/// What happens around a prefill whose layers are staged.
pub trait Stages<B: Backend> {
    /// Looked at between blocks.
    fn stopped(&self) -> bool {
        false
    }

    /// `done` of `total` blocks over all layers are through.
    fn progress(&mut self, _done: usize, _total: usize) {}

    /// A layer has seen the tokens before `position`.
    fn block_done(&mut self, _position: usize, _state: &LayerState<B::Layer>) -> Result<()> {
        Ok(())
    }

    /// Layer `layer` of `staged` has all its entries, and no query of this prefill will see them again.
    fn layer_done(&mut self, _layer: usize, _staged: &mut Vec<LayerState<B::Layer>>) -> Result<()> {
        Ok(())
    }

    /// All of them.
    fn all_done(&mut self, _staged: &mut Vec<LayerState<B::Layer>>) -> Result<()> {
        Ok(())
    }
}

/// A prefill that nobody watches.
pub struct Unwatched;

impl<B: Backend> Stages<B> for Unwatched {}
