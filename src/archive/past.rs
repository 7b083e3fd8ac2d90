//! What an archive has of a conversation.

use std::sync::Arc;

use super::segment::{Damaged, Segment};
use crate::cache::{HeadPages, PAGE};

/// The longest archived beginning of a token sequence.
#[derive(Clone, Default)]
pub struct Past {
    len: usize,
    /// Of each page row of positions, whose and which it is.
    rows: Vec<(Arc<Segment>, usize)>,
}

impl Past {
    pub(super) fn push(&mut self, segment: &Arc<Segment>, row: usize, tokens: usize) {
        self.rows.push((segment.clone(), row));
        self.len += tokens;
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
        self.segments().all(|(segment, _)| segment.is_whole())
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
