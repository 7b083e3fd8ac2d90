//! What a layer is given beside the rows themselves.

use crate::model::backend::{Backend, Place};

/// Rows on their way through a layer.
pub struct Run<'a, B: Backend> {
    pub place: Place<'a, B::Angles>,
    /// How many of them, the last ones, something is to come of.
    pub wanted: usize,
    /// Each row sees what is there as if it came alone.
    pub one_by_one: bool,
    /// The layer whose entries they see, where theirs has none, and how many of each head lie behind
    /// the last row's own.
    pub source: Option<(&'a B::Layer, usize)>,
}
