//! Time at work: for tests that hold something to a bound while other processes have the processors.

use std::time::{Duration, Instant};

/// What a thread has worked since some moment.
pub struct Work {
    begun: Instant,
    ran: Option<u64>,
}

impl Work {
    /// From now on, of this thread.
    pub fn begin() -> Work {
        Work {
            begun: Instant::now(),
            ran: ran(),
        }
    }

    /// So far; where the system tells without what the thread waited for a processor.
    pub fn done(&self) -> Duration {
        match (self.ran, ran()) {
            (Some(before), Some(now)) => Duration::from_nanos(now.saturating_sub(before)),
            _ => self.begun.elapsed(),
        }
    }
}

/// Nanoseconds that this thread has run, as Linux counts them.
fn ran() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split_whitespace().next()?.parse().ok()
}
