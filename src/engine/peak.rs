//! The most that a cache ever took.

/// Most bytes of the cache's buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peak {
    /// Between evictions.
    pub held: u64,
    /// With the moments at which an evicted layer's old entries and its new ones stand side by
    /// side.
    pub most: u64,
}

impl Peak {
    /// It takes so much now.
    pub(super) fn hold(&mut self, bytes: usize) {
        self.held = self.held.max(bytes as u64);
        self.most = self.most.max(bytes as u64);
    }

    /// The higher of both.
    pub fn max(self, other: Peak) -> Peak {
        Peak {
            held: self.held.max(other.held),
            most: self.most.max(other.most),
        }
    }
}
