//! What an archive has of a conversation.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::segment::{Damaged, Segment};
use crate::cache::{HeadPages, PAGE};

/// The longest archived beginning of a token sequence.
#[derive(Clone, Default)]
pub struct Past {
    len: usize,
    /// Of each page row of positions, whose and which it is.
    rows: Vec<(Arc<Segment>, usize)>,
    /// Positions before which the states of layers without entries are kept: whose, and which it is.
    snapshots: BTreeMap<usize, (Arc<Segment>, usize)>,
}

impl Past {
    pub(super) fn push(&mut self, segment: &Arc<Segment>, row: usize, tokens: usize) {
        self.rows.push((segment.clone(), row));
        self.len += tokens;
    }

    /// What is kept of states in the first `tokens` of `segment`, which begins at `first`.
    pub(super) fn mark(&mut self, segment: &Arc<Segment>, first: usize, tokens: usize) {
        let kept = segment.snapshots.iter().enumerate();
        for (index, at) in kept.filter(|(_, at)| **at <= tokens) {
            let snapshot = (segment.clone(), index);
            self.snapshots.entry(first + at).or_insert(snapshot);
        }
    }

    /// The last position at or before `most` before which all states are kept.
    pub fn snapshot_before(&self, most: usize) -> usize {
        let most = most.min(self.len);
        let last = self.snapshots.range(..=most).next_back();
        last.map_or(0, |(at, _)| *at)
    }

    /// The state of a layer as it was before position `at`, as a layer's only page.
    ///
    /// # Errors
    /// When it is not kept, or its bytes are not what was written.
    pub fn state(&self, layer: usize, at: usize) -> Result<Vec<HeadPages>, Damaged> {
        let (segment, index) = self.snapshots.get(&at).ok_or(Damaged)?;
        let pages = segment.pages(*index, layer)?;
        Ok(vec![pages])
    }

    /// Positions there are.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Only the first `len` positions.
    pub fn cut(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.rows.truncate(self.len.div_ceil(PAGE));
    }

    /// A layer's pages, `[head][page]`.
    ///
    /// # Errors
    /// When a segment's bytes are not what was written.
    pub fn pages(&self, layer: usize) -> Result<Vec<HeadPages>, Damaged> {
        let mut heads: Vec<HeadPages> = Vec::new();
        for (segment, row) in &self.rows {
            let pages = segment.pages(*row, layer)?;
            heads.resize_with(pages.len(), || Vec::with_capacity(self.rows.len()));
            heads
                .iter_mut()
                .zip(pages)
                .for_each(|(to, page)| to.push(page));
        }
        Ok(heads)
    }

    /// Whether everything that was read so far was there.
    pub fn is_whole(&self) -> bool {
        let mut with_states = self.snapshots.values();
        self.segments().all(|(segment, _)| segment.is_whole())
            && with_states.all(|(segment, _)| segment.is_whole())
    }

    /// All of it is about to be read.
    pub fn expect(&self) {
        self.segments().for_each(|(segment, _)| segment.expect());
    }

    /// A layer will not be looked at for a while: its memory goes back to the system.
    pub fn give_back(&self, layer: usize) {
        self.segments()
            .for_each(|(segment, rows)| segment.give_back(rows, layer));
    }

    /// Bytes that the segments take, on the disk or in memory.
    pub fn bytes(&self) -> u64 {
        self.segments()
            .map(|(segment, _)| segment.bytes() as u64)
            .sum()
    }

    /// Those that states would be taken from, none of their page rows.
    pub(super) fn with_states(&self) -> impl Iterator<Item = (&Arc<Segment>, usize)> {
        self.snapshots.values().map(|(segment, _)| (segment, 0))
    }

    /// Each segment once, with how many of its page rows are used.
    pub fn segments(&self) -> impl Iterator<Item = (&Arc<Segment>, usize)> {
        let rows = self.rows.iter().enumerate();
        rows.filter_map(|(i, (segment, row))| {
            let next = self.rows.get(i + 1);
            let last = next.is_none_or(|(next, _)| !Arc::ptr_eq(next, segment));
            last.then_some((segment, row + 1))
        })
    }
}
