//! Who follows an evaluation.

/// Follows the work, and may end it.
pub trait Watch {
    /// Looked at between blocks and tokens.
    fn stopped(&self) -> bool {
        false
    }

    /// `done` of `total` steps of the sample are through.
    fn progress(&mut self, _done: f64) {}
}

/// Nobody watches.
pub struct Unwatched;

impl Watch for Unwatched {}
