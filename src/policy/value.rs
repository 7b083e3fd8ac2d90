//! A policy as a value.

use super::{Allocator, LayerBudget, Needs, Score};

/// What to keep and how to choose it.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub score: &'static dyn Score,
    pub allocator: &'static dyn Allocator,
    pub layers: LayerBudget,
}

impl Policy {
    /// What has to be measured for it, and for the uniform budgets it is held against.
    pub fn needs(&self) -> Needs {
        let judge = self.score.judge().map_or(Needs::NONE, Score::needs);
        self.score.needs().or(judge)
    }
}
