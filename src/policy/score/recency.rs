//! StreamingLLM (arXiv 2309.17453): the attention sinks, then the newer the better.

use super::{Observed, Params, Score, Window};

/// Entries at the start of the text that are never evicted (attention sinks).
pub const SINKS: usize = 4;

/// The newer the better, after the sinks.
#[derive(Debug)]
pub struct Recency;

impl Score for Recency {
    fn of(&self, _: &Observed, evictable: usize, _: &Params) -> Vec<f32> {
        let worth = |i| match i {
            0..SINKS => f32::INFINITY,
            _ => i as f32,
        };
        (0..evictable).map(worth).collect()
    }

    /// It asks no attention; beside it stands a SnapKV of the same total.
    fn judge(&self) -> Option<&'static dyn Score> {
        Some(&Window)
    }
}
