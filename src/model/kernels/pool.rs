//! Worker threads for the kernels.

/// Worker threads; `run` is the only way in.
pub struct Pool {
    threads: usize,
}

impl Pool {
    /// `threads` counts the calling thread, at least 1.
    pub fn new(threads: usize) -> Self {
        Pool {
            threads: threads.max(1),
        }
    }

    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `f(i)` once for every `i < items`, on any thread, and returns when all are done.
    pub fn run(&self, items: usize, f: impl Fn(usize) + Sync) {
        (0..items).for_each(f);
    }
}
