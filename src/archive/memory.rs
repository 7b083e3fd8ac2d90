//! Segments in host memory: for disks that should not be written to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chain::Name;
use super::segment::Segment;
use crate::human;

/// Segments, the least recently used first.
pub struct Memory {
    segments: Mutex<VecDeque<(Name, Arc<Segment>)>>,
    limit: u64,
    trouble: Mutex<Option<String>>,
}

impl Memory {
    pub fn new(limit: u64) -> Memory {
        let (segments, trouble) = (Mutex::default(), Mutex::default());
        Memory {
            segments,
            limit,
            trouble,
        }
    }

    /// Those that begin behind `start`.
    pub fn behind(&self, start: &Name) -> Vec<Arc<Segment>> {
        let segments = lock(&self.segments);
        let behind = segments.iter().filter(|(name, _)| name == start);
        behind.map(|(_, segment)| segment.clone()).collect()
    }

    /// Adds a segment, unless it is too large by itself; what was not used for longest goes where they
    /// are too many.
    pub fn add(&self, start: Name, segment: Segment) {
        let mut segments = lock(&self.segments);
        let bytes = segment.bytes() as u64;
        if bytes > self.limit {
            let why = format!("{} are more than the archive-limit", human::bytes(bytes));
            lock(&self.trouble).get_or_insert(why);
            return;
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
    }

    /// What was not added since this was asked last.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.trouble).take()
    }

    /// These were used just now; what stands behind goes before what it stands on.
    pub fn touch<'a>(&self, used: impl Iterator<Item = &'a Arc<Segment>>) {
        let mut segments = lock(&self.segments);
        let used: Vec<_> = used.collect();
        for segment in used.into_iter().rev() {
            let at = segments.iter().position(|(_, s)| Arc::ptr_eq(s, segment));
            if let Some(entry) = at.and_then(|at| segments.remove(at)) {
                segments.push_back(entry);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
