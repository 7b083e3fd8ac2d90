//! What a comparison says while it runs.

use super::{Plan, Run};

/// What a comparison says while it runs; `run` counts from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum CompareEvent {
    Started(Box<Plan>),
    Prefill {
        run: usize,
        share: f64,
    },
    /// From the next piece on, the answer differs from the full cache's.
    Diverged {
        run: usize,
    },
    Text {
        run: usize,
        piece: String,
    },
    Decoded {
        run: usize,
        generated: usize,
    },
    /// Feeding the full cache's answer.
    Measuring {
        run: usize,
        share: f64,
    },
    Finished {
        run: usize,
        result: Box<Run>,
    },
    /// All of it is over.
    Ended {
        stopped: bool,
    },
    /// Nothing can be compared. Says what to do next.
    Failed(String),
}
