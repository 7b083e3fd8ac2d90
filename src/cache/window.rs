//! The observation window: the newest queries of a layer, kept across turns.

use std::collections::VecDeque;

/// The last `w` queries of a layer, oldest first, so that a short follow-up and an eviction
/// during decoding have a full window.
///
/// A row is one position's queries after RoPE of all heads, as the backend keeps them.
#[derive(Clone, Debug)]
pub struct QueryWindow<Q> {
    capacity: usize,
    rows: VecDeque<Q>,
}

impl<Q: Clone> QueryWindow<Q> {
    pub fn new(capacity: usize) -> Self {
        QueryWindow {
            capacity,
            rows: VecDeque::new(),
        }
    }

    pub fn push(&mut self, query: Q) {
        self.rows.push_back(query);
        while self.rows.len() > self.capacity {
            self.rows.pop_front();
        }
    }

    /// From now on the last `capacity` queries; a larger window fills up as queries come.
    pub fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
        let surplus = self.rows.len().saturating_sub(capacity);
        self.rows.drain(..surplus);
    }

    /// How many of the next `rows` queries are worth pushing (the rest would fall out again).
    pub fn wants(&self, rows: usize) -> usize {
        rows.min(self.capacity)
    }

    /// Forgets all queries.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// Forgets the newest query.
    pub fn take_back(&mut self) {
        self.rows.pop_back();
    }

    pub fn rows(&self) -> &VecDeque<Q> {
        &self.rows
    }

    /// The window without all but its last row.
    pub fn last(&self) -> Self {
        QueryWindow {
            capacity: 1,
            rows: self.rows.back().cloned().into_iter().collect(),
        }
    }
}
