//! A cache that was selected from one reading, and what it takes.

use super::error::EvalError;
use super::watch::Watch;
use crate::engine::lane::{Lane, Reader};
use crate::engine::picture::full_bytes;

/// A cache as it was selected.
pub struct Selected {
    pub bytes: u64,
    pub full: u64,
    pub entries: Option<usize>,
}

impl Selected {
    /// Of a lane that has just been cut down.
    pub fn of(lane: &Lane) -> Selected {
        Selected {
            bytes: lane.layers().used_bytes() as u64,
            full: full_bytes(lane.layers()),
            entries: lane.evictor().bound_per_head(),
        }
    }

    /// Where there is nothing, everything is kept.
    pub fn share(&self) -> f64 {
        match self.full {
            0 => 1.0,
            full => self.bytes as f64 / full as f64,
        }
    }
}

/// The lane becomes that of `tokens`, selected from everything: the logits of the next token, `None` when
/// it was stopped.
pub fn select(
    lane: &mut Lane,
    tokens: &[u32],
    watch: &mut dyn Watch,
) -> Result<Option<Vec<f32>>, EvalError> {
    let from = lane.recallable(tokens);
    let read = lane.recall(tokens, from, &mut Following(watch))?;
    Ok(read.map(|read| read.logits))
}

/// A read that can be stopped.
pub struct Following<'w>(pub &'w mut dyn Watch);

impl Reader for Following<'_> {
    fn stopped(&self) -> bool {
        self.0.stopped()
    }
}
