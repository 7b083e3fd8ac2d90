//! Segments in host memory: for disks that should not be written to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chain::Name;
use super::segment::Segment;

/// Segments, the least recently used first.
pub struct Memory {
    segments: Mutex<VecDeque<(Name, Arc<Segment>)>>,
    limit: u64,
}

impl Memory {
    pub fn new(limit: u64) -> Memory {
        let segments = Mutex::default();
        Memory { segments, limit }
    }

    /// Those that begin behind `start`.
    pub fn behind(&self, start: &Name) -> Vec<Arc<Segment>> {
        let segments = self.lock();
        let behind = segments.iter().filter(|(name, _)| name == start);
        behind.map(|(_, segment)| segment.clone()).collect()
    }

    /// Adds a segment; what was not used for longest goes where they are too many. False where it is
    /// too large by itself.
    pub fn add(&self, start: Name, segment: Segment) -> bool {
        let mut segments = self.lock();
        let bytes = segment.bytes() as u64;
        if bytes > self.limit {
            return false;
        }
        // States that a shorter one keeps are not in the longer one.
        let covers = |old: &Segment| old.snapshots.is_empty() && segment.ids.starts_with(&old.ids);
        segments.retain(|(name, old)| *name != start || !covers(old));
        let mut held: u64 = segments.iter().map(|(_, s)| s.bytes() as u64).sum();
        while held + bytes > self.limit
            && let Some((_, old)) = segments.pop_front()
        {
            held -= old.bytes() as u64;
        }
        segments.push_back((start, Arc::new(segment)));
        true
    }

    /// These were used just now; what stands behind goes before what it stands on.
    pub fn touch<'a>(&self, used: impl Iterator<Item = &'a Arc<Segment>>) {
        let mut segments = self.lock();
        let used: Vec<_> = used.collect();
        for segment in used.into_iter().rev() {
            let at = segments.iter().position(|(_, s)| Arc::ptr_eq(s, segment));
            if let Some(entry) = at.and_then(|at| segments.remove(at)) {
                segments.push_back(entry);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Name, Arc<Segment>)>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
