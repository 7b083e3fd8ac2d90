//! A text that is said again, and a cache that is cut down by it.

use std::sync::Arc;

use super::{Evicted, Lane};
use crate::engine::repetition::{Again, ByRepetition, Listening, Repetition};
use crate::model::error::Result;

impl Lane {
    /// What the entries are worth by the repetition of `parts`; the lane holds all that was said, and stays as
    /// it is. `None` when it was stopped.
    ///
    /// Each part costs its reading behind the whole text, and while it is read the queries of all its tokens in
    /// one layer (4 bytes × query heads × head size each).
    pub fn repeated(
        &self,
        parts: &[Again],
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Repetition>> {
        let mut found = Repetition::new(self.layers());
        for again in parts {
            let mut sequence = self.sequence.fork();
            sequence.resize_window(again.tokens.len());
            let mut listening = Listening {
                again,
                from: self.position(),
                found: &mut found,
                stopped,
            };
            if sequence.prefill(&again.tokens, &mut listening)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    /// Cuts every layer down to the budget, judged by the text's repetition in place of its window.
    pub fn evict_by(&mut self, repetition: &Arc<Repetition>) -> Result<Evicted> {
        let growing = self.evictor.bounded_layers(&*self.sequence);
        self.evict(growing, |round| {
            Box::new(ByRepetition {
                round,
                repetition: repetition.clone(),
            })
        })
    }
}
