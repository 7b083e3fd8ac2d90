//! The entries of one KV head: its own number of them, each with its position.

use super::page::{KvElement, PAGE, Page};

/// One KV head's entries in position order, in pages, so that appending copies nothing.
#[derive(Clone, Debug)]
pub struct Head<T> {
    head_dim: usize,
    positions: Vec<u32>,
    pages: Vec<Page<T>>,
}

impl<T: KvElement> Head<T> {
    pub fn new(head_dim: usize) -> Self {
        Head {
            head_dim,
            positions: Vec::new(),
            pages: Vec::new(),
        }
    }

    /// Entries held.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    pub fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// Original token positions of the entries, ascending.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// Pages of [`PAGE`] entries; the last may be partly used.
    pub fn pages(&self) -> &[Page<T>] {
        &self.pages
    }

    /// Appends one entry; `key` (after RoPE) and `value` are `[head_dim]`.
    pub fn append(&mut self, position: u32, key: &[f32], value: &[f32]) {
        let slot = self.next_slot();
        if let Some(page) = self.pages.last_mut() {
            page.write(slot, key, value);
        }
        self.positions.push(position);
    }

    /// The entries at `indices` (ascending), bit for bit, in a store of its own.
    pub fn gather(&self, indices: &[u32]) -> Self {
        let mut out = Head::new(self.head_dim);
        out.positions.reserve_exact(indices.len());
        for &i in indices {
            let i = i as usize;
            let slot = out.next_slot();
            if let (Some(to), Some(from)) = (out.pages.last_mut(), self.pages.get(i / PAGE)) {
                to.copy_slot(slot, from, i % PAGE, self.head_dim);
            }
            out.positions.push(self.positions[i]);
        }
        out
    }

    /// Drops all entries after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.positions.truncate(len);
        self.pages.truncate(len.div_ceil(PAGE));
    }

    /// Bytes of keys and values in use: entries × 2 × head_dim × element size.
    pub fn used_bytes(&self) -> usize {
        self.len() * 2 * self.head_dim * std::mem::size_of::<T>()
    }

    /// Bytes of the buffers that hold them.
    pub fn allocated_bytes(&self) -> usize {
        self.pages.iter().map(Page::allocated_bytes).sum()
    }

    /// Slot of the next entry in the last page, adding a page when the last is full.
    fn next_slot(&mut self) -> usize {
        let slot = self.len() % PAGE;
        if slot == 0 && self.pages.len() * PAGE == self.len() {
            self.pages.push(Page::new(self.head_dim));
        }
        slot
    }
}
