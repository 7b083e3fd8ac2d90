//! The observation window: the newest queries of a layer, kept across turns.

use std::collections::VecDeque;

/// The last `w` queries of a layer, oldest first, so that a short follow-up and an eviction
/// during decoding have a full window.
///
/// A row is one position's queries after RoPE of all heads, as the backend keeps them.
#[derive(Clone, Debug)]
pub struct QueryWindow<Q> {
    capacity: usize,
    /// Queries that may be taken back again: so many more are kept until that is settled.
    unsettled: usize,
    rows: VecDeque<Q>,
}

impl<Q: Clone> QueryWindow<Q> {
    pub fn new(capacity: usize) -> Self {
        QueryWindow {
            capacity,
            unsettled: 0,
            rows: VecDeque::new(),
        }
    }

    pub fn push(&mut self, query: Q) {
        self.rows.push_back(query);
        self.cut();
    }

    /// The next `rows` queries push none out until [`QueryWindow::settle`].
    pub fn expect(&mut self, rows: usize) {
        self.unsettled = rows;
    }

    /// Forgets the newest `rejected` queries as if they had never come, and what fell out for the
    /// others.
    pub fn settle(&mut self, rejected: usize) {
        self.rows.truncate(self.rows.len().saturating_sub(rejected));
        self.unsettled = 0;
        self.cut();
    }

    fn cut(&mut self) {
        let most = self.capacity + self.unsettled;
        let surplus = self.rows.len().saturating_sub(most);
        self.rows.drain(..surplus);
    }

    /// From now on the last `capacity` queries; a larger window fills up as queries come.
    pub fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.cut();
    }

    /// How many of the next `rows` queries are worth pushing (the rest would fall out again).
    pub fn wants(&self, rows: usize) -> usize {
        rows.min(self.capacity + self.unsettled)
    }

    /// Forgets all queries.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    pub fn rows(&self) -> &VecDeque<Q> {
        &self.rows
    }

    /// The window without all but its last row.
    pub fn last(&self) -> Self {
        QueryWindow {
            capacity: 1,
            unsettled: 0,
            rows: self.rows.back().cloned().into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rejected_leaves_the_window_as_if_it_had_not_come() {
        for capacity in 0..5 {
            for before in 0..8 {
                for (rows, kept) in [(1, 0), (1, 1), (4, 1), (4, 4), (9, 2), (9, 9)] {
                    let window = |n: usize| {
                        let mut window = QueryWindow::new(capacity);
                        (0..n).for_each(|q| window.push(q));
                        window
                    };
                    let mut found = window(before);
                    found.expect(rows);
                    let wanted = found.wants(rows);
                    let new = before..before + rows;
                    new.skip(rows - wanted).for_each(|q| found.push(q));
                    found.settle(rows - kept);
                    assert_eq!(found.rows, window(before + kept).rows);
                    assert_eq!(found.wants(usize::MAX), capacity);
                }
            }
        }
    }
}
